import { describe, expect, test } from 'vitest';
import { changedQuery, matchPath, pathOf, urlOf } from '../src/router';
import { ROUTES, routeOf } from '../src/pages/routes';

describe('paths', () => {
  test('a name may hold any character, a slash included', () => {
    for (const name of ['orders', 'a/b', 'a%2Fb', '../x', '?q=1#y', '订单', '<img src=x>', ' ', '.']) {
      const path = pathOf('services', 'public', 'DEFAULT_GROUP', name);
      expect(matchPath('/services/:ns/:group/:name', path), path).toEqual({ ns: 'public', group: 'DEFAULT_GROUP', name });
    }
  });

  test('a pattern wants all its segments and no more', () => {
    expect(matchPath('/clusters/:c', '/clusters')).toBeNull();
    expect(matchPath('/clusters/:c', '/clusters/a/b')).toBeNull();
    expect(matchPath('/clusters/:c', '/clusters/a/')).toEqual({ c: 'a' });
    expect(matchPath('/drains/new', '/drains/old')).toBeNull();
    expect(matchPath('/', '/')).toEqual({});
  });

  test('a broken escape is no page, and no error', () => {
    expect(matchPath('/clusters/:c', '/clusters/%E0%A4%A')).toBeNull();
    expect(routeOf('/clusters/%')).toBeNull();
  });

  test('each pattern leads to its own page', () => {
    for (const route of ROUTES) {
      const path = route.pattern.replace(/:\w+/g, 'x');
      expect(routeOf(path)?.route.pattern).toBe(route.pattern);
    }
  });
});

describe('parameters', () => {
  test('what is not set is not written', () => {
    expect(urlOf('/services', { q: '', page: null, state: [], held: false, origin: 'a b' })).toBe('/services?origin=a+b');
    expect(urlOf('/services', { state: ['held', 'stale'] })).toBe('/services?state=held&state=stale');
    expect(urlOf('/drains/new', { percent: 0 })).toBe('/drains/new?percent=0');
  });

  test('a change leaves the others as they are', () => {
    expect(changedQuery('?q=x&page=3', { page: null })).toBe('?q=x');
    expect(changedQuery('?state=held', { state: ['stale', 'held'] })).toBe('?state=stale&state=held');
    expect(changedQuery('?q=x', { q: '' })).toBe('');
  });
});
