// What somebody has to look at: a policy that is refused, a loss that the guard holds, a config item that differs between clusters.

import assert from 'node:assert/strict';
import { describe } from 'node:test';

import { until } from '../src/await.js';
import { faults } from '../src/axe.js';
import { BEHIND_MS, toldByTimeline } from './parts.js';

const SOON = { timeout: BEHIND_MS };
/** More than the guard lets go at once: the namespace has eleven others. */
const CROWD = Array.from({ length: 20 }, (_, at) => ({ serviceName: 'crowd', ip: `10.50.0.${at + 1}`, port: '80' }));

export default function troubles(stage) {
  describe('troubles', () => {
    const gateway = () => stage.demo.gateway();

    stage.case('a broken policy: its refused lines, and what stays in force', async (page, profile) => {
      await profile.open('/policy');
      const fleet = await profile.context.newPage();
      await profile.open('/', fleet);
      await stage.demo.publish('shanghai', 'routing-policy.yaml', 'overprovisioning: 140\nstale: drop\n', 'nacos-fed');
      const refused = await until('the policy is refused', async () => {
        const { sources } = await gateway().get('/v1/policy');
        return sources.find((source) => source.refused !== null)?.refused;
      });
      const [mistake] = refused.mistakes;
      const shown = page.locator('[data-policy=refused]');
      await shown.getByText(mistake.problem).waitFor(SOON);
      assert.ok((await shown.innerText()).includes(`${mistake.line}:${mistake.column}`));
      await fleet.locator('[data-tile=policy].warn').waitFor(SOON);
      assert.deepEqual(await faults(page), []);
      await stage.demo.publish('shanghai', 'routing-policy.yaml', 'overprovisioning: 150\n', 'nacos-fed');
      await until('the policy is in force', async () => (await gateway().get('/v1/policy')).document.overprovisioning === 150);
      await shown.waitFor({ state: 'detached', ...SOON });
    });

    stage.case('a mass loss: the guard holds it until somebody says what it is', async (page, profile) => {
      for (const one of CROWD) await stage.demo.register('shanghai', one);
      await crowd(gateway(), CROWD.length);
      await profile.open('/guard');
      const timeline = await profile.context.newPage();
      await profile.open('/timeline', timeline);
      for (const one of CROWD) await stage.demo.deregister('shanghai', one);
      await until('the guard holds', async () => (await gateway().get('/v1/guard')).holds.some((hold) => hold.id === 'shanghai/public' && hold.state === 'held'));
      const row = page.locator('[data-hold="shanghai/public"][data-hold-state=held]');
      await row.waitFor(SOON);
      await toldByTimeline(timeline, timeline.locator('[data-event=hold]').first());
      assert.deepEqual(await faults(page), []);
      await row.locator('[data-action=release]').click();
      await page.locator('[data-action=confirm-release]').click();
      await crowd(gateway(), 0);
    });

    stage.case('a forked config item: the grid, and what differs', async (page, profile) => {
      await profile.open('/configs?drift=1');
      await stage.demo.publish('shanghai', 'forked.yaml', 'a: 1\nb: 2\nc: 3\n');
      await stage.demo.publish('frankfurt', 'forked.yaml', 'a: 1\nb: 20\nc: 3\n');
      await until('both clusters have it', async () => {
        const { configs } = await gateway().get('/v1/configs?dataId=forked.yaml');
        return Object.keys(configs[0]?.clusters ?? {}).length === 2;
      });
      await page.getByRole('link', { name: 'forked.yaml' }).waitFor(SOON);
      await page.getByRole('link', { name: 'forked.yaml' }).click();
      await page.getByRole('button', { name: 'Show the contents' }).click();
      await page.locator('.diff .removed', { hasText: 'b: 20' }).or(page.locator('.diff .removed', { hasText: 'b: 2' })).first().waitFor();
      assert.deepEqual(await faults(page), []);
      await stage.demo.publish('frankfurt', 'forked.yaml', 'a: 1\nb: 2\nc: 3\n');
      await page.getByText('Both have the same content.').waitFor();
    });
  });
}

function crowd(gateway, count) {
  return until(`${count} instances are in the crowd`, async () => {
    const answer = await fetch(`${gateway.url}/v1/service?serviceName=crowd`);
    return (answer.status === 404 ? 0 : (await answer.json()).instances.length) === count;
  });
}
