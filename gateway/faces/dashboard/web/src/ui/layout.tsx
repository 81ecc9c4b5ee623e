/** The frame around every page: where to go, what is seen and from where, how it looks, and what is wrong with the gateway as a whole. */
import type { ComponentChildren } from 'preact';
import { ask, ProblemError, UnreachableError } from '../api/client';
import type { ClustersDocument, ReadyDocument } from '../api/types';
import { hasSession, isStranger, me, signOut } from '../gateway';
import { chooseClock, clock, type ClockName } from '../i18n/formats';
import { chooseLanguage, language, type LanguageTag } from '../i18n/language';
import { statusReason } from '../i18n/words';
import { announced } from '../live/announce';
import { useLive } from '../live/useLive';
import { currentPath } from '../router';
import { chooseTheme, theme, type ThemeName } from '../theme';
import { Pill } from './badges';
import { HelpDialog } from './help';
import { isHelpShown } from './keys';
import { shell } from './messages';

const LINKS = [
  ['/', 'nav.fleet'],
  ['/services', 'nav.services'],
  ['/configs', 'nav.configs'],
  ['/drains', 'nav.drains'],
  ['/what-if', 'nav.whatIf'],
  ['/guard', 'nav.guard'],
  ['/timeline', 'nav.timeline'],
  ['/policy', 'nav.policy'],
  ['/about', 'nav.about'],
] as const;

/** The frame, with a page in it. */
export function PageLayout({ children }: { children: ComponentChildren }) {
  return (
    <>
      <a class="skip" href="#content" onClick={skip}>{shell('skip')}</a>
      <header class="top">
        <a class="brand" href="/">{shell('product')}</a>
        <ScopeLine />
        <Preferences />
      </header>
      <nav class="side" aria-label={shell('nav.main')}>
        <ul>{LINKS.map(([path, key]) => <NavLink key={path} path={path} label={shell(key)} />)}</ul>
      </nav>
      <main id="content" tabIndex={-1}>
        <GatewayBanners />
        {children}
      </main>
      <div class="sr-only" aria-live="polite" role="status">{announced.value}</div>
      {isHelpShown.value && <HelpDialog onClose={() => (isHelpShown.value = false)} />}
    </>
  );
}

function skip(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById('content')?.focus();
}

function NavLink({ path, label }: { path: string; label: string }) {
  const at = currentPath.value;
  const isHere = path === '/' ? at === '/' || at.startsWith('/clusters') : at === path || at.startsWith(`${path}/`);
  return <li><a href={path} aria-current={isHere ? 'page' : undefined}>{label}</a></li>;
}

/** Which federation is seen, and from where: a page of another gateway looks the same but for this line. */
function ScopeLine() {
  const known = me.value;
  return (
    <p class="scope" aria-label={shell('scope.label')}>
      {known ? shell('scope.seenFrom', { federation: known.federation, cluster: known.cluster, replica: known.replica }) : shell('scope.unknown')}
      {known?.readOnly && <> <Pill tone="info">{shell('scope.readOnly')}</Pill></>}
    </p>
  );
}

function Preferences() {
  return (
    <div class="prefs">
      <Choice<LanguageTag> label={shell('prefs.language')} value={language.value} onChoose={chooseLanguage} options={[['en', 'English'], ['zh-CN', '中文']]} />
      <Choice<ThemeName>
        label={shell('prefs.theme')} value={theme.value} onChoose={chooseTheme}
        options={[['system', shell('prefs.theme.system')], ['light', shell('prefs.theme.light')], ['dark', shell('prefs.theme.dark')]]}
      />
      <Choice<ClockName>
        label={shell('prefs.clock')} value={clock.value} onChoose={chooseClock}
        options={[['local', shell('prefs.clock.local')], ['utc', shell('prefs.clock.utc')], ['relative', shell('prefs.clock.relative')]]}
      />
      <button type="button" class="small" aria-label={shell('help.open')} onClick={() => (isHelpShown.value = true)}>?</button>
      <AccountPart />
    </div>
  );
}

function Choice<T extends string>(props: { label: string; value: T; options: [T, string][]; onChoose: (value: T) => void }) {
  return (
    <label class="choice">
      <span class="sr-only">{props.label}</span>
      <select value={props.value} title={props.label} onChange={(event) => props.onChoose(event.currentTarget.value as T)}>
        {props.options.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
      </select>
    </label>
  );
}

function AccountPart() {
  const known = me.value;
  if (hasSession.value) {
    return (
      <span class="account">
        <span class="identity">{known?.identity}</span>
        <button type="button" class="small" onClick={() => void signOut()}>{shell('nav.signOut')}</button>
      </span>
    );
  }
  if (known ? known.nacosLogin : isStranger.value) return <a class="button small" href="/sign-in">{shell('nav.signIn')}</a>;
  return known ? <span class="identity">{known.identity}</span> : null;
}

/** After how long a gateway that does not even say whether it is ready counts as away, milliseconds: it answers at once, or is paused. */
const SILENT_MS = 4000;

/** What is wrong with the gateway itself: above every page, because it concerns each of them. */
function GatewayBanners() {
  const ready = useLive<ReadyDocument>({ key: 'readyz', topics: ['gateway'], everyMs: 5000, fetch: (signal) => ask('/readyz', {}, signal, SILENT_MS) });
  const clusters = useLive<ClustersDocument>({ key: 'clusters', topics: ['clusters'], fetch: (signal) => ask('/v1/clusters', {}, signal) });
  const { error } = ready.state.value;
  if (error instanceof UnreachableError) return <Banner kind="unreachable" title={shell('banner.unreachable')} />;
  if (error instanceof ProblemError && error.status === 503) {
    const { reasons = [], reasonCodes = [] } = error.problem;
    const texts = reasons.map((reason, at) => statusReason(reasonCodes[at], reason));
    return <Banner kind="not-ready" title={shell('banner.notReady')} lines={texts} />;
  }
  const isIsolated = clusters.state.value.data?.clusters.some((it) => it.freshness === 'isolated') ?? false;
  return isIsolated ? <Banner kind="isolated" title={shell('banner.isolated')} lines={[shell('banner.isolated.more')]} /> : null;
}

function Banner({ kind, title, lines = [] }: { kind: string; title: string; lines?: string[] }) {
  return (
    <div class={`banner banner-${kind}`} data-banner={kind} role="alert">
      <strong>{title}</strong>
      {lines.map((line) => <p key={line}>{line}</p>)}
    </div>
  );
}
