/** The language of the page: as the person chose, else as the browser asks for, else English. */
import { effect, signal } from '@preact/signals';
import { readChoice, writeChoice } from '../choices';

/** Languages that the page speaks; `en-XA` is a disguised English with which tests find texts that are in no catalogue. */
export type LanguageTag = 'en' | 'zh-CN' | 'en-XA';

/** The one among the languages of the page that suits `wanted`, the most wanted first. */
export function suitableLanguage(wanted: readonly string[]): LanguageTag {
  for (const tag of wanted) {
    if (/^zh\b/i.test(tag)) return 'zh-CN';
    if (/^en\b/i.test(tag)) return 'en';
  }
  return 'en';
}

function isLanguage(text: string | null): text is LanguageTag {
  return text === 'en' || text === 'zh-CN' || text === 'en-XA';
}

/** The language of the moment. */
export const language = signal<LanguageTag>('en');

/** Reads the language of the person, and keeps the document's in step. */
export function beginLanguage(): void {
  const chosen = readChoice('language');
  language.value = isLanguage(chosen) ? chosen : suitableLanguage(navigator.languages);
  effect(() => {
    document.documentElement.lang = language.value === 'zh-CN' ? 'zh-CN' : 'en';
  });
}

/** Speaks `tag` from now on, also the next time. */
export function chooseLanguage(tag: LanguageTag): void {
  language.value = tag;
  writeChoice('language', tag);
}
