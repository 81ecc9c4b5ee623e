import { describe, expect, test } from 'vitest';
import type { ComparisonDocument, DrainDocument } from '../src/api/types';
import { confirmKind, draftOf, isRefused, isSameComparison, orderOf, targetOf, undoOf, wizardUrl, type DrainDraft } from '../src/pages/drains/draft';
import { FIRST_STEP, nextStep, type WizardEvent, type WizardStep } from '../src/pages/drains/new/steps';

const draft: DrainDraft = { cluster: 'frankfurt', ns: '', group: '', service: '', percent: 40, minutes: 0, last: 'refuse', reason: '' };
const drain = { target: 'frankfurt', cluster: 'frankfurt', services: null, percent: 40 } as DrainDocument;
function comparison(moved: number, refused = 0): ComparisonDocument {
  return { callers: [], examined: 9, total: moved, counts: { leftWithout: 0, refused, partlyServed: 0, nothingHealthy: 0, moved }, services: [] };
}

describe('a draft', () => {
  test('stands in the address and comes back as it was', () => {
    const drafts: DrainDraft[] = [draft, { ...draft, ns: 'a/b', service: '*?', percent: 0, minutes: 30, last: 'force', reason: 'disks & fans' }];
    for (const one of drafts) expect(draftOf(new URL(wizardUrl(one), 'http://x').searchParams)).toEqual(one);
  });

  test('an address that cannot be used takes little and nobody by surprise', () => {
    for (const percent of ['', '101', '-1', '1.5', 'x', '1e9']) expect(draftOf(new URLSearchParams({ percent })).percent).toBe(10);
    expect(draftOf(new URLSearchParams({ last: 'everything', minutes: '1441' }))).toMatchObject({ last: 'refuse', minutes: 0 });
  });

  test('is the order that it says', () => {
    expect(orderOf(draft, true)).toEqual({ cluster: 'frankfurt', percent: 40, dryRun: true });
    expect(orderOf({ ...draft, service: 'order-*', minutes: 10, last: 'leave', reason: ' why ' }, false)).toEqual({
      cluster: 'frankfurt', percent: 40, services: { namespaceId: '*', groupName: '*', serviceName: 'order-*' }, overMs: 600_000, leaveLast: true, reason: 'why',
    });
    expect(targetOf({ ...draft, service: 'there' })).toBe('frankfurt/*/*/there');
    expect(targetOf({ ...draft, ns: '*', group: ' ' })).toBe('frankfurt');
  });

  test('undoing means the same target', () => {
    expect(undoOf({ ...drain, services: { namespaceId: 'a', groupName: '*', serviceName: 'x' } })).toEqual({
      cluster: 'frankfurt', percent: 0, services: { namespaceId: 'a', groupName: '*', serviceName: 'x' },
    });
  });
});

test('what has to be confirmed grows with what it does', () => {
  const cases: [Partial<DrainDraft>, number, string][] = [
    [{ percent: 0 }, 40, 'click'],
    [{ percent: 30 }, 40, 'click'],
    [{ percent: 40 }, 40, 'click'],
    [{ percent: 41 }, 40, 'name'],
    [{ percent: 1 }, 0, 'name'],
    [{ percent: 100 }, 40, 'type'],
    [{ percent: 100 }, 100, 'click'],
    [{ percent: 10, last: 'force' }, 40, 'type'],
    [{ percent: 10, last: 'leave' }, 0, 'name'],
  ];
  for (const [part, before, kind] of cases) expect(confirmKind({ ...draft, ...part }, before), JSON.stringify([part, before])).toBe(kind);
});

test('what the gateway would refuse is not offered', () => {
  expect(isRefused(draft, comparison(2, 1))).toBe(true);
  expect(isRefused({ ...draft, last: 'leave' }, comparison(2, 1))).toBe(false);
  expect(isRefused(draft, comparison(2))).toBe(false);
});

test('answers are compared by what they say, not by the order of their fields', () => {
  const { counts, ...rest } = comparison(1);
  expect(isSameComparison(comparison(1), { counts, ...rest } as ComparisonDocument)).toBe(true);
  expect(isSameComparison(comparison(1), comparison(2))).toBe(false);
});

describe('the wizard', () => {
  const walk = (...events: WizardEvent[]): WizardStep => events.reduce(nextStep, FIRST_STEP);
  const tried = (moved: number): WizardEvent => ({ kind: 'tried', answer: comparison(moved) });
  const failed: WizardEvent = { kind: 'failed', error: new Error('no') };

  test('orders only after the same was seen twice', () => {
    expect(walk({ kind: 'try' }, tried(2), { kind: 'give' }).at).toBe('checking');
    expect(walk({ kind: 'try' }, tried(2), { kind: 'give' }, tried(2)).at).toBe('giving');
  });

  test('shows what changed in between, and the click does not count', () => {
    expect(walk({ kind: 'try' }, tried(2), { kind: 'give' }, tried(3))).toEqual({ at: 'look', shown: comparison(3), isChanged: true, error: null });
    expect(walk({ kind: 'try' }, tried(2), { kind: 'give' }, tried(3), { kind: 'taken', drain }).at).toBe('look');
  });

  test('takes what changes while somebody looks, and says so only if it is something else', () => {
    expect(walk({ kind: 'try' }, tried(2), tried(2))).toMatchObject({ at: 'look', isChanged: false });
    expect(walk({ kind: 'try' }, tried(2), tried(3))).toMatchObject({ at: 'look', isChanged: true });
  });

  test('begins anew when the draft changes, but not while the order is under way', () => {
    expect(walk({ kind: 'try' }, tried(2), { kind: 'edit' })).toEqual(FIRST_STEP);
    expect(walk({ kind: 'try' }, tried(2), { kind: 'give' }, { kind: 'edit' }, tried(2))).toEqual(FIRST_STEP);
    expect(walk({ kind: 'try' }, tried(2), { kind: 'give' }, tried(2), { kind: 'edit' }).at).toBe('giving');
  });

  test('an answer that comes too late orders nothing', () => {
    expect(walk(tried(2))).toEqual(FIRST_STEP);
    expect(walk({ kind: 'give' })).toEqual(FIRST_STEP);
    expect(walk({ kind: 'taken', drain })).toEqual(FIRST_STEP);
  });

  test('keeps what was shown when something fails', () => {
    expect(walk({ kind: 'try' }, failed)).toMatchObject({ at: 'edit', error: { message: 'no' } });
    expect(walk({ kind: 'try' }, tried(2), { kind: 'give' }, failed)).toMatchObject({ at: 'look', shown: comparison(2) });
    expect(walk({ kind: 'try' }, tried(2), { kind: 'give' }, tried(2), failed)).toMatchObject({ at: 'look', error: { message: 'no' } });
    expect(walk({ kind: 'try' }, tried(2), { kind: 'give' }, tried(2), { kind: 'taken', drain })).toEqual({ at: 'given', drain });
  });
});
