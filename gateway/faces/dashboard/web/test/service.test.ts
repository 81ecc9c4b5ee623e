import { describe, expect, test } from 'vitest';
import { labelPairs, planUrl, readCaller, serviceUrl } from '../src/pages/service/caller';
import { planCommand, serviceCommand, shellWord } from '../src/pages/service/commands';
import type { ExplanationDocument, PlannedEndpoint } from '../src/pages/service/types';
import { traceSteps, withoutShare } from '../src/pages/service/whynot';

const orders = { namespaceId: 'public', groupName: 'DEFAULT_GROUP', serviceName: 'orders' };

describe('a caller', () => {
  const caller = readCaller(new URLSearchParams([['cluster', 'frankfurt'], ['zone', 'z1'], ['label', 'app=web=1'], ['label', 'nothing']]));

  test('is read from the address, labels without a value left out', () => {
    expect(caller).toMatchObject({ cluster: 'frankfurt', region: '', zone: 'z1' });
    expect(labelPairs(caller)).toEqual([['app', 'web=1']]);
  });

  test('is told to the gateway and to the command line alike', () => {
    expect(planUrl('/v1/explain', orders, caller)).toBe(
      '/v1/explain?namespaceId=public&groupName=DEFAULT_GROUP&serviceName=orders&cluster=frankfurt&zone=z1&label.app=web%3D1',
    );
    expect(planCommand('resolve', orders, caller, 'http://127.0.0.1:7070')).toBe(
      'nacos-fed resolve --namespace public --group DEFAULT_GROUP --cluster frankfurt --zone z1 --label app=web=1 --server http://127.0.0.1:7070 orders',
    );
  });

  test('says the empty namespace, which is not the one that is meant without', () => {
    expect(serviceUrl('/v1/service', { ...orders, namespaceId: '' })).toContain('namespaceId=&');
    expect(serviceCommand({ ...orders, namespaceId: '' }, 'http://h')).toContain("--namespace '' ");
  });
});

describe('a command', () => {
  test.each([
    ['orders', 'orders'],
    ['', "''"],
    ['$(rm -rf ~)', "'$(rm -rf ~)'"],
    ["it's; `id`", "'it'\\''s; `id`'"],
    ['two\nlines', "'two\nlines'"],
  ])('keeps %j one word', (text, word) => expect(shellWord(text)).toBe(word));

  test('does not take a name for an option', () => {
    const command = serviceCommand({ ...orders, serviceName: '--help', groupName: '-g' }, 'http://h');
    expect(command).toBe('nacos-fed service --namespace public --group=-g --server http://h -- --help');
  });
});

const endpoint = (change: Partial<PlannedEndpoint>): PlannedEndpoint => ({
  endpoint: 'e', ip: '10.0.0.1', port: 80, origin: 'frankfurt', priority: 0, locality: 'l', share: 0, weight: 1, health: 'healthy', held: null,
  rawHealth: 'healthy', freshness: 'live', effectiveFreshness: 'live', rank: '0', ...change,
});
const priority = (number: number, load: number) => ({
  priority: number, total: 1, healthy: 1, degraded: 0, excluded: 0, load, degradedLoad: 0, panic: false, localities: [],
});
const explained = (endpoints: PlannedEndpoint[], more: Partial<ExplanationDocument> = {}) =>
  ({ leftOut: [], drains: [], priorities: [priority(0, 100), priority(1, 0)], ...more, endpoints }) as unknown as ExplanationDocument;

describe('why not', () => {
  test.each([
    ['unhealthy', endpoint({ rawHealth: 'unhealthy', effectiveFreshness: 'lost' })],
    ['lost', endpoint({ effectiveFreshness: 'lost' })],
    ['stale', endpoint({ effectiveFreshness: 'stale' })],
    ['weightless', endpoint({ weight: 0 })],
    ['betterPriority', endpoint({ priority: 1 })],
    ['notPreferred', endpoint({})],
  ])('%s', (reason, one) => expect(withoutShare(explained([one]))).toMatchObject([{ reason }]));

  test('a drain in force goes before all, one that is void does not', () => {
    const drain = { target: 'frankfurt', cluster: 'frankfurt', percent: 100, who: null, why: null };
    const drained = endpoint({ rawHealth: 'unhealthy' });
    expect(withoutShare(explained([drained], { drains: [{ ...drain, ruling: 'in_force' }] }))).toMatchObject([{ reason: 'drained' }]);
    expect(withoutShare(explained([drained], { drains: [{ ...drain, ruling: 'void' }] }))).toMatchObject([{ reason: 'unhealthy' }]);
  });

  test('who is in no priority comes first, in the words of the gateway; who has a share is not among them', () => {
    const leftOut = [{ endpoint: 'x', origin: 'o', reason: 'disabled', locality: 'l', rawHealth: 'healthy', freshness: 'live', effectiveFreshness: 'live' }];
    const found = withoutShare(explained([endpoint({ share: 5 }), endpoint({ endpoint: 'y' })], { leftOut } as Partial<ExplanationDocument>));
    expect(found.map((one) => [one.endpoint, one.word])).toEqual([['x', 'disabled'], ['y', null]]);
  });

  test('lines of the explanation are taken apart where they have a step', () => {
    expect(traceSteps(['load: P0 100: all', 'no step here: none'])).toEqual([
      { step: 'load', text: 'P0 100: all' },
      { step: '', text: 'no step here: none' },
    ]);
  });
});
