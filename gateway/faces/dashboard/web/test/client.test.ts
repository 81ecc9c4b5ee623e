import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ask, forgetAnswers, order, ProblemError, setCsrfToken, UnreachableError } from '../src/api/client';

const asked: { url: string; request: RequestInit }[] = [];
let answers: (() => Response)[] = [];

beforeEach(() => {
  forgetAnswers();
  setCsrfToken(null);
  asked.length = 0;
  vi.stubGlobal('fetch', async (url: string, request: RequestInit) => {
    asked.push({ url, request });
    const answer = answers.shift();
    if (!answer) throw new TypeError('refused');
    return answer();
  });
});
afterEach(() => vi.unstubAllGlobals());

function json(status: number, body: unknown, headers: Record<string, string> = {}): () => Response {
  return () => new Response(status === 304 ? null : JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } });
}
const problem = { type: 'urn:federation:problem:not-ready', title: 't', status: 503, detail: 'd', reasons: ['the log is away'] };

test('an answer that has not changed is the same object', async () => {
  answers = [json(200, { a: 1 }, { etag: '"x"' }), json(304, null)];
  const first = await ask<{ a: number }>('/v1/services', { q: 'a' });
  const second = await ask<{ a: number }>('/v1/services', { q: 'a' });
  expect(second.data).toBe(first.data);
  expect(new Headers(asked[1]?.request.headers).get('if-none-match')).toBe('"x"');
});

test('a tag of another question, or of another person, is not shown', async () => {
  answers = [json(200, 1, { etag: '"x"' }), json(200, 2), json(200, 3)];
  await ask('/v1/services', { q: 'a' });
  await ask('/v1/services', { q: 'b' });
  forgetAnswers();
  await ask('/v1/services', { q: 'a' });
  for (const { request } of asked) expect(new Headers(request.headers).has('if-none-match')).toBe(false);
});

test('a problem says what kind it is', async () => {
  answers = [json(503, problem, { 'content-type': 'application/problem+json' })];
  const error = await ask('/readyz').catch((failure: unknown) => failure);
  expect(error).toBeInstanceOf(ProblemError);
  expect(error).toMatchObject({ status: 503, code: 'not-ready', problem: { reasons: ['the log is away'] } });
});

test('a page in the place of a document is a path that is not there', async () => {
  answers = [() => new Response('<!doctype html>', { status: 200, headers: { 'content-type': 'text/html' } })];
  expect(await ask('/v1/links').catch((failure: unknown) => failure)).toMatchObject({ status: 404, code: 'no-such-path' });
});

test('nothing, half an answer, and a proxy that answers in its place are all no gateway', async () => {
  answers = [
    () => new Response('{"half', { headers: { 'content-type': 'application/json' } }),
    () => new Response('bad gateway', { status: 502, headers: { 'content-type': 'text/plain' } }),
  ];
  for (let count = 0; count < 3; count += 1) expect(await ask('/v1/status').catch((failure: unknown) => failure)).toBeInstanceOf(UnreachableError);
});

test('who ends a question hears that he did, not that nothing answers', async () => {
  vi.stubGlobal('fetch', (_: string, request: RequestInit) => new Promise((_, fail) => {
    request.signal?.addEventListener('abort', () => fail(request.signal?.reason as Error));
  }));
  const ends = new AbortController();
  const asking = ask('/v1/status', {}, ends.signal).catch((failure: unknown) => failure);
  ends.abort();
  expect(await asking).toMatchObject({ name: 'AbortError' });
});

test('an order shows the token beside the cookie, and is given once', async () => {
  setCsrfToken('token');
  answers = [json(200, {})];
  await order('/v1/drains', { cluster: 'a' }, { limit: 5 });
  answers = [];
  await order('/v1/drains', { cluster: 'a' }).catch(() => undefined);
  expect(asked.length).toBe(2);
  expect(asked[0]).toMatchObject({ url: '/v1/drains?limit=5', request: { method: 'POST', body: '{"cluster":"a"}', credentials: 'same-origin' } });
  expect(new Headers(asked[0]?.request.headers).get('x-nacos-fed-csrf')).toBe('token');
});
