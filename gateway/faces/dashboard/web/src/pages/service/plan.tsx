/** Whom a caller calls: priorities, shares, the explanation line by line, and why each endpoint that is left out is. */
import { ask } from '../../api/client';
import type { ServiceName } from '../../api/types';
import { useLive } from '../../live/useLive';
import { currentQuery, pathOf } from '../../router';
import { FreshnessBadge, Pill } from '../../ui/badges';
import { PagePanel } from '../../ui/panel';
import { LiveView } from '../../ui/states';
import { DataTable, type TableColumn } from '../../ui/table';
import { formatNumber, formatPercent } from '../../i18n/formats';
import { words } from '../../i18n/words';
import { planUrl, readCaller } from './caller';
import { CallerPicker } from './picker';
import { ShareBar } from './bars';
import { text } from './messages';
import type { ExplanationDocument, PlannedEndpoint, PriorityDocument } from './types';
import { traceSteps, withoutShare, type WithoutShare } from './whynot';

/** The tab. */
export function PlanTab({ service }: { service: ServiceName }) {
  const caller = readCaller(currentQuery.value);
  const url = planUrl('/v1/explain', service, caller);
  const live = useLive<ExplanationDocument>({
    key: url,
    topics: ['services', 'clusters', 'drains', 'policy', 'excluded'],
    fetch: (signal) => ask(url, {}, signal),
  });
  return (
    <div class="stack">
      <CallerPicker caller={caller} />
      <PagePanel title={text('plan')} live={live}>
        <LiveView of={live}>{(data) => <PlanView of={data} />}</LiveView>
      </PagePanel>
    </div>
  );
}

function PlanView({ of }: { of: ExplanationDocument }) {
  const used = of.endpoints.filter((endpoint) => endpoint.share > 0);
  const { rule, source } = of.policy;
  return (
    <div class="stack">
      {!of.usable && <p role="alert"><Pill tone="bad">{text('unusable')}</Pill></p>}
      <ul>{of.notes.map((note) => <li key={note}>{note}</li>)}</ul>
      <p><span class="muted">{text('policy')}:</span> {rule === null ? text('policy.none', { source }) : text('policy.rule', { rule, source })}</p>
      <PlanDrains of={of} />
      <h3>{text('priorities')}</h3>
      <DataTable caption={text('priorities')} hideCaption columns={priorityColumns()} rows={of.priorities} rowKey={(row) => String(row.priority)} />
      <h3>{text('used')}</h3>
      {used.length === 0 ? <p>{text('used.none')}</p> : <DataTable caption={text('used')} hideCaption columns={endpointColumns()} rows={used} rowKey={(row) => row.endpoint} />}
      <h3>{text('notUsed')}</h3>
      <NotUsed rows={withoutShare(of)} />
      {of.notShown > 0 && <p class="muted">{text.count('notShown', of.notShown)}</p>}
      <h3>{text('trace')}</h3>
      <ol class="trace">
        {traceSteps(of.trace).map(({ step, text: done }) => <li key={`${step} ${done}`}>{step && <span class="step">{step}: </span>}{done}</li>)}
      </ol>
    </div>
  );
}

function PlanDrains({ of: { drains } }: { of: ExplanationDocument }) {
  if (drains.length === 0) return null;
  return (
    <>
      <h3>{text('drains')}</h3>
      <ul class="plain-list">
        {drains.map((drain) => (
          <li key={drain.target}>
            {text('drainOf', { target: drain.target, percent: formatPercent(drain.percent) })}{' '}
            <Pill tone={drain.ruling === 'void' ? 'bad' : 'info'}>{text.maybe(`ruling.${drain.ruling}`) ?? drain.ruling}</Pill>
            {drain.why && <span class="muted"> {drain.why}</span>}
          </li>
        ))}
      </ul>
    </>
  );
}

function priorityColumns(): TableColumn<PriorityDocument>[] {
  return [
    { key: 'priority', head: text('priority'), isRowHead: true, cell: (row) => <>P{row.priority} {row.panic && <Pill tone="bad">{text('panic')}</Pill>}</> },
    { key: 'load', head: text('load'), cell: (row) => <ShareBar share={(row.load + row.degradedLoad) * 10_000} /> },
    { key: 'endpoints', head: text('endpoints'), isNumber: true, cell: (row) => row.total },
    { key: 'of', head: text('health'), cell: ({ healthy, degraded, excluded }) => text('ofThem', { healthy, degraded, excluded }) },
    { key: 'places', head: text('places'), cell: (row) => <PlaceShares of={row} /> },
  ];
}

function PlaceShares({ of: { localities } }: { of: PriorityDocument }) {
  return (
    <ul class="plain-list">
      {localities.map(({ locality, share }) => <li key={locality}><ShareBar share={share} /> <span class="muted">{locality}</span></li>)}
    </ul>
  );
}

function endpointColumns(): TableColumn<PlannedEndpoint>[] {
  return [
    { key: 'endpoint', head: text('address'), isRowHead: true, cell: (row) => <span class="mono">{row.ip.includes(':') ? `[${row.ip}]` : row.ip}:{row.port}</span> },
    { key: 'origin', head: words('origin'), cell: (row) => <a href={pathOf('clusters', row.origin)}>{row.origin}</a> },
    { key: 'priority', head: text('priority'), isNumber: true, cell: (row) => `P${row.priority}` },
    { key: 'share', head: text('share'), cell: (row) => <ShareBar share={row.share} /> },
    { key: 'weight', head: text('weight'), isNumber: true, cell: (row) => formatNumber(row.weight) },
    { key: 'health', head: text('health'), cell: (row) => text.maybe(`health.${row.health}`) ?? row.health },
    { key: 'freshness', head: text('freshness'), cell: (row) => <FreshnessBadge of={{ freshness: row.effectiveFreshness }} /> },
    { key: 'place', head: text('place'), cell: (row) => row.locality },
  ];
}

function NotUsed({ rows }: { rows: WithoutShare[] }) {
  if (rows.length === 0) return <p>{text('notUsed.none')}</p>;
  const columns: TableColumn<WithoutShare>[] = [
    { key: 'endpoint', head: text('address'), isRowHead: true, cell: (row) => <span class="mono">{row.endpoint}</span> },
    { key: 'why', head: text('why'), cell: whyText },
    { key: 'place', head: text('place'), cell: (row) => row.locality },
  ];
  return <DataTable caption={text('notUsed')} hideCaption columns={columns} rows={rows} rowKey={(row) => row.endpoint} />;
}

function whyText({ reason, word, code }: WithoutShare): string {
  if (reason !== null) return text(`why.${reason}`);
  return text.maybe(`leftOut.${code}`, { reason: word ?? '' }) ?? word ?? '';
}
