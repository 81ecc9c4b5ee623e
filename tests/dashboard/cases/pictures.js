// The few pictures of docs/dashboard.md: English, light, of what there is to see on the demo. They are made only when asked for.

import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe } from 'node:test';

import { until } from '../src/await.js';
import { picture } from '../src/browser.js';

/** What a picture may weigh: it is in the repository for ever. */
const MOST_BYTES = 100 * 1024;
const SIZE = { width: 1120, height: 560 };
const SERVICE = '/services/public/DEFAULT_GROUP/catalog';
const PICTURES = {
  services: ['/services'],
  service: [SERVICE],
  'service-plan': [`${SERVICE}?tab=plan&cluster=virginia`],
  configs: ['/configs'],
  'drain-new': ['/drains/new?cluster=frankfurt&percent=40&last=leave', dryRun],
  timeline: ['/timeline', changes],
  fleet: ['/', silent],
};

export default function pictures(stage) {
  describe('pictures', () => {
    before(async () => {
      await stage.demo.publish('shanghai', 'limits.yaml', 'most: 100\n');
      await stage.demo.publish('virginia', 'limits.yaml', 'most: 200\n');
      await stage.demo.stop('virginia/cart-1');
      await until('it is seen', async () => Object.keys((await stage.demo.gateway().get('/v1/configs?dataId=limits.yaml')).configs[0]?.clusters ?? {}).length === 2);
    }, { timeout: 30_000 });
    for (const [name, [route, prepare]] of Object.entries(PICTURES)) {
      stage.case(`of ${name}`, async (page, profile) => {
        await profile.open(route);
        await prepare?.(page, stage);
        await picture(page, stage.pictures, name, false);
        const { size } = await stat(join(stage.pictures, `${name}.png`));
        assert.ok(size <= MOST_BYTES, `${size} bytes`);
      }, SIZE);
    }
  });
}

async function dryRun(page) {
  await page.locator('[data-action=dry-run]').click();
  const shown = page.locator('[data-comparison]');
  await shown.waitFor();
  await shown.scrollIntoViewIfNeeded();
}

async function changes(page) {
  const rows = page.locator('[data-event]');
  await rows.first().waitFor();
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
}

/** A region that has fallen silent says more than three that have not. */
async function silent(page, { demo }) {
  await demo.stop('frankfurt');
  await page.locator('[data-verdict=late]').waitFor();
}
