/** What a person chose for the look of the page. It stays in the browser, and a browser that keeps nothing is no error. */

/** Choices that are kept. */
export type ChoiceName = 'language' | 'theme' | 'clock' | 'shortcuts';

/** What was chosen; null if nothing was, or nothing is kept. */
export function readChoice(name: ChoiceName): string | null {
  try {
    return localStorage.getItem(`nacos-fed.${name}`);
  } catch {
    return null;
  }
}

/** Keeps a choice, if the browser keeps anything. */
export function writeChoice(name: ChoiceName, value: string): void {
  try {
    localStorage.setItem(`nacos-fed.${name}`, value);
  } catch {
    // It counts until the page is closed.
  }
}
