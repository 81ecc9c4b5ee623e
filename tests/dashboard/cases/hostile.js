// Names, values and texts that others write are shown as they are, and are never anything but text.

import assert from 'node:assert/strict';
import { describe } from 'node:test';

import { until } from '../src/await.js';
import { ROUTES } from './routes.js';

/** Each would leave a mark if it were taken for anything but text. */
const ATTACKS = [
  '"><img src=x onerror="window.broken=1">',
  "'-alert(1)-'</script><script>window.broken=1</script>",
  'javascript:window.broken=1',
  '{{constructor.constructor("window.broken=1")()}}',
  '<svg onload=window.broken=1><iframe srcdoc="<script>parent.broken=1</script>">',
  '\u202Egnp.exe\u0000\u0007\u001b[31m',
];
/** Words that the page tells apart; all other texts of a document were written by somebody else. */
const OWN_WORDS = /^(freshness|effectiveFreshness|health|rawHealth|state|states|kind|what|impact|verdict|ruling|type|source|through|sort|role|roles|may)$/;

export default function hostile(stage) {
  describe('hostile texts', () => {
    // Every field of a document has another one, and in the next pass another again.
    [0, 2, 4].forEach((first) => {
      stage.case(`are text on every route, beginning with ${JSON.stringify(ATTACKS[first])}`, async (page, profile) => {
        await page.route('**/v1/**', async (route) => {
          if (route.request().method() !== 'GET' || route.request().url().includes('/v1/events')) return route.continue();
          const answer = await route.fetch();
          if (!answer.ok()) return route.fulfill({ response: answer });
          let at = first;
          return route.fulfill({ response: answer, json: poisoned(await answer.json(), () => ATTACKS[at++ % ATTACKS.length]) });
        });
        for (const route of Object.values(ROUTES)) {
          await profile.open(route);
          await opened(page);
          assert.equal(await page.evaluate(() => window.broken), undefined, route);
          assert.equal(await page.locator('main img, main iframe, main script, main object').count(), 0, route);
          const links = await page.locator('a').evaluateAll((found) => found.map((one) => one.protocol));
          assert.deepEqual([...new Set(links)].filter((protocol) => protocol !== 'http:'), [], route);
        }
      });
    });

    stage.case('metadata, contents and reasons that somebody really wrote are text', async (page, profile, t) => {
      const [attack] = ATTACKS;
      const instance = { serviceName: 'hostile', ip: '10.97.0.1', port: '80', metadata: JSON.stringify({ [attack]: attack }) };
      const gateway = stage.demo.gateway();
      t.after(() => gateway.post('/v1/drains', { cluster: 'virginia', percent: 0 }));
      await stage.demo.register('frankfurt', instance);
      await stage.demo.publish('frankfurt', 'hostile.html', attack);
      await gateway.post('/v1/drains', { cluster: 'virginia', percent: 1, leaveLast: true, reason: attack });
      await until('it is seen', async () => (await gateway.get('/v1/service?serviceName=hostile')).instances.length === 1);
      await until('it is read', async () => (await gateway.get('/v1/configs?dataId=hostile.html')).total === 1);
      await profile.open('/services/public/DEFAULT_GROUP/hostile');
      await page.locator('details summary').first().click();
      assert.equal(await page.getByText(attack, { exact: true }).count(), 2);
      await profile.open('/configs/public/SHOP/hostile.html');
      await page.getByRole('button', { name: 'Show the contents' }).click();
      await page.locator('pre.content').getByText(attack).waitFor();
      await profile.open('/drains');
      await page.getByText(attack).first().waitFor();
      assert.equal(await page.evaluate(() => window.broken), undefined);
    });
  });
}

/** Opens what is folded. */
async function opened(page) {
  await page.evaluate(() => document.querySelectorAll('main details').forEach((one) => (one.open = true)));
}

/** The same document with every text of others replaced, names of fields that others choose included. */
function poisoned(value, next, key = '') {
  if (typeof value === 'string') return OWN_WORDS.test(key) ? value : next();
  if (Array.isArray(value)) return value.map((one) => poisoned(one, next, typeof one === 'object' ? '' : key));
  if (value === null || typeof value !== 'object') return value;
  const isChosen = ['metadata', 'clusters', 'labels', 'namespaces', 'origins'].includes(key);
  const entries = Object.entries(value).map(([name, one], at) => [isChosen ? `${next()}${at}` : name, poisoned(one, next, isChosen ? '' : name)]);
  return Object.fromEntries(entries);
}
