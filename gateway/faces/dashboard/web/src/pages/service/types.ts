/** Documents of one service: its instances, and the plan of a caller. */
import type { FreshnessFields, FreshnessWord, LocalityDocument, ServiceName } from '../../api/types';

/** Why an instance is shown that its registry does not list. */
export interface HeldDocument {
  ageMs: number;
  reason: string;
  code?: string;
}

/** Whether an instance works, as its registry says. */
export type HealthWord = 'healthy' | 'unhealthy' | 'unknown';

/** An instance of `/v1/service`. */
export interface InstanceDocument extends FreshnessFields {
  ip: string;
  port: number;
  clusterName: string;
  weight: number;
  health: HealthWord;
  enabled: boolean;
  ephemeral: boolean;
  metadata: Record<string, string>;
  origin: string;
  locality: LocalityDocument;
  ageMs: number | null;
  held: HeldDocument | null;
  source: string;
}

/** `/v1/service`. */
export interface ServiceDocument extends ServiceName {
  version: number;
  instances: InstanceDocument[];
}

/** One priority of a plan. */
export interface PriorityDocument {
  priority: number;
  total: number;
  healthy: number;
  degraded: number;
  excluded: number;
  load: number;
  degradedLoad: number;
  panic: boolean;
  localities: { locality: string; share: number }[];
}

/** An endpoint of a plan. */
export interface PlannedEndpoint {
  endpoint: string;
  ip: string;
  port: number;
  origin: string;
  priority: number;
  locality: string;
  share: number;
  weight: number;
  health: string;
  held: string | null;
  rawHealth: HealthWord;
  freshness: FreshnessWord;
  effectiveFreshness: FreshnessWord;
  rank: string;
}

/** An endpoint that no plan has. */
export interface LeftOutEndpoint {
  endpoint: string;
  origin: string;
  reason: string;
  /** Absent from older gateways. */
  code?: string;
  locality: string;
  rawHealth: HealthWord;
  freshness: FreshnessWord;
  effectiveFreshness: FreshnessWord;
}

/** A drain that concerns a plan. */
export interface PlanDrain {
  target: string;
  cluster: string;
  percent: number;
  ruling: string;
  who: string | null;
  why: string | null;
}

/** `/v1/explain`. */
export interface ExplanationDocument extends ServiceName {
  version: number;
  fingerprint: string;
  caller: LocalityDocument & { network: string | null; cluster: string | null; labels: Record<string, string> };
  policy: { rule: string | null; source: string; version: number };
  priorities: PriorityDocument[];
  usable: boolean;
  notes: string[];
  endpoints: PlannedEndpoint[];
  leftOut: LeftOutEndpoint[];
  notShown: number;
  drains: PlanDrain[];
  trace: string[];
}
