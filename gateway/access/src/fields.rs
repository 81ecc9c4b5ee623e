//! Every field of what is written about access, in the configuration and in files of its own: the one place from which readers, the JSON
//! Schema and the documentation follow.

use federation_document::sections::{CONFIG_NAMES, SERVICE_NAMES};
use federation_document::table::{TableField, TableSection, ValueKind, default, list, optional, required};

use crate::jwt::JWT_ALGORITHMS;
use crate::role::AccessRole;

/// Section `access` of the configuration.
pub static ACCESS: TableSection = TableSection {
    about: "Who may ask this gateway, and who may act. Without this section whoever reaches it on a loopback address may do everything, and \
            nobody anything elsewhere.",
    fields: &[
        default("anonymous", ValueKind::Section(&ANONYMOUS), "{}", "Whoever shows nothing, on whatever address."),
        optional(
            "tokens_file",
            ValueKind::Path,
            "no static tokens",
            "File with the digests of static tokens and their roles, made by `nacos-fed token create`. Read again whenever it changes.",
        ),
        default("jwt", list(&ValueKind::Section(&JWT)), "[]", "Identity providers whose tokens (JWTs) count."),
        default(
            "certificates",
            list(&ValueKind::Section(&CERTIFICATE)),
            "[]",
            "For whom client certificates stand that TLS has verified. One that no rule names says nothing; of several rules the first counts.",
        ),
        default("bindings", list(&ValueKind::Section(&BINDING)), "[]", "Who has which roles."),
        optional(
            "bindings_file",
            ValueKind::Path,
            "none",
            "File with one more list `bindings`. Read again whenever it changes.",
        ),
        optional(
            "audit_file",
            ValueKind::Path,
            "only in the log, and the newest thousand in memory",
            "File to which each order is written, and each that was refused, as a line of JSON: who, from where, what, and what came of it. From 16 MiB \
             on it is put aside as FILE.1, up to FILE.5.",
        ),
        default(
            "nacos_login",
            ValueKind::Flag,
            "false",
            "Whether users of the local Nacos may log in with their passwords, which Nacos judges; bindings mean them by `nacos:USER`. Needs a \
             Nacos whose own logins are on, as `nacos.core.auth.enabled` says.",
        ),
    ],
};

static JWT: TableSection = TableSection {
    about: "An identity provider.",
    fields: &[
        required("name", ValueKind::Id, "What names of it begin with: `corp` in `jwt:corp/alice`."),
        required("issuer", ValueKind::Text, "The claim `iss` of its tokens, exactly."),
        required(
            "audience",
            ValueKind::Text,
            "What has to be in the claim `aud`, exactly: tokens for others do not count.",
        ),
        default(
            "algorithms",
            ValueKind::List { of: &ValueKind::Choice(&JWT_ALGORITHMS), min_items: 1 },
            "[RS256, ES256]",
            "Those with which its tokens may be signed.",
        ),
        optional(
            "jwks_url",
            ValueKind::Url,
            "`jwks_file` is read",
            "Where its keys are fetched; https unless it is on this machine.",
        ),
        optional(
            "jwks_file",
            ValueKind::Path,
            "`jwks_url` is asked",
            "File with its keys, read again whenever it changes.",
        ),
        default(
            "refresh",
            duration(10, 86_400),
            "5m",
            "From one fetch of the keys to the next. A token of a key that is not there has them fetched at once.",
        ),
        default(
            "keep",
            duration(60, 30 * 86_400),
            "1d",
            "For how long keys count that the provider has not confirmed because it does not answer.",
        ),
        default("leeway", duration(0, 300), "30s", "How far its clock may differ from the gateway's."),
        default("name_claim", ValueKind::Text, "sub", "The claim that has the name."),
        default("groups_claim", ValueKind::Text, "groups", "The claim that has the groups, a text or a list."),
    ],
};

const fn duration(min_s: u64, max_s: u64) -> ValueKind {
    ValueKind::Duration { min: std::time::Duration::from_secs(min_s), max: std::time::Duration::from_secs(max_s) }
}

