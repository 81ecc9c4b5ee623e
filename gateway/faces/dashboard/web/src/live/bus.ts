/**
 * What the gateway's stream says, for the parts of this tab. Where there is no stream, because the gateway has none, refuses it or is away,
 * every topic counts as changed every two seconds: then the page asks as if it had no stream at all, and is late by no more than that.
 */
import { signal } from '@preact/signals';
import { keepStream } from './stream';
import type { LiveSign, LiveTopic } from './signs';

/** Milliseconds between questions where no stream stands. */
export const POLL_MS = 2000;

/** How the tab hears of changes: `stream`, or `poll` where it asks by itself. */
export const liveness = signal<'stream' | 'poll'>('poll');

type Listener = (sign: 'all' | { services: number; configs: number }) => void;
const listeners = new Map<Listener, ReadonlySet<LiveTopic>>();
let startAgain: () => void = () => undefined;

/** Calls `listener` when something of `topics` changed; the function that is returned ends it. */
export function onChange(topics: readonly LiveTopic[], listener: Listener): () => void {
  listeners.set(listener, new Set(topics));
  return () => listeners.delete(listener);
}

/** Begins to listen. */
export function beginLive(): void {
  setInterval(() => {
    if (liveness.value === 'poll') tellAll();
  }, POLL_MS);
  const worker = sharedWorker();
  if (!worker) {
    if (typeof EventSource !== 'undefined') startAgain = keepStream(hear);
    return;
  }
  worker.port.onmessage = (message: MessageEvent<LiveSign>) => hear(message.data);
  worker.port.postMessage('here');
  addEventListener('pagehide', () => worker.port.postMessage('gone'));
  addEventListener('pageshow', (event) => {
    if (!event.persisted) return;
    worker.port.postMessage('here');
    tellAll(); // The browser kept the page and let it sleep: what was said meanwhile was not heard.
  });
  startAgain = () => worker.port.postMessage('again');
}

/** Has the stream opened anew and everything asked for: whoever looks is another now. */
export function restartLive(): void {
  startAgain();
  tellAll();
}

function hear(sign: LiveSign): void {
  if (sign.kind === 'changed') {
    for (const [listener, topics] of listeners) {
      if (sign.topics.some((topic) => topics.has(topic))) listener({ services: sign.services, configs: sign.configs });
    }
    return;
  }
  const before = liveness.value;
  liveness.value = sign.kind === 'up' ? 'stream' : 'poll';
  if (sign.kind === 'up' ? sign.everything || before === 'poll' : before === 'stream') tellAll();
}

function tellAll(): void {
  for (const listener of listeners.keys()) listener('all');
}

interface TrustedPolicies {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): { createScriptURL: (url: string) => string };
}

/** The only address from which the page starts a script by itself. */
const WORKER_URL = '/worker.js';

function sharedWorker(): SharedWorker | null {
  if (typeof SharedWorker === 'undefined') return null;
  try {
    const policies = (globalThis as { trustedTypes?: TrustedPolicies }).trustedTypes;
    const createScriptURL = (url: string) => {
      if (url !== WORKER_URL) throw new TypeError(`no script of ${url} is started`);
      return url;
    };
    const trusted = policies?.createPolicy('nacos-fed', { createScriptURL }).createScriptURL(WORKER_URL) ?? WORKER_URL;
    return new SharedWorker(trusted, { type: 'module', name: 'nacos-fed' });
  } catch {
    return null; // Forbidden where the page lies: the tab holds a stream of its own.
  }
}
