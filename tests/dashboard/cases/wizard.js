// Draining: what is shown beforehand is what is in force afterwards, nothing is ordered that was not seen, and all of it goes by keyboard alone.

import assert from 'node:assert/strict';
import { afterEach, describe } from 'node:test';

import { until } from '../src/await.js';
import { faults } from '../src/axe.js';

const PART = '/drains/new?cluster=frankfurt&percent=40&last=leave&reason=disks';
const WHOLE = '/drains/new?cluster=frankfurt&percent=100&last=leave';

export default function wizard(stage) {
  describe('the wizard', () => {
    const gateway = () => stage.demo.gateway();
    afterEach(() => endDrains(gateway()));

    stage.case('shows in its dry run, cell by cell, what callers then get', async (page, profile) => {
      await profile.open(PART);
      const shown = await dryRun(page);
      assert.ok(shown.length >= 2, JSON.stringify(shown));
      assert.deepEqual(await faults(page), []);
      await page.locator('[data-action=give]').click();
      await page.locator('[data-step=given]').waitFor();
      await inForce(gateway(), 40);
      for (const { service, caller, after } of shown) {
        await until(`${service} for ${caller} is as it was shown`, async () => {
          const found = sharesOf(await gateway().get(`/v1/resolve?serviceName=${service}&cluster=${caller}`));
          assert.deepEqual(found, after);
          return true;
        });
      }
    });

    stage.case('tries again what has changed since, before anything is ordered', async (page, profile) => {
      await profile.open(PART);
      const before = await dryRun(page);
      const orders = watchOrders(page);
      for (const name of ['cart-1', 'cart-2']) await stage.demo.stop(`frankfurt/${name}`);
      try {
        await until('frankfurt has no cart any more', async () => {
          const { instances } = await gateway().get('/v1/service?serviceName=cart&origin=frankfurt');
          assert.deepEqual(instances, []);
          return true;
        });
        await page.locator('[data-action=give]').click();
        await page.locator('[data-state=changed]').waitFor();
        assert.deepEqual(orders.filter((order) => !order.dryRun), []);
        assert.notDeepEqual(await cells(page), before);
        await page.locator('[data-action=give]').click();
        await page.locator('[data-step=given]').waitFor();
      } finally {
        for (const name of ['cart-1', 'cart-2']) await stage.demo.run(`frankfurt/${name}`);
      }
    });

    stage.case('asks for the id of a cluster that is emptied', async (page, profile) => {
      await profile.open(WHOLE);
      await dryRun(page);
      assert.equal(await page.locator('[data-confirm]').getAttribute('data-confirm'), 'type');
      const give = page.locator('[data-action=give]');
      assert.ok(await give.isDisabled());
      await page.locator('input[name=typed]').fill('virginia');
      assert.ok(await give.isDisabled());
      await page.locator('input[name=typed]').fill('frankfurt');
      await give.click();
      await page.locator('[data-step=given]').waitFor();
      await inForce(gateway(), 100);
    });

    stage.case('names the effect of a part, and takes one click to lower it', async (page, profile) => {
      await profile.open(PART);
      await dryRun(page);
      assert.match(await page.locator('[data-action=give]').innerText(), /\d.*40%.*frankfurt/);
      await page.locator('[data-action=give]').click();
      await inForce(gateway(), 40);
      await profile.open('/drains/new?cluster=frankfurt&percent=10&last=leave');
      await dryRun(page);
      assert.equal(await page.locator('[data-confirm]').getAttribute('data-confirm'), 'click');
    });

    stage.case('undoes with one click, there and in the list', async (page, profile) => {
      for (const path of [null, '/drains']) {
        await profile.open(PART);
        await dryRun(page);
        await page.locator('[data-action=give]').click();
        await page.locator('[data-step=given]').waitFor();
        if (path) await profile.open(path);
        await page.locator('[data-action=undo]').first().click();
        await inForce(gateway(), 0);
      }
    });

    stage.case('goes by keyboard alone, from the fleet to the undo', async (page, profile) => {
      await profile.open('/');
      await page.keyboard.press('g');
      await page.keyboard.press('d');
      await page.waitForURL('**/drains');
      await tabTo(page, 'a[href^="/drains/new"]');
      await page.keyboard.press('Enter');
      await page.locator('select[name=cluster] option[value=frankfurt]').waitFor({ state: 'attached' });
      await tabTo(page, 'select[name=cluster]');
      await page.keyboard.type('fra');
      await page.waitForURL(/cluster=frankfurt/);
      await tabTo(page, '[data-action=dry-run]');
      await page.keyboard.press('Enter');
      // Payment runs nowhere else: the first answer is no, and the way out is a button.
      await page.locator('[data-state=refused]').waitFor();
      await tabTo(page, '[data-state=refused] button');
      await page.keyboard.press('Enter');
      await page.locator('[data-state=refused]').waitFor({ state: 'detached' });
      await tabTo(page, '[data-action=dry-run]');
      await page.keyboard.press('Enter');
      await page.locator('[data-step=look]').waitFor();
      await tabTo(page, '[data-action=give]');
      await page.keyboard.press('Enter');
      await page.locator('[data-step=given]').waitFor();
      await inForce(gateway(), 10);
      await tabTo(page, '[data-action=undo]');
      await page.keyboard.press('Enter');
      await inForce(gateway(), 0);
    });
  });
}

/** Has the dry run made, and reads it. */
async function dryRun(page) {
  await page.locator('[data-action=dry-run]').click();
  await page.locator('[data-step=look] [data-comparison]').waitFor();
  return cells(page);
}

/** What the dry run shows: for each service and caller the shares of each cluster, in millionths. */
function cells(page) {
  return page.locator('[data-step=look] tbody tr').evaluateAll((rows) =>
    rows.flatMap((row) => {
      const service = row.querySelector('th a').textContent;
      return [...row.querySelectorAll('[data-caller]')].map((one) => ({
        service,
        caller: one.dataset.caller,
        after: JSON.parse(one.querySelector('[data-side=after]').dataset.shares),
      }));
    }),
  );
}

/** The shares of each cluster in a plan. */
function sharesOf(plan) {
  const shares = {};
  for (const { origin, share } of plan.endpoints) if (share > 0) shares[origin] = (shares[origin] ?? 0) + share;
  return shares;
}

/** The orders that a page gives from now on. */
function watchOrders(page) {
  const orders = [];
  page.on('request', (request) => {
    if (request.method() === 'POST') orders.push(request.postDataJSON());
  });
  return orders;
}

async function tabTo(page, selector) {
  for (let presses = 0; presses < 80; presses++) {
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`${selector} is not reached by the tabulator key`);
}

async function inForce(gateway, percent) {
  await until(`${percent} % of frankfurt are drained`, async () => {
    const { drains } = await gateway.get('/v1/drains');
    return (drains.find((drain) => drain.target === 'frankfurt')?.percent ?? 0) === percent;
  });
}

async function endDrains(gateway) {
  await gateway.post('/v1/drains', { cluster: 'frankfurt', percent: 0 });
  await inForce(gateway, 0);
}
