/**
 * Rows that do not jump. News of a list is taken in where they are as long as the same rows stay in the same order; otherwise what is shown
 * keeps its order, with new values in it, and the person is told how much waits.
 */
import type { ServiceSummary, ServicesDocument } from './types';

/** What is shown, and what waits to be. */
export interface CalmList {
  shown: ServicesDocument;
  /** The newest list if it has other rows, or another order. */
  waiting: ServicesDocument | null;
  /** How many rows of `waiting` came, went or moved. */
  changes: number;
}

/** A key of a service, for comparing and for drawing. */
export function serviceKey(service: { namespaceId: string; groupName: string; serviceName: string }): string {
  return [service.namespaceId, service.groupName, service.serviceName].join('\u0000');
}

/** A list that is shown for the first time, or that the person asked for. */
export function calmList(shown: ServicesDocument): CalmList {
  return { shown, waiting: null, changes: 0 };
}

/** Takes news in. */
export function takeNews(list: CalmList, news: ServicesDocument): CalmList {
  const before = list.shown.services.map(serviceKey);
  const after = news.services.map(serviceKey);
  const changes = movedRows(before, after);
  if (changes === 0) return calmList(news);
  const newest = new Map(news.services.map((service) => [serviceKey(service), service]));
  const services = list.shown.services.map((service): ServiceSummary => newest.get(serviceKey(service)) ?? service);
  return { shown: { ...list.shown, services }, waiting: news, changes };
}

/** How many rows came or went; if none did, how many stand elsewhere. */
function movedRows(before: readonly string[], after: readonly string[]): number {
  const [old, young] = [new Set(before), new Set(after)];
  const came = after.filter((key) => !old.has(key)).length;
  const went = before.filter((key) => !young.has(key)).length;
  const turnover = Math.max(came, went);
  return turnover > 0 ? turnover : after.filter((key, at) => before[at] !== key).length;
}
