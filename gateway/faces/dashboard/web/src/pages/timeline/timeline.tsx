/** One stream of all that happened, as far as the gateway remembers, and instances over the last hour. */
import { ask } from '../../api/client';
import type { ChangesDocument, HistoryDocument } from '../../api/types';
import { formatNumber, formatTime, now } from '../../i18n/formats';
import { useLive, type LiveDocument } from '../../live/useLive';
import { currentQuery, setQuery, urlOf } from '../../router';
import { PageFrame, PagePanel } from '../../ui/panel';
import { LinePlot } from '../../ui/plots';
import { EmptyState, FilteredState, LiveView, PartialNote } from '../../ui/states';
import { ChangesPill } from '../../ui/table';
import { ChangesTable, kindName } from './changes';
import { text } from './messages';

const KINDS = ['instance', 'config', 'freshness', 'drain', 'hold', 'policy', 'leader', 'gateway', 'excluded'] as const;
/** Rows of one page. */
const LIMIT = 50;

/** The page. */
export default function TimelinePage() {
  const query = currentQuery.value;
  const kinds = query.getAll('kind');
  const asked = { kind: kinds, cluster: query.get('cluster'), limit: LIMIT, cursor: query.get('cursor') };
  const live = useLive<ChangesDocument>({
    key: urlOf('', asked), topics: ['changes'], hold: newerChanges, fetch: (signal) => ask('/v1/changes', asked, signal),
  });
  const isFiltered = kinds.length > 0 || asked.cluster !== null;
  const clear = () => setQuery({ kind: null, cluster: null, cursor: null });
  return (
    <PageFrame title={text('title')}>
      <InstancesPlot />
      <PagePanel title={text('list')} live={live} actions={<ChangesPill waiting={live.state.value.waiting} onShow={() => live.refresh()} />}>
        <KindFilter chosen={kinds} />
        <LiveView
          of={live} isEmpty={(data) => data.changes.length === 0}
          empty={() => (isFiltered ? <FilteredState onClear={clear} /> : <EmptyState title={text('empty')} />)}
        >
          {(data) => (
            <>
              {data.filtered && <PartialNote>{text('filtered')}</PartialNote>}
              <ChangesTable changes={data.changes} />
              <TimelineEnds of={data} live={live} />
            </>
          )}
        </LiveView>
      </PagePanel>
    </PageFrame>
  );
}

/** How many changes came above those that are shown; none if a process that began anew counts from the beginning. */
export function newerChanges(shown: ChangesDocument, fresh: ChangesDocument): number {
  const newest = shown.changes[0]?.id;
  return newest === undefined ? 0 : fresh.changes.filter((change) => change.id > newest).length;
}

function KindFilter({ chosen }: { chosen: readonly string[] }) {
  const toggle = (kind: string) => {
    const next = chosen.includes(kind) ? chosen.filter((it) => it !== kind) : [...chosen, kind];
    setQuery({ kind: next, cursor: null });
  };
  return (
    <fieldset class="row">
      <legend>{text('kinds')}</legend>
      {KINDS.map((kind) => (
        <label key={kind} class="check"><input type="checkbox" checked={chosen.includes(kind)} onChange={() => toggle(kind)} />{kindName(kind)}</label>
      ))}
    </fieldset>
  );
}

function TimelineEnds({ of, live }: { of: ChangesDocument; live: LiveDocument<ChangesDocument> }) {
  const isOlder = currentQuery.value.has('cursor');
  const next = of.nextCursor;
  return (
    <div class="pager">
      {isOlder && <button type="button" onClick={() => setQuery({ cursor: null }, 'push')}>{text('newest')}</button>}
      {next && <button type="button" onClick={() => setQuery({ cursor: next }, 'push')}>{text('older')}</button>}
      <span class="muted">
        {of.oldestMs !== null && text('since.all', { time: formatTime(of.oldestMs, live.state.value.atMs || now.value) })}
        {of.forgotten > 0 && ` ${text.count('forgotten', of.forgotten)}`}
      </span>
    </div>
  );
}

function InstancesPlot() {
  const live = useLive<HistoryDocument>({ key: 'history', topics: [], everyMs: 10_000, fetch: (signal) => ask('/v1/history', {}, signal) });
  const { data, atMs } = live.state.value;
  if (data === null || data.toMs === null) return null;
  const points = data.clusters[0]?.instances.length ?? 0;
  return (
    <PagePanel title={text('plot')} live={live}>
      <LinePlot
        label={text('plot.label')} lines={data.clusters.map((it) => ({ name: it.cluster, values: it.instances }))}
        topText={(top) => text('plot.top', { n: formatNumber(top) })}
        fromText={formatTime(data.toMs - Math.max(0, points - 1) * data.everyMs, atMs)} toText={formatTime(data.toMs, atMs)}
      />
    </PagePanel>
  );
}
