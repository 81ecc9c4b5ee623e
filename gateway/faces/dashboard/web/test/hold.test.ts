import { expect, test } from 'vitest';
import type { ChangesDocument } from '../src/api/types';
import { newerChanges } from '../src/pages/timeline/timeline';

const changes = (...ids: number[]) => ({ changes: ids.map((id) => ({ id })) }) as unknown as ChangesDocument;

test('only changes above those that are shown are kept back', () => {
  expect(newerChanges(changes(7, 6), changes(9, 8, 7))).toBe(2);
  expect(newerChanges(changes(7, 6), changes(7, 6))).toBe(0);
  expect(newerChanges(changes(), changes(1))).toBe(0);
  expect(newerChanges(changes(700), changes(2, 1))).toBe(0);
});
