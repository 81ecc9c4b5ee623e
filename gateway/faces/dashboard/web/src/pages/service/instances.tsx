/** All instances of a service, those of old facts greyed. */
import { useState } from 'preact/hooks';
import { ask } from '../../api/client';
import type { ServiceName } from '../../api/types';
import { useLive } from '../../live/useLive';
import { pathOf } from '../../router';
import { FreshnessBadge, LiveAge, Pill } from '../../ui/badges';
import { PagePanel } from '../../ui/panel';
import { LiveView } from '../../ui/states';
import { DataTable, Pager, type TableColumn } from '../../ui/table';
import { formatAge } from '../../i18n/formats';
import { codeText, words } from '../../i18n/words';
import { serviceUrl } from './caller';
import { text } from './messages';
import type { InstanceDocument, ServiceDocument } from './types';

/** Rows that are drawn at once. */
const ROWS = 50;

/** The tab. */
export function InstancesTab({ service }: { service: ServiceName }) {
  const url = serviceUrl('/v1/service', service);
  const live = useLive<ServiceDocument>({ key: url, topics: ['services', 'clusters'], fetch: (signal) => ask(url, {}, signal) });
  const count = live.state.value.data?.instances.length;
  return (
    <PagePanel title={count === undefined ? text('tab.instances') : text.count('instances', count)} live={live}>
      <LiveView of={live}>{(data, atMs) => <InstancesTable instances={data.instances} atMs={atMs} />}</LiveView>
    </PagePanel>
  );
}

function InstancesTable({ instances, atMs }: { instances: InstanceDocument[]; atMs: number }) {
  const [wanted, setPage] = useState(1);
  const page = Math.max(1, Math.min(wanted, Math.ceil(instances.length / ROWS)));
  const offset = (page - 1) * ROWS;
  return (
    <>
      <DataTable
        caption={text('tab.instances')} hideCaption columns={columns(atMs)} rows={instances.slice(offset, offset + ROWS)} rowKey={instanceKey}
        rowClass={(row) => (row.freshness === 'live' ? undefined : 'stale')} total={instances.length} offset={offset}
      />
      <Pager page={page} pageSize={ROWS} total={instances.length} onPage={setPage} />
    </>
  );
}

function instanceKey({ origin, ip, port, clusterName }: InstanceDocument): string {
  return `${origin} ${ip} ${port} ${clusterName}`;
}

function columns(atMs: number): TableColumn<InstanceDocument>[] {
  return [
    { key: 'address', head: text('address'), isRowHead: true, cell: (row) => <span class="mono">{address(row)}</span> },
    { key: 'origin', head: words('origin'), cell: (row) => <a href={pathOf('clusters', row.origin)}>{row.origin}</a> },
    { key: 'health', head: text('health'), cell: (row) => <HealthPill of={row} /> },
    { key: 'weight', head: text('weight'), isNumber: true, cell: (row) => row.weight },
    { key: 'freshness', head: text('freshness'), cell: (row) => <FreshnessBadge of={row} /> },
    { key: 'age', head: text('age'), isNumber: true, cell: (row) => <LiveAge ageMs={row.ageMs} atMs={atMs} /> },
    { key: 'held', head: text('held'), cell: (row) => <HeldNote of={row} /> },
    { key: 'place', head: text('place'), cell: ({ locality: { region, zone, subZone } }) => [region, zone, subZone].filter(Boolean).join('/') },
    { key: 'source', head: text('source'), cell: (row) => text.maybe(`source.${row.source}`) ?? row.source },
    { key: 'metadata', head: text('metadata'), cell: (row) => <MetadataList of={row.metadata} /> },
  ];
}

function address({ ip, port, clusterName }: InstanceDocument): string {
  const host = ip.includes(':') ? `[${ip}]` : ip;
  return `${host}:${port}${clusterName === 'DEFAULT' ? '' : ` ${clusterName}`}`;
}

function HealthPill({ of: { health, enabled } }: { of: InstanceDocument }) {
  if (!enabled) return <Pill>{text('health.disabled')}</Pill>;
  const tone = health === 'healthy' ? 'ok' : health === 'unhealthy' ? 'bad' : 'warn';
  return <Pill tone={tone}>{text.maybe(`health.${health}`) ?? health}</Pill>;
}

function HeldNote({ of: { held } }: { of: InstanceDocument }) {
  if (!held) return null;
  return (
    <>
      <Pill tone="warn">{text('heldFor', { age: formatAge(held.ageMs) })}</Pill>
      <span class="of-why">{codeText('held', { code: held.code ?? '' }, held.reason)}</span>
    </>
  );
}

/** Metadata, folded: there may be much of it. */
export function MetadataList({ of }: { of: Record<string, string> }) {
  const entries = Object.entries(of).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0) return null;
  return (
    <details>
      <summary>{text.count('metadata', entries.length)}</summary>
      <dl class="facts">{entries.flatMap(([key, value]) => [<dt key={key}>{key}</dt>, <dd key={`${key} value`}>{value}</dd>])}</dl>
    </details>
  );
}
