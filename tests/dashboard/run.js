// The dashboard in a real Chromium, on `nacos-fed demo`: three regions in one process, with a second replica where a case needs settings that
// the demo has not. One demo and one browser process serve the whole run; each case has a profile of its own, leaves the demo as it found it,
// and fails if the page broke its policy, wrote an error or asked another host.
//
//   NACOS_FED_BIN=target/debug/nacos-fed CHROMIUM=$(target/debug/harness path chromium)/browser npm test
//
// One case alone, by a part of its name:                 npm test -- --only 'undo'
// The pictures of docs/dashboard.md made anew, alone:    npm test -- --pictures
// Pictures of every route, theme and language are left in `out/` (or the folder that DASHBOARD_OUT names).
//
// `cases/` has what is looked at, `src/` with what: `stage.js` what all cases share, `browser.js` pages and what they must not do, `demo.js` and
// `gateway.js` what is looked at, `axe.js` the rules of accessibility, `await.js` how something is waited for.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const options = process.argv.slice(2);
const at = options.indexOf('--only');
const only = at < 0 ? [] : ['--test-name-pattern', options[at + 1]];
const all = fileURLToPath(new URL('src/all.js', import.meta.url));
const env = { ...process.env, DASHBOARD_PICTURES: options.includes('--pictures') ? '1' : '' };
const child = spawn(process.execPath, ['--test-reporter=spec', ...only, all], { stdio: 'inherit', env });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.once('exit', (code) => process.exit(code ?? 1));
