/**
 * A document that stays true while it is shown.
 *
 *     const live = useLive({ key: 'clusters', topics: ['clusters'], fetch: (signal) => ask<ClustersDocument>('/v1/clusters', {}, signal) });
 *     <LiveView of={live}>{(data) => …}</LiveView>
 *
 * It is asked for when shown, when its `key` changes, when one of its topics changes, and every `everyMs` where ages matter, which no event
 * tells. One question is on its way at a time; what changes meanwhile is asked for once after it. A tab that nobody sees asks nothing, and asks
 * when it is seen again. What went wrong keeps the last document beside the error: whoever draws it greys it and says of when it is.
 */
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { signal, type Signal } from '@preact/signals';
import { ProblemError, type GatewayAnswer } from '../api/client';
import { onChange, POLL_MS } from './bus';
import type { LiveTopic } from './signs';

/** A document as it is known now. */
export interface LiveState<T> {
  /** The last that came; null before the first. It belongs to the `key` of now. */
  readonly data: T | null;
  /** When it came, unix milliseconds by the page's clock; 0 before the first. */
  readonly atMs: number;
  /** Why nothing newer came; null if the last question was answered. */
  readonly error: Error | null;
  /** How many changes a newer document has that `hold` keeps back. */
  readonly waiting: number;
}

/** What is to be kept true. */
export interface LiveSource<T> {
  /** Names what is asked for; another key is another document, for which the old one is not shown. */
  key: string;
  /** What it depends on. */
  topics: readonly LiveTopic[];
  /** Asks for it. */
  fetch: (signal: AbortSignal) => Promise<GatewayAnswer<T>>;
  /** Milliseconds after which it is asked for in any case; absent: only by topics. */
  everyMs?: number;
  /** How many changes of `fresh` would move what is shown under a hand: while there are any, `shown` stays, and `refresh` shows the newer one. */
  hold?: (shown: T, fresh: T) => number;
}

/** A live document, to be drawn by `state.value`. */
export interface LiveDocument<T> {
  readonly state: Signal<LiveState<T>>;
  /** Asks for it now, and shows what comes, also what was kept back. */
  refresh(): void;
}

const NOTHING = { data: null, atMs: 0, error: null, waiting: 0 };

/** Keeps a document true while the component is shown. */
export function useLive<T>(source: LiveSource<T>): LiveDocument<T> {
  const latest = useRef(source);
  latest.current = source;
  const runner = useMemo(() => new LiveRunner<T>(() => latest.current), [source.key]);
  useEffect(() => runner.run(source.topics, source.everyMs), [runner]);
  return runner;
}

class LiveRunner<T> implements LiveDocument<T> {
  readonly state: Signal<LiveState<T>> = signal<LiveState<T>>(NOTHING);
  #source: () => LiveSource<T>;
  #asking: AbortController | null = null;
  #isDue = false;
  #isWanted = false;
  #ended = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(source: () => LiveSource<T>) {
    this.#source = source;
  }

  refresh(): void {
    this.#isWanted = true;
    void this.#ask();
  }

  run(topics: readonly LiveTopic[], everyMs: number | undefined): () => void {
    this.#ended = false;
    const seen = () => {
      if (document.visibilityState === 'visible' && this.#isDue) void this.#ask();
    };
    const stop = onChange(topics, () => this.#whenSeen());
    const timer = everyMs === undefined ? undefined : setInterval(() => this.#whenSeen(), everyMs);
    document.addEventListener('visibilitychange', seen);
    void this.#ask();
    return () => {
      this.#ended = true;
      stop();
      clearInterval(timer);
      clearTimeout(this.#retry);
      document.removeEventListener('visibilitychange', seen);
      this.#asking?.abort();
      this.#asking = null;
    };
  }

  #whenSeen(): void {
    if (document.visibilityState === 'visible') void this.#ask();
    else this.#isDue = true;
  }

  async #ask(): Promise<void> {
    this.#isDue = this.#asking !== null;
    if (this.#asking || this.#ended) return;
    clearTimeout(this.#retry);
    const asking = new AbortController();
    this.#asking = asking;
    try {
      const answer = await this.#source().fetch(asking.signal);
      if (!asking.signal.aborted) this.#take(answer);
    } catch (error) {
      if (!asking.signal.aborted) this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
    if (this.#asking !== asking) return;
    this.#asking = null;
    if (this.#isDue) this.#whenSeen();
  }

  #take(answer: GatewayAnswer<T>): void {
    const { data } = this.state.value;
    const waiting = data === null || this.#isWanted ? 0 : this.#source().hold?.(data, answer.data) ?? 0;
    this.#isWanted = false;
    if (waiting > 0) {
      this.state.value = { data, atMs: answer.atMs, error: null, waiting };
      return;
    }
    this.state.value = { data: answer.data, atMs: answer.atMs, error: null, waiting: 0 };
  }

  /** Who may not see a thing, or what is not there, is told so in place of what was; else the last document stays. */
  #fail(error: Error): void {
    const isFinal = error instanceof ProblemError && [401, 403, 404].includes(error.status);
    const before = this.state.value;
    this.state.value = isFinal ? { ...NOTHING, error } : { ...before, error };
    if (!isFinal) this.#retry = setTimeout(() => this.#whenSeen(), POLL_MS);
  }
}
