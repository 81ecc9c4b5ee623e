/** The rows of all gateways, or of an older gateway its own. */
import { ask, ProblemError, type GatewayAnswer } from '../../api/client';
import type { ClustersDocument, LinksDocument } from '../../api/types';
import { me } from '../../gateway';
import { useLive, type LiveDocument } from '../../live/useLive';
import { ownRow } from './verdict';

/** Milliseconds between questions: ages grow, and no event tells that. */
const EVERY_MS = 2000;

/** The matrix, kept true. */
export function useLinks(): LiveDocument<LinksDocument> {
  return useLive<LinksDocument>({ key: 'links', topics: ['links', 'clusters', 'gateway'], everyMs: EVERY_MS, fetch: askLinks });
}

async function askLinks(signal: AbortSignal): Promise<GatewayAnswer<LinksDocument>> {
  try {
    return await ask<LinksDocument>('/v1/links', {}, signal);
  } catch (error) {
    if (!(error instanceof ProblemError) || error.status !== 404) throw error;
    const { data, atMs } = await ask<ClustersDocument>('/v1/clusters', {}, signal);
    return { data: ownRow(data, me.value?.replica ?? ''), atMs };
  }
}
