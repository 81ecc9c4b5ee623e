//! The fields of `routing`.

use std::time::Duration;

use federation_document::table::{TableSection, ValueKind, default, optional};

use super::{MINUTE, duration};

pub(super) static ROUTING: TableSection = TableSection {
    about: "How callers are led to instances.",
    fields: &[
        default("policy", ValueKind::Section(&POLICY), "{}", "Where the policy document comes from."),
        default(
            "damping",
            ValueKind::Section(&DAMPING),
            "{}",
            "How long better news have to stay true before they count.",
        ),
        default(
            "instance_locality",
            ValueKind::Section(&INSTANCE_LOCALITY),
            "{}",
            "What of an instance says where it is.",
        ),
        default(
            "advertise_prefix",
            ValueKind::Text,
            "nacos-fed.advertise.",
            "Metadata key of an instance's address for callers of another network, without that network's name at its end. Its value is \
             host or host:port.",
        ),
        optional(
            "plan_cache",
            ValueKind::Bytes { min: 1 << 20, max: 1 << 40 },
            "an eighth of the memory that the gateway may use, at least 64MiB",
            "Bytes of encoded plans to keep. What does not fit is planned each time it is asked for.",
        ),
    ],
};

static POLICY: TableSection = TableSection {
    about: "Where the policy document comes from. The config item, while it exists, counts instead of the file, the file instead of the \
            defaults. Both are watched: a right new version is in force within a second, a wrong one changes nothing and is reported.",
    fields: &[
        optional("file", ValueKind::Path, "no file", "A policy document on disk. To return to the defaults, empty it."),
        default("config", ValueKind::Section(&POLICY_CONFIG), "{}", "A policy document in the local Nacos."),
    ],
};

static POLICY_CONFIG: TableSection = TableSection {
    about: "The config item of the local Nacos that holds the policy document. It need not exist.",
    fields: &[
        default(
            "enabled",
            ValueKind::Flag,
            "true",
            "Whether it is looked for. On, so that a policy can be published when it is needed, without a restart.",
        ),
        default("namespace", ValueKind::Text, "public", "Local id of its namespace."),
        default(
            "group",
            ValueKind::Text,
            "nacos-fed",
            "Its group: one of its own, so that the right to write it can be given apart.",
        ),
        default("data_id", ValueKind::Text, "routing-policy.yaml", "Its data id."),
    ],
};

static DAMPING: TableSection = TableSection {
    about: "How long better news have to stay true before they count. Worse ones count at once. What toggles every second changes plans \
            once, and then stays worse until it is quiet for this long. 0s is off.",
    fields: &[
        default(
            "health",
            duration(Duration::ZERO, MINUTE.saturating_mul(10)),
            "5s",
            "For the health of an instance: the beat of Nacos's own clients, so that one good beat between bad ones does not count.",
        ),
        default(
            "freshness",
            duration(Duration::ZERO, MINUTE.saturating_mul(10)),
            "10s",
            "For the freshness of a cluster: as long as it takes to count as stale, so that a link that comes and goes moves traffic once.",
        ),
    ],
};

static INSTANCE_LOCALITY: TableSection = TableSection {
    about: "What of an instance says where it is. What it does not say it has from its cluster.",
    fields: &[
        default("region", ValueKind::Text, "region", "Metadata key of its region."),
        default("zone", ValueKind::Text, "zone", "Metadata key of its zone."),
        default("sub_zone", ValueKind::Text, "sub_zone", "Metadata key of its sub-zone."),
        default(
            "nacos_cluster_as_zone",
            ValueKind::Flag,
            "false",
            "Whether the Nacos cluster that it registered in, if that is not DEFAULT, is its zone unless its metadata names one. Off: to \
             most people that name means something else.",
        ),
    ],
};
