/** Begins the dashboard. */
import './style.css';
import { render } from 'preact';
import { DashboardApp, loadOthers } from './app';
import { followRefusals, loadMe } from './gateway';
import { beginClock, beginNow } from './i18n/formats';
import { beginLanguage } from './i18n/language';
import { beginLive, onChange } from './live/bus';
import { followAddress } from './router';
import { beginTheme } from './theme';
import { beginKeys } from './ui/keys';

beginTheme();
beginLanguage();
beginClock();
beginNow();
followAddress();
beginKeys();
beginLive();
followRefusals();
void loadMe();
onChange(['gateway'], (sign) => {
  if (sign === 'all') void loadMe(); // Another gateway may answer now, or other rights hold.
});

/** Milliseconds after which the pages that are not shown are loaded: after the first one has asked for what it shows. */
const OTHERS_MS = 3000;
setTimeout(() => void loadOthers(), OTHERS_MS);

const root = document.getElementById('app');
if (root) render(<DashboardApp />, root);