static CERTIFICATE: TableSection = TableSection {
    about: "For whom some certificates stand. One of `uri` and `subject` is needed.",
    fields: &[
        optional(
            "uri",
            ValueKind::Glob,
            "`subject` is compared",
            "Pattern of a URI among the alternative names, like `spiffe://prod/ns/*/sa/ops`.",
        ),
        optional(
            "subject",
            ValueKind::Glob,
            "`uri` is compared",
            "Pattern of the whole subject, like `CN=ops,O=Example`.",
        ),
        optional("name", ValueKind::Text, "what matched", "The name: bindings mean it by `certificate:NAME`."),
    ],
};

static ANONYMOUS: TableSection = TableSection {
    about: "Whoever shows nothing.",
    fields: &[default("roles", list(&ValueKind::Section(&GRANT)), "[]", "What it may do.")],
};

/// A role, and for what.
pub(crate) static GRANT: TableSection = TableSection {
    about: "A role, and for what. Names are those of the federation; what is left out is everything, but of `services` and `configs` the one \
            that is left out beside the other is nothing.",
    fields: &[ROLE, CLUSTERS, SERVICES, CONFIGS],
};

static BINDING: TableSection = TableSection {
    about: "A role, for what, and who has it.",
    fields: &[
        required(
            "to",
            ValueKind::List { of: &ValueKind::Text, min_items: 1 },
            "Who: `token:NAME`, `jwt:PROVIDER/NAME`, `jwt-group:PROVIDER/GROUP`, `certificate:NAME` or `nacos:USER`, each a pattern with * and ?.",
        ),
        ROLE,
        CLUSTERS,
        SERVICES,
        CONFIGS,
    ],
};

const ROLE: TableField = required(
    "role",
    ValueKind::Choice(&AccessRole::WORDS),
    "`viewer` sees names, instances, freshness and plans; `config-reader` contents of config items; `operator` drains, excludes and decides \
     about holds; `admin` may do everything.",
);
const CLUSTERS: TableField = optional(
    "clusters",
    list(&ValueKind::Glob),
    "all",
    "Of an `operator`: patterns of clusters that it may order about.",
);
const SERVICES: TableField = optional(
    "services",
    list(&SERVICE_NAMES_KIND),
    "all",
    "Of a `viewer`: what it sees; of an `operator`: what it may move.",
);
const CONFIGS: TableField = optional(
    "configs",
    list(&CONFIG_NAMES_KIND),
    "all",
    "Of a `config-reader`: what it reads; of a `viewer`: what it sees by name.",
);

static SERVICE_NAMES_KIND: ValueKind = ValueKind::Section(&SERVICE_NAMES);
static CONFIG_NAMES_KIND: ValueKind = ValueKind::Section(&CONFIG_NAMES);

/// A file of bindings.
pub(crate) static BINDINGS_FILE: TableSection = TableSection {
    about: "Who has which roles.",
    fields: &[default("bindings", list(&ValueKind::Section(&BINDING)), "[]", "Who has which roles.")],
};

/// A file of tokens.
pub(crate) static TOKENS_FILE: TableSection = TableSection {
    about: "Static tokens, by their digests.",
    fields: &[default("tokens", list(&ValueKind::Section(&TOKEN)), "[]", "Those that count.")],
};

const MOST_MS: u64 = 1 << 53;

static TOKEN: TableSection = TableSection {
    about: "A static token.",
    fields: &[
        required("name", ValueKind::Text, "Its name; no other token has it."),
        required("sha256", ValueKind::Text, "SHA-256 of the token, 64 hexadecimal digits."),
        required("created_ms", ValueKind::Count { min: 0, max: MOST_MS }, "When it was made, milliseconds since 1970."),
        optional("expires_ms", ValueKind::Count { min: 0, max: MOST_MS }, "never", "From when on it counts no more."),
        default(
            "roles",
            list(&ValueKind::Section(&GRANT)),
            "[]",
            "What it may do, beside what bindings say of `token:NAME`.",
        ),
    ],
};
