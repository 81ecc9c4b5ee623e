/// <reference types="vite/client" />
import { afterEach, describe, expect, test } from 'vitest';
import { catalogue } from '../src/i18n/catalogue';
import { language, suitableLanguage } from '../src/i18n/language';

interface AnyCatalogue {
  all: Record<'en' | 'zh-CN', Record<string, string>>;
}
const modules = import.meta.glob<Record<string, unknown>>(['../src/**/messages.ts', '../src/i18n/words.ts', '../src/i18n/codes.ts'], { eager: true });
const found = Object.entries(modules).flatMap(([file, exports]) =>
  Object.entries(exports)
    .filter(([, value]) => typeof value === 'function' && 'all' in value)
    .map(([name, value]) => [`${file} ${name}`, (value as unknown as AnyCatalogue).all] as const),
);
const placeholders = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((it) => it[1]).sort();

afterEach(() => {
  language.value = 'en';
});

describe('all catalogues', () => {
  test('they are found', () => expect(found.length).toBeGreaterThan(10));

  test.each(found)('%s is complete in both languages', (_, all) => {
    expect(Object.keys(all['zh-CN']).sort()).toEqual(Object.keys(all.en).sort());
    for (const [key, text] of Object.entries(all.en)) {
      expect(text.trim(), key).not.toBe('');
      expect(all['zh-CN'][key]?.trim(), key).not.toBe('');
      expect([...new Set(placeholders(all['zh-CN'][key] ?? ''))], key).toEqual([...new Set(placeholders(text))]);
    }
  });

  test.each(found)('%s is Chinese where it says it is', (_, all) => {
    for (const [key, text] of Object.entries(all['zh-CN'])) {
      const words = text.replace(/\{\w+\}/g, '').match(/[A-Za-z]{3,}/g) ?? [];
      const kept = new Set(['Nacos', 'UTC', 'JSON', 'MD5', 'OpenAPI', 'API', 'HTTP', 'Enter', 'region', 'zone', 'subZone', 'Markdown', 'YAML', 'curl', 'SDK', 'CLI', 'fed', 'nacos', 'Data', 'Envoy', 'xDS']);
      const isChinese = /[\u4e00-\u9fff]/.test(text) || words.length === 0;
      expect(isChinese || words.every((word) => kept.has(word)), `${key}: ${text}`).toBe(true);
    }
  });
});

describe('a catalogue', () => {
  const text = catalogue({
    en: { plain: 'plain', held: '{n} of {total} held', 'thing.one': '{n} thing in {place}', 'thing.other': '{n} things in {place}' },
    'zh-CN': { plain: '普通', held: '{total} 中保留 {n}', 'thing.one': '{place} 有 {n} 个', 'thing.other': '{place} 有 {n} 个' },
  });

  test('fills placeholders, numbers as the language writes them', () => {
    expect(text('held', { n: 1234, total: 'all' })).toBe('1,234 of all held');
    language.value = 'zh-CN';
    expect(text('held', { n: 2, total: 3 })).toBe('3 中保留 2');
  });

  test('knows one from many', () => {
    expect([0, 1, 2].map((n) => text.count('thing', n, { place: 'x' }))).toEqual(['0 things in x', '1 thing in x', '2 things in x']);
  });

  test('a value that looks like a placeholder is not filled', () => {
    expect(text('held', { n: '{total}', total: 7 })).toBe('{total} of 7 held');
  });

  test('a key that it lacks is null, also one of every object', () => {
    expect(text.maybe('nothing')).toBeNull();
    expect(text.maybe('constructor')).toBeNull();
  });

  test('is disguised in the pseudo-locale, its placeholders are not', () => {
    language.value = 'en-XA';
    expect(text('held', { n: 1, total: 2 })).toMatch(/^\[1 óf 2 héld~+\]$/);
  });

  test('does not pass the type check with a key or a placeholder too few or too many', () => {
    // @ts-expect-error a key is missing
    catalogue({ en: { a: 'a', b: 'b' }, 'zh-CN': { a: '一' } });
    // @ts-expect-error a key is too many
    catalogue({ en: { a: 'a' }, 'zh-CN': { a: '一', b: '二' } });
    // @ts-expect-error a placeholder is missing
    catalogue({ en: { a: 'a {n}' }, 'zh-CN': { a: '一' } });
    // @ts-expect-error a placeholder is too many
    catalogue({ en: { a: 'a' }, 'zh-CN': { a: '一 {n}' } });
    // @ts-expect-error a value is missing
    expect(text('held', { n: 1 })).toBe('1 of {total} held');
    // @ts-expect-error there is no such key
    expect(text('nothing')).toBe('nothing');
  });
});

test('the language is the first wanted one that the page speaks', () => {
  expect(suitableLanguage(['de-DE', 'zh-TW', 'en'])).toBe('zh-CN');
  expect(suitableLanguage(['en-GB', 'zh'])).toBe('en');
  expect(suitableLanguage(['fr'])).toBe('en');
});
