/** What is told between the gateway's stream, the worker that holds it, and the tabs. */

/** What an event may be about, as `/v1/events` names it. */
export type LiveTopic =
  | 'clusters' | 'links' | 'drains' | 'holds' | 'policy' | 'gateway' | 'services' | 'configs' | 'excluded' | 'changes';

/** What tabs are told. */
export type LiveSign =
  /** The stream stands. `everything`: something may have been missed, so that all is asked for anew. */
  | { kind: 'up'; everything: boolean }
  /** The stream does not stand; tabs ask every two seconds meanwhile. */
  | { kind: 'down' }
  /** Something of these topics changed. */
  | { kind: 'changed'; topics: LiveTopic[]; services: number; configs: number };

/** What a tab tells the worker: that it is there, that it goes, or that whoever looks is another now. */
export type TabSign = 'here' | 'gone' | 'again';

/** The sign in the data of an event `changed`; null if it cannot be read. */
export function readChanged(data: string): LiveSign | null {
  try {
    const found = JSON.parse(data) as { topics?: unknown; services?: unknown; configs?: unknown };
    const topics = Array.isArray(found.topics) ? (found.topics as LiveTopic[]) : [];
    const count = (value: unknown) => (typeof value === 'number' ? value : 0);
    return { kind: 'changed', topics, services: count(found.services), configs: count(found.configs) };
  } catch {
    return null;
  }
}
