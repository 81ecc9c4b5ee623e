/** What the list of config items shows, read from the address, and what the gateway is asked for it. */
import type { QueryValue } from '../../router';

/** Rows of a page. */
export const PAGE_ROWS = 50;

/** A list of config items. */
export interface ConfigsQuery {
  q: string;
  namespace: string | null;
  group: string;
  isDrift: boolean;
  page: number;
}

/** The query that an address means. */
export function readConfigsQuery(params: URLSearchParams): ConfigsQuery {
  const page = Number(params.get('page') ?? 1);
  return {
    q: params.get('q') ?? '',
    namespace: params.get('ns'),
    group: params.get('group') ?? '',
    isDrift: ['1', 'true'].includes(params.get('drift') ?? ''),
    page: Number.isSafeInteger(page) && page > 0 ? page : 1,
  };
}

/** Parameters of the gateway's API: what was typed may stand anywhere in the data id. */
export function apiQuery(query: ConfigsQuery): Record<string, QueryValue> {
  const typed = query.q.trim();
  return {
    dataId: typed === '' ? null : `*${typed}*`,
    namespaceId: query.namespace,
    groupName: query.group,
    drift: query.isDrift,
    pageNo: query.page === 1 ? null : query.page,
    pageSize: PAGE_ROWS,
  };
}

/** Whether anything but `drift` narrows the list. */
export function isNarrowed({ q, namespace, group, page }: ConfigsQuery): boolean {
  return q.trim() !== '' || namespace !== null || group !== '' || page > 1;
}
