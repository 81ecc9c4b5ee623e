/** Documents of `/v1/services`, as the pages of services read them. */
import type { ServiceName } from '../../api/types';

/** What a service is in; several at once. */
export const SERVICE_STATES = ['unhealthy', 'stale', 'held', 'drained', 'single', 'changed'] as const;
/** One of them. */
export type ServiceStateName = (typeof SERVICE_STATES)[number];

/** Orders of the list; the last three begin with the most. */
export const SERVICE_SORTS = ['name', 'instances', 'unhealthy', 'changed'] as const;
/** One of them. */
export type ServiceSortName = (typeof SERVICE_SORTS)[number];

/** A service in a list. */
export interface ServiceSummary extends ServiceName {
  instances: number;
  healthy: number;
  unhealthy: number;
  unknown: number;
  origins: number;
  states: ServiceStateName[];
  changedMs: number | null;
}

/** How many services there are of what, under the filter. */
export type ServiceFacets = Record<ServiceStateName, number> & {
  namespaces: Record<string, number>;
  origins: Record<string, number>;
};

/** `/v1/services` with `fields=summary`. */
export interface ServicesDocument {
  total: number;
  services: ServiceSummary[];
  nextCursor: string | null;
  facets?: ServiceFacets;
  filtered?: boolean;
}
