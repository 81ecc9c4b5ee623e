/** What services' callers get now and would get: the same view for a dry run and for what-if, the worst first. */
import { useState } from 'preact/hooks';
import type { ComparedCaller, ComparedService, ComparisonDocument, ImpactWord } from '../../api/types';
import { pathOf } from '../../router';
import { Pill, type PillTone } from '../../ui/badges';
import { PlotLegend, ShareBar, sharesText } from '../../ui/plots';
import { DataTable, Pager, type TableColumn } from '../../ui/table';
import { text } from './messages';

/** Impacts from the worst on, each with what it looks like. */
const TONES: Record<ImpactWord, PillTone> = {
  leftWithout: 'bad',
  refused: 'warn',
  partlyServed: 'bad',
  nothingHealthy: 'bad',
  moved: 'info',
  nothing: 'plain',
};
const COUNTED = ['leftWithout', 'refused', 'partlyServed', 'nothingHealthy', 'moved'] as const;
/** Services shown at a time: a page of them is looked through, not scrolled through. */
const SHOWN = 20;

/** The counts in words, the table, and its pages. */
export function ComparisonView({ of }: { of: ComparisonDocument }) {
  const [page, setPage] = useState(1);
  if (of.total === 0) return <p data-state="nothing-changes">{text('nothing')} {text.count('examined', of.examined)}</p>;
  const last = Math.max(1, Math.ceil(of.services.length / SHOWN));
  const from = (Math.min(page, last) - 1) * SHOWN;
  return (
    <div class="stack" data-comparison>
      <CountLines of={of} />
      <PlotLegend names={clusterNames(of)} />
      <DataTable<ComparedService>
        caption={text('caption')} columns={columns(clusterNames(of))} rows={of.services.slice(from, from + SHOWN)}
        rowKey={(row) => `${row.namespaceId}/${row.groupName}/${row.serviceName}`} total={of.services.length} offset={from}
        rowData={(row) => ({ 'data-service': `${row.namespaceId}/${row.groupName}/${row.serviceName}`, 'data-impact': row.impact })}
      />
      <Pager page={Math.min(page, last)} pageSize={SHOWN} total={of.services.length} onPage={setPage} />
    </div>
  );
}

/** Every cluster that serves anybody before or after, in one order for all bars. */
export function clusterNames(of: ComparisonDocument): string[] {
  const names = new Set(of.callers.map((caller) => caller.cluster));
  for (const { callers } of of.services) {
    for (const { before, after } of callers) [before, after].forEach((shares) => Object.keys(shares.clusters).forEach((name) => names.add(name)));
  }
  return [...names].sort();
}

function CountLines({ of }: { of: ComparisonDocument }) {
  const lines = COUNTED.filter((impact) => of.counts[impact] > 0);
  return (
    <ul class="plain-list" data-counts>
      {lines.map((impact) => (
        <li key={impact}><Pill tone={TONES[impact]}>{text(`impact.${impact}`)}</Pill> {text.count(`count.${impact}`, of.counts[impact])}</li>
      ))}
      <li class="muted">{text.count('examined', of.examined)}</li>
    </ul>
  );
}

function columns(order: readonly string[]): TableColumn<ComparedService>[] {
  return [
    {
      key: 'service',
      head: text('service'),
      isRowHead: true,
      cell: (row) => (
        <>
          <a href={pathOf('services', row.namespaceId, row.groupName, row.serviceName)}>{row.serviceName}</a>
          <div class="muted">{row.namespaceId} / {row.groupName}</div>
        </>
      ),
    },
    {
      key: 'impact',
      head: text('impact'),
      cell: (row) => (
        <>
          <Pill tone={TONES[row.impact] ?? 'plain'}>{text.maybe(`impact.${row.impact}`) ?? row.impact}</Pill>
          {row.refused.map((refused) => <div key={refused.target} class="muted">{text('refused', { reason: text.maybe(`refused.${refused.code ?? ''}`) ?? refused.reason })}</div>)}
        </>
      ),
    },
    { key: 'shares', head: text('shares'), cell: (row) => <CallerRows service={row} order={order} /> },
  ];
}

function CallerRows({ service, order }: { service: ComparedService; order: readonly string[] }) {
  const changed = service.callers.filter((caller) => caller.impact !== 'nothing');
  const rest = service.callers.filter((caller) => caller.impact === 'nothing');
  return (
    <>
      {changed.map((caller) => <CallerRow key={caller.caller} of={caller} order={order} />)}
      {rest.length > 0 && <div class="muted">{text('unchanged', { callers: rest.map((caller) => caller.caller).join(', ') })}</div>}
    </>
  );
}

function CallerRow({ of, order }: { of: ComparedCaller; order: readonly string[] }) {
  const { caller } = of;
  return (
    <div class="caller" data-caller={caller}>
      <span>{text('caller', { caller })}</span>
      <SharesCell shares={of.before.clusters} side="before" order={order} caller={caller} />
      <SharesCell shares={of.after.clusters} side="after" order={order} caller={caller} />
    </div>
  );
}

function SharesCell(props: { shares: Record<string, number>; side: 'before' | 'after'; order: readonly string[]; caller: string }) {
  const { shares, side, order, caller } = props;
  const said = sharesText(shares);
  return (
    <div data-side={side} data-shares={JSON.stringify(shares)}>
      <ShareBar shares={shares} order={order} label={text(`bar.${side}`, { caller, shares: said })} />
      <span>{text(side)}: {said}</span>
    </div>
  );
}
