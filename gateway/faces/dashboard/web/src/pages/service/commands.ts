/** The commands that print what a page shows, for a POSIX shell. Names in them were written by others: whatever is in one stays one word. */
import type { ServiceName } from '../../api/types';
import { labelPairs, type PlanCaller } from './caller';

/** `text` as one word of a shell. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A call of the program: its command and a name, and options that have a value. */
export function shellCall(server: string, words: readonly string[], options: readonly (readonly [name: string, value: string])[]): string {
  // A value that begins with a dash would be taken for an option.
  const given = [...options, ['--server', server]].map(([name, value = '']) => `${name}${value.startsWith('-') ? '=' : ' '}${shellWord(value)}`);
  const [verb, ...names] = words.map(shellWord);
  return ['nacos-fed', verb, ...given, ...(names.some((name) => name.startsWith('-')) ? ['--'] : []), ...names].join(' ');
}

function place(service: ServiceName): [string, string][] {
  return [
    ['--namespace', service.namespaceId],
    ['--group', service.groupName],
  ];
}

/** Prints the instances of a service. */
export function serviceCommand(service: ServiceName, server: string): string {
  return shellCall(server, ['service', service.serviceName], place(service));
}

/** Prints a caller's plan, or how it came about. */
export function planCommand(verb: 'resolve' | 'explain', service: ServiceName, caller: PlanCaller, server: string): string {
  const said: [string, string][] = [
    ['--cluster', caller.cluster],
    ['--region', caller.region],
    ['--zone', caller.zone],
    ['--sub-zone', caller.subZone],
    ['--network', caller.network],
  ];
  const labels = labelPairs(caller).map(([key, value]): [string, string] => ['--label', `${key}=${value}`]);
  return shellCall(server, [verb, service.serviceName], [...place(service), ...said.filter(([, value]) => value !== ''), ...labels]);
}

/** Prints what changed of a service. */
export function changesCommand(service: ServiceName, server: string): string {
  return shellCall(server, ['changes', service.serviceName], place(service));
}
