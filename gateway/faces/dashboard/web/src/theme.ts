/** Light or dark: as the system says, or as the person chose. The colours stand in `style.css`, by the attribute that is set here. */
import { effect, signal } from '@preact/signals';
import { readChoice, writeChoice } from './choices';

/** `system`: as the browser says. */
export type ThemeName = 'system' | 'light' | 'dark';

/** The theme of the moment. */
export const theme = signal<ThemeName>('system');

/** Reads the person's choice, and keeps the document in step. */
export function beginTheme(): void {
  const chosen = readChoice('theme');
  theme.value = chosen === 'light' || chosen === 'dark' ? chosen : 'system';
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
  });
}

/** Shows `name` from now on. */
export function chooseTheme(name: ThemeName): void {
  theme.value = name;
  writeChoice('theme', name);
}
