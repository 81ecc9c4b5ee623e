/** The shared worker: one stream of events for all tabs of a browser, and what it says passed on to each. */
import { keepStream } from './stream';
import type { LiveSign, TabSign } from './signs';

interface SharedScope {
  onconnect: ((event: MessageEvent) => void) | null;
}

const tabs = new Set<MessagePort>();
let standing: LiveSign = { kind: 'down' };
let again: (() => void) | null = null;

function tell(sign: LiveSign): void {
  if (sign.kind !== 'changed') standing = sign.kind === 'up' ? { kind: 'up', everything: false } : sign;
  for (const tab of tabs) tab.postMessage(sign);
}

(self as unknown as SharedScope).onconnect = (event) => {
  const tab = event.ports[0];
  if (!tab) return;
  tab.onmessage = (message: MessageEvent<TabSign>) => {
    if (message.data === 'gone') tabs.delete(tab);
    if (message.data === 'again') again?.();
    if (message.data === 'here' && !tabs.has(tab)) {
      tabs.add(tab);
      tab.postMessage(standing);
    }
  };
  again ??= keepStream(tell);
};
