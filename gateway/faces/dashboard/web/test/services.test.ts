import { describe, expect, test } from 'vitest';
import { calmList, takeNews } from '../src/pages/services/calm';
import { apiQuery, isNarrowed, readServicesQuery, toggledState } from '../src/pages/services/query';
import type { ServicesDocument, ServiceSummary } from '../src/pages/services/types';
import { urlOf } from '../src/router';

const service = (serviceName: string, instances = 1): ServiceSummary => ({
  namespaceId: 'public', groupName: 'G', serviceName, instances, healthy: instances, unhealthy: 0, unknown: 0, origins: 1, states: [], changedMs: null,
});
const list = (...services: ServiceSummary[]): ServicesDocument => ({ total: services.length, services, nextCursor: null });
const names = (of: ServicesDocument) => of.services.map((one) => one.serviceName);

describe('a list of services', () => {
  test('is read from the address, and what means nothing is left out', () => {
    const query = readServicesQuery(new URLSearchParams('q=or&state=held&state=nonsense&state=held&sort=shoe&ns=public&from=50'));
    expect(query).toMatchObject({ q: 'or', states: ['held'], sort: 'name', namespace: 'public', from: 0 });
    expect(isNarrowed(query)).toBe(true);
    expect(isNarrowed(readServicesQuery(new URLSearchParams('sort=instances')))).toBe(false);
  });

  test('is asked for with every state, and from where the page begins', () => {
    const url = urlOf('/v1/services', apiQuery(readServicesQuery(new URLSearchParams('state=held&state=stale&sort=changed&after=abc&from=50'))));
    expect(url).toBe('/v1/services?state=held&state=stale&sort=changed&fields=summary&facets=true&pageSize=50&cursor=abc');
  });

  test('toggles states in the order in which they are shown', () => {
    expect(toggledState(['held'], 'unhealthy')).toEqual(['unhealthy', 'held']);
    expect(toggledState(['unhealthy', 'held'], 'unhealthy')).toEqual(['held']);
  });

  test('takes new values of the same rows in at once', () => {
    const next = takeNews(calmList(list(service('a'), service('b'))), list(service('a'), service('b', 7)));
    expect(next).toMatchObject({ changes: 0, waiting: null });
    expect(next.shown.services[1]?.instances).toBe(7);
  });

  test.each([
    ['a row that came', ['a', 'b'], ['a', 'b', 'c'], 1],
    ['a row that went', ['a', 'b'], ['b'], 1],
    ['rows that changed places', ['a', 'b', 'c'], ['a', 'c', 'b'], 2],
    ['one that took the place of another', ['a', 'b'], ['a', 'c'], 1],
  ])('keeps its order for %s, and counts it', (_, before, after, changes) => {
    const next = takeNews(calmList(list(...before.map((name) => service(name)))), list(...after.map((name) => service(name, 9))));
    expect(names(next.shown)).toEqual(before);
    expect(next.changes).toBe(changes);
    expect(next.waiting && names(next.waiting)).toEqual(after);
    const kept = next.shown.services.filter((one) => after.includes(one.serviceName));
    expect(kept.every((one) => one.instances === 9)).toBe(true);
  });
});
