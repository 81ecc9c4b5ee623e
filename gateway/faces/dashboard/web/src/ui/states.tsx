/**
 * What stands in the place of a document that is not there, or not whole: each state has one look everywhere.
 *
 * A panel that cannot be renewed keeps what it had, greyed, with the time from which it is. An empty list is only said to be empty once it was read.
 */
import type { ComponentChildren, JSX } from 'preact';
import { ProblemError } from '../api/client';
import type { ProblemDocument } from '../api/types';
import type { LiveDocument } from '../live/useLive';
import { liveness } from '../live/bus';
import { me } from '../gateway';
import { currentPath, currentQuery, urlOf } from '../router';
import { FreshnessBadge, LiveAge, TimeMark } from './badges';
import { problemTitle, shell } from './messages';

/** A box that says one thing, and what can be done. */
export function StateBox(props: { kind: string; title: string; children?: ComponentChildren; alert?: boolean }) {
  const { kind, title, children, alert = false } = props;
  return (
    <div class={`state state-${kind}`} data-state={kind} role={alert ? 'alert' : undefined}>
      <p class="state-title">{title}</p>
      {children}
    </div>
  );
}

/** It is on its way; nothing is known yet. */
export function LoadingState() {
  return (
    <div class="state state-loading" data-state="loading" aria-busy="true">
      <p class="state-title">{shell('state.loading')}</p>
    </div>
  );
}

/** It was read, and there is nothing. `children` say what to do. */
export function EmptyState({ title, children }: { title: string; children?: ComponentChildren }) {
  return <StateBox kind="empty" title={title}>{children}</StateBox>;
}

/** There is something, but the filter lets nothing through. */
export function FilteredState({ onClear }: { onClear: () => void }) {
  return (
    <StateBox kind="filtered" title={shell('state.filtered')}>
      <button type="button" onClick={onClear}>{shell('state.clear')}</button>
    </StateBox>
  );
}

/** Some of it is not there, or old: above what is shown. */
export function PartialNote({ children }: { children: ComponentChildren }) {
  return <div class="note note-partial" data-state="partial" role="note">{children}</div>;
}

/** Draws a live document, and every state that it may be in. */
export function LiveView<T>(props: {
  of: LiveDocument<T>;
  /** Whether the document has nothing to show. */
  isEmpty?: (data: T) => boolean;
  /** What then stands there. */
  empty?: () => JSX.Element;
  children: (data: T, atMs: number) => ComponentChildren;
}) {
  const { data, atMs, error } = props.of.state.value;
  if (data === null) return error ? <ErrorState error={error} retry={() => props.of.refresh()} /> : <LoadingState />;
  const isEmpty = props.isEmpty?.(data) ?? false;
  return (
    <div class={error ? 'outdated' : undefined} data-state={error ? 'outdated' : 'shown'}>
      {error instanceof ProblemError && <OutdatedNote problem={error.problem} atMs={atMs} />}
      {isEmpty && props.empty ? props.empty() : props.children(data, atMs)}
    </div>
  );
}

/** Above what the gateway will not renew: why, and from when it is. That it does not answer at all stands above every page, once. */
function OutdatedNote({ problem, atMs }: { problem: ProblemDocument; atMs: number }) {
  return (
    <div class="note note-outdated" role="note">
      <strong>{problemTitle(problem)}</strong> <span>{shell('asOf')} <TimeMark atMs={atMs} /></span>
    </div>
  );
}

/** In small beside a heading: from when a panel is, and whether it renews itself. */
export function AsOf<T>({ of }: { of: LiveDocument<T> }) {
  const { atMs, error, data } = of.state.value;
  if (data === null) return null;
  const isLive = error === null && liveness.value === 'stream';
  return (
    <span class="as-of" data-as-of={atMs}>
      <span class={error ? 'dot off' : 'dot'} aria-hidden="true" />
      {error ? shell('asOf.silent') : isLive ? shell('asOf.live') : shell('asOf.polled')} <TimeMark atMs={atMs} />
    </span>
  );
}

/** Why a document is not there. */
export function ErrorState({ error, retry }: { error: Error; retry?: () => void }) {
  const again = retry && <button type="button" onClick={retry}>{shell('state.again')}</button>;
  if (!(error instanceof ProblemError)) {
    return <StateBox kind="unreachable" title={shell('state.unreachable')} alert><p>{shell('state.unreachable.do')}</p>{again}</StateBox>;
  }
  const { problem, status } = error;
  if (status === 401) return <SignInState />;
  if (status === 403) return <ForbiddenState problem={problem} />;
  if (status === 404) return <MissingState problem={problem} />;
  const kind = error.code === 'not-ready' || error.code === 'engine-stuck' ? 'not-ready' : 'problem';
  return <StateBox kind={kind} title={problemTitle(problem)} alert><ProblemText problem={problem} />{again}</StateBox>;
}

/** What a problem says: its detail as the gateway wrote it, and what it lists. */
export function ProblemText({ problem }: { problem: ProblemDocument }) {
  const services = problem.services ?? [];
  return (
    <>
      {problem.detail && <p class="detail">{problem.detail}</p>}
      {services.length > 0 && (
        <ul class="plain-list">
          {services.map((it) => <li key={`${it.namespaceId}/${it.groupName}/${it.serviceName}`}>{it.namespaceId}/{it.groupName}/{it.serviceName}</li>)}
        </ul>
      )}
    </>
  );
}

function SignInState() {
  const back = currentPath.value + (currentQuery.value.size > 0 ? `?${currentQuery.value.toString()}` : '');
  return (
    <StateBox kind="401" title={shell('state.401')}>
      {me.value && !me.value.nacosLogin ? <p>{shell('state.401.noLogin')}</p> : <p><a class="button" href={urlOf('/sign-in', { back })}>{shell('nav.signIn')}</a></p>}
    </StateBox>
  );
}

function ForbiddenState({ problem }: { problem: ProblemDocument }) {
  const right = problem.missingRight ?? '';
  return (
    <StateBox kind="403" title={shell('state.403', { who: me.value?.identity ?? '' })}>
      {right && <p>{shell('state.403.right', { right })}</p>}
      <p class="detail">{problem.detail}</p>
    </StateBox>
  );
}

function MissingState({ problem }: { problem: ProblemDocument }) {
  const clusters = problem.clusters ?? [];
  return (
    <StateBox kind="404" title={problemTitle(problem)}>
      {clusters.length > 0 && (
        <>
          <p>{shell('state.404.searched')}</p>
          <ul class="plain-list">
            {clusters.map((it) => (
              <li key={it.cluster}>{it.cluster} <FreshnessBadge of={it} /> <LiveAge ageMs={it.ageMs} atMs={Date.now()} /></li>
            ))}
          </ul>
        </>
      )}
      {clusters.length === 0 && problem.detail && <p class="detail">{problem.detail}</p>}
    </StateBox>
  );
}
