/**
 * How the page asks its gateway, and what it gets: a document, or one of the errors below. Nothing else is ever asked: all paths begin with `/`.
 *
 * An answer that has not changed since the last time (304) is the same object, so that nothing is drawn anew for it.
 */
import { urlOf, type QueryValue } from '../router';
import type { ProblemDocument } from './types';

/** The gateway answered, but not with what was wanted. */
export class ProblemError extends Error {
  constructor(
    readonly status: number,
    readonly problem: ProblemDocument,
  ) {
    super(problem.detail || problem.title);
  }

  /** The last part of the problem's type, `service-not-found`: what programs tell problems apart by. */
  get code(): string {
    return this.problem.type.split(':').at(-1) ?? '';
  }
}

/** Nothing answered, or something that is no gateway. */
export class UnreachableError extends Error {}

/** A document, and when it came. */
export interface GatewayAnswer<T> {
  readonly data: T;
  /** Time of the page's clock, unix milliseconds, at which the answer was there; ages of the document count from here. */
  readonly atMs: number;
}

/** Answers kept for their tags; the oldest goes first. More than the panels of the fullest page. */
const KEPT = 64;
const kept = new Map<string, { tag: string; data: unknown }>();
/** Longest wait for an answer, milliseconds: a gateway that says nothing for longer is not reachable. */
const PATIENCE_MS = 15_000;

let csrf: string | null = null;

/** Sets what is shown beside the cookie with each order; null without a session. */
export function setCsrfToken(token: string | null): void {
  csrf = token;
}

let refused: () => void = () => undefined;

/** Calls `listener` when the gateway does not know any more who asks: a session that is over is noticed at the first question after it. */
export function onRefused(listener: () => void): void {
  refused = listener;
}

/** Forgets all answers: after somebody signed in or out they are another's. */
export function forgetAnswers(): void {
  kept.clear();
}

/**
 * Asks for a document. `patienceMs`: after how long a gateway that says nothing counts as away.
 *
 * @throws ProblemError the gateway says no; UnreachableError nothing answers; an `AbortError` if `signal` ended it.
 */
export async function ask<T>(
  path: string, query: Record<string, QueryValue> = {}, signal?: AbortSignal, patienceMs = PATIENCE_MS,
): Promise<GatewayAnswer<T>> {
  const url = urlOf(path, query);
  const known = kept.get(url);
  const headers: Record<string, string> = { accept: 'application/json' };
  if (known) headers['if-none-match'] = known.tag;
  const response = await answered(url, { headers, signal: limited(patienceMs, signal) }, signal);
  if (response.status === 304 && known) return { data: known.data as T, atMs: Date.now() };
  const data = await document<T>(response);
  const tag = response.headers.get('etag');
  kept.delete(url);
  if (tag) keep(url, tag, data);
  return { data, atMs: Date.now() };
}

/** Gives an order: a POST with a body of JSON. Throws as `ask`; it is not repeated, whatever happens. */
export async function order<T>(path: string, body: object, query: Record<string, QueryValue> = {}): Promise<GatewayAnswer<T>> {
  const headers: Record<string, string> = { accept: 'application/json', 'content-type': 'application/json' };
  if (csrf) headers['x-nacos-fed-csrf'] = csrf;
  const request = { method: 'POST', headers, body: JSON.stringify(body), signal: limited(PATIENCE_MS) };
  const data = await document<T>(await answered(urlOf(path, query), request));
  return { data, atMs: Date.now() };
}

function limited(patienceMs: number, signal?: AbortSignal): AbortSignal {
  const patience = AbortSignal.timeout(patienceMs);
  return signal ? AbortSignal.any([signal, patience]) : patience;
}

async function answered(url: string, request: RequestInit, signal?: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, { ...request, credentials: 'same-origin', cache: 'no-store', redirect: 'error' });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new UnreachableError(String(error), { cause: error });
  }
}

async function document<T>(response: Response): Promise<T> {
  const type = response.headers.get('content-type') ?? '';
  const isJson = /^application\/(problem\+)?json\b/.test(type);
  let body: unknown = null;
  try {
    if (isJson) body = await response.json();
  } catch (error) {
    throw new UnreachableError('the answer broke off', { cause: error });
  }
  if (response.ok && isJson) return body as T;
  if (!isJson && response.status >= 500) throw new UnreachableError(`something in between answers with ${response.status}`);
  const problem = problemOf(response.status, body);
  if (problem.status === 401) refused();
  throw new ProblemError(problem.status, problem);
}

/** A problem document as far as `body` is one. A page, as an older gateway answers with for a path that it lacks, is a path that is not there. */
function problemOf(status: number, body: unknown): ProblemDocument {
  const found = (typeof body === 'object' && body !== null ? body : {}) as Partial<ProblemDocument>;
  const isMissing = status === 404 || status < 400;
  const type = found.type ?? (isMissing ? 'urn:federation:problem:no-such-path' : 'about:blank');
  return { ...found, type, status: isMissing ? 404 : status, title: found.title ?? '', detail: found.detail ?? '' };
}

function keep(url: string, tag: string, data: unknown): void {
  kept.set(url, { tag, data });
  const oldest = kept.keys().next();
  if (kept.size > KEPT && !oldest.done) kept.delete(oldest.value);
}
