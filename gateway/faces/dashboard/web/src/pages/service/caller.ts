/** Who asks for a plan: read from the address, written to it, and told to the gateway and to the command line alike. */
import type { ServiceName } from '../../api/types';

/** A caller; empty texts are what nobody said. */
export interface PlanCaller {
  cluster: string;
  region: string;
  zone: string;
  subZone: string;
  network: string;
  /** `key=value`, as they were typed. */
  labels: string[];
}

const FIELDS = ['cluster', 'region', 'zone', 'subZone', 'network'] as const;

/** The caller of an address. */
export function readCaller(params: URLSearchParams): PlanCaller {
  const caller: PlanCaller = { cluster: '', region: '', zone: '', subZone: '', network: '', labels: params.getAll('label') };
  for (const field of FIELDS) caller[field] = params.get(field) ?? '';
  return caller;
}

/** Labels as pairs; what has no `=` or no key is none. */
export function labelPairs(caller: PlanCaller): [key: string, value: string][] {
  return caller.labels.flatMap((label): [string, string][] => {
    const at = label.indexOf('=');
    return at > 0 ? [[label.slice(0, at), label.slice(at + 1)]] : [];
  });
}

/** The address of a document about a service. The empty namespace is one of its own and has to be said, so that no parameter is left out. */
export function serviceUrl(path: string, service: ServiceName, more: readonly (readonly [name: string, value: string])[] = []): string {
  const { namespaceId, groupName, serviceName } = service;
  return `${path}?${new URLSearchParams([['namespaceId', namespaceId], ['groupName', groupName], ['serviceName', serviceName], ...more.map(([name, value]) => [name, value])])}`;
}

/** The address of a caller's plan, or of how it came about. */
export function planUrl(path: '/v1/resolve' | '/v1/explain', service: ServiceName, caller: PlanCaller): string {
  const said = FIELDS.flatMap((field): [string, string][] => (caller[field] === '' ? [] : [[field, caller[field]]]));
  const labels = labelPairs(caller).map(([key, value]): [string, string] => [`label.${key}`, value]);
  return serviceUrl(path, service, [...said, ...labels]);
}
