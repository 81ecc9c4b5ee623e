import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { followRefusals, loadMe, may, me, signIn } from '../src/gateway';
import { ask, order, setCsrfToken } from '../src/api/client';
import type { MeDocument } from '../src/api/types';

const KNOWN: MeDocument = {
  identity: 'nacos:ann', roles: ['operator'], session: true, readOnly: false, accounts: true, nacosLogin: true,
  may: { view: true, readContents: false, operate: true, administer: false }, cluster: 'a', replica: 'a-0', federation: 'f', version: '1',
};
const NOBODY: MeDocument = { ...KNOWN, identity: 'anonymous', session: false, may: { view: false, readContents: false, operate: false, administer: false } };
let asker: MeDocument = NOBODY;
let asked: { path: string; csrf: string | null }[] = [];

beforeEach(() => {
  asked = [];
  asker = NOBODY;
  me.value = null;
  setCsrfToken(null);
  vi.stubGlobal('fetch', async (path: string, request: RequestInit) => {
    asked.push({ path, csrf: new Headers(request.headers).get('x-nacos-fed-csrf') });
    return answer(path);
  });
});
afterEach(() => vi.unstubAllGlobals());

function answer(path: string): Response {
  const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });
  if (path === '/v1/login') {
    asker = KNOWN;
    return json({ identity: 'nacos:ann', roles: [], expiresMs: 9, idleEndsMs: 5, csrfToken: 'secret' });
  }
  if (path === '/v1/me') return json(asker);
  if (path === '/v1/session') return json({ identity: 'nacos:ann', roles: [], expiresMs: 9, idleEndsMs: 5, csrfToken: 'secret' });
  if (!asker.session) return json({ type: 'urn:federation:problem:not-known', title: 't', status: 401, detail: '' }, 401);
  return json({});
}

test('who signed in may order, with the token beside the cookie', async () => {
  await signIn('ann', 'x');
  expect(may('operate')).toBe(true);
  expect(may('administer')).toBe(false);
  await order('/v1/drains', {});
  expect(asked.at(-1)).toEqual({ path: '/v1/drains', csrf: 'secret' });
});

test('a page that was loaded anew asks for the token of its session', async () => {
  asker = KNOWN;
  await loadMe();
  await order('/v1/drains', {});
  expect(asked.at(-1)?.csrf).toBe('secret');
});

test('where pages may only look, nobody is offered to act', async () => {
  asker = { ...KNOWN, readOnly: true };
  await loadMe();
  expect([may('view'), may('operate'), may('administer')]).toEqual([true, false, false]);
});

test('a session that is over is noticed at the first question after it', async () => {
  followRefusals();
  asker = KNOWN;
  await loadMe();
  asker = NOBODY;
  await ask('/v1/services').catch(() => undefined);
  await vi.waitFor(() => expect(me.value?.identity).toBe('anonymous'));
  expect(may('operate')).toBe(false);
  await order('/v1/drains', {}).catch(() => undefined);
  expect(asked.at(-1)?.csrf).toBeNull();
});
