/** The one live region of the page: what screen readers are told without having asked, at most once in ten seconds, the latest only. */
import { signal } from '@preact/signals';

/** Least time between two announcements, milliseconds. */
export const CALM_MS = 10_000;

/** The text of the region. */
export const announced = signal('');

/** Makes a function that passes texts on at most once in `calmMs`: the first at once, of those in between the last one. */
export function calmly(pass: (text: string) => void, calmMs: number, clock: () => number, later: (run: () => void, ms: number) => void) {
  let saidAt = -Infinity;
  let waits: string | null = null;
  return (text: string): void => {
    const rest = saidAt + calmMs - clock();
    if (rest <= 0 && waits === null) {
      saidAt = clock();
      pass(text);
      return;
    }
    const isFirst = waits === null;
    waits = text;
    if (!isFirst) return;
    later(() => {
      const last = waits;
      waits = null;
      saidAt = clock();
      if (last !== null) pass(last);
    }, rest);
  };
}

/** Tells screen readers a text that has changed by itself. */
export const announce = calmly((text) => (announced.value = text), CALM_MS, () => performance.now(), (run, ms) => setTimeout(run, ms));
