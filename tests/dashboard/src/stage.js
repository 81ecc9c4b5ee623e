// What all cases share: a demo, a browser, and the address of each region's dashboard.

import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Browser } from './browser.js';
import { Demo, REGIONS } from './demo.js';
import { serve } from './serve.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
/** A case is stuck when it takes longer. */
const CASE_MS = 90_000;

/** The whole of it. */
export class Stage {
  out = process.env.DASHBOARD_OUT ?? here('../out');
  /** Where the pictures of the documentation belong; null unless they are wanted. */
  pictures = process.env.DASHBOARD_PICTURES ? here('../../../docs/pictures') : null;
  #served = [];
  #demos = [];

  async set() {
    const program = required('NACOS_FED_BIN');
    this.program = program;
    await rm(this.out, { recursive: true, force: true });
    [this.demo, this.browser] = await Promise.all([Demo.start(program), Browser.launch(required('CHROMIUM'))]);
    this.bases = {};
    for (const region of REGIONS) this.bases[region] = await this.dashboardOf(this.demo.gateway(region));
    await this.demo.whole();
  }

  /** Where the dashboard of a gateway is. */
  async dashboardOf(gateway) {
    const dist = process.env.DASHBOARD_DIST; // A bundle that is not in the binary.
    if (!dist) return gateway.url;
    const served = await serve(dist, gateway.url);
    this.#served.push(served);
    return served.url;
  }

  /** The dashboard of Shanghai. */
  get base() {
    return this.bases.shanghai;
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
    await Promise.all(this.#served.map((served) => served.close()));
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
