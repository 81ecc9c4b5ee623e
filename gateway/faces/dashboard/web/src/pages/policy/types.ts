/** `/v1/policy`. */

/** A mistake of a policy document. */
export interface PolicyMistake {
  line: number | null;
  column: number | null;
  field: string;
  problem: string;
  expected: string;
}

/** A place from which a policy may come. */
export interface PolicySource {
  kind: string;
  name: string | null;
  state: string;
  refused: { atMs: number; mistakes: PolicyMistake[] } | null;
}

/** What is in force, and where it comes from. */
export interface PolicyDocument {
  version: number;
  source: { kind: string; name: string | null };
  md5: string | null;
  sinceMs: number | null;
  sources: PolicySource[];
  document: { services: object[] } & Record<string, unknown>;
}
