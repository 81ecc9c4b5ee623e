/** Which clusters have the same content of a config item: each different content has a letter, so that nobody has to compare digests or colours. */
import type { ConfigCopy, ConfigSummary } from './types';

/** What identifies a content: its digest, or that it is sealed with a key that is not here. */
function identity(copy: ConfigCopy): string {
  return copy.sealed ? `sealed ${copy.sealed.keyId}` : copy.md5;
}

/** The letter of each cluster's content: `A` for the one that most have, then `B`; of equally many the first cluster's goes first. */
export function versionLetters(clusters: Record<string, ConfigCopy>): Record<string, string> {
  const owners = new Map<string, string[]>();
  for (const cluster of Object.keys(clusters).sort()) {
    const found = identity(clusters[cluster] as ConfigCopy);
    owners.set(found, [...(owners.get(found) ?? []), cluster]);
  }
  const groups = [...owners.values()].sort((a, b) => b.length - a.length);
  return Object.fromEntries(groups.flatMap((group, at) => group.map((cluster) => [cluster, letter(at)])));
}

/** `A` to `Z`, then `A2` and so on. */
function letter(at: number): string {
  const round = Math.floor(at / 26);
  return String.fromCharCode(65 + (at % 26)) + (round === 0 ? '' : String(round + 1));
}

/** Whether clusters that have an item have different contents: as the gateway says, or by the digests. */
export function drifts(config: ConfigSummary): boolean {
  return config.drift ?? new Set(Object.values(config.clusters).map(identity)).size > 1;
}

/** Since when contents differ, unix milliseconds: the newest change, before which they may have been equal. Null where no cluster says. */
export function driftSince(config: ConfigSummary): number | null {
  const times = Object.values(config.clusters).flatMap((copy) => (copy.lastModifiedMs ? [copy.lastModifiedMs] : []));
  return times.length > 0 ? Math.max(...times) : null;
}

/** All clusters that have any of `configs`, in their order. */
export function clustersOf(configs: readonly ConfigSummary[]): string[] {
  return [...new Set(configs.flatMap((config) => Object.keys(config.clusters)))].sort();
}

/** Two clusters to compare: as asked for if both have the item, else the first two that differ, else the first two. */
export function chosenPair(clusters: Record<string, ConfigCopy>, left: string, right: string): [left: string, right: string] | null {
  const names = Object.keys(clusters).sort();
  const [first, second] = names;
  if (first === undefined || second === undefined) return null;
  if (names.includes(left) && names.includes(right) && left !== right) return [left, right];
  const letters = versionLetters(clusters);
  const other = names.find((name) => letters[name] !== letters[first]);
  return [first, other ?? second];
}
