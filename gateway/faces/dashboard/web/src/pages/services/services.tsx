/** Which services there are: searched, narrowed and sorted by the gateway, a page at a time, with its whole state in the address. */
import { useEffect, useRef } from 'preact/hooks';
import { ask } from '../../api/client';
import { useLive } from '../../live/useLive';
import { currentQuery, go, pathOf, setQuery, urlOf } from '../../router';
import { Pill, TimeMark } from '../../ui/badges';
import { PageFrame, PagePanel } from '../../ui/panel';
import { EmptyState, FilteredState, LiveView, PartialNote } from '../../ui/states';
import { ChangesPill, DataTable, type TableColumn } from '../../ui/table';
import { words } from '../../i18n/words';
import { useCalmList } from './calmly';
import { serviceKey } from './calm';
import { ServicesFilter } from './filter';
import { stateName, text } from './messages';
import { apiQuery, isNarrowed, narrowed, PAGE_ROWS, readServicesQuery, type ServicesQuery } from './query';
import type { ServicesDocument, ServiceSummary } from './types';
import './services.css';

/** The page. */
export default function ServicesPage() {
  const query = readServicesQuery(currentQuery.value);
  const asked = apiQuery(query);
  const live = useLive<ServicesDocument>({
    key: urlOf('/v1/services', asked),
    topics: ['services', 'drains', 'clusters'],
    fetch: (signal) => ask('/v1/services', asked, signal),
  });
  const calm = useCalmList(live, urlOf('', asked));
  const shown = calm.live.state.value.data;
  return (
    <PageFrame title={text('title')}>
      <ServicesFilter query={query} facets={shown?.facets} />
      <PagePanel
        title={shown ? text.count('found', shown.total) : text('title')} live={calm.live}
        actions={<ChangesPill waiting={calm.changes} onShow={calm.show} />}
      >
        <div aria-busy={calm.isOld}>
          <LiveView of={calm.live} isEmpty={(data) => data.services.length === 0} empty={() => <NoServices query={query} />}>
            {(data) => <ServicesTable data={data} query={query} />}
          </LiveView>
        </div>
      </PagePanel>
    </PageFrame>
  );
}

function NoServices({ query }: { query: ServicesQuery }) {
  if (isNarrowed(query) || query.after !== '') return <FilteredState onClear={() => go('/services')} />;
  return <EmptyState title={text('empty')}><p>{text('empty.do')}</p></EmptyState>;
}

const COLUMNS = (): TableColumn<ServiceSummary>[] => [
  { key: 'name', head: words('service'), isRowHead: true, isSortable: true, cell: (row) => <ServiceLink of={row} /> },
  { key: 'instances', head: text('instances'), isNumber: true, isSortable: true, cell: (row) => row.instances },
  { key: 'healthy', head: text('healthy'), isNumber: true, cell: (row) => row.healthy },
  { key: 'unhealthy', head: text('unhealthy'), isNumber: true, isSortable: true, cell: (row) => row.unhealthy },
  { key: 'unknown', head: text('unknown'), isNumber: true, cell: (row) => row.unknown },
  { key: 'origins', head: text('origins'), isNumber: true, cell: (row) => row.origins },
  { key: 'is', head: text('is'), cell: (row) => <StatePills of={row} /> },
  { key: 'changed', head: text('changed'), isSortable: true, cell: (row) => (row.changedMs === null ? '–' : <TimeMark atMs={row.changedMs} />) },
];

function ServicesTable({ data, query }: { data: ServicesDocument; query: ServicesQuery }) {
  return (
    <>
      {data.filtered && <PartialNote>{text('filtered')}</PartialNote>}
      <DataTable
        caption={text('caption')} hideCaption columns={COLUMNS()} rows={data.services} rowKey={serviceKey}
        rowClass={(row) => (row.states.includes('stale') ? 'stale' : undefined)} total={data.total} offset={query.from}
        order={{ key: query.sort, direction: query.sort === 'name' ? 'ascending' : 'descending' }}
        onSort={(key) => setQuery(narrowed({ sort: key === 'name' ? null : key }))}
      />
      <CursorPager data={data} query={query} />
    </>
  );
}

function ServiceLink({ of: { namespaceId, groupName, serviceName } }: { of: ServiceSummary }) {
  return (
    <>
      <a href={pathOf('services', namespaceId, groupName, serviceName)}>{serviceName}</a>
      <span class="of-where">{groupName} · {namespaceId}</span>
    </>
  );
}

function StatePills({ of: { states } }: { of: ServiceSummary }) {
  const tones = { unhealthy: 'bad', stale: 'warn', held: 'warn', drained: 'info', single: 'plain', changed: 'plain' } as const;
  return <span class="row">{states.map((state) => <Pill key={state} tone={tones[state] ?? 'plain'}>{stateName(state)}</Pill>)}</span>;
}

/** Pages by the gateway's cursor: forwards, back as one came, or to the beginning. */
function CursorPager({ data, query }: { data: ServicesDocument; query: ServicesQuery }) {
  const ways = useRef(0);
  useEffect(() => {
    if (query.after === '') ways.current = 0;
  }, [query.after]);
  if (data.nextCursor === null && query.after === '') return null;
  const next = () => {
    ways.current += 1;
    setQuery({ after: data.nextCursor, from: query.from + PAGE_ROWS }, 'push');
  };
  const back = () => {
    ways.current -= 1;
    history.back();
  };
  return (
    <nav class="pager" aria-label={text('pages')}>
      <button type="button" disabled={query.after === ''} onClick={() => setQuery(narrowed({}), 'push')}>{text('first')}</button>
      <button type="button" disabled={ways.current === 0} onClick={back}>{text('back')}</button>
      <span>{text('range', { from: query.from + 1, to: query.from + data.services.length, total: data.total })}</span>
      <button type="button" disabled={data.nextCursor === null} onClick={next}>{text('next')}</button>
    </nav>
  );
}
