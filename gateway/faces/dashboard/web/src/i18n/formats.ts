/** Numbers, shares, ages and times, as the language of the page and the person's clock write them. */
import { signal } from '@preact/signals';
import { readChoice, writeChoice } from '../choices';
import { language } from './language';

/** How times are shown. */
export type ClockName = 'local' | 'utc' | 'relative';

/** The clock of the moment: one switch for every time of the page. */
export const clock = signal<ClockName>('local');

/** Reads the person's choice. */
export function beginClock(): void {
  const chosen = readChoice('clock');
  clock.value = chosen === 'utc' || chosen === 'relative' ? chosen : 'local';
}

/** Shows times by `name` from now on. */
export function chooseClock(name: ClockName): void {
  clock.value = name;
  writeChoice('clock', name);
}

/** Time of the page's clock, unix milliseconds, moved on once a second while the page is seen. */
export const now = signal(Date.now());

/** Begins to move `now` on. */
export function beginNow(): void {
  const tick = () => {
    if (document.visibilityState === 'visible') now.value = Date.now();
  };
  setInterval(tick, 1000);
  document.addEventListener('visibilitychange', tick);
}

const made = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat>();

function tag(): string {
  return language.value === 'zh-CN' ? 'zh-CN' : 'en';
}

function numbers(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = `n ${tag()} ${JSON.stringify(options)}`;
  const found = made.get(key) ?? new Intl.NumberFormat(tag(), options);
  made.set(key, found);
  return found as Intl.NumberFormat;
}

function dates(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `d ${tag()} ${JSON.stringify(options)}`;
  const found = made.get(key) ?? new Intl.DateTimeFormat(tag(), options);
  made.set(key, found);
  return found as Intl.DateTimeFormat;
}

/** A number with its thousands: `1,234`. */
export function formatNumber(value: number): string {
  return numbers({ maximumFractionDigits: 3 }).format(value);
}

/** A share in millionths as a percentage: `22.5%`. A share that is more than none is never shown as none, one that is not all never as all. */
export function formatShare(millionths: number): string {
  const percent = millionths / 10_000;
  const shown = percent > 0 && percent < 0.1 ? 0.1 : percent < 100 && percent > 99.9 ? 99.9 : percent;
  return numbers({ style: 'percent', maximumFractionDigits: 1 }).format(shown / 100);
}

/** A whole percentage: `40%`. */
export function formatPercent(percent: number): string {
  return numbers({ style: 'percent', maximumFractionDigits: 0 }).format(percent / 100);
}

const UNITS: [name: 'second' | 'minute' | 'hour' | 'day', ms: number][] = [
  ['second', 1000],
  ['minute', 60_000],
  ['hour', 3_600_000],
  ['day', 86_400_000],
];

/** A length of time in its largest unit, rounded down: `250 ms`, `12 s`, `3 min`. What is younger than it says would be a lie; older by less than one unit is not. */
export function formatAge(ms: number): string {
  const length = Math.max(0, ms);
  if (length < 1000) return numbers({ style: 'unit', unit: 'millisecond', unitDisplay: 'short', maximumFractionDigits: 0 }).format(Math.floor(length));
  const [unit, size] = UNITS.filter(([, unitMs]) => length >= unitMs).at(-1) ?? ['second', 1000];
  return numbers({ style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: 0 }).format(Math.floor(length / size));
}

/** A time of day, by the person's clock; with the date if it is not today's. `nowMs` is what `relative` counts from. */
export function formatTime(atMs: number, nowMs: number): string {
  if (clock.value === 'relative') return formatAgo(nowMs - atMs);
  const zone: Intl.DateTimeFormatOptions = clock.value === 'utc' ? { timeZone: 'UTC', timeZoneName: 'short' } : {};
  const day = dates({ ...zone, dateStyle: undefined, year: 'numeric', month: '2-digit', day: '2-digit' });
  const isToday = day.format(atMs) === day.format(nowMs);
  const date: Intl.DateTimeFormatOptions = isToday ? {} : { year: 'numeric', month: 'short', day: 'numeric' };
  return dates({ ...zone, ...date, hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }).format(atMs);
}

/** `5 minutes ago`. */
export function formatAgo(ms: number): string {
  const [unit, size] = UNITS.filter(([, unitMs]) => Math.abs(ms) >= unitMs).at(-1) ?? ['second', 1000];
  return new Intl.RelativeTimeFormat(tag(), { numeric: 'auto' }).format(-Math.trunc(ms / size), unit);
}

/** A time with its date and zone, whatever the clock: for what stands behind a short one. */
export function formatFullTime(atMs: number): string {
  const zone: Intl.DateTimeFormatOptions = clock.value === 'utc' ? { timeZone: 'UTC' } : {};
  const whole: Intl.DateTimeFormatOptions = { year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit' };
  return dates({ ...zone, ...whole, hourCycle: 'h23', timeZoneName: 'short' }).format(atMs);
}
