// One Chromium for the whole run, and pages that write down what must not happen: violations of the content security policy, errors in the
// console, requests to other hosts. Each case ends with `innocent()`.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

export const THEMES = ['light', 'dark'];
export const LANGUAGES = ['en', 'zh-CN'];
/** What a page may take to show something that needs no server to change. */
const SHOWN_MS = 10_000;

/** The browser. */
export class Browser {
  /** @param {string} executable a Chromium */
  static async launch(executable) {
    const browser = new Browser();
    // A container's root has no sandbox to give; `dashboard.test` is a name that stands for this machine.
    const args = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--host-resolver-rules=MAP dashboard.test 127.0.0.1'];
    browser.chromium = await chromium.launch({ executablePath: executable, args });
    return browser;
  }

  /**
   * A new profile with one page.
   *
   * @param {{base: string, theme?: string, language?: string, width?: number, height?: number, headers?: Record<string, string>}} options
   */
  async profile({ base, theme = 'light', language = 'en', width = 1280, height = 900, headers = {} }) {
    const context = await this.chromium.newContext({
      baseURL: base,
      colorScheme: theme,
      locale: language,
      timezoneId: 'UTC',
      reducedMotion: 'reduce',
      viewport: { width, height },
      extraHTTPHeaders: headers,
    });
    context.setDefaultTimeout(SHOWN_MS);
    return Profile.open(context, new URL(base).host, { theme, language });
  }

  close() {
    return this.chromium.close();
  }
}

/** A profile: pages that share storage, and what they did wrong. */
export class Profile {
  static async open(context, host, { theme, language }) {
    const profile = new Profile();
    Object.assign(profile, { context, host, violations: [], errors: [], foreign: [], requests: [] });
    await context.exposeBinding('tellViolation', (_, told) => profile.violations.push(told));
    await context.addInitScript(watchViolations);
    await context.addInitScript(choose, { theme, language });
    context.on('request', (request) => profile.request(new URL(request.url())));
    context.on('console', (message) => profile.console(message));
    context.on('weberror', (told) => profile.errors.push(String(told.error())));
    profile.page = await context.newPage();
    return profile;
  }

  request(url) {
    this.requests.push(url.pathname + url.search);
    const inside = url.host === this.host || ['data:', 'blob:', 'about:'].includes(url.protocol);
    if (!inside) this.foreign.push(url.href);
  }

  console(message) {
    // What a server refuses or cannot answer is told by the browser itself; cases that bring it about look at the page.
    const ofServers = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !ofServers) this.errors.push(message.text());
  }

  /** Throws unless nothing happened that must not. */
  innocent() {
    const told = { violations: this.violations, errors: this.errors, foreign: this.foreign };
    const isGuilty = Object.values(told).some((list) => list.length > 0);
    [this.violations, this.errors, this.foreign] = [[], [], []];
    if (isGuilty) throw new Error(`what must not happen: ${JSON.stringify(told, null, 1)}`);
  }

  /** Opens a route and waits until its page says in which state it is. */
  async open(route, page = this.page) {
    await page.goto(route);
    await settled(page);
    return page;
  }

  close() {
    return this.context.close();
  }
}

/** Waits until the page has a heading and nothing in it is on its way. */
export async function settled(page) {
  await page.waitForFunction(() => document.querySelector('main h1') !== null && document.querySelector('main [data-state=loading], main [aria-busy=true]') === null);
}

/** A picture of the whole page, or of what is seen of it, as a file. */
export async function picture(page, folder, name, fullPage = true) {
  await mkdir(folder, { recursive: true });
  return page.screenshot({ path: join(folder, `${name}.png`), fullPage, animations: 'disabled' });
}

function watchViolations() {
  document.addEventListener('securitypolicyviolation', (event) => {
    window.tellViolation(`${event.effectiveDirective} ${event.blockedURI} ${event.sample} ${event.sourceFile}:${event.lineNumber}`);
  });
}

function choose({ theme, language }) {
  if (location.protocol === 'about:') return; // The empty page before the first has no storage.
  if (localStorage.getItem('nacos-fed.language') === null) localStorage.setItem('nacos-fed.language', language);
  if (localStorage.getItem('nacos-fed.theme') === null) localStorage.setItem('nacos-fed.theme', theme);
}
