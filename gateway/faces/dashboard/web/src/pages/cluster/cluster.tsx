/** One cluster: how it is seen, its gateways, what is drained of it, and what changed. */
import { ask } from '../../api/client';
import type { ChangesDocument, ClusterDocument, ClustersDocument, DrainsDocument, HistoryDocument, LocalityDocument } from '../../api/types';
import { may } from '../../gateway';
import { formatAge, formatPercent, formatTime } from '../../i18n/formats';
import { freshnessReason, words } from '../../i18n/words';
import { useLive } from '../../live/useLive';
import { urlOf, type PathParts } from '../../router';
import { FreshnessBadge, LiveAge, TimeMark } from '../../ui/badges';
import { PageFrame, PagePanel } from '../../ui/panel';
import { LinePlot } from '../../ui/plots';
import { EmptyState, LiveView, StateBox } from '../../ui/states';
import { wizardUrl } from '../drains/draft';
import { useLinks } from '../fleet/links';
import { LinkMatrix } from '../fleet/matrix';
import { ChangesTable } from '../timeline/changes';
import { text } from './messages';
import { OwnPanel } from './own';

/** The page. */
export default function ClusterPage({ parts }: { parts: PathParts }) {
  const cluster = parts.cluster ?? '';
  const live = useLive<ClustersDocument>({ key: 'clusters', topics: ['clusters'], everyMs: 2000, fetch: (signal) => ask('/v1/clusters', {}, signal) });
  const aside = <a class="button" href={urlOf('/services', { origin: cluster })}>{text('services')}</a>;
  return (
    <PageFrame title={text('title', { cluster })} aside={aside}>
      <LiveView of={live}>
        {(data, atMs) => {
          const found = data.clusters.find((it) => it.cluster === cluster);
          if (!found) return <MissingCluster cluster={cluster} names={data.clusters.map((it) => it.cluster)} />;
          return (
            <div class="stack">
              <div class="grid">
                <PagePanel title={text('state')} live={live}><ClusterFacts of={found} atMs={atMs} /></PagePanel>
                <DrainsPanel cluster={cluster} />
              </div>
              <GatewaysPanel cluster={cluster} />
              <AgePlot cluster={cluster} />
              <OwnPanel isOwn={found.local} />
              <ChangesPanel cluster={cluster} />
            </div>
          );
        }}
      </LiveView>
    </PageFrame>
  );
}

function MissingCluster({ cluster, names }: { cluster: string; names: readonly string[] }) {
  return <StateBox kind="404" title={text('missing', { cluster })}><p>{text('missing.known', { names: names.join(', ') })}</p></StateBox>;
}

/** A place from its largest part to its smallest. */
export function placeText(place: LocalityDocument): string {
  return [place.region, place.zone, place.subZone].filter((part): part is string => part !== null && part !== '').join(' / ') || words('unknown');
}

function ClusterFacts({ of, atMs }: { of: ClusterDocument; atMs: number }) {
  const { services, instances, configs } = of;
  return (
    <dl class="facts">
      <dt>{text('place')}</dt><dd>{placeText(of.locality)}</dd>
      <dt>{text('freshness')}</dt><dd><FreshnessBadge of={of} /> {freshnessReason(of)}</dd>
      <dt>{text('age')}</dt><dd><LiveAge ageMs={of.ageMs} atMs={atMs} /></dd>
      <dt>{text('beat')}</dt><dd>{of.lastBeatMs === null ? words('age.never') : <TimeMark atMs={of.lastBeatMs} />}</dd>
      <dt>{text('counts')}</dt><dd>{text('counts.value', { services, instances, configs })}</dd>
    </dl>
  );
}

function GatewaysPanel({ cluster }: { cluster: string }) {
  const live = useLinks();
  return (
    <PagePanel title={text('gateways')} live={live}>
      <LiveView of={live} isEmpty={(data) => !data.observers.some((it) => it.cluster === cluster)} empty={() => <EmptyState title={text('gateways.none')} />}>
        {(data) => <LinkMatrix links={{ observers: data.observers.filter((it) => it.cluster === cluster) }} />}
      </LiveView>
    </PagePanel>
  );
}

function DrainsPanel({ cluster }: { cluster: string }) {
  const live = useLive<DrainsDocument>({ key: 'drains', topics: ['drains'], fetch: (signal) => ask('/v1/drains', { effects: 'false' }, signal) });
  const mine = (data: DrainsDocument) => data.drains.filter((it) => it.cluster === cluster && (it.percent > 0 || it.goalPercent > 0));
  return (
    <PagePanel title={text('drains')} live={live}>
      <LiveView of={live} isEmpty={(data) => mine(data).length === 0} empty={() => <EmptyState title={text('drains.none')} />}>
        {(data) => <ul class="plain-list">{mine(data).map((it) => <li key={it.target}><span class="mono">{it.target}</span> {formatPercent(it.percent)}</li>)}</ul>}
      </LiveView>
      <p class="row">
        <a href="/drains">{text('drains.to')}</a>
        {may('operate') && <a class="button" href={wizardUrl({ cluster })}>{text('drains.new')}</a>}
      </p>
    </PagePanel>
  );
}

function AgePlot({ cluster }: { cluster: string }) {
  const live = useLive<HistoryDocument>({ key: 'history', topics: [], everyMs: 10_000, fetch: (signal) => ask('/v1/history', {}, signal) });
  const { data, atMs } = live.state.value;
  const ring = data?.clusters.find((it) => it.cluster === cluster);
  if (!data || data.toMs === null || !ring) return null;
  return (
    <PagePanel title={text('plot')} live={live}>
      <LinePlot
        label={text('plot')} lines={[{ name: cluster, values: ring.ageMs }]} topText={(top) => text('plot.top', { age: formatAge(top) })}
        fromText={formatTime(data.toMs - Math.max(0, ring.ageMs.length - 1) * data.everyMs, atMs)} toText={formatTime(data.toMs, atMs)}
      />
    </PagePanel>
  );
}

function ChangesPanel({ cluster }: { cluster: string }) {
  const live = useLive<ChangesDocument>({
    key: `changes ${cluster}`, topics: ['changes'], fetch: (signal) => ask('/v1/changes', { cluster, limit: 20 }, signal),
  });
  return (
    <PagePanel title={text('changes')} live={live} actions={<a href={urlOf('/timeline', { cluster })}>{text('changes.all')}</a>}>
      <LiveView of={live} isEmpty={(data) => data.changes.length === 0} empty={() => <EmptyState title={text('changes.none')} />}>
        {(data) => <ChangesTable changes={data.changes} />}
      </LiveView>
    </PagePanel>
  );
}
