/**
 * Documents of the gateway's API, as far as the shared parts of the page read them; a page's own stand beside it. Fields that an older
 * gateway does not send are optional. Names and texts in them were written by others: they are shown as text, never as anything else.
 */

/** An error, as RFC 9457 has it. */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  detail: string;
  field?: string;
  value?: string;
  clusters?: LookedAt[];
  reasons?: string[];
  reasonCodes?: ReasonCode[];
  services?: ServiceName[];
  total?: number;
  missingRight?: string;
}

/** How an origin's facts are to be taken. */
export type FreshnessWord = 'live' | 'stale' | 'lost' | 'isolated';

/** A text's code and parameters, from which it is written in the reader's language. */
export interface ReasonCode {
  code: string;
  params?: Record<string, string | number>;
}

/** Freshness with its reason: English text always, code and parameters from gateways that have them. */
export interface FreshnessFields {
  freshness: FreshnessWord;
  freshnessReason: string;
  freshnessCode?: string;
  freshnessParams?: Record<string, string | number>;
}

/** A cluster that was looked at. */
export interface LookedAt extends FreshnessFields {
  cluster: string;
  ageMs: number | null;
}

/** A place. */
export interface LocalityDocument {
  region: string | null;
  zone: string | null;
  subZone: string | null;
}

/** A cluster of `/v1/clusters`. */
export interface ClusterDocument extends FreshnessFields {
  cluster: string;
  locality: LocalityDocument;
  local: boolean;
  ageMs: number | null;
  services: number;
  instances: number;
  configs: number;
  lastBeatMs: number | null;
}

/** `/v1/clusters`. */
export interface ClustersDocument {
  clusters: ClusterDocument[];
}

/** A thing that is wrong now. */
export interface TroubleDocument {
  kind: string;
  about: string;
  text: string;
  sinceMs: number;
}

/** `/readyz`. */
export interface ReadyDocument {
  ready: boolean;
  reasons: string[];
  reasonCodes?: ReasonCode[];
  troubles: TroubleDocument[];
}

/** `/v1/status`. */
export interface StatusDocument extends ReadyDocument {
  federation: string;
  cluster: string;
  replica: string;
  version: string;
  uptimeMs: number;
  facts: Record<string, string>;
  clusters: ClusterDocument[];
}

/** A right that an account may have. */
export type RightName = 'view' | 'readContents' | 'operate' | 'administer';

/** `/v1/me`: who asks, what he may do, and which gateway answers. */
export interface MeDocument {
  identity: string;
  roles: string[];
  expiresMs?: number | null;
  /** Why what was shown does not count any more. */
  refused?: string;
  session: boolean;
  readOnly: boolean;
  accounts: boolean;
  nacosLogin: boolean;
  may: Record<RightName, boolean>;
  cluster: string;
  replica: string;
  federation: string;
  version: string;
}

/** `/v1/session`. */
export interface SessionDocument {
  identity: string;
  roles: string[];
  expiresMs: number;
  idleEndsMs: number;
  csrfToken?: string;
}

/** A service's name. */
export interface ServiceName {
  namespaceId: string;
  groupName: string;
  serviceName: string;
}

/** How an observer's facts of an origin compare with what the origin says of itself. */
export type DigestVerdict = 'equal' | 'behind' | 'ahead' | 'diverged' | 'unread' | 'unknown';

/** What one observer says of one origin. */
export interface LinkDocument {
  origin: string;
  /** Null if the observer does not say. */
  freshness: FreshnessWord | null;
  ageMs: number | null;
  verdict: DigestVerdict;
  records?: number;
}

/** A gateway that tells what it sees. */
export interface ObserverDocument {
  cluster: string;
  replica: string;
  name?: string;
  leads: boolean;
  own: boolean;
  alive: boolean;
  saidAgeMs: number | null;
  links: LinkDocument[];
}

/** `/v1/links`. */
export interface LinksDocument {
  observers: ObserverDocument[];
}

