import { afterEach, expect, test } from 'vitest';
import { clock, formatAge, formatShare, formatTime } from '../src/i18n/formats';
import { language } from '../src/i18n/language';
import { codeText } from '../src/i18n/words';

afterEach(() => {
  language.value = 'en';
  clock.value = 'local';
});

test('an age is told in its largest unit and never as older than it is', () => {
  for (const [ms, text] of [[0, '0 ms'], [999, '999 ms'], [1999, '1 sec'], [59_999, '59 sec'], [60_000, '1 min'], [3_599_999, '59 min'], [86_400_000, '1 day'], [-5, '0 ms']] as const) {
    expect(formatAge(ms), String(ms)).toBe(text);
  }
});

test('a share that is more than nothing is not shown as nothing, one that is less than all not as all', () => {
  expect([0, 1, 225_000, 999_999, 1_000_000].map(formatShare)).toEqual(['0%', '0.1%', '22.5%', '99.9%', '100%']);
});

test('one switch changes all times', () => {
  const at = Date.UTC(2026, 0, 2, 3, 4, 5);
  clock.value = 'utc';
  expect(formatTime(at, at + 1000)).toContain('03:04:05');
  expect(formatTime(at, at + 90_000_000)).toContain('Jan 2');
  clock.value = 'relative';
  expect(formatTime(at, at + 120_000)).toBe('2 minutes ago');
  language.value = 'zh-CN';
  expect(formatTime(at, at + 120_000)).toBe('2分钟前');
});

test('a code is put into words, an unknown one stays as the gateway wrote it', () => {
  const silent = { code: 'leader_silent', params: { ageMs: 40_000 } };
  expect(codeText('freshness', silent, 'x')).toBe('no beat of its leader for 40 sec');
  language.value = 'zh-CN';
  expect(codeText('freshness', silent, 'x')).toBe('其主导网关已 40秒 没有心跳');
  expect(codeText('freshness', { code: 'new' }, 'as it was written')).toBe('as it was written');
});
