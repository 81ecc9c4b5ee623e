// What stops and starts: a region, the broker, an instance, a registry, the gateway that is looked through. Once the API says so, the page does within two
// seconds: the matrix, the banner, grey rows, the timeline.

import assert from 'node:assert/strict';
import { afterEach, describe } from 'node:test';

import { until } from '../src/await.js';

/** What a page may be behind the API. */
export const BEHIND_MS = 2000;
const SOON = { timeout: BEHIND_MS };

export default function parts(stage) {
  describe('parts', () => {
    const gateway = () => stage.demo.gateway();
    afterEach(async () => {
      for (const target of ['kafka', 'frankfurt', 'shanghai', 'frankfurt-registry']) await stage.demo.run(target);
      await stage.demo.whole();
    }, { timeout: 90_000 });

    stage.case('an instance goes and comes: the service and its changes', async (page, profile) => {
      const service = '/services/public/DEFAULT_GROUP/cart';
      await profile.open(service);
      const rows = page.locator('main tbody tr');
      const whole = await rows.count();
      const changes = await profile.context.newPage();
      await profile.open(`${service}?tab=changes`, changes);
      for (const [order, count] of [['stop', whole - 1], ['run', whole]]) {
        await stage.demo[order]('virginia/cart-1');
        await until(`the API has ${count} carts`, async () => (await gateway().get('/v1/service?serviceName=cart')).instances.length === count);
        await page.waitForFunction((wanted) => document.querySelectorAll('main tbody tr').length === wanted, count, SOON);
        const newest = await until('the API tells of the change', async () => {
          const found = await gateway().get('/v1/changes?serviceName=cart&limit=1');
          return found.changes[0]?.what === (order === 'stop' ? 'removed' : 'added') && found.changes[0];
        });
        await changes.locator('main tbody tr').first().getByText(newest.what).waitFor(SOON);
      }
    });

    stage.case('a region falls silent: the matrix, its instances, the timeline', async (page, profile) => {
      await profile.open('/');
      const instances = await profile.context.newPage();
      await profile.open('/services/public/DEFAULT_GROUP/payment', instances);
      const timeline = await profile.context.newPage();
      await profile.open('/timeline', timeline);
      await stage.demo.stop('frankfurt');
      await freshness(gateway(), 'frankfurt', 'stale');
      await cell(page, 'shanghai', 'frankfurt', 'stale').waitFor(SOON);
      await page.locator('[data-verdict=late]').waitFor(SOON);
      await instances.locator('tbody tr.stale').first().waitFor(SOON);
      assert.equal(await instances.locator('tbody tr').count(), 3, 'nobody said that they are gone');
      await toldByTimeline(timeline, timeline.locator('[data-event=freshness]', { hasText: 'frankfurt' }).first());
      await stage.demo.run('frankfurt');
      await freshness(gateway(), 'frankfurt', 'live');
      await cell(page, 'shanghai', 'frankfurt', 'live').waitFor(SOON);
      await instances.waitForFunction(() => document.querySelector('tbody tr.stale') === null, null, SOON);
    });

    stage.case('the broker goes: a banner, and the own cluster still current', async (page, profile) => {
      await profile.open('/services/public/DEFAULT_GROUP/cart');
      await stage.demo.stop('kafka');
      await until('the gateway is cut off', async () => (await gateway().get('/v1/clusters')).clusters.some((one) => one.freshness === 'isolated'));
      await page.locator('[data-banner=isolated]').waitFor(SOON);
      const own = await gateway().get('/v1/service?serviceName=cart&origin=shanghai');
      assert.ok(own.instances.every((instance) => instance.freshness === 'live'));
      const current = (count) => document.querySelectorAll('main tbody tr:not(.stale)').length === count;
      await page.waitForFunction(current, own.instances.length, SOON);
      await stage.demo.run('kafka');
      await until('the gateway is back', async () => (await gateway().get('/v1/clusters')).clusters.every((one) => one.freshness === 'live'));
      await page.locator('[data-banner=isolated]').waitFor({ state: 'detached', ...SOON });
    });

    stage.case('a registry goes: its cluster grows old, and loses nobody', async (page, profile) => {
      await profile.open('/');
      const before = (await gateway().get('/v1/clusters')).clusters.find((one) => one.cluster === 'frankfurt').instances;
      await stage.demo.stop('frankfurt-registry');
      await freshness(gateway(), 'frankfurt', 'stale');
      await cell(page, 'shanghai', 'frankfurt', 'stale').waitFor(SOON);
      assert.equal((await gateway().get('/v1/clusters')).clusters.find((one) => one.cluster === 'frankfurt').instances, before);
    });

    stage.case('the gateway that is looked through goes: what it said last stays, and is live again', async (page, profile) => {
      await profile.open('/services/public/DEFAULT_GROUP/payment');
      await stage.demo.stop('shanghai');
      await page.locator('[data-banner=unreachable]').waitFor();
      assert.equal(await page.locator('tbody tr').count(), 3);
      await stage.demo.run('shanghai');
      await until('it answers', async () => (await fetch(`${gateway().url}/readyz`)).ok);
      await page.locator('[data-banner=unreachable]').waitFor({ state: 'detached', timeout: 5000 });
      await page.locator('main [data-state=shown]').waitFor({ timeout: 5000 });
    });
  });
}

/** Waits for a row of the timeline: new ones wait behind a pill, so that no row moves under a hand. */
export async function toldByTimeline(timeline, row) {
  const pill = timeline.locator('.changes-pill');
  await row.or(pill).first().waitFor(SOON);
  if ((await row.count()) === 0) await pill.click();
  await row.waitFor(SOON);
}

function cell(page, observer, origin, freshness) {
  return page.locator(`[data-observer^="${observer}"] [data-origin="${origin}"][data-freshness="${freshness}"]`);
}

/** Waits until a gateway says so of a cluster. */
export function freshness(gateway, cluster, wanted) {
  return until(`${cluster} is ${wanted}`, async () => {
    const { clusters } = await gateway.get('/v1/clusters');
    return clusters.find((one) => one.cluster === cluster)?.freshness === wanted;
  });
}
