import { describe, expect, test } from 'vitest';
import type { LinksDocument, ObserverDocument } from '../src/api/types';
import { calmly } from '../src/live/announce';
import { readChanged } from '../src/live/signs';
import { judgeFleet, ownRow } from '../src/pages/fleet/verdict';
import { wayBack } from '../src/pages/sign-in/back';
import { questionOf, suppositionOf } from '../src/pages/what-if/suppose';
import { movedCell, movedIndex } from '../src/ui/arrows';
import { keyMeaning } from '../src/ui/keys';
import { linePath, sharesText } from '../src/ui/plots';

describe('arrow keys', () => {
  test('move in the matrix and stop at its edges', () => {
    const cases: [string, [number, number], [number, number] | null][] = [
      ['ArrowRight', [0, 0], [0, 1]],
      ['ArrowRight', [0, 2], null],
      ['ArrowLeft', [1, 0], null],
      ['ArrowDown', [0, 1], [1, 1]],
      ['ArrowDown', [1, 1], null],
      ['ArrowUp', [0, 1], null],
      ['Home', [1, 2], [1, 0]],
      ['End', [1, 0], [1, 2]],
      ['x', [0, 0], null],
    ];
    for (const [key, [row, column], to] of cases) {
      const want = to && { row: to[0], column: to[1] };
      expect(movedCell(key, { row, column }, 2, 3), `${key} from ${row},${column}`).toEqual(want);
    }
    expect(movedCell('End', { row: 0, column: 0 }, 2, 3, true)).toEqual({ row: 1, column: 2 });
  });

  test('go around in a row of tabs', () => {
    expect(movedIndex('ArrowRight', 2, 3)).toBe(0);
    expect(movedIndex('ArrowLeft', 0, 3)).toBe(2);
    expect(movedIndex('Tab', 0, 3)).toBeNull();
    expect(movedIndex('ArrowRight', -1, 0)).toBeNull();
  });
});

test('g and a letter go somewhere, the letter alone does not', () => {
  expect(keyMeaning('s', true)).toEqual({ kind: 'go', path: '/services' });
  expect(keyMeaning('s', false)).toEqual({ kind: 'nothing' });
  expect(keyMeaning('g', false)).toEqual({ kind: 'chord' });
  expect(keyMeaning('/', false)).toEqual({ kind: 'search' });
  expect(keyMeaning('?', true)).toEqual({ kind: 'help' });
});

describe('the fleet', () => {
  const observer = (part: Partial<ObserverDocument>): ObserverDocument => ({
    cluster: 'a', replica: '1', leads: true, own: true, alive: true, saidAgeMs: 0, links: [], ...part,
  });
  const link = (origin: string, freshness: 'live' | 'stale', ageMs: number | null) => ({ origin, freshness, ageMs, verdict: 'equal' as const });
  const judge = (...observers: ObserverDocument[]) => judgeFleet({ observers } satisfies LinksDocument);

  test('is live if every gateway that tells says so', () => {
    const seen = judge(observer({ links: [link('a', 'live', 5), link('b', 'live', 900)] }));
    expect(seen).toEqual({ late: [], silent: [], origins: 2, oldestMs: 900 });
  });

  test('is late if any gateway sees any origin late', () => {
    const other = observer({ cluster: 'b', replica: '2', name: 'b-0', own: false, links: [link('a', 'stale', 9000), link('b', 'live', 1)] });
    expect(judge(observer({ links: [link('a', 'live', 5), link('b', 'live', 9)] }), other).late).toEqual(['a']);
  });

  test('a gateway that fell silent is named, and what it said last is no verdict', () => {
    const gone = observer({ cluster: 'b', name: 'b-0', own: false, saidAgeMs: 31_000, links: [link('a', 'stale', 9000)] });
    expect(judge(observer({ links: [link('a', 'live', 5)] }), gone)).toMatchObject({ late: [], silent: ['b-0'] });
    expect(judge(observer({}), { ...gone, saidAgeMs: 1, alive: false }).silent).toEqual(['b-0']);
  });

  test('a gateway that does not say how it takes an origin does not call it late', () => {
    const mute = observer({ cluster: 'b', own: false, links: [{ origin: 'a', freshness: null, ageMs: null, verdict: 'unknown' }] });
    expect(judge(observer({ links: [link('a', 'live', 5)] }), mute)).toMatchObject({ late: [], silent: [] });
  });

  test('an older gateway has at least its own row', () => {
    const clusters = { clusters: [{ cluster: 'a', local: true, freshness: 'live', freshnessReason: '', ageMs: 3 }] } as never;
    expect(ownRow(clusters, 'a-0').observers[0]).toMatchObject({ cluster: 'a', own: true, links: [{ origin: 'a', verdict: 'unknown' }] });
  });
});

test('who signed in goes back into this page and nowhere else', () => {
  for (const back of ['//evil.example', 'https://evil.example', '/\\evil.example', 'javascript:alert(1)', '', '/sign-in?back=/', '/\n/evil']) {
    expect(wayBack(new URLSearchParams({ back })), back).toBe('/');
  }
  expect(wayBack(new URLSearchParams({ back: '/services?q=a' }))).toBe('/services?q=a');
});

test('a supposition stands in the address as the gateway is asked', () => {
  expect(questionOf(suppositionOf(new URLSearchParams('')))).toBeNull();
  expect(questionOf(suppositionOf(new URLSearchParams('lost=a&lost=b&drain=c&percent=30&unhealthy=r/z, q')))).toEqual({
    lost: ['a', 'b'], drain: 'c:30', unhealthy: ['r/z', 'q'],
  });
});

test('announcements come at most once in their time, the last of them', () => {
  let clock = 0;
  const said: [number, string][] = [];
  const due: [number, () => void][] = [];
  const say = calmly((text) => said.push([clock, text]), 10, () => clock, (run, ms) => due.push([clock + ms, run]));
  for (clock = 0; clock <= 40; clock += 1) {
    due.filter(([at]) => at === clock).forEach(([, run]) => run());
    if (clock % 3 === 0 && clock < 25) say(`at ${clock}`);
  }
  expect(said).toEqual([[0, 'at 0'], [10, 'at 9'], [20, 'at 18'], [30, 'at 24']]);
  expect(due.length).toBe(3); // One timer for all that wait.
});

test('an event that cannot be read is none', () => {
  expect(readChanged('{"topics":["drains"],"services":2}')).toEqual({ kind: 'changed', topics: ['drains'], services: 2, configs: 0 });
  expect(readChanged('x')).toBeNull();
  expect(readChanged('null')).toBeNull();
});

test('a line breaks where nothing is known', () => {
  expect(linePath([0, 10, null, 5], 30, 10, 10)).toBe('M0 10L10 0M30 5');
  expect(linePath([], 30, 10, 10)).toBe('');
  expect(linePath([5], 30, 10, 0)).toBe('M0 10');
});

test('shares are told from the largest on, and nothing is told as nothing', () => {
  expect(sharesText({ a: 100_000, b: 900_000, c: 0 })).toBe('b 90%, a 10%');
  expect(sharesText({})).toBe('nothing');
});
