/**
 * The draft of a drain, as it stands in the address of the wizard, and what it asks of the gateway and of the person.
 *
 * What has to be confirmed grows with what it does: lowering and undoing give traffic back and take one click; taking a part needs a button
 * that names the effect; taking all, or overruling the guard that leaves nobody without, needs the cluster's id to be typed.
 */
import type { ComparisonDocument, DrainDocument, DrainOrderBody, ServiceName } from '../../api/types';
import { urlOf } from '../../router';

/** What becomes of services that would be left without a healthy instance. */
export type LastOnes = 'refuse' | 'leave' | 'force';

/** What somebody is about to order. */
export interface DrainDraft {
  cluster: string;
  /** Patterns; empty or `*` is any. */
  ns: string;
  group: string;
  service: string;
  /** 0 to 100. */
  percent: number;
  /** Minutes in which the percentage goes there; 0: at once. */
  minutes: number;
  last: LastOnes;
  reason: string;
}

/** Longest ramp that the gateway takes, minutes. */
export const LONGEST_MINUTES = 24 * 60;

/** The draft in an address; what cannot be used there is as if it were not. */
export function draftOf(query: URLSearchParams): DrainDraft {
  const last = query.get('last');
  return {
    cluster: query.get('cluster') ?? '',
    ns: query.get('ns') ?? '',
    group: query.get('group') ?? '',
    service: query.get('service') ?? '',
    percent: bounded(query.get('percent'), 100, 10),
    minutes: bounded(query.get('minutes'), LONGEST_MINUTES, 0),
    last: last === 'leave' || last === 'force' ? last : 'refuse',
    reason: query.get('reason') ?? '',
  };
}

function bounded(text: string | null, most: number, otherwise: number): number {
  const number = Number(text);
  return text !== null && text !== '' && Number.isInteger(number) && number >= 0 && number <= most ? number : otherwise;
}

/** The address of the wizard with a draft in it. */
export function wizardUrl(draft: Partial<DrainDraft>): string {
  const { last, minutes, ...rest } = draft;
  return urlOf('/drains/new', { ...rest, minutes: minutes || null, last: last === 'refuse' ? null : last });
}

/** The patterns of a draft; undefined if it means all services. */
export function patternOf(draft: DrainDraft): ServiceName | undefined {
  const [namespaceId, groupName, serviceName] = [draft.ns, draft.group, draft.service].map((it) => it.trim() || '*') as [string, string, string];
  if (namespaceId === '*' && groupName === '*' && serviceName === '*') return undefined;
  return { namespaceId, groupName, serviceName };
}

/** What names the target: the cluster, or cluster/namespace/group/service of patterns. */
export function targetOf(draft: DrainDraft): string {
  const pattern = patternOf(draft);
  return pattern ? `${draft.cluster}/${pattern.namespaceId}/${pattern.groupName}/${pattern.serviceName}` : draft.cluster;
}

/** The order that a draft is. */
export function orderOf(draft: DrainDraft, isDryRun: boolean): DrainOrderBody {
  const services = patternOf(draft);
  return {
    cluster: draft.cluster,
    percent: draft.percent,
    ...(services && { services }),
    ...(draft.minutes > 0 && { overMs: draft.minutes * 60_000 }),
    ...(draft.reason.trim() && { reason: draft.reason.trim() }),
    ...(draft.last === 'force' && { force: true }),
    ...(draft.last === 'leave' && { leaveLast: true }),
    ...(isDryRun && { dryRun: true }),
  };
}

/** The order that gives all traffic of a drain back at once. */
export function undoOf(drain: DrainDocument): DrainOrderBody {
  return { cluster: drain.cluster, percent: 0, ...(drain.services && { services: drain.services }) };
}

/** How an order has to be confirmed. */
export type ConfirmKind = 'click' | 'name' | 'type';

/** How `draft` has to be confirmed where `before` percent are in force, or at the end of a ramp, already. */
export function confirmKind(draft: DrainDraft, before: number): ConfirmKind {
  if (draft.percent <= before && draft.last !== 'force') return 'click';
  return draft.percent === 100 || draft.last === 'force' ? 'type' : 'name';
}

/** How many services lose traffic in the drained cluster if the order is given. */
export function losingServices(of: ComparisonDocument): number {
  const { leftWithout, partlyServed, nothingHealthy, moved } = of.counts;
  return leftWithout + partlyServed + nothingHealthy + moved;
}

/** Whether the gateway would refuse the order as it stands: services would be left without, and nothing is said about them. */
export function isRefused(draft: DrainDraft, of: ComparisonDocument): boolean {
  return draft.last === 'refuse' && of.counts.refused + of.counts.leftWithout > 0;
}

/** Whether two answers mean the same, whatever their fields' order. */
export function isSameComparison(a: ComparisonDocument, b: ComparisonDocument): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, field: unknown) => {
    if (typeof field !== 'object' || field === null || Array.isArray(field)) return field;
    return Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
