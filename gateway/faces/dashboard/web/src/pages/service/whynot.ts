/** Why a caller does not get an endpoint: what the explanation says of it, as a code that the page has a text for. */
import type { ExplanationDocument, PlannedEndpoint } from './types';

/** Why an endpoint has no share. */
export type NoShareReason = 'unhealthy' | 'lost' | 'stale' | 'drained' | 'betterPriority' | 'weightless' | 'notPreferred';

/** An endpoint that the caller does not get. */
export interface WithoutShare {
  endpoint: string;
  origin: string;
  locality: string;
  /** Why, as a code; `null` where the gateway says it in its own words. */
  reason: NoShareReason | null;
  /** The gateway's own words, for endpoints that are in no priority. */
  word: string | null;
  /** Its code for them. */
  code: string;
}

/** All endpoints without a share, those that are in no priority first. */
export function withoutShare(explanation: ExplanationDocument): WithoutShare[] {
  const leftOut = explanation.leftOut.map(({ endpoint, origin, locality, reason, code }) => ({
    endpoint, origin, locality, reason: null, word: reason, code: code ?? reason,
  }));
  const planned = explanation.endpoints.filter((endpoint) => endpoint.share === 0);
  const unused = planned.map((one) => ({
    endpoint: one.endpoint, origin: one.origin, locality: one.locality, reason: whyNot(one, explanation), word: null, code: '',
  }));
  return [...leftOut, ...unused];
}

/** The strongest reason: what it is itself before what others are. */
function whyNot(endpoint: PlannedEndpoint, { priorities, drains }: ExplanationDocument): NoShareReason {
  const isDrained = drains.some((drain) => drain.cluster === endpoint.origin && drain.percent >= 100 && ['in_force', 'forced'].includes(drain.ruling));
  if (isDrained) return 'drained';
  if (endpoint.weight === 0) return 'weightless';
  if (endpoint.rawHealth === 'unhealthy') return 'unhealthy';
  if (endpoint.effectiveFreshness === 'lost') return 'lost';
  if (endpoint.effectiveFreshness === 'stale') return 'stale';
  const priority = priorities.find((one) => one.priority === endpoint.priority);
  return priority && priority.load + priority.degradedLoad > 0 ? 'notPreferred' : 'betterPriority';
}

/** One line of an explanation: the step, and what it did. */
export interface TraceStep {
  step: string;
  text: string;
}

/** Lines `step: text` taken apart; a line without a step has none. */
export function traceSteps(trace: readonly string[]): TraceStep[] {
  return trace.map((line) => {
    const at = line.indexOf(': ');
    return at > 0 && !line.slice(0, at).includes(' ') ? { step: line.slice(0, at), text: line.slice(at + 2) } : { step: '', text: line };
  });
}
