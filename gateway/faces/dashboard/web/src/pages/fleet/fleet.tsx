/** The fleet: whether any answer is older than its bound, who sees whom, and what a person may have to look at. */
import { useEffect } from 'preact/hooks';
import { ask } from '../../api/client';
import type { ClusterDocument, ClustersDocument, HistoryDocument, LinksDocument } from '../../api/types';
import { formatAge, formatNumber, formatTime } from '../../i18n/formats';
import { freshnessReason, words } from '../../i18n/words';
import { announce } from '../../live/announce';
import { useLive, type LiveDocument } from '../../live/useLive';
import { pathOf } from '../../router';
import { FreshnessBadge, LiveAge, Pill } from '../../ui/badges';
import { PageFrame, PagePanel } from '../../ui/panel';
import { LinePlot, SparkLine } from '../../ui/plots';
import { AsOf, EmptyState, LiveView, LoadingState } from '../../ui/states';
import { DataTable, type TableColumn } from '../../ui/table';
import { useLinks } from './links';
import { LinkMatrix } from './matrix';
import { text } from './messages';
import { FleetTiles } from './tiles';
import { judgeFleet } from './verdict';

/** The page. */
export default function FleetPage() {
  const links = useLinks();
  const clusters = useLive<ClustersDocument>({ key: 'clusters', topics: ['clusters'], everyMs: 2000, fetch: (signal) => ask('/v1/clusters', {}, signal) });
  const history = useLive<HistoryDocument>({ key: 'history', topics: [], everyMs: 10_000, fetch: (signal) => ask('/v1/history', {}, signal) });
  return (
    <PageFrame title={text('title')}>
      <HeadLine live={links} />
      <FleetTiles />
      <PagePanel title={text('matrix')} live={links}>
        <LiveView of={links}>
          {(data) => (
            <>
              {data.observers.length === 1 && <p class="muted">{text('matrix.only')}</p>}
              <LinkMatrix links={data} />
            </>
          )}
        </LiveView>
      </PagePanel>
      <ClustersPanel live={clusters} history={history} />
      <AgesPanel history={history} />
    </PageFrame>
  );
}

/** The answer, as long as there is one: what was true when the gateway fell silent is no answer. */
function HeadLine({ live }: { live: LiveDocument<LinksDocument> }) {
  const { data, error } = live.state.value;
  if (data === null) return error === null ? <LoadingState /> : null; // The matrix says why.
  if (error === null) return <AnsweredLine links={data} live={live} />;
  return (
    <div class="panel headline bad" data-verdict="unsaid">
      <span class="muted">{text('question')}</span>
      <strong>{text('answer.unsaid')}</strong>
      <AsOf of={live} />
    </div>
  );
}

function AnsweredLine({ links, live }: { links: LinksDocument; live: LiveDocument<LinksDocument> }) {
  const verdict = judgeFleet(links);
  const { late, silent } = verdict;
  const answer = late.length === 0 ? text.count('answer.no', verdict.origins) : text.count('answer.yes', late.length, { names: late.join(', ') });
  const silence = silent.length > 0 ? text.count('answer.silent', silent.length, { names: silent.join(', ') }) : '';
  useEffect(() => announce(`${answer} ${silence}`.trim()), [answer, silence]);
  return (
    <div class={`panel headline ${late.length > 0 ? 'bad' : silent.length > 0 ? 'warn' : ''}`} data-verdict={late.length > 0 ? 'late' : silent.length > 0 ? 'silent' : 'live'}>
      <span class="muted">{text('question')}</span>
      <strong>{answer}</strong>
      {silence && <span>{silence}</span>}
      {verdict.oldestMs !== null && <span class="muted">{text('answer.oldest', { age: formatAge(verdict.oldestMs) })}</span>}
      <AsOf of={live} />
    </div>
  );
}

/** Ages over the last hour, from the gateway's own rings; nothing of one that has none. */
function AgesPanel({ history }: { history: LiveDocument<HistoryDocument> }) {
  const { data, atMs } = history.state.value;
  if (data === null || data.toMs === null) return null;
  const points = data.clusters[0]?.ageMs.length ?? 0;
  return (
    <PagePanel title={text('ages')} live={history}>
      <LinePlot
        label={text('ages')} lines={data.clusters.map((it) => ({ name: it.cluster, values: it.ageMs }))}
        topText={(top) => text('ages.top', { age: formatAge(top) })}
        fromText={formatTime(data.toMs - Math.max(0, points - 1) * data.everyMs, atMs)} toText={formatTime(data.toMs, atMs)}
      />
    </PagePanel>
  );
}

function ClustersPanel({ live, history }: { live: LiveDocument<ClustersDocument>; history: LiveDocument<HistoryDocument> }) {
  const rings = new Map((history.state.value.data?.clusters ?? []).map((it) => [it.cluster, it.changes]));
  return (
    <PagePanel title={text('clusters')} live={live}>
      <LiveView of={live} isEmpty={(data) => data.clusters.length === 0} empty={() => <EmptyState title={text('clusters.empty')} />}>
        {(data, atMs) => (
          <DataTable<ClusterDocument>
            hideCaption caption={text('clusters')} columns={columns(atMs, rings)} rows={data.clusters} rowKey={(row) => row.cluster}
            rowClass={(row) => (row.freshness === 'live' ? undefined : 'stale')}
          />
        )}
      </LiveView>
    </PagePanel>
  );
}

function columns(atMs: number, rings: ReadonlyMap<string, readonly (number | null)[]>): TableColumn<ClusterDocument>[] {
  const all: TableColumn<ClusterDocument>[] = [
    {
      key: 'cluster',
      head: words('cluster'),
      isRowHead: true,
      cell: (row) => <><a href={pathOf('clusters', row.cluster)}>{row.cluster}</a> {row.local && <Pill tone="info">{text('clusters.local')}</Pill>}</>,
    },
    { key: 'freshness', head: text('freshness'), cell: (row) => <FreshnessBadge of={row} /> },
    { key: 'age', head: text('age'), isNumber: true, cell: (row) => <LiveAge ageMs={row.ageMs} atMs={atMs} /> },
    { key: 'reason', head: text('reason'), cell: (row) => freshnessReason(row) },
    { key: 'services', head: text('services'), isNumber: true, cell: (row) => formatNumber(row.services) },
    { key: 'instances', head: text('instances'), isNumber: true, cell: (row) => formatNumber(row.instances) },
    { key: 'configs', head: text('configs'), isNumber: true, cell: (row) => formatNumber(row.configs) },
  ];
  if (rings.size > 0) all.push({ key: 'spark', head: text('spark'), cell: (row) => <ChangesSpark cluster={row.cluster} values={rings.get(row.cluster) ?? []} /> });
  return all;
}

function ChangesSpark({ cluster, values }: { cluster: string; values: readonly (number | null)[] }) {
  const n = values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  return <SparkLine values={values} label={text('spark.label', { cluster, n })} />;
}
