/** Counts of what a person may have to look at, each of its own source. */
import { ask } from '../../api/client';
import type { DrainsDocument, HoldsDocument } from '../../api/types';
import { formatNumber } from '../../i18n/formats';
import { useLive, type LiveDocument } from '../../live/useLive';
import { text } from './messages';

interface PolicySources {
  sources: { refused: object | null }[];
}

/** The row of counts. A source that may not be seen, or that an older gateway lacks, is not shown. */
export function FleetTiles() {
  const drains = useLive<DrainsDocument>({ key: 'drains', topics: ['drains'], fetch: (signal) => ask('/v1/drains', { effects: 'false' }, signal) });
  const holds = useLive<HoldsDocument>({ key: 'guard', topics: ['holds'], fetch: (signal) => ask('/v1/guard', {}, signal) });
  const policy = useLive<PolicySources>({ key: 'policy', topics: ['policy'], fetch: (signal) => ask('/v1/policy', {}, signal) });
  const drift = useLive<{ total: number }>({
    key: 'drift', topics: ['configs'], fetch: (signal) => ask('/v1/configs', { drift: 'true', pageSize: 1 }, signal),
  });
  return (
    <div class="tiles">
      <CountTile kind="drains" href="/drains" live={drains} count={(data) => data.drains.filter((it) => it.percent > 0 || it.goalPercent > 0).length} />
      <CountTile kind="holds" href="/guard" live={holds} count={(data) => data.holds.filter((it) => it.state === 'held' || it.state === 'kept').length} />
      <CountTile kind="policy" href="/policy" live={policy} count={(data) => data.sources.filter((it) => it.refused !== null).length} />
      <CountTile kind="drift" href="/configs?drift=1" live={drift} count={(data) => data.total} />
    </div>
  );
}

function CountTile<T>(props: { kind: 'drains' | 'holds' | 'policy' | 'drift'; href: string; live: LiveDocument<T>; count: (data: T) => number }) {
  const { data, error } = props.live.state.value;
  if (data === null && error !== null) return null;
  const count = data === null ? null : props.count(data);
  return (
    <div class={`tile ${count ? 'warn' : ''} ${error ? 'outdated' : ''}`} data-tile={props.kind}>
      <span class="tile-number">{count === null ? text('tile.unknown') : formatNumber(count)}</span>
      <a href={props.href}>{text(`tile.${props.kind}`)}</a>
    </div>
  );
}
