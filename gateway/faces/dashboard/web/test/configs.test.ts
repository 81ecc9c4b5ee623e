import { describe, expect, test } from 'vitest';
import { diffRows, foldedRows, unifiedRows, type DiffRow } from '../src/pages/configs/difference';
import { chosenPair, clustersOf, drifts, driftSince, versionLetters } from '../src/pages/configs/versions';
import type { ConfigCopy } from '../src/pages/configs/types';

const copy = (md5: string, change: Partial<ConfigCopy> = {}): ConfigCopy => ({ md5, type: 'text', bytes: 1, ...change });
const config = (clusters: Record<string, ConfigCopy>) => ({ namespaceId: 'public', groupName: 'g', dataId: 'd', clusters });
const shown = (rows: readonly DiffRow[] | null) => rows?.map(({ kind, left, right }) => `${kind} ${left?.number ?? '-'}:${left?.text ?? ''} ${right?.number ?? '-'}:${right?.text ?? ''}`);

describe('versions of a config item', () => {
  test('have letters, A for what most have', () => {
    expect(versionLetters({ a: copy('1'), b: copy('2'), c: copy('2') })).toEqual({ a: 'B', b: 'A', c: 'A' });
    const many = Object.fromEntries(Array.from({ length: 27 }, (_, at) => [String.fromCharCode(97 + at), copy(String(at))]));
    expect(new Set(Object.values(versionLetters(many))).size).toBe(27);
  });

  test('sealed with one key count as equal, and differ from what can be read', () => {
    const sealed = copy('', { sealed: { keyId: 'k', reason: 'no_key' } });
    expect(versionLetters({ a: sealed, b: sealed, c: copy('') })).toEqual({ a: 'A', b: 'A', c: 'B' });
  });

  test('drift as the gateway says, or by their digests', () => {
    const [one, two] = [config({ a: copy('1'), b: copy('2') }), config({ a: copy('1') })];
    expect([drifts(one), drifts(two), drifts({ ...one, drift: false })]).toEqual([true, false, false]);
    expect(driftSince(config({ a: copy('1', { lastModifiedMs: 5 }), b: copy('2', { lastModifiedMs: 9 }) }))).toBe(9);
    expect(clustersOf([one, config({ c: copy('1') })])).toEqual(['a', 'b', 'c']);
  });

  test('are compared as asked for, else those that differ', () => {
    const clusters = { a: copy('1'), b: copy('1'), c: copy('2') };
    expect(chosenPair(clusters, '', '')).toEqual(['a', 'c']);
    expect(chosenPair(clusters, 'c', 'b')).toEqual(['c', 'b']);
    expect(chosenPair(clusters, 'c', 'gone')).toEqual(['a', 'c']);
    expect(chosenPair({ a: copy('1') }, '', '')).toBeNull();
  });
});

describe('a comparison', () => {
  test('numbers the lines of each side', () => {
    expect(shown(diffRows('a\nb\nc\n', 'a\nx\ny\nc\n'))).toEqual(['same 1:a 1:a', 'changed 2:b 2:x', 'right -: 3:y', 'same 3:c 4:c']);
  });

  test('sees no difference in how lines end', () => {
    expect(diffRows('a\r\nb', 'a\nb\n')?.every((row) => row.kind === 'same')).toBe(true);
  });

  test('of nothing with something is all new', () => {
    expect(shown(diffRows('', 'a\n'))).toEqual(['right -: 1:a']);
    expect(diffRows('', '')).toEqual([]);
  });

  test('in one column has what goes before what comes', () => {
    const rows = unifiedRows(diffRows('a\nb\nc\n', 'x\ny\nc\n') ?? []);
    expect(shown(rows)).toEqual(['left 1:a -:', 'left 2:b -:', 'right -: 1:x', 'right -: 2:y', 'same 3:c 3:c']);
  });

  test('folds what is far from a difference', () => {
    const before = Array.from({ length: 20 }, (_, at) => `line ${at}`).join('\n');
    const folded = foldedRows(diffRows(before, before.replace('line 9', 'LINE 9')) ?? [], 2);
    expect(folded.map((one) => ('folded' in one ? one.folded.length : one.row.kind))).toEqual([7, 'same', 'same', 'changed', 'same', 'same', 8]);
  });
});
