/** Keys of one letter. They can be turned off, as WCAG 2.1.4 wants, and are silent while somebody types. */
import { signal } from '@preact/signals';
import { readChoice, writeChoice } from '../choices';
import { go } from '../router';

/** Whether keys of one letter do anything. */
export const shortcutsOn = signal(true);
/** Whether the help is shown. */
export const isHelpShown = signal(false);

/** Where `g` and a letter lead. */
export const GO_KEYS: Readonly<Record<string, string>> = { f: '/', s: '/services', c: '/configs', d: '/drains', t: '/timeline' };
/** Milliseconds in which the second letter has to follow. */
const CHORD_MS = 1500;

/** What a key means, given whether `g` came just before it. */
export function keyMeaning(key: string, afterG: boolean): { kind: 'go'; path: string } | { kind: 'search' | 'help' | 'chord' | 'nothing' } {
  const path = afterG ? GO_KEYS[key] : undefined;
  if (path) return { kind: 'go', path };
  if (key === 'g') return { kind: 'chord' };
  if (key === '/') return { kind: 'search' };
  if (key === '?') return { kind: 'help' };
  return { kind: 'nothing' };
}

/** Begins to listen to keys. */
export function beginKeys(): void {
  shortcutsOn.value = readChoice('shortcuts') !== 'off';
  let pressedG = -Infinity;
  addEventListener('keydown', (event) => {
    if (!shortcutsOn.value || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isTyped(event.target)) return;
    const meaning = keyMeaning(event.key, event.timeStamp - pressedG < CHORD_MS);
    pressedG = meaning.kind === 'chord' ? event.timeStamp : -Infinity;
    if (meaning.kind === 'nothing' || meaning.kind === 'chord') return;
    event.preventDefault();
    if (meaning.kind === 'go') go(meaning.path);
    if (meaning.kind === 'search') goToSearch();
    if (meaning.kind === 'help') isHelpShown.value = true;
  });
}

/** Turns keys of one letter on or off. */
export function switchShortcuts(isOn: boolean): void {
  shortcutsOn.value = isOn;
  writeChoice('shortcuts', isOn ? 'on' : 'off');
}

function isTyped(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName) || target.closest('dialog') !== null;
}

function goToSearch(): void {
  const field = document.querySelector<HTMLInputElement>('[data-search]');
  if (field) field.focus();
  else go('/services?focus=q');
}
