/**
 * Texts in the languages of the page. A page declares its own beside it:
 *
 *     export const text = catalogue({ en: { held: '{n} held' }, 'zh-CN': { held: '保留 {n} 个' } });
 *     text('held', { n: 3 })
 *
 * The type check fails if one language lacks a key or a placeholder of another, has one more, or if a placeholder is not given.
 * A key of several forms is written as `held.one` and `held.other` and asked for by `text.count('held', n, …)`, whose `{n}` is the number.
 */
import { language, type LanguageTag } from './language';
import { formatNumber } from './formats';

type Placeholders<S extends string> = S extends `${string}{${infer Name}}${infer Rest}` ? Name | Placeholders<Rest> : never;
type SameNames<A extends string, B extends string> = [Placeholders<A>] extends [Placeholders<B>]
  ? [Placeholders<B>] extends [Placeholders<A>]
    ? B
    : never
  : never;
/** The texts of another language: the same keys, each with the same placeholders. */
type OtherTexts<En extends Record<string, string>, Other extends Record<string, string>> = {
  [K in keyof En]: K extends keyof Other ? (En[K] extends string ? SameNames<En[K], Other[K]> : never) : never;
} & { [K in Exclude<keyof Other, keyof En>]: never };
type Values<S extends string> = { [Name in Placeholders<S>]: string | number };
type Given<S extends string> = [Placeholders<S>] extends [never] ? [] : [values: Values<S>];
type CountedKey<K> = K extends `${infer Stem}.other` ? Stem : never;
type CountedGiven<S extends string> = [Exclude<Placeholders<S>, 'n'>] extends [never] ? [] : [values: Omit<Values<S>, 'n'>];

/** The texts of one catalogue, in the language of the moment: whoever draws with it draws anew when the language changes. */
export interface Catalogue<En extends Record<string, string>> {
  /** A text, its placeholders filled; numbers as the language writes them. */
  <K extends keyof En & string>(key: K, ...given: Given<En[K]>): string;
  /** The form for `n`. */
  count<K extends CountedKey<keyof En>>(stem: K, n: number, ...given: CountedGiven<En[`${K}.other`]>): string;
  /** A text by a key that others name; null if there is none. Placeholders that are not given stay as they are. */
  maybe(key: string, values?: Record<string, string | number>): string | null;
  /** All texts, for the tests. */
  readonly all: Readonly<Record<'en' | 'zh-CN', Readonly<Record<string, string>>>>;
}

/** Makes a catalogue of texts. */
export function catalogue<const En extends Record<string, string>, const Zh extends Record<string, string>>(texts: {
  en: En;
  'zh-CN': Zh & OtherTexts<En, Zh>;
}): Catalogue<En> {
  const all: Record<'en' | 'zh-CN', Record<string, string>> = { en: texts.en, 'zh-CN': texts['zh-CN'] };
  const find = (key: string) => textIn(all, language.value, key);
  const say = (key: string, values?: Record<string, string | number>) => filled(find(key) ?? key, values);
  const count = (stem: string, n: number, values?: Record<string, string | number>) => {
    const form = new Intl.PluralRules(language.value === 'zh-CN' ? 'zh-CN' : 'en').select(n);
    return filled(find(`${stem}.${form}`) ?? find(`${stem}.other`) ?? stem, { ...values, n });
  };
  const maybe = (key: string, values?: Record<string, string | number>) => {
    const text = find(key);
    return text === null ? null : filled(text, values);
  };
  return Object.assign(say, { count, maybe, all }) as unknown as Catalogue<En>;
}

function textIn(all: Record<'en' | 'zh-CN', Record<string, string>>, tag: LanguageTag, key: string): string | null {
  const texts = tag === 'zh-CN' ? all['zh-CN'] : all.en;
  if (!Object.hasOwn(texts, key)) return null;
  const text = texts[key] ?? '';
  return tag === 'en-XA' ? disguised(text) : text;
}

function filled(text: string, values: Record<string, string | number> = {}): string {
  return text.replace(/\{([A-Za-z0-9_]+)\}/g, (whole, name: string) => {
    if (!Object.hasOwn(values, name)) return whole;
    const value = values[name] as string | number;
    return typeof value === 'number' ? formatNumber(value) : value;
  });
}

const ACCENTS: Record<string, string> = { a: 'á', e: 'é', i: 'í', o: 'ó', u: 'ú', A: 'Á', E: 'É', I: 'Í', O: 'Ó', U: 'Ú' };

/** A pseudo-locale: texts that went through the catalogue are seen by their accents and their brackets, and are as long as German is. */
function disguised(text: string): string {
  const parts = text.split(/(\{[^}]*\})/);
  const accented = parts.map((part) => (part.startsWith('{') ? part : part.replace(/[aeiouAEIOU]/g, (letter) => ACCENTS[letter] ?? letter)));
  return `[${accented.join('')}${'~'.repeat(Math.ceil(text.length / 4))}]`;
}
