/** Config items of all clusters as a grid: who has which content, which differ, and since when. */
import { ask } from '../../api/client';
import { useLive } from '../../live/useLive';
import { currentQuery, go, pathOf, setQuery, urlOf } from '../../router';
import { Pill, TimeMark } from '../../ui/badges';
import { PageFrame, PagePanel } from '../../ui/panel';
import { EmptyState, FilteredState, LiveView, PartialNote } from '../../ui/states';
import { DataTable, Pager, type TableColumn } from '../../ui/table';
import { text } from './messages';
import { apiQuery, isNarrowed, PAGE_ROWS, readConfigsQuery, type ConfigsQuery } from './query';
import type { ConfigCopy, ConfigsDocument, ConfigSummary } from './types';
import { clustersOf, drifts, driftSince, versionLetters } from './versions';
import './configs.css';

/** The page. */
export default function ConfigsPage() {
  const query = readConfigsQuery(currentQuery.value);
  const asked = apiQuery(query);
  const live = useLive<ConfigsDocument>({
    key: urlOf('/v1/configs', asked),
    topics: ['configs', 'clusters'],
    fetch: (signal) => ask('/v1/configs', asked, signal),
  });
  const total = live.state.value.data?.total;
  return (
    <PageFrame title={text('title')}>
      <ConfigsFilter query={query} />
      <PagePanel title={total === undefined ? text('title') : text.count('found', total)} live={live}>
        <LiveView of={live} isEmpty={(data) => data.configs.length === 0} empty={() => <NoConfigs query={query} />}>
          {(data) => <ConfigsGrid data={data} query={query} />}
        </LiveView>
      </PagePanel>
    </PageFrame>
  );
}

function ConfigsFilter({ query }: { query: ConfigsQuery }) {
  return (
    <form class="row" role="search" aria-label={text('filter')} onSubmit={(event) => event.preventDefault()}>
      <label class="field">
        <span>{text('search')}</span>
        <input
          type="search" data-search value={query.q} autoComplete="off" spellcheck={false}
          onChange={(event) => setQuery({ q: event.currentTarget.value.trim(), page: null })}
        />
      </label>
      <label class="field">
        <span>{text('group')}</span>
        <input value={query.group} onChange={(event) => setQuery({ group: event.currentTarget.value.trim(), page: null })} />
      </label>
      <label class="check">
        <input type="checkbox" checked={query.isDrift} onChange={(event) => setQuery({ drift: event.currentTarget.checked ? 1 : null, page: null })} />
        {text('onlyDrift')}
      </label>
    </form>
  );
}

function NoConfigs({ query }: { query: ConfigsQuery }) {
  if (isNarrowed(query)) return <FilteredState onClear={() => go(query.isDrift ? '/configs?drift=1' : '/configs')} />;
  if (query.isDrift) {
    return <EmptyState title={text('empty.drift')}><p><a href="/configs">{text('empty.drift.all')}</a></p></EmptyState>;
  }
  return <EmptyState title={text('empty')}><p>{text('empty.do')}</p></EmptyState>;
}

function ConfigsGrid({ data, query }: { data: ConfigsDocument; query: ConfigsQuery }) {
  const clusters = clustersOf(data.configs);
  const columns: TableColumn<ConfigSummary>[] = [
    { key: 'dataId', head: text('dataId'), isRowHead: true, cell: (row) => <ConfigLink of={row} /> },
    { key: 'drift', head: text('drift'), cell: (row) => <DriftMark of={row} /> },
    ...clusters.map((cluster): TableColumn<ConfigSummary> => ({
      key: `of ${cluster}`, head: cluster, cell: (row) => <CopyCell copy={row.clusters[cluster]} letter={versionLetters(row.clusters)[cluster]} />,
    })),
  ];
  return (
    <>
      {data.filtered && <PartialNote>{text('filtered')}</PartialNote>}
      <DataTable
        caption={text('caption')} columns={columns} rows={data.configs} rowKey={(row) => `${row.namespaceId} ${row.groupName} ${row.dataId}`}
        total={data.total} offset={(query.page - 1) * PAGE_ROWS}
      />
      <Pager page={query.page} pageSize={PAGE_ROWS} total={data.total} onPage={(page) => setQuery({ page: page === 1 ? null : page }, 'push')} />
    </>
  );
}

function ConfigLink({ of: { namespaceId, groupName, dataId } }: { of: ConfigSummary }) {
  return (
    <>
      <a href={pathOf('configs', namespaceId, groupName, dataId)}>{dataId}</a>
      <span class="of-where">{groupName} · {namespaceId}</span>
    </>
  );
}

function DriftMark({ of }: { of: ConfigSummary }) {
  if (Object.keys(of.clusters).length === 1) return <Pill>{text('drift.one')}</Pill>;
  if (!drifts(of)) return <Pill tone="ok">{text('drift.no')}</Pill>;
  const since = driftSince(of);
  return <><Pill tone="bad">{text('drift.since')}</Pill> {since !== null && <TimeMark atMs={since} />}</>;
}

/** What one cluster has: the letter of its content, and the beginning of its digest. */
export function CopyCell({ copy, letter }: { copy: ConfigCopy | undefined; letter: string | undefined }) {
  if (!copy) return <span class="muted">{text('absent')}</span>;
  const isOld = copy.freshness !== undefined && copy.freshness !== 'live';
  return (
    <span class={isOld ? 'copy stale-text' : 'copy'}>
      <span class="version-letter">{letter}</span>{' '}
      {copy.sealed ? <Pill tone="info">{text('sealed')}</Pill> : <code title={copy.md5}>{copy.md5.slice(0, 8)}</code>}
      {copy.held && <Pill tone="warn">{text('held')}</Pill>}
    </span>
  );
}
