/** The command that prints a config item. */
import { shellCall } from '../service/commands';
import type { ConfigName } from '../configs/types';

/** Prints what each cluster has of it. */
export function configCommand({ namespaceId, groupName, dataId }: ConfigName, server: string): string {
  return shellCall(server, ['config', dataId], [['--namespace', namespaceId], ['--group', groupName]]);
}
