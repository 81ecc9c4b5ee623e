/** Who asks and which gateway answers: known to the whole page, and asked for anew when either may have changed. */
import { computed, signal } from '@preact/signals';
import { ask, forgetAnswers, onRefused, order, ProblemError, setCsrfToken, type GatewayAnswer } from './api/client';
import { restartLive } from './live/bus';
import type { MeDocument, RightName, SessionDocument, StatusDocument } from './api/types';

/** Who asks; null until it is known, or if he is nobody. */
export const me = signal<MeDocument | null>(null);
/** Why it is not known. */
export const meError = signal<Error | null>(null);

/** Rights that let somebody change anything. */
const ACTING: readonly RightName[] = ['operate', 'administer'];

/** Whether the person may do it to something at least. A page that is only read shows no control that acts, whoever looks. */
export function may(right: RightName): boolean {
  const known = me.value;
  if (!known || (known.readOnly && ACTING.includes(right))) return false;
  return known.may[right];
}

/** Whether a session is open that can be ended. */
export const hasSession = computed(() => me.value?.session ?? false);

/** Whether the gateway wants to know who asks, and does not. */
export const isStranger = computed(() => {
  const known = me.value;
  if (known) return known.accounts && !known.session && !known.may.view;
  return meError.value instanceof ProblemError && meError.value.status === 401;
});

/** Asks who asks. */
export async function loadMe(signal?: AbortSignal): Promise<void> {
  try {
    const known = (await askMe(signal)).data;
    if (known.session) await loadCsrf();
    me.value = known;
    meError.value = null;
  } catch (error) {
    if (signal?.aborted) return;
    const isRefused = error instanceof ProblemError && error.status === 401;
    if (isRefused) me.value = null;
    meError.value = error instanceof Error ? error : new Error(String(error));
  }
}

/** Asks anew who asks when a session that was thought to be open is refused. */
export function followRefusals(): void {
  let isAsking = false;
  onRefused(() => {
    if (isAsking || !me.value?.session) return;
    isAsking = true;
    me.value = { ...me.value, session: false };
    setCsrfToken(null);
    void loadMe().finally(() => (isAsking = false));
  });
}

async function askMe(signal?: AbortSignal): Promise<GatewayAnswer<MeDocument>> {
  try {
    return await ask<MeDocument>('/v1/me', {}, signal);
  } catch (error) {
    if (error instanceof ProblemError && error.status === 404) return olderMe(signal);
    throw error;
  }
}

/** The same from a gateway that has no `/v1/me`: what its roles say by their names. */
async function olderMe(signal?: AbortSignal): Promise<GatewayAnswer<MeDocument>> {
  const who = await ask<{ identity: string; roles: string[]; expiresMs: number | null }>('/v1/whoami', {}, signal);
  const status = await ask<StatusDocument>('/v1/status', {}, signal);
  const isLocal = who.data.identity === 'local';
  const has = (...names: string[]) => isLocal || who.data.roles.some((role) => names.includes(role.split('[')[0] ?? ''));
  const { cluster, replica, federation, version } = status.data;
  const mays = {
    view: true,
    readContents: has('config-reader', 'operator', 'admin'),
    operate: has('operator', 'admin'),
    administer: has('admin'),
  };
  const data = { ...who.data, session: false, readOnly: false, accounts: !isLocal, nacosLogin: false, may: mays, cluster, replica, federation, version };
  return { data, atMs: status.atMs };
}

async function loadCsrf(): Promise<void> {
  const session = await ask<SessionDocument>('/v1/session');
  setCsrfToken(session.data.csrfToken ?? null);
}

/** Opens a session. Throws as `order`. */
export async function signIn(username: string, password: string): Promise<void> {
  const session = await order<SessionDocument>('/v1/login', { username, password, cookie: true });
  setCsrfToken(session.data.csrfToken ?? null);
  await becomeAnother();
}

/** Ends the session. Throws as `order`. */
export async function signOut(): Promise<void> {
  await order('/v1/logout', {});
  setCsrfToken(null);
  await becomeAnother();
}

async function becomeAnother(): Promise<void> {
  forgetAnswers();
  await loadMe();
  restartLive();
}
