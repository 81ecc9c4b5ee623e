// What all cases share: a demo, a browser, and cases that end by looking whether a page was innocent.

import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Browser } from './browser.js';
import { Demo } from './demo.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
/** A case is stuck when it takes longer. */
const CASE_MS = 90_000;

/** The whole of it. */
export class Stage {
  out = process.env.DASHBOARD_OUT ?? here('../out');
  /** Where the pictures of the documentation belong; null unless they are wanted. */
  pictures = process.env.DASHBOARD_PICTURES ? here('../../../docs/pictures') : null;
  #demos = [];

  async set() {
    const program = required('NACOS_FED_BIN');
    this.program = program;
    await rm(this.out, { recursive: true, force: true });
    [this.demo, this.browser] = await Promise.all([Demo.start(program), Browser.launch(required('CHROMIUM'))]);
    await this.demo.whole();
  }

  /** The dashboard of Shanghai. */
  get base() {
    return this.demo.gateway().url;
  }

  /** Another demo, with settings of its own. */
  async anotherDemo(settings) {
    const demo = await Demo.start(this.program, settings);
    this.#demos.push(demo);
    await demo.whole();
    return demo;
  }

  /**
   * A case: a profile is opened for it, and has to be innocent at its end.
   *
   * @param {string} name a sentence
   * @param {(page: import('playwright-core').Page, profile: import('./browser.js').Profile, t: import('node:test').TestContext) => Promise<void>} body
   * @param {object} options of the profile; `base` and `headers` are functions, since addresses and tokens are known late
   */
  case(name, body, { base = () => this.base, ...options } = {}) {
    test(name, { timeout: CASE_MS }, async (t) => {
      const profile = await this.browser.profile({ base: base(), ...resolved(options) });
      try {
        await body(profile.page, profile, t);
        profile.innocent();
      } catch (error) {
        await profile.page.screenshot({ path: `${this.out}/failed/${name.replace(/\W+/g, '-')}.png` }).catch(() => {});
        throw error;
      } finally {
        await profile.close();
      }
    });
  }

  /** Has something change that every list of services depends on, so that pages ask anew. */
  async nudge() {
    this.nudges = (this.nudges ?? 0) + 1;
    const instance = { serviceName: 'nudged', ip: '10.99.0.1', port: '80', metadata: JSON.stringify({ nudge: String(this.nudges) }) };
    await this.demo.register('shanghai', instance);
  }

  async strike() {
    await this.browser?.close();
    await Promise.all([this.demo, ...this.#demos].map((demo) => demo?.end()));
  }
}

function resolved({ headers, ...options }) {
  return headers ? { ...options, headers: headers() } : options;
}

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; run.js says what it has to be`);
  return value;
}
