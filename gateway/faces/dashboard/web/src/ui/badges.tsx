/** Small marks: freshness, ages, times, pills. Each says in words or by a letter what its colour says. */
import type { ComponentChildren } from 'preact';
import type { FreshnessFields, FreshnessWord } from '../api/types';
import { clock, formatAge, formatFullTime, formatTime, now } from '../i18n/formats';
import { freshnessReason, words } from '../i18n/words';

const KNOWN: readonly string[] = ['live', 'stale', 'lost', 'isolated'];

/** The name of a freshness in the reader's language. */
export function freshnessName(freshness: string): string {
  return words(`freshness.${known(freshness)}`);
}

/** The letter that stands beside its colour. */
export function freshnessLetter(freshness: string): string {
  return words(`letter.${known(freshness)}`);
}

function known(freshness: string): FreshnessWord | 'unknown' {
  return KNOWN.includes(freshness) ? (freshness as FreshnessWord) : 'unknown';
}

/** A freshness: letter, word and colour. `short`: the letter alone is seen, the word is read. */
export function FreshnessBadge({ of, short = false }: { of: FreshnessFields | { freshness: string }; short?: boolean }) {
  const word = known(of.freshness);
  const reason = 'freshnessReason' in of ? freshnessReason(of) : undefined;
  return (
    <span class={`badge fresh-${word}`} title={reason}>
      <span class="letter" aria-hidden="true">{words(`letter.${word}`)}</span>
      <span class={short ? 'sr-only' : undefined}>{words(`freshness.${word}`)}</span>
    </span>
  );
}

/** An age that goes on: `ageMs` old at `atMs`, when the answer came. `boundMs`: beyond it, the age is marked. */
export function LiveAge({ ageMs, atMs, boundMs }: { ageMs: number | null; atMs: number; boundMs?: number }) {
  if (ageMs === null) return <span class="age never">{words('age.never')}</span>;
  const age = ageMs + Math.max(0, now.value - atMs);
  const isOver = boundMs !== undefined && age > boundMs;
  return <span class={isOver ? 'age over' : 'age'}>{formatAge(age)}</span>;
}

/** A moment by the person's clock; the full one behind it. */
export function TimeMark({ atMs }: { atMs: number }) {
  const shown = formatTime(atMs, clock.value === 'relative' ? now.value : Date.now());
  return <time dateTime={new Date(atMs).toISOString()} title={formatFullTime(atMs)}>{shown}</time>;
}

/** A word with a ground, `tone` by meaning. */
export function Pill({ tone = 'plain', title, children }: { tone?: PillTone; title?: string; children: ComponentChildren }) {
  return <span class={`pill tone-${tone}`} title={title}>{children}</span>;
}

/** What a pill means. */
export type PillTone = 'plain' | 'ok' | 'warn' | 'bad' | 'info';
