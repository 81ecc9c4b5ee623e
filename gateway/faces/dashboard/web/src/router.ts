/**
 * Where the page is: a path, matched against patterns, and its parameters. All that a page shows follows from it, so that a link shows
 * another person the same. Paths are made and read here alone: a name of others may hold any character, a slash included.
 */
import { computed, signal } from '@preact/signals';

/** What a pattern such as `/clusters/:c` found in a path, decoded. */
export type PathParts = Record<string, string>;

/** The parts of `path` if it matches `pattern`, segment by segment; null if not. A segment of `pattern` that begins with `:` takes any text. */
export function matchPath(pattern: string, path: string): PathParts | null {
  const wanted = pattern.split('/').filter(Boolean);
  const found = path.split('/').filter((part, at) => at > 0 && !(part === '' && at === path.split('/').length - 1));
  if (wanted.length !== found.length) return null;
  const parts: PathParts = {};
  for (const [at, segment] of wanted.entries()) {
    const text = decoded(found[at] ?? '');
    if (text === null) return null;
    if (segment.startsWith(':')) parts[segment.slice(1)] = text;
    else if (segment !== text) return null;
  }
  return parts;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // A broken escape names nothing.
  }
}

/** The path of segments, each escaped: `pathOf('services', 'public', 'g', 'a/b')` is `/services/public/g/a%2Fb`. */
export function pathOf(...segments: string[]): string {
  return '/' + segments.map(encodeURIComponent).join('/');
}

/** What a parameter may be set to: absent ones and empty texts are not written. */
export type QueryValue = string | number | boolean | readonly string[] | null | undefined;

/** `path` with parameters; the order is that of `query`, so that equal states are equal addresses. */
export function urlOf(path: string, query: Record<string, QueryValue> = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === '' || value === false) continue;
    if (Array.isArray(value)) value.forEach((one: string) => params.append(name, one));
    else params.append(name, String(value));
  }
  const text = params.toString();
  return text === '' ? path : `${path}?${text}`;
}

/** The parameters of `search` with some of them changed; those set to nothing go. */
export function changedQuery(search: string, change: Record<string, QueryValue>): string {
  const params = new URLSearchParams(search);
  for (const [name, value] of Object.entries(change)) {
    params.delete(name);
    if (value === null || value === undefined || value === '' || value === false) continue;
    if (Array.isArray(value)) value.forEach((one: string) => params.append(name, one));
    else params.set(name, String(value));
  }
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
}

const address = signal({ path: '/', search: '' });

/** The path of the address, still escaped. */
export const currentPath = computed(() => address.value.path);
/** The parameters of the address. */
export const currentQuery = computed(() => new URLSearchParams(address.value.search));

/** Begins to follow the address of the window. Links within the page are taken over; others, and those with a modifier key, are the browser's. */
export function followAddress(): void {
  const read = () => (address.value = { path: location.pathname, search: location.search });
  addEventListener('popstate', read);
  document.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || !isPlainClick(event) || link.origin !== location.origin || link.target || link.hasAttribute('download')) return;
    if (isServed(link.pathname)) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
  read();
}

function isPlainClick(event: MouseEvent): boolean {
  return !event.defaultPrevented && event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
}

/** Whether a path is answered by the gateway itself, and is no page of the dashboard. */
function isServed(path: string): boolean {
  return /^\/(v1|docs|metrics|livez|readyz|openapi\.json|licences\.txt)(\/|$)/.test(path);
}

/** Goes to `url`, a path with parameters. `keep`: without an entry in the history, as while somebody types a filter. */
export function go(url: string, keep: 'push' | 'replace' = 'push'): void {
  const before = currentPath.value;
  if (keep === 'replace') history.replaceState(null, '', url);
  else history.pushState(null, '', url);
  address.value = { path: location.pathname, search: location.search };
  if (keep === 'push' && before !== location.pathname) scrollTo(0, 0);
}

/** Sets parameters of the address as they are: `setQuery({ state: ['held'], page: null })`. */
export function setQuery(change: Record<string, QueryValue>, keep: 'push' | 'replace' = 'replace'): void {
  go(currentPath.value + changedQuery(address.value.search, change), keep);
}
