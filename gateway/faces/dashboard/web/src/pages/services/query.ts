/** What the list of services shows, read from the address and written to it, and what the gateway is asked for it. */
import type { QueryValue } from '../../router';
import { SERVICE_SORTS, SERVICE_STATES, type ServiceSortName, type ServiceStateName } from './types';

/** Rows of a page: few enough that the document stays small, enough for a screen. */
export const PAGE_ROWS = 50;

/** A list of services: which, in which order, from where on. */
export interface ServicesQuery {
  q: string;
  namespace: string | null;
  group: string;
  origin: string;
  states: ServiceStateName[];
  sort: ServiceSortName;
  /** Where the page begins, as the gateway named it; empty for the first. */
  after: string;
  /** How many services are before the page. Only shown. */
  from: number;
}

/** The query that an address means; what it cannot mean is left out. */
export function readServicesQuery(params: URLSearchParams): ServicesQuery {
  const states = params.getAll('state').filter((state) => (SERVICE_STATES as readonly string[]).includes(state));
  const sort = SERVICE_SORTS.find((name) => name === params.get('sort')) ?? 'name';
  const from = Number(params.get('from') ?? 0);
  const after = params.get('after') ?? '';
  return {
    q: params.get('q') ?? '',
    namespace: params.get('ns'),
    group: params.get('group') ?? '',
    origin: params.get('origin') ?? '',
    states: [...new Set(states)] as ServiceStateName[],
    sort,
    after,
    from: after !== '' && Number.isSafeInteger(from) && from > 0 ? from : 0,
  };
}

/** Parameters of the gateway's API. */
export function apiQuery(query: ServicesQuery): Record<string, QueryValue> {
  return {
    q: query.q.trim(),
    namespaceId: query.namespace,
    groupName: query.group,
    origin: query.origin,
    state: query.states,
    sort: query.sort === 'name' ? null : query.sort,
    fields: 'summary',
    facets: true,
    pageSize: PAGE_ROWS,
    cursor: query.after,
  };
}

/** Whether anything narrows the list. */
export function isNarrowed(query: ServicesQuery): boolean {
  const { q, namespace, group, origin, states } = query;
  return q.trim() !== '' || namespace !== null || group !== '' || origin !== '' || states.length > 0;
}

/** A change of the filter, for the address: the list begins anew. */
export function narrowed(change: Record<string, QueryValue>): Record<string, QueryValue> {
  return { ...change, after: null, from: null };
}

/** `states` with one more, or one less if it is among them; in the order in which they are shown. */
export function toggledState(states: readonly ServiceStateName[], state: ServiceStateName): ServiceStateName[] {
  return SERVICE_STATES.filter((one) => (one === state) !== states.includes(one));
}
