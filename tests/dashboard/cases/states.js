// Every state that a page may be in, each by the answer that brings it about: what is not there is never drawn as nothing.

import assert from 'node:assert/strict';
import { describe } from 'node:test';

import { faults } from '../src/axe.js';

const NO_SERVICES = { total: 0, pageNo: 1, pageSize: 50, services: [], nextCursor: null };
const PROBLEM = 'urn:federation:problem:';

export default function states(stage) {
  describe('states', () => {
    waiting(stage);
    nothing(stage);
    old(stage);
    refused(stage);
  });
}

function waiting(stage) {
  stage.case('loading is not empty', async (page) => {
    const held = gate();
    await page.route('**/v1/services?*', async (route) => {
      await held.opened;
      await answer(route, 200, NO_SERVICES);
    });
    await page.goto('/services');
    await page.locator('main [data-state=loading]').waitFor();
    assert.equal(await page.locator('[data-state=empty]').count(), 0);
    assert.deepEqual(await faults(page), []);
    held.open();
    await page.locator('[data-state=empty]').waitFor();
  });
}

function nothing(stage) {
  stage.case('empty says what to do', async (page) => {
    await page.route('**/v1/services?*', (route) => answer(route, 200, NO_SERVICES));
    await page.goto('/services');
    await page.locator('[data-state=empty]').getByText('Register one').waitFor();
    assert.deepEqual(await faults(page), []);
  });

  stage.case('filtered to nothing offers to clear the filter', async (page) => {
    const withFilter = (url) => url.pathname === '/v1/services' && url.searchParams.has('q');
    await page.route(withFilter, (route) => answer(route, 200, NO_SERVICES));
    await page.goto('/services?q=nothing-like-this');
    await page.locator('[data-state=filtered]').getByRole('button').click();
    await page.waitForURL((url) => url.search === '');
    await page.getByRole('link', { name: 'payment', exact: true }).waitFor();
  });

  stage.case('no drift is not an empty federation', async (page) => {
    await page.route('**/v1/configs?*', (route) => answer(route, 200, { total: 0, pageNo: 1, pageSize: 50, configs: [] }));
    await page.goto('/configs?drift=true');
    await page.getByText('No config item differs').waitFor();
  });
}

function old(stage) {
  stage.case('what a person may not see is said to be missing', async (page) => {
    await page.route('**/v1/services?*', async (route) => answer(route, 200, { ...(await (await route.fetch()).json()), filtered: true }));
    await page.goto('/services');
    await page.locator('[data-state=partial]').waitFor();
  });

  stage.case('instances of a stale origin are grey', async (page) => {
    await page.route('**/v1/service?*', async (route) => {
      const found = await (await route.fetch()).json();
      for (const instance of found.instances) Object.assign(instance, { freshness: 'stale', ageMs: 61_000 });
      await answer(route, 200, found);
    });
    await page.goto('/services/public/DEFAULT_GROUP/payment');
    const rows = page.locator('tbody tr.stale');
    await rows.first().waitFor();
    assert.equal(await rows.count(), 3);
    assert.match(await rows.first().innerText(), /stale[\s\S]*1 min/);
    assert.deepEqual(await faults(page), []);
  });

  stage.case('a gateway that is cut off says so above every page', async (page) => {
    await page.route('**/v1/clusters', async (route) => {
      const found = await (await route.fetch()).json();
      for (const cluster of found.clusters) if (!cluster.local) cluster.freshness = 'isolated';
      await answer(route, 200, found);
    });
    for (const path of ['/', '/services', '/configs']) {
      await page.goto(path);
      await page.locator('[data-banner=isolated]').waitFor();
    }
    assert.deepEqual(await faults(page), []);
  });

  stage.case('a gateway that never answered is not an empty one', async (page) => {
    await page.route('**/v1/**', (route) => route.abort('connectionrefused'));
    await page.route('**/readyz', (route) => route.abort('connectionrefused'));
    await page.goto('/services');
    await page.locator('[data-banner=unreachable]').waitFor();
    await page.locator('main [data-state=unreachable]').waitFor();
    assert.equal(await page.locator('[data-state=empty], [data-state=filtered]').count(), 0);
    assert.deepEqual(await faults(page), []);
  });

  stage.case('a gateway that stops answering leaves what it said last, greyed, with its time', async (page, profile) => {
    await profile.open('/services/public/DEFAULT_GROUP/payment');
    assert.equal(await page.locator('tbody tr').count(), 3);
    await page.route(/\/(v1\/|readyz)/, (route) => route.abort('connectionrefused'));
    await page.locator('[data-banner=unreachable]').waitFor();
    await stage.nudge();
    const outdated = page.locator('[data-state=outdated]');
    await outdated.waitFor();
    assert.match(await page.locator('.as-of').innerText(), /silent, as of \d\d:\d\d:\d\d/);
    assert.equal(await page.locator('tbody tr').count(), 3);
    await page.unroute(/\/(v1\/|readyz)/);
    await page.locator('[data-state=shown]').waitFor();
  });
}

