/** What is supposed, as it stands in the address and as the gateway is asked. */
import type { QueryValue } from '../../router';

/** A supposition. */
export interface Supposition {
  lost: string[];
  /** The drained cluster; empty for none. */
  drain: string;
  percent: number;
  /** Places, as they were typed. */
  unhealthy: string;
}

/** The supposition in an address. */
export function suppositionOf(query: URLSearchParams): Supposition {
  const percent = Number(query.get('percent') ?? '100');
  return {
    lost: query.getAll('lost'),
    drain: query.get('drain') ?? '',
    percent: Number.isInteger(percent) && percent >= 0 && percent <= 100 ? percent : 100,
    unhealthy: query.get('unhealthy') ?? '',
  };
}

/** The question for the gateway; null if nothing is supposed. */
export function questionOf(of: Supposition): Record<string, QueryValue> | null {
  const unhealthy = of.unhealthy.split(',').map((place) => place.trim()).filter(Boolean);
  if (of.lost.length === 0 && of.drain === '' && unhealthy.length === 0) return null;
  return { lost: of.lost, drain: of.drain === '' ? null : `${of.drain}:${of.percent}`, unhealthy };
}
