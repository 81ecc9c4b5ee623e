/** A table of changes, for the timeline, a cluster and a service alike. */
import type { ChangeDocument } from '../../api/types';
import { pathOf } from '../../router';
import { freshnessName, Pill, TimeMark, type PillTone } from '../../ui/badges';
import { DataTable, type TableColumn } from '../../ui/table';
import { text } from './messages';

const TONES: Record<string, PillTone> = { freshness: 'warn', drain: 'info', hold: 'bad', policy: 'info', leader: 'info', gateway: 'info' };

/** Changes, newest first. `isOfOne`: all are of one thing, which is not named in each row. */
export function ChangesTable({ changes, isOfOne = false }: { changes: readonly ChangeDocument[]; isOfOne?: boolean }) {
  const columns: TableColumn<ChangeDocument>[] = [
    { key: 'at', head: text('at'), cell: (row) => <TimeMark atMs={row.atMs} /> },
    { key: 'kind', head: text('kind'), cell: (row) => <Pill tone={TONES[row.kind] ?? 'plain'}>{kindName(row.kind)}</Pill> },
    { key: 'what', head: text('what'), cell: (row) => text.maybe(`what.${row.what}`) ?? row.what },
    { key: 'thing', head: text('thing'), isRowHead: true, cell: (row) => <ChangedThing of={row} isOfOne={isOfOne} /> },
    { key: 'origin', head: text('origin'), cell: (row) => row.origin && <a href={pathOf('clusters', row.origin)}>{row.origin}</a> },
    { key: 'value', head: text('value'), cell: valueText },
    { key: 'cause', head: text('cause'), cell: causeText },
  ];
  return <DataTable<ChangeDocument>
    hideCaption caption={text('list')} columns={columns} rows={changes} rowKey={(row) => String(row.id)}
    rowData={(row) => ({ 'data-event': row.kind, 'data-event-id': row.id })}
  />;
}

/** The name of a kind of change. */
export function kindName(kind: string): string {
  return text.maybe(`kind.${kind}`) ?? kind;
}

function ChangedThing({ of, isOfOne }: { of: ChangeDocument; isOfOne: boolean }) {
  const { namespaceId, groupName, serviceName, dataId, instance, target, origin, kind } = of;
  const name = serviceName ?? dataId;
  const path = serviceName ? 'services' : 'configs';
  const link = name && namespaceId != null && groupName ? <a href={pathOf(path, namespaceId, groupName, name)}>{name}</a> : name;
  return (
    <>
      {(!isOfOne || !instance) && name && <>{link} <span class="muted">{namespaceId} / {groupName}</span></>}
      {instance && <div class="mono">{instance}</div>}
      {target && <span class="mono">{target}</span>}
      {!name && !instance && !target && (origin ?? kindName(kind))}
    </>
  );
}

function valueText(change: ChangeDocument): string {
  const inWords = (value: string | null | undefined) => {
    if (value == null) return value;
    if (change.kind === 'freshness') return freshnessName(value);
    return change.what === 'health' ? text.maybe(`health.${value}`) ?? value : value;
  };
  const [before, after] = [inWords(change.before), inWords(change.after)];
  if (before != null && after != null) return text('value.pair', { before, after });
  if (after != null) return text('value.after', { after });
  return before != null ? text('value.before', { before }) : '';
}

function causeText({ cause }: ChangeDocument): string {
  if (!cause) return '';
  const through = text.maybe(`through.${cause.through ?? ''}`) ?? cause.through ?? '';
  const { topic, partition, offset, who } = cause;
  if (topic !== undefined && partition !== undefined && offset !== undefined) return text('cause.log', { through, topic, partition, offset: String(offset) });
  return who ? text('cause.who', { through, who }) : through;
}
