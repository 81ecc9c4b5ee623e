/** The answer to the one question of the fleet: is any answer older than its bound? */
import type { ClustersDocument, LinksDocument, ObserverDocument } from '../../api/types';

/** Age of a gateway's last word from which its row says little, milliseconds: three of the ten seconds in which each tells. */
export const SILENT_MS = 30_000;

/** What can be said of the federation as a whole. */
export interface FleetVerdict {
  /** Origins that any gateway that tells sees as older than their bound, sorted. */
  late: string[];
  /** Gateways that have not told for a while, sorted. */
  silent: string[];
  /** How many origins there are. */
  origins: number;
  /** Age of the oldest fact that the answering gateway has, milliseconds; null if none has an age. */
  oldestMs: number | null;
}

/** Whether the row of an observer is too old, or of a gateway that is gone. */
export function isSilent(observer: ObserverDocument): boolean {
  return !observer.own && (!observer.alive || (observer.saidAgeMs ?? Infinity) > SILENT_MS);
}

/** The name of an observer: its cluster and replica. */
export function observerName(observer: ObserverDocument): string {
  const name = observer.name || observer.replica;
  return name.startsWith(observer.cluster) ? name : `${observer.cluster}/${name}`;
}

/** Names an observer among all: names of processes need not differ. */
export function observerKey(observer: ObserverDocument): string {
  return `${observer.cluster}/${observer.replica}`;
}

/** Judges by the rows of all gateways. */
export function judgeFleet(links: LinksDocument): FleetVerdict {
  const late = new Set<string>();
  const origins = new Set<string>();
  for (const observer of links.observers) {
    for (const link of observer.links) {
      origins.add(link.origin);
      if (!isSilent(observer) && link.freshness !== null && link.freshness !== 'live') late.add(link.origin);
    }
  }
  const own = links.observers.find((observer) => observer.own);
  const ages = (own?.links ?? []).map((link) => link.ageMs).filter((age): age is number => age !== null);
  const silent = links.observers.filter(isSilent).map(observerName);
  return { late: [...late].sort(), silent: silent.sort(), origins: origins.size, oldestMs: ages.length > 0 ? Math.max(...ages) : null };
}

/** The matrix of a gateway that tells only what it sees itself. */
export function ownRow(clusters: ClustersDocument, replica: string): LinksDocument {
  const own = clusters.clusters.find((it) => it.local);
  const links = clusters.clusters.map((it) => {
    const { cluster: origin, freshness, ageMs } = it;
    return { origin, freshness, ageMs, verdict: 'unknown' as const };
  });
  return { observers: [{ cluster: own?.cluster ?? '', replica, leads: false, own: true, alive: true, saidAgeMs: 0, links }] };
}
