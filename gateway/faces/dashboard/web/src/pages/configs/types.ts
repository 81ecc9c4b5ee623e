/** Documents of config items. */
import type { FreshnessFields, FreshnessWord } from '../../api/types';

/** Why a content cannot be shown here. */
export interface SealedDocument {
  keyId: string;
  reason: string;
}

/** What one cluster has of a config item, without its content. */
export interface ConfigCopy {
  md5: string;
  type: string;
  bytes: number;
  sealed?: SealedDocument;
  lastModifiedMs?: number;
  freshness?: FreshnessWord;
  ageMs?: number | null;
  held?: boolean;
}

/** A config item's name. */
export interface ConfigName {
  namespaceId: string;
  groupName: string;
  dataId: string;
}

/** A config item of `/v1/configs`. */
export interface ConfigSummary extends ConfigName {
  drift?: boolean;
  clusters: Record<string, ConfigCopy>;
}

/** `/v1/configs`. */
export interface ConfigsDocument {
  total: number;
  pageNo: number;
  pageSize: number;
  configs: ConfigSummary[];
  filtered?: boolean;
}

/** One cluster's content of a config item. */
export interface ConfigContent extends FreshnessFields {
  origin: string;
  content: string | null;
  sealed?: SealedDocument;
  md5: string;
  type: string;
  ageMs: number | null;
  lastModifiedMs: number;
  encryptedDataKey: string;
}

/** `/v1/config`. */
export interface ConfigDocument extends ConfigName {
  version: number;
  items: ConfigContent[];
}
