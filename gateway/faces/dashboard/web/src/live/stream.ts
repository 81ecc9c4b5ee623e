/**
 * One event stream, kept up: by the worker for all tabs of a browser, or by the only tab where there are no shared workers.
 *
 * Browsers give one host six connections of HTTP/1.1. With a stream for each tab the seventh tab waits for ever and says nothing; that is
 * why tabs share one. Whatever was broken and came back says `everything`: to ask once too often is cheaper than to show what was.
 */
import { readChanged, type LiveSign } from './signs';

/** Milliseconds after which a stream that was refused is tried again. */
const AGAIN_MS = 2000;

/** Keeps a stream of `/v1/events` up, and says what happens. The function that is returned begins anew, for another person's rights. */
export function keepStream(say: (sign: LiveSign) => void): () => void {
  let source: EventSource | null = null;
  let waits: ReturnType<typeof setTimeout> | undefined;
  let wasUp = false;
  const open = () => {
    clearTimeout(waits);
    source?.close();
    source = new EventSource('/v1/events');
    source.addEventListener('open', () => {
      say({ kind: 'up', everything: wasUp });
      wasUp = true;
    });
    source.addEventListener('reset', () => say({ kind: 'up', everything: true }));
    source.addEventListener('changed', (event) => {
      const sign = readChanged((event as MessageEvent<string>).data);
      if (sign) say(sign);
    });
    source.addEventListener('error', () => {
      say({ kind: 'down' });
      // Where the connection broke the browser tries again by itself; where the gateway refused, it does not.
      if (source?.readyState === EventSource.CLOSED) waits = setTimeout(open, AGAIN_MS);
    });
  };
  open();
  return open;
}
