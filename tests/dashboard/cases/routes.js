// Every route in each theme and language: nothing for axe to find, nothing broken, nothing asked elsewhere; and a picture of each.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { join } from 'node:path';

import { faults } from '../src/axe.js';
import { LANGUAGES, picture, THEMES } from '../src/browser.js';

const SERVICE = '/services/public/DEFAULT_GROUP/payment';

/** By the name of their pictures. */
export const ROUTES = {
  fleet: '/',
  cluster: '/clusters/frankfurt',
  services: '/services',
  service: SERVICE,
  'service-plan': `${SERVICE}?tab=plan&cluster=virginia`,
  'service-changes': `${SERVICE}?tab=changes`,
  'service-json': `${SERVICE}?tab=json`,
  configs: '/configs',
  config: '/configs/public/SHOP/fees.json',
  drains: '/drains',
  'drain-new': '/drains/new',
  'what-if': '/what-if',
  guard: '/guard',
  timeline: '/timeline',
  policy: '/policy',
  about: '/about',
  'sign-in': '/sign-in',
  missing: '/policy/there/is/nothing',
};
const PATIENCE = { timeout: 30_000 };

export default function routes(stage) {
  for (const theme of THEMES) {
    for (const language of LANGUAGES) {
      describe(`every route, ${theme}, ${language}`, () => everyRoute(stage, theme, language));
    }
  }
}

function everyRoute(stage, theme, language) {
  let profile;
  before(async () => {
    profile = await stage.browser.profile({ base: stage.base, theme, language });
  });
  after(() => profile?.close());
  for (const [name, route] of Object.entries(ROUTES)) {
    test(`${name} is in order, ${theme}, ${language}`, PATIENCE, async () => {
      const page = await profile.open(route);
      await picture(page, join(stage.out, 'routes', theme, language), name);
      assert.equal(await page.getAttribute('html', 'lang'), language);
      assert.deepEqual(await faults(page), []);
      profile.innocent();
    });
  }
}
