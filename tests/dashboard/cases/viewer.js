// Whoever may only look: no control that acts is in the page, and the calls are refused whatever the page has.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { before, describe, test } from 'node:test';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { ROUTES } from './routes.js';

/** Every order that a page could give. */
const ORDERS = [
  ['/v1/drains', { cluster: 'frankfurt', percent: 10 }],
  ['/v1/drains', { cluster: 'frankfurt', percent: 10, dryRun: true }],
  ['/v1/guard', { id: 'shanghai/public', decision: 'release' }],
  ['/v1/excluded', { cluster: 'frankfurt', excluded: true }],
  ['/v1/front-door/drain', {}],
  ['/v1/front-door/undrain', {}],
  ['/v1/verify/nacos', {}],
];
/** Whoever asks with a name that he shows is refused what he may not do; a program without one is asked for it. */
const FORBIDDEN = 403;

export default function viewer(stage) {
  describe('a viewer', () => {
    let demo;
    const tokens = {};
    before(async () => {
      demo = await stage.anotherDemo(async (folder) => {
        const file = join(folder, 'tokens.yaml');
        for (const role of ['viewer', 'operator']) tokens[role] = await token(stage.program, file, role);
        return `access: {tokens_file: ${JSON.stringify(file)}, anonymous: {roles: [{role: viewer}]}}\n`;
      });
    }, { timeout: 60_000 });
    const options = (role) => ({ base: () => demo.gateway().url, headers: () => ({ authorization: `Bearer ${tokens[role]}` }) });

    stage.case('sees no control that acts, on any route', async (page, profile) => {
      for (const route of Object.values(ROUTES)) {
        await profile.open(route);
        assert.equal(await page.locator('main [data-action], main [data-acts]').count(), 0, route);
        assert.equal(await page.locator('main a[href^="/drains/new"]').count(), 0, route);
      }
    }, options('viewer'));

    stage.case('who may drain sees the control on the same page', async (page, profile) => {
      await profile.open('/drains/new?cluster=frankfurt');
      await page.locator('[data-action=dry-run]').waitFor();
    }, options('operator'));

    stage.case('is told so where the wizard would be', async (page, profile) => {
      await profile.open('/drains/new?cluster=frankfurt&percent=100');
      await page.locator('[data-state="403"]').waitFor();
    }, options('viewer'));

    stage.case('may not see contents of config items, and they are not asked for', async (page, profile) => {
      await profile.open('/configs/public/SHOP/fees.json');
      assert.equal(await page.getByRole('button', { name: 'Show the contents' }).count(), 0);
      assert.deepEqual(profile.requests.filter((path) => path.startsWith('/v1/config?')), []);
    }, options('viewer'));

    for (const [path, body] of ORDERS) {
      test(`is refused ${path} ${JSON.stringify(body)}`, async () => {
        const told = await demo.gateway().as(tokens.viewer).post(path, body);
        assert.equal(told.status, FORBIDDEN, JSON.stringify(told.body));
      });
    }
  });
}

async function token(program, file, role) {
  const { stdout } = await promisify(execFile)(program, ['token', 'create', role, '--file', file, '--role', role]);
  return stdout.trim();
}
