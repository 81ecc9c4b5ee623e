/** Who asks, what he may do, and which gateway answers. */
import type { MeDocument, RightName } from '../../api/types';
import { may, me, meError } from '../../gateway';
import { liveness } from '../../live/bus';
import { TimeMark } from '../../ui/badges';
import { PageFrame, PagePanel } from '../../ui/panel';
import { ErrorState, LoadingState } from '../../ui/states';
import { OwnStatus } from '../cluster/own';
import { text } from './messages';

const RIGHTS: readonly RightName[] = ['view', 'readContents', 'operate', 'administer'];

/** The page. */
export default function AboutPage() {
  const known = me.value;
  const unknown = meError.value ? <ErrorState error={meError.value} /> : <LoadingState />;
  return (
    <PageFrame title={text('title')}>
      {known ? <div class="grid"><YouPanel of={known} /><GatewayPanel of={known} /></div> : unknown}
      {known && <OwnStatus />}
      <PagePanel title={text('more')}>
        <ul>
          <li><a href="/docs/">{text('docs')}</a></li>
          <li><a href="/openapi.json">{text('openapi')}</a></li>
          <li><a href="/licences.txt">{text('licences')}</a></li>
        </ul>
      </PagePanel>
    </PageFrame>
  );
}

function YouPanel({ of }: { of: MeDocument }) {
  const rights = RIGHTS.filter(may).map((right) => text(`may.${right}`));
  return (
    <PagePanel title={text('you')}>
      <dl class="facts">
        <dt>{text('identity')}</dt><dd class="mono">{of.identity}</dd>
        <dt>{text('roles')}</dt><dd>{of.roles.join(', ') || text('roles.none')}</dd>
        <dt>{text('expires')}</dt><dd>{of.expiresMs == null ? text('expires.never') : <TimeMark atMs={of.expiresMs} />}</dd>
        <dt>{text('may')}</dt><dd>{rights.join('; ') || text('may.nothing')}</dd>
      </dl>
      {of.refused && <p class="note">{text('refused', { why: of.refused })}</p>}
      {of.readOnly && <p class="note">{text('readOnly')}</p>}
      {!of.accounts && <p class="note">{text('noAccounts')}</p>}
    </PagePanel>
  );
}

function GatewayPanel({ of }: { of: MeDocument }) {
  return (
    <PagePanel title={text('gateway')}>
      <dl class="facts">
        <dt>{text('federation')}</dt><dd>{of.federation}</dd>
        <dt>{text('cluster')}</dt><dd>{of.cluster}</dd>
        <dt>{text('replica')}</dt><dd>{of.replica}</dd>
        <dt>{text('version')}</dt><dd>{of.version}</dd>
        <dt>{text('live')}</dt><dd data-liveness={liveness.value}>{text(`live.${liveness.value}`)}</dd>
      </dl>
    </PagePanel>
  );
}
