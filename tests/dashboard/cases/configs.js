// Config items: who has which content, and contents only for who asks for them.

import assert from 'node:assert/strict';
import { before, describe } from 'node:test';

import { until } from '../src/await.js';
import { faults } from '../src/axe.js';

const LEFT = Array.from({ length: 30 }, (_, at) => `line ${at}`).join('\n');

export default function configs(stage) {
  describe('configs', () => {
    before(async () => {
      await stage.demo.publish('shanghai', 'long.txt', LEFT);
      await stage.demo.publish('virginia', 'long.txt', LEFT.replace('line 15', 'LINE 15'));
      await stage.demo.publish('frankfurt', 'long.txt', LEFT);
      await until('all clusters have it', async () => {
        const { configs: found } = await stage.demo.gateway().get('/v1/configs?dataId=long.txt');
        return Object.keys(found[0]?.clusters ?? {}).length === 3;
      });
    }, { timeout: 30_000 });

    stage.case('stand in a grid in which equal letters are equal contents', async (page, profile) => {
      await profile.open('/configs?q=long');
      const letters = await page.locator('tbody tr', { hasText: 'long.txt' }).locator('.version-letter').allInnerTexts();
      assert.deepEqual(letters, ['A', 'A', 'B']);
    });

    stage.case('are compared side by side, and one below the other', async (page, profile) => {
      await profile.open('/configs/public/SHOP/long.txt');
      assert.deepEqual(profile.requests.filter((path) => path.startsWith('/v1/config?')), [], 'contents are fetched only when asked for');
      await page.getByRole('button', { name: 'Show the contents' }).click();
      await page.locator('.diff .removed', { hasText: 'line 15' }).waitFor();
      await page.locator('.diff .added', { hasText: 'LINE 15' }).waitFor();
      assert.equal(await page.getByText('line 2', { exact: true }).count(), 0, 'equal lines are folded');
      await page.getByRole('button', { name: /equal lines/ }).first().click();
      assert.equal(await page.getByText('line 2', { exact: true }).count(), 2);
      assert.deepEqual(await faults(page), []);
      await page.getByLabel('View').selectOption('unified');
      await page.waitForURL(/view=unified/);
      await page.locator('.diff tr.added').waitFor();
      await page.getByLabel('Right').selectOption('shanghai').catch(() => page.getByLabel('Left').selectOption('shanghai'));
    });

    stage.case('that are sealed are shown as such', async (page, profile) => {
      await page.route('**/v1/config?*', async (route) => {
        const found = await (await route.fetch()).json();
        Object.assign(found.items[0], { content: null, md5: '', sealed: { keyId: 'abababababababab', reason: 'no_key' } });
        await route.fulfill({ status: 200, contentType: 'application/json', body: JSON.stringify(found) });
      });
      await profile.open('/configs/public/SHOP/long.txt');
      await page.getByRole('button', { name: 'Show the contents' }).click();
      await page.locator('[data-state=sealed]').getByText('abababababababab').waitFor();
    });
  });
}
