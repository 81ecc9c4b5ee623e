/** Words that many pages share, and the reader's words for what the gateway says by codes. */
import { codes } from './codes';
import { catalogue } from './catalogue';
import { formatAge } from './formats';
import type { FreshnessFields, ReasonCode } from '../api/types';

export const words = catalogue({
  en: {
    'freshness.live': 'live',
    'freshness.stale': 'stale',
    'freshness.lost': 'lost',
    'freshness.isolated': 'isolated',
    'freshness.unknown': 'unknown',
    'letter.live': 'L',
    'letter.stale': 'S',
    'letter.lost': 'X',
    'letter.isolated': 'I',
    'letter.unknown': '?',
    'age.never': 'never',
    'age.old': '{age} old',
    'share.none': 'nothing',
    cluster: 'Cluster',
    namespace: 'Namespace',
    group: 'Group',
    service: 'Service',
    origin: 'Origin',
    all: 'all',
    none: 'none',
    yes: 'yes',
    no: 'no',
    close: 'Close',
    cancel: 'Cancel',
    retry: 'Try again',
    unknown: 'unknown',
  },
  'zh-CN': {
    'freshness.live': '实时',
    'freshness.stale': '陈旧',
    'freshness.lost': '失联',
    'freshness.isolated': '隔离',
    'freshness.unknown': '未知',
    'letter.live': 'L',
    'letter.stale': 'S',
    'letter.lost': 'X',
    'letter.isolated': 'I',
    'letter.unknown': '?',
    'age.never': '从未',
    'age.old': '{age} 前',
    'share.none': '无',
    cluster: '集群',
    namespace: '命名空间',
    group: '分组',
    service: '服务',
    origin: '来源',
    all: '全部',
    none: '无',
    yes: '是',
    no: '否',
    close: '关闭',
    cancel: '取消',
    retry: '重试',
    unknown: '未知',
  },
});

/** The values of a code's text: lengths of time in milliseconds are written as ages. */
export function readableParams(params: Record<string, string | number> = {}): Record<string, string | number> {
  const readable = Object.entries(params).map(([name, value]) => {
    const isAge = name.endsWith('Ms') && typeof value === 'number';
    return [name, isAge ? formatAge(value) : value] as const;
  });
  return Object.fromEntries(readable);
}

/** The age of something, or that it was never heard of. */
export function ageText(ageMs: number | null): string {
  return ageMs === null ? words('age.never') : formatAge(ageMs);
}

/** Why an origin's facts are to be taken so: in the reader's language if its code is known, else as the gateway wrote it. */
export function freshnessReason(of: FreshnessFields): string {
  return codeText('freshness', { code: of.freshnessCode ?? '', params: of.freshnessParams ?? {} }, of.freshnessReason);
}

/** Why a gateway is not ready, or limited: a trouble by its kind, all else by its own code. */
export function statusReason(of: ReasonCode | undefined, reason: string): string {
  if (of?.code === 'trouble') return codeText('trouble', { code: String(of.params?.kind ?? '') }, reason);
  return codeText('status', of ?? { code: '' }, reason);
}

/** The text of a code of `kind`, or `fallback`, which the gateway wrote in English, where the page does not know the code. */
export function codeText(kind: string, of: ReasonCode, fallback: string): string {
  return codes.maybe(`${kind}.${of.code}`, readableParams(of.params)) ?? fallback;
}
