/** Mass losses that are held, and the word about each: keep takes one click, release says what goes. */
import { useState } from 'preact/hooks';
import { ask, order } from '../../api/client';
import type { HoldDocument, HoldsDocument } from '../../api/types';
import { may } from '../../gateway';
import { formatNumber, formatPercent } from '../../i18n/formats';
import { useLive } from '../../live/useLive';
import { pathOf } from '../../router';
import { LiveAge, Pill, type PillTone } from '../../ui/badges';
import { PageFrame, PagePanel } from '../../ui/panel';
import { EmptyState, ErrorState, LiveView } from '../../ui/states';
import { DataTable, type TableColumn } from '../../ui/table';
import { text } from './messages';
import { ReleaseDialog } from './release';

/** The page. */
export default function GuardPage() {
  const live = useLive<HoldsDocument>({ key: 'guard', topics: ['holds'], everyMs: 5000, fetch: (signal) => ask('/v1/guard', {}, signal) });
  const [releasing, setReleasing] = useState<string | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const decide = async (id: string, action: 'release' | 'keep', reason: string) => {
    setError(null);
    try {
      await order('/v1/guard', { id, action, ...(reason && { reason }) });
    } catch (failure) {
      setError(failure instanceof Error ? failure : new Error(String(failure)));
    }
    setReleasing(null);
    live.refresh();
  };
  const asked = live.state.value.data?.holds.find((hold) => hold.id === releasing);
  return (
    <PageFrame title={text('title')}>
      {error && <ErrorState error={error} />}
      <PagePanel title={text('holds')} live={live}>
        <LiveView of={live} isEmpty={(data) => data.holds.length === 0} empty={() => <EmptyState title={text('empty')}><p>{text('empty.do')}</p></EmptyState>}>
          {(data, atMs) => (
            <DataTable<HoldDocument>
              hideCaption caption={text('holds')} columns={columns(atMs, setReleasing, (id) => void decide(id, 'keep', ''))} rows={data.holds}
              rowKey={(row) => row.id} rowData={(row) => ({ 'data-hold': row.id, 'data-hold-state': row.state })}
            />
          )}
        </LiveView>
      </PagePanel>
      {asked && <ReleaseDialog hold={asked} onClose={() => setReleasing(null)} onRelease={(reason) => void decide(asked.id, 'release', reason)} />}
    </PageFrame>
  );
}

const TONES: Record<HoldDocument['state'], PillTone> = { held: 'bad', kept: 'warn', released: 'info', over: 'plain' };

function columns(atMs: number, onRelease: (id: string) => void, onKeep: (id: string) => void): TableColumn<HoldDocument>[] {
  const all: TableColumn<HoldDocument>[] = [
    { key: 'id', head: text('namespace'), isRowHead: true, cell: (row) => <><a href={pathOf('clusters', row.cluster)}>{row.cluster}</a> / {row.namespaceId}</> },
    { key: 'state', head: text('state'), cell: (row) => <Pill tone={TONES[row.state] ?? 'plain'}>{text.maybe(`state.${row.state}`) ?? row.state}</Pill> },
    { key: 'lost', head: text('lost'), isNumber: true, cell: (row) => text('lost.of', { lost: row.lost, of: row.of, percent: formatPercent(row.percent) }) },
    { key: 'kept', head: text('kept'), isNumber: true, cell: (row) => formatNumber(row.kept) },
    { key: 'since', head: text('since'), cell: (row) => <LiveAge ageMs={row.ageMs} atMs={atMs} /> },
    { key: 'by', head: text('by'), cell: (row) => <>{text('by.who', { who: row.who, cluster: row.takenIn })}{row.why && <div class="muted">{row.why}</div>}</> },
    { key: 'what', head: text('what'), cell: whatToDo },
  ];
  if (may('operate')) all.push({ key: 'actions', head: text('actions'), cell: (row) => <HoldActions hold={row} onRelease={onRelease} onKeep={onKeep} /> });
  return all;
}

/** What an older gateway, which sends no codes, means by each state. */
const CODES: Record<HoldDocument['state'], string> = { held: 'decide', kept: 'release_if_gone', released: 'goes', over: 'over' };

function whatToDo(hold: HoldDocument): string {
  return text.maybe(`what.${hold.whatToDoCode ?? CODES[hold.state]}`) ?? hold.whatToDo;
}

function HoldActions({ hold, onRelease, onKeep }: { hold: HoldDocument; onRelease: (id: string) => void; onKeep: (id: string) => void }) {
  if (hold.state !== 'held' && hold.state !== 'kept') return null;
  const { id } = hold;
  return (
    <span class="row">
      <button type="button" data-action="release" data-acts="release" aria-label={text('release.of', { id })} onClick={() => onRelease(id)}>{text('release')}</button>
      {hold.state === 'held' && <button type="button" data-action="keep" data-acts="keep" aria-label={text('keep.of', { id })} onClick={() => onKeep(id)}>{text('keep')}</button>}
    </span>
  );
}
