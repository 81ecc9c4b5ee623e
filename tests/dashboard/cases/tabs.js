// Many tabs of one browser at a gateway that has a name: one stream for all of them, and none waits for another.

import assert from 'node:assert/strict';
import { describe } from 'node:test';

import { until } from '../src/await.js';
import { settled } from '../src/browser.js';

const TABS = 8;
/** How soon all tabs are live again after a restart. */
const AGAIN_MS = 5000;

export default function tabs(stage) {
  describe('tabs', () => {
    // With a name and without TLS a page has fewer means than on an address of this machine.
    const named = () => stage.base.replace('127.0.0.1', 'localhost');

    stage.case('eight of them share one stream, and none stalls', async (page, profile) => {
      const pages = await openTabs(stage, page, profile);
      const asked = profile.requests.filter((path) => path.startsWith('/v1/events'));
      assert.ok(asked.length <= 1, `tabs asked for streams of their own: ${asked.length}`);
      assert.equal(await workers(stage), 1);
      await stage.nudge();
      const { nudges } = stage;
      for (const one of pages) await one.getByText(String(nudges), { exact: true }).first().waitFor();
    }, { base: named });

    stage.case('all are live again once the gateway is back', async (page, profile, t) => {
      const pages = await openTabs(stage, page, profile);
      t.after(async () => {
        await stage.demo.run('shanghai');
        await stage.demo.whole();
      });
      await stage.demo.stop('shanghai');
      for (const one of pages) await one.locator('[data-banner=unreachable]').waitFor();
      await stage.demo.run('shanghai');
      await until('it answers', async () => (await fetch(`${stage.demo.gateway().url}/readyz`)).ok);
      const back = Date.now() + AGAIN_MS;
      for (const one of pages) {
        const left = () => ({ timeout: Math.max(1, back - Date.now()) });
        await one.locator('[data-banner=unreachable]').waitFor({ state: 'detached', ...left() });
        await one.getByText('live, as of').first().waitFor(left());
      }
    }, { base: named });
  });
}

/** Each shows the instance that a nudge changes. */
async function openTabs(stage, page, profile) {
  await stage.nudge();
  const gateway = stage.demo.gateway();
  await until('there is something to nudge', async () => (await gateway.get('/v1/service?serviceName=nudged')).instances.length === 1);
  const pages = [page];
  while (pages.length < TABS) pages.push(await profile.context.newPage());
  for (const one of pages) {
    await one.goto('/services/public/DEFAULT_GROUP/nudged');
    await settled(one);
    await one.locator('details summary').first().click();
    await one.getByText('live, as of').first().waitFor();
  }
  return pages;
}

/** Shared workers of the whole browser. */
async function workers(stage) {
  const session = await stage.browser.chromium.newBrowserCDPSession();
  const { targetInfos } = await session.send('Target.getTargets', { filter: [{ type: 'shared_worker', exclude: false }] });
  await session.detach();
  return targetInfos.length;
}
