// The list of services: everything in the address, quick while somebody types, and calm while things change.

import assert from 'node:assert/strict';
import { describe } from 'node:test';

import { settled } from '../src/browser.js';

export default function services(stage) {
  describe('services', () => {
    searching(stage);
    reading(stage);
    calm(stage);
  });
}

function searching(stage) {
  stage.case('are found as one types, and the address says so', async (page, profile) => {
    await profile.open('/services');
    await page.keyboard.press('/');
    await page.keyboard.type('pay');
    await page.waitForURL(/\?q=pay$/);
    await rows(page, ['payment']);
    await page.reload();
    await rows(page, ['payment']);
    assert.equal(await page.locator('[data-search]').inputValue(), 'pay');
  });

  stage.case('are narrowed by facets that count what is left', async (page, profile) => {
    await profile.open('/services?q=a');
    const facet = page.getByRole('button', { name: /in one region only/ });
    const count = Number(/\d+$/.exec(await facet.innerText())[0]);
    assert.ok(count > 0);
    await facet.click();
    await page.waitForURL(/state=single/);
    assert.equal(await facet.getAttribute('aria-pressed'), 'true');
    await settled(page);
    assert.equal(await page.locator('tbody tr').count(), count);
    await page.goBack();
  });

  stage.case('are sorted by what their heads say', async (page, profile) => {
    await profile.open('/services');
    await page.getByRole('button', { name: /^Instances/ }).click();
    await page.waitForURL(/sort=instances/);
    await settled(page);
    const counts = (await page.locator('tbody tr td:nth-child(2)').allInnerTexts()).map(Number);
    assert.deepEqual(counts, [...counts].sort((a, b) => b - a));
    assert.equal(await page.locator('th[aria-sort=descending]').count(), 1);
  });

  stage.case('are narrowed to one cluster, and back', async (page, profile) => {
    await profile.open('/services');
    await page.getByLabel('Origin').selectOption({ value: '=frankfurt' });
    await page.waitForURL(/origin=frankfurt/);
    await settled(page);
    assert.equal(await page.getByRole('link', { name: 'inventory', exact: true }).count(), 0);
    await page.getByLabel('Origin').selectOption({ value: '' });
    await page.getByRole('link', { name: 'inventory', exact: true }).waitFor();
  });
}

function reading(stage) {
  stage.case('lead to one service, whose tabs are in the address', async (page, profile) => {
    await profile.open('/services');
    await page.getByRole('link', { name: 'payment', exact: true }).click();
    await page.waitForURL('**/services/public/DEFAULT_GROUP/payment');
    await page.getByRole('tab', { name: 'Plan' }).click();
    await page.waitForURL(/tab=plan/);
    await page.getByLabel('Cluster').selectOption('virginia');
    await page.waitForURL(/cluster=virginia/);
    await page.getByText('where the cluster virginia is').waitFor();
    await page.goBack();
  });

  stage.case('have the plan that the API answers, endpoint by endpoint', async (page, profile) => {
    await profile.open('/services/public/DEFAULT_GROUP/catalog?tab=plan&cluster=virginia');
    const plan = await stage.demo.gateway().get('/v1/resolve?serviceName=catalog&cluster=virginia');
    const used = page.getByRole('table', { name: 'Who is called', exact: true }).locator('tbody tr');
    const wanted = plan.endpoints.filter((endpoint) => endpoint.share > 0);
    assert.equal(await used.count(), wanted.length);
    for (const { ip, port, share } of wanted) {
      const row = await used.filter({ hasText: `${ip}:${port}` }).innerText();
      assert.ok(row.includes(`${Math.round(share / 1000) / 10}%`), `${row} has ${share}`);
    }
    const unused = page.getByRole('table', { name: 'Who is not called, and why', exact: true }).locator('tbody tr');
    assert.equal(await unused.count(), plan.endpoints.length - wanted.length);
    assert.match(await unused.first().innerText(), /A better priority takes everything/);
  });

  stage.case('are told to the command line as they are shown', async (page, profile) => {
    await profile.open('/services/public/DEFAULT_GROUP/payment?tab=json&cluster=virginia');
    const command = await page.locator('code', { hasText: 'nacos-fed resolve' }).innerText();
    assert.match(command, /^nacos-fed resolve --namespace public --group DEFAULT_GROUP --cluster virginia --server http:\/\/127\.0\.0\.1:\d+ payment$/);
    const shown = JSON.parse(await page.locator('pre.json').innerText());
    assert.equal(shown.instances.length, 3);
  });
}

function calm(stage) {
  stage.case('do not jump: what would move waits behind a pill', async (page, profile, t) => {
    const another = { serviceName: 'aardvark', ip: '10.98.0.1', port: '80' };
    t.after(() => stage.demo.deregister('shanghai', another));
    await profile.open('/services?ns=public');
    const before = await page.locator('tbody th a').allInnerTexts();
    await stage.demo.register('shanghai', another);
    const pill = page.locator('.changes-pill');
    await pill.waitFor();
    assert.deepEqual(await page.locator('tbody th a').allInnerTexts(), before);
    await pill.click();
    await page.getByRole('link', { name: 'aardvark' }).waitFor();
    assert.equal(await pill.count(), 0);
  });

  stage.case('stay as they are while the next filter is asked for', async (page, profile) => {
    await profile.open('/services');
    let open;
    const held = new Promise((resolve) => (open = resolve));
    await page.route((url) => url.searchParams.get('q') === 'cart', async (route) => {
      await held;
      await route.continue();
    });
    await page.locator('[data-search]').fill('cart');
    await page.locator('main [aria-busy=true] tbody tr').first().waitFor();
    open();
    await rows(page, ['cart']);
  });
}

async function rows(page, wanted) {
  const shown = (names) => JSON.stringify([...document.querySelectorAll('tbody th a')].map((one) => one.textContent)) === JSON.stringify(names);
  await page.waitForFunction(shown, wanted);
}