/** How many services a drain counts for. */
export interface DrainEffect {
  inForce: number;
  forced: number;
  void: number;
  tooMany: number;
}

/** The last order for a target. */
export interface DrainDocument {
  target: string;
  cluster: string;
  services: ServiceName | null;
  percent: number;
  goalPercent: number;
  endsInMs: number | null;
  force: boolean;
  who: string | null;
  why: string | null;
  whenMs: number;
  ageMs: number;
  takenIn: string;
  counter: number;
  effect?: DrainEffect;
}

/** A record of a drain that has no effect here. */
export interface RefusedDrainDocument {
  target: string;
  takenIn: string;
  percent: number | null;
  who: string | null;
  counter: number | null;
  because: string;
}

/** `/v1/drains`. */
export interface DrainsDocument {
  drains: DrainDocument[];
  notAccepted?: RefusedDrainDocument[];
  filtered?: boolean;
}

/** An order to drain. */
export interface DrainOrderBody {
  cluster: string;
  services?: Partial<ServiceName>;
  percent: number;
  overMs?: number;
  reason?: string;
  force?: boolean;
  leaveLast?: boolean;
  dryRun?: boolean;
}

/** The worst that happens to a caller. */
export type ImpactWord = 'leftWithout' | 'refused' | 'partlyServed' | 'nothingHealthy' | 'moved' | 'nothing';

/** Who gets how much of a caller's requests, in millionths. */
export interface SharesDocument {
  clusters: Record<string, number>;
  regions: Record<string, number>;
  served: number;
  healthy: number;
}

/** One service for one caller. */
export interface ComparedCaller {
  caller: string;
  impact: ImpactWord;
  before: SharesDocument;
  after: SharesDocument;
}

/** One service that something changes for. */
export interface ComparedService extends ServiceName {
  impact: ImpactWord;
  callers: ComparedCaller[];
  refused: { target: string; reason: string; code?: string }[];
}

/** What callers get now and would get: of a dry run, and of `/v1/what-if`. */
export interface ComparisonDocument {
  callers: ({ cluster: string } & LocalityDocument)[];
  examined: number;
  total: number;
  counts: Record<Exclude<ImpactWord, 'nothing'>, number>;
  services: ComparedService[];
}

/** A mass loss that is held. */
export interface HoldDocument {
  id: string;
  cluster: string;
  namespaceId: string;
  state: 'held' | 'kept' | 'released' | 'over';
  sinceMs: number;
  ageMs: number;
  kept: number;
  lost: number;
  of: number;
  percent: number;
  who: string;
  why: string | null;
  whenMs: number;
  takenIn: string;
  whatToDo: string;
  whatToDoCode?: string;
}

/** `/v1/guard`. */
export interface HoldsDocument {
  holds: HoldDocument[];
}

/** One change of `/v1/changes`. */
export interface ChangeDocument {
  id: number;
  atMs: number;
  kind: string;
  what: string;
  namespaceId?: string | null;
  groupName?: string | null;
  serviceName?: string | null;
  dataId?: string | null;
  instance?: string | null;
  /** The target of a drain, or the id of a hold. */
  target?: string | null;
  origin: string | null;
  cause?: { through?: string; topic?: string; partition?: number; offset?: number; who?: string } | null;
  before?: string | null;
  after?: string | null;
}

/** `/v1/changes`. */
export interface ChangesDocument {
  changes: ChangeDocument[];
  nextCursor: string | null;
  oldestMs: number | null;
  forgotten: number;
  filtered?: boolean;
}

/** Rings of one cluster, all equally long, oldest first. */
export interface ClusterHistory {
  cluster: string;
  ageMs: (number | null)[];
  instances: (number | null)[];
  services: (number | null)[];
  changes: (number | null)[];
}

/** `/v1/history`. */
export interface HistoryDocument {
  everyMs: number;
  toMs: number | null;
  clusters: ClusterHistory[];
}
