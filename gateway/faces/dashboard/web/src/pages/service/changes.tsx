/** What changed of a service, when, and through what. */
import { useState } from 'preact/hooks';
import { ask } from '../../api/client';
import type { ChangeDocument, ChangesDocument, ServiceName } from '../../api/types';
import { useLive } from '../../live/useLive';
import { TimeMark } from '../../ui/badges';
import { PagePanel } from '../../ui/panel';
import { EmptyState, LiveView } from '../../ui/states';
import { DataTable, type TableColumn } from '../../ui/table';
import { words } from '../../i18n/words';
import { serviceUrl } from './caller';
import { text } from './messages';

/** Changes that are asked for at first, and how many more each time. */
const STEP = 100;
/** More than this no gateway answers at once. */
const MOST = 1000;

/** The tab. */
export function ChangesTab({ service }: { service: ServiceName }) {
  const [limit, setLimit] = useState(STEP);
  const url = serviceUrl('/v1/changes', service, [['limit', String(limit)]]);
  const live = useLive<ChangesDocument>({ key: url, topics: ['changes'], fetch: (signal) => ask(url, {}, signal) });
  return (
    <PagePanel title={text('changes')} live={live}>
      <LiveView of={live} isEmpty={(data) => data.changes.length === 0} empty={() => <EmptyState title={text('changes.none')} />}>
        {(data) => (
          <>
            <DataTable caption={text('changes')} hideCaption columns={columns()} rows={data.changes} rowKey={(row) => String(row.id)} />
            {data.nextCursor !== null && limit < MOST && <button type="button" onClick={() => setLimit(limit + STEP)}>{text('changes.more')}</button>}
            {data.nextCursor === null && data.forgotten > 0 && <p class="muted">{text('changes.forgotten')}</p>}
          </>
        )}
      </LiveView>
    </PagePanel>
  );
}

function columns(): TableColumn<ChangeDocument>[] {
  return [
    { key: 'at', head: text('at'), isRowHead: true, cell: (row) => <TimeMark atMs={row.atMs} /> },
    { key: 'origin', head: words('origin'), cell: (row) => row.origin ?? '' },
    { key: 'what', head: text('what'), cell: (row) => <>{row.instance && <span class="mono">{row.instance} </span>}{row.what}</> },
    { key: 'before', head: text('before'), cell: (row) => row.before ?? '' },
    { key: 'after', head: text('after'), cell: (row) => row.after ?? '' },
    { key: 'cause', head: text('cause'), cell: (row) => causeText(row) },
  ];
}

/** `log t-1/0@17`: through what, and where it stands in the log. */
function causeText({ cause }: ChangeDocument): string {
  if (!cause) return '';
  const { through = '', topic, partition, offset, who } = cause;
  const place = topic === undefined ? [] : [`${topic}/${partition ?? '?'}@${offset ?? '?'}`];
  return [through, ...place, ...(who ? [who] : [])].join(' ');
}
