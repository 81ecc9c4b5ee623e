//! Fields of the section `intents`.

use federation_document::sections::SERVICE_NAMES;
use federation_document::table::{TableSection, ValueKind, default, list, optional, required};

use crate::config::intents::ORDER_WORDS;

pub(super) static INTENTS: TableSection = TableSection {
    about: "Whose orders count here: drains, and decisions about holds of the guard. Those that were given at gateways of the own cluster always \
            do, unless they are not signed as they have to be.",
    fields: &[
        optional(
            "accept",
            list(&ValueKind::Section(&ACCEPT)),
            "everything",
            "What is accepted of other clusters: what any rule names. [] for nothing. What no rule accepts has no effect here, is counted, and is shown.",
        ),
        optional(
            "signing",
            ValueKind::Section(&SIGNING),
            "not signed",
            "With what the own cluster's orders are signed; equal in all its replicas.",
        ),
        default(
            "keys",
            list(&ValueKind::Section(&KEYS)),
            "[]",
            "Public keys of clusters. Orders in the log of a cluster that is named here need a signature by one of its keys. A cluster's key \
             that its descriptor tells is shown, never believed.",
        ),
        default(
            "require_signatures",
            ValueKind::Flag,
            "false",
            "Whether orders of clusters of which no key is named count for nothing. Needs `signing`.",
        ),
    ],
};

static ACCEPT: TableSection = TableSection {
    about: "Who may order what about whom. All parts have to fit.",
    fields: &[
        default(
            "from",
            list(&ValueKind::Glob),
            r#"["*"]"#,
            "Patterns of the clusters at whose gateways it is ordered.",
        ),
        default(
            "orders",
            ValueKind::List { of: &ValueKind::Choice(&ORDER_WORDS), min_items: 1 },
            "[drain, guard]",
            "What they may order: drains and their ends, or what becomes of holds of the guard.",
        ),
        default("clusters", list(&ValueKind::Glob), r#"["*"]"#, "Patterns of the clusters about which they may."),
        default(
            "services",
            ValueKind::List { of: &ValueKind::Section(&SERVICE_NAMES), min_items: 1 },
            "[{}]",
            "Services about which they may, by names of the federation. An order about all of a cluster needs a pattern of all, one about a \
             namespace's hold a pattern of all in it.",
        ),
        default("itself", ValueKind::Flag, "false", "Whether each may only about itself."),
    ],
};

static SIGNING: TableSection = TableSection {
    about: "The key of the own cluster.",
    fields: &[required(
        "key_file",
        ValueKind::Path,
        "File with a private key of Ed25519 in PEM (PKCS#8), as `nacos-fed signing-key --new` or `openssl genpkey -algorithm ed25519` \
         writes it. Read at the start.",
    )],
};

static KEYS: TableSection = TableSection {
    about: "Keys of one cluster.",
    fields: &[
        required("cluster", ValueKind::Id, "Whose."),
        required(
            "public_keys",
            ValueKind::List { of: &ValueKind::Text, min_items: 1 },
            "As `nacos-fed signing-key` prints them; several while the key is changed.",
        ),
    ],
};
