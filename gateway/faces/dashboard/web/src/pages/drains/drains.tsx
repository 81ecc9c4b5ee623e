/** What is drained, what it does, and what is not accepted here. */
import { ask } from '../../api/client';
import type { DrainDocument, DrainsDocument, RefusedDrainDocument } from '../../api/types';
import { may } from '../../gateway';
import { formatPercent } from '../../i18n/formats';
import { words } from '../../i18n/words';
import { useLive, type LiveDocument } from '../../live/useLive';
import { LiveAge, Pill } from '../../ui/badges';
import { PageFrame, PagePanel } from '../../ui/panel';
import { EmptyState, LiveView, PartialNote } from '../../ui/states';
import { DataTable, type TableColumn } from '../../ui/table';
import { wizardUrl } from './draft';
import { text } from './messages';
import { DrainProgress } from './new/given';
import { UndoButton } from './undo';

/** The page. */
export default function DrainsPage() {
  const live = useLive<DrainsDocument>({ key: 'drains', topics: ['drains', 'clusters'], everyMs: 5000, fetch: (signal) => ask('/v1/drains', {}, signal) });
  const begin = may('operate') && <a class="button primary" href="/drains/new">{text('new')}</a>;
  return (
    <PageFrame title={text('title')} aside={begin}>
      <PagePanel title={text('inForce')} live={live}>
        <LiveView of={live} isEmpty={(data) => drainsInForce(data).length === 0} empty={() => <EmptyState title={text('empty')}><p>{text('empty.do')}</p></EmptyState>}>
          {(data, atMs) => (
            <>
              {data.filtered && <PartialNote>{text('filtered')}</PartialNote>}
              <DrainsTable caption={text('inForce')} drains={drainsInForce(data)} atMs={atMs} live={live} />
            </>
          )}
        </LiveView>
      </PagePanel>
      <OtherParts live={live} />
    </PageFrame>
  );
}

/** Drains that take traffic away, or are about to. */
export function drainsInForce(data: DrainsDocument): DrainDocument[] {
  return data.drains.filter((drain) => drain.percent > 0 || drain.goalPercent > 0);
}

function OtherParts({ live }: { live: LiveDocument<DrainsDocument> }) {
  const { data, atMs } = live.state.value;
  const undone = data?.drains.filter((drain) => drain.percent === 0 && drain.goalPercent === 0) ?? [];
  const refused = data?.notAccepted ?? [];
  return (
    <>
      {refused.length > 0 && <PagePanel title={text('notAccepted')}><RefusedTable rows={refused} /></PagePanel>}
      {undone.length > 0 && <PagePanel title={text('undone')}><DrainsTable caption={text('undone')} drains={undone} atMs={atMs} live={live} /></PagePanel>}
    </>
  );
}

function DrainsTable(props: { caption: string; drains: DrainDocument[]; atMs: number; live: LiveDocument<DrainsDocument> }) {
  const { drains, atMs, live } = props;
  const columns: TableColumn<DrainDocument>[] = [
    { key: 'target', head: text('target'), isRowHead: true, cell: (row) => <span class="mono">{row.target}</span> },
    { key: 'percent', head: text('percent'), cell: (row) => <PercentCell of={row} /> },
    { key: 'effect', head: text('effect'), cell: (row) => <EffectCell of={row} /> },
    { key: 'by', head: text('by'), cell: (row) => <ByCell of={row} atMs={atMs} /> },
    { key: 'why', head: text('why'), cell: (row) => row.why ?? '' },
  ];
  if (may('operate')) columns.push({ key: 'actions', head: text('actions'), cell: (row) => <ActionsCell of={row} onDone={() => live.refresh()} /> });
  return <DataTable<DrainDocument>
    hideCaption caption={props.caption} columns={columns} rows={drains} rowKey={(row) => row.target}
    rowData={(row) => ({ 'data-drain': row.target, 'data-percent': row.percent })}
  />;
}

function PercentCell({ of }: { of: DrainDocument }) {
  return (
    <>
      <strong>{formatPercent(of.percent)}</strong> {of.force && <Pill tone="bad">{text('force')}</Pill>}
      <DrainProgress of={of} />
    </>
  );
}

function EffectCell({ of }: { of: DrainDocument }) {
  const effect = of.effect;
  if (!effect) return null;
  return (
    <span class="row">
      <Pill tone={effect.inForce > 0 ? 'info' : 'plain'}>{text('effect.inForce', { n: effect.inForce })}</Pill>
      {effect.void > 0 && <Pill tone="warn">{text('effect.void', { n: effect.void })}</Pill>}
      {effect.forced > 0 && <Pill tone="bad">{text('effect.forced', { n: effect.forced })}</Pill>}
      {effect.tooMany > 0 && <Pill tone="warn">{text('effect.tooMany', { n: effect.tooMany })}</Pill>}
    </span>
  );
}

function ByCell({ of, atMs }: { of: DrainDocument; atMs: number }) {
  return (
    <>
      {text('by.who', { who: of.who ?? text('by.nobody'), cluster: of.takenIn })}
      <div class="muted"><LiveAge ageMs={of.ageMs} atMs={atMs} /></div>
    </>
  );
}

function ActionsCell({ of, onDone }: { of: DrainDocument; onDone: () => void }) {
  const { cluster, services } = of;
  const pattern = services ? { ns: services.namespaceId, group: services.groupName, service: services.serviceName } : {};
  return (
    <span class="row">
      {of.goalPercent > 0 && <UndoButton drain={of} onDone={onDone} />}
      <a class="button" href={wizardUrl({ cluster, ...pattern, percent: of.goalPercent })}>{text('change')}</a>
    </span>
  );
}

function RefusedTable({ rows }: { rows: RefusedDrainDocument[] }) {
  const columns: TableColumn<RefusedDrainDocument>[] = [
    { key: 'target', head: text('target'), isRowHead: true, cell: (row) => <span class="mono">{row.target}</span> },
    { key: 'percent', head: text('percent'), isNumber: true, cell: (row) => (row.percent === null ? words('unknown') : formatPercent(row.percent)) },
    { key: 'by', head: text('by'), cell: (row) => text('by.who', { who: row.who ?? text('by.nobody'), cluster: row.takenIn }) },
    { key: 'because', head: text('because'), cell: (row) => row.because },
  ];
  return <DataTable<RefusedDrainDocument> hideCaption caption={text('notAccepted')} columns={columns} rows={rows} rowKey={(row) => `${row.takenIn} ${row.target} ${row.counter ?? ''}`} />;
}