function refused(stage) {
  const problem = (status, code, more = {}) => ({ status, type: PROBLEM + code, title: code, detail: `${code} in detail`, ...more });
  const cases = [
    ['401 leads to the sign-in page, and back', problem(401, 'not-known'), '401', /sign in/i],
    ['403 names the right that is missing', problem(403, 'not-allowed', { missingRight: 'view' }), '403', /“view” is needed/],
    ['404 names the clusters that were looked at', problem(404, 'service-not-found', { clusters: [{ cluster: 'frankfurt', freshness: 'stale', freshnessReason: 'silent', ageMs: 40 }] }), '404', /frankfurt[\s\S]*stale/],
    ['a gateway that is not ready says why', problem(503, 'not-ready'), 'not-ready', /not-ready in detail/],
    ['a gateway that refuses otherwise says what it says', problem(422, 'bad-parameter'), 'problem', /bad-parameter in detail/],
  ];
  for (const [name, body, state, text] of cases) {
    stage.case(name, async (page) => {
      await page.route('**/v1/service?*', (route) => answer(route, body.status, body, 'application/problem+json'));
      await page.route('**/v1/me', async (route) => answer(route, 200, { ...(await (await route.fetch()).json()), nacosLogin: true }));
      await page.goto('/services/public/DEFAULT_GROUP/payment');
      const shown = page.locator(`main [data-state="${state}"]`);
      await shown.waitFor();
      assert.match(await shown.innerText(), text);
      assert.deepEqual(await faults(page), []);
      if (state === '401') assert.match(await shown.getByRole('link').getAttribute('href'), /^\/sign-in\?back=%2Fservices%2Fpublic/);
    });
  }

  stage.case('a service that is not there is looked for in all clusters', async (page, profile) => {
    await profile.open('/services/public/DEFAULT_GROUP/no-such-service');
    const shown = await page.locator('main [data-state="404"]').innerText();
    for (const cluster of ['shanghai', 'frankfurt', 'virginia']) assert.ok(shown.includes(cluster), shown);
  });

  stage.case('a gateway that is not ready has a banner above every page', async (page) => {
    await page.route('**/readyz', (route) => answer(route, 503, problem(503, 'not-ready', { reasons: ['the log has not been read'] }), 'application/problem+json'));
    await page.goto('/services');
    await page.locator('[data-banner=not-ready]').getByText('the log has not been read').waitFor();
  });
}

/** Fulfils a request with a document. */
function answer(route, status, body, contentType = 'application/json') {
  return route.fulfill({ status, contentType, body: JSON.stringify(body) });
}

/** Something that opens once. */
function gate() {
  let open;
  const opened = new Promise((resolve) => (open = resolve));
  return { opened, open };
}
