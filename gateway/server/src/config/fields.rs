//! Every field of the configuration with its type, bounds, default and the reason for the default: the one place that
//! says so. The reader, the JSON Schema and the table in `docs/configuration.md` follow it.

use std::time::Duration;

use federation_document::table::{Field, Kind, Presence, Section};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

const fn required(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, presence: Presence::Required, about }
}

const fn optional(name: &'static str, kind: Kind, without: &'static str, about: &'static str) -> Field {
    Field { name, kind, presence: Presence::Optional(without), about }
}

const fn default(name: &'static str, kind: Kind, yaml: &'static str, about: &'static str) -> Field {
    Field { name, kind, presence: Presence::Default(yaml), about }
}

const fn duration(min: Duration, max: Duration) -> Kind {
    Kind::Duration { min, max }
}

const fn list(of: &'static Kind) -> Kind {
    Kind::List { of, min_items: 0 }
}

/// The whole file as a kind, for readers that start at the top.
pub(super) static ROOT_KIND: Kind = Kind::Section(&ROOT);

/// The whole file.
pub static ROOT: Section = Section {
    about: "One gateway.",
    fields: &[
        required(
            "federation",
            Kind::Id,
            "The federation to join; a part of every topic's name. All clusters that should see each other name the same.",
        ),
        required(
            "cluster",
            Kind::Id,
            "The cluster that this gateway stands beside: one Nacos deployment. Its replicas name the same, nobody else does.",
        ),
        default("replica", Kind::Section(&REPLICA), "{}", "This process among the gateways of its cluster."),
        default("locality", Kind::Section(&LOCALITY), "{}", "Where the cluster is; equal in all its replicas."),
        default(
            "advertise",
            Kind::Map { keys: "another network's name to an address", of: &Kind::AdvertisedAddress },
            "{}",
            "Where all instances of this cluster are reached from other networks, for example at an ingress in front of them; \
             equal in all its replicas. Without a port each instance's own is meant. An instance that names an address for \
             a network itself goes by that.",
        ),
        required("nacos", Kind::Section(&NACOS), "The Nacos to watch, or the embedded registry."),
        required("kafka", Kind::Section(&KAFKA), "The Kafka that keeps the federation log."),
        default("export", Kind::Section(&EXPORT), "{}", "What other clusters may see of this one."),
        default("import", Kind::Section(&IMPORT), "{}", "What this gateway takes from other clusters."),
        default(
            "namespaces",
            Kind::Map {
                keys: "a local namespace's id, or name: and its shown name, to its name in the federation",
                of: &Kind::Text,
            },
            "{}",
            "Names of local namespaces in the federation, where they differ: Nacos makes ids by chance, so that the same \
             namespace has another id in each cluster. By default the id itself.",
        ),
        default("listen", Kind::Section(&LISTEN), "{}", "Where this gateway answers."),
        default("freshness", Kind::Section(&FRESHNESS), "{}", "When a silent cluster counts as stale and as lost."),
        default("guard", Kind::Section(&GUARD), "{}", "When a mass loss is held until an operator says what it is."),
        default("routing", Kind::Section(&ROUTING), "{}", "How callers are led to instances."),
        default(
            "data_dir",
            Kind::Path,
            "./data",
            "Directory for snapshots and for the policy in force, from which the gateway serves when Kafka and Nacos are down at its \
             start. It belongs to this cluster and to one process: each replica needs its own. Relative to the working directory, so \
             that a container needs no absolute path.",
        ),
        default("telemetry", Kind::Section(&TELEMETRY), "{}", "Traces."),
        default("log", Kind::Section(&LOG), "{}", "The program's own log, on standard error."),
    ],
};

static REPLICA: Section = Section {
    about: "This process among the gateways of its cluster.",
    fields: &[optional("name", Kind::Text, "the host's name", "Name to show; decides nothing.")],
};

static LOCALITY: Section = Section {
    about: "Where a cluster is.",
    fields: &[
        optional("region", Kind::Text, "unknown: near to nobody", "For example cn-east."),
        optional(
            "zone",
            Kind::Text,
            "unknown",
            "For example cn-east-1. Needs a region: zone names are unique only within one.",
        ),
        optional("sub_zone", Kind::Text, "unknown", "For example a rack. Needs a zone."),
        optional("network", Kind::Text, "all are reachable", "Endpoints of one network reach each other directly."),
    ],
};

static NACOS: Section = Section {
    about: "The local Nacos.",
    fields: &[
        optional(
            "servers",
            Kind::List { of: &Kind::HostPort, min_items: 1 },
            "only with `embedded: true`",
            "HTTP addresses of the Nacos servers; the gRPC port is that plus `grpc_offset`.",
        ),
        optional(
            "username",
            Kind::Text,
            "no login",
            "Account with the right to read what is exported, with `password`.",
        ),
        optional("password", Kind::Secret, "no login", "Of `username`; best as ${NAME}."),
        optional("tls", Kind::Section(&NACOS_TLS), "gRPC without TLS", "TLS of the gRPC connections."),
        default("https", Kind::Flag, "false", "Whether the HTTP API speaks TLS. Off, as Nacos itself has it."),
        default("context_path", Kind::ContextPath, "/nacos", "Path of the HTTP API; what Nacos is shipped with."),
        default(
            "grpc_offset",
            Kind::Count { min: 0, max: 60_000 },
            "1000",
            "From the HTTP to the gRPC port; what Nacos is shipped with.",
        ),
        default(
            "namespace_poll",
            duration(SECOND, MINUTE.saturating_mul(10)),
            "5s",
            "How often namespaces are listed: a new one is seen within twice this.",
        ),
        default(
            "service_poll",
            duration(SECOND, MINUTE.saturating_mul(10)),
            "3s",
            "How often names of services are listed where Nacos cannot tell of new ones: they are seen within 5 s. A list that \
             takes long is asked for more rarely, so that this never loads Nacos.",
        ),
        default(
            "sweep_interval",
            duration(SECOND.saturating_mul(10), DAY),
            "5m",
            "How often everything is read once more through the admin API. A push that got lost on a living connection is found \
             only so; it is rare, and a full read of a large Nacos is not cheap.",
        ),
        default(
            "request_timeout",
            duration(Duration::from_millis(200), MINUTE),
            "3s",
            "How long one gRPC request or one connect may take; what Nacos's own clients wait.",
        ),
        default(
            "http_timeout",
            duration(Duration::from_millis(200), MINUTE),
            "10s",
            "How long one HTTP request may take: a login, or a page of a listing. Longer than `request_timeout`, for a busy \
             Nacos takes seconds for a page of many services.",
        ),
        default(
            "removal_hold",
            duration(Duration::ZERO, MINUTE.saturating_mul(10)),
            "15s",
            "How long a list has to stay the same after a connect or a restart of Nacos before what is missing in it counts as \
             gone. Nacos then serves true but partial lists while its clients register again, 1 to 5 s each.",
        ),
        default(
            "embedded",
            Kind::Flag,
            "false",
            "Run a registry in this process in place of a Nacos: for an edge site or a trial.",
        ),
        default("listen", Kind::Section(&NACOS_LISTEN), "{}", "Where the embedded registry answers."),
        optional(
            "data_dir",
            Kind::Path,
            "`registry` in the gateway's `data_dir`",
            "Where the embedded registry keeps config items. It belongs to this cluster and to one process, like the gateway's `data_dir`.",
        ),
    ],
};

static NACOS_TLS: Section = Section {
    about: "TLS towards Nacos.",
    fields: &[
        default("enabled", Kind::Flag, "true", "Whether TLS is spoken; whoever writes this section wants it."),
        optional(
            "ca",
            Kind::Path,
            "the system's authorities",
            "PEM file of the authorities to trust, for gRPC and HTTP.",
        ),
        optional("cert", Kind::Path, "no client certificate", "PEM file of the client's certificate, with `key`."),
        optional("key", Kind::Path, "no client certificate", "PEM file of the client's private key."),
        optional(
            "server_name",
            Kind::Text,
            "the host of the address",
            "Name that the servers' certificates have to bear.",
        ),
    ],
};

static NACOS_LISTEN: Section = Section {
    about: "Addresses of the embedded registry.",
    fields: &[
        default(
            "http",
            Kind::SocketAddress,
            "127.0.0.1:8848",
            "HTTP; Nacos's port, on this machine only until somebody decides otherwise.",
        ),
        optional(
            "grpc",
            Kind::SocketAddress,
            "the HTTP address, its port plus `grpc_offset`",
            "gRPC; clients expect it at the HTTP port plus 1000.",
        ),
    ],
};

static KAFKA: Section = Section {
    about: "The federation log.",
    fields: &[
        required("brokers", Kind::List { of: &Kind::HostPort, min_items: 1 }, "Addresses to start from."),
        default(
            "properties",
            Kind::Map { keys: "names of librdkafka properties to values", of: &Kind::Property },
            "{}",
            "Passed to librdkafka as they are, for TLS and SASL above all. Those on which the log's correctness rests are refused.",
        ),
        default(
            "topics",
            Kind::Section(&TOPICS),
            "{}",
            "How this cluster's topics are created and what is verified of them.",
        ),
        default(
            "topic_prefix",
            Kind::TopicPrefix,
            "nacos-fed.",
            "Begins the name of every topic; equal in all clusters. Says whose topics these are in a shared Kafka.",
        ),
        default("read_also", Kind::Reserved, "[]", "Further Kafkas to read; not available yet."),
    ],
};

static TOPICS: Section = Section {
    about: "Settings of topics.",
    fields: &[
        default(
            "partitions",
            Kind::Count { min: 1, max: 256 },
            "8",
            "Of each data topic; cannot be changed later. Eight spread the log over the brokers and cost them little.",
        ),
        optional(
            "replication_factor",
            Kind::Count { min: 1, max: 15 },
            "the broker's default",
            "Copies of each topic; with 3, two have to be in sync for a write.",
        ),
        default("control", Kind::Section(&TOPIC_CONTROL), "{}", "Of the control topic: beats, leadership, intents."),
        default("data", Kind::Section(&TOPIC_DATA), "{}", "Of the topics of instances and config items."),
        default(
            "min_compaction_lag",
            duration(SECOND, DAY),
            "60s",
            "min.compaction.lag.ms: how long every record stays readable. A reader that lags less can compare checkpoints exactly.",
        ),
        default(
            "delete_retention",
            duration(DAY, DAY.saturating_mul(365)),
            "7d",
            "delete.retention.ms: how long a removal stays readable. A gateway that was cut off for less than half of it goes on from its \
             snapshot; a week outlasts a long week-end.",
        ),
        default(
            "max_message_bytes",
            Kind::Bytes { min: 1 << 20, max: 1 << 27 },
            "12MiB",
            "max.message.bytes: Nacos allows config items of 10 MiB, and a record is a little larger.",
        ),
    ],
};

static TOPIC_CONTROL: Section = Section {
    about: "Settings of the control topic.",
    fields: &[
        default(
            "max_compaction_lag",
            duration(MINUTE, DAY),
            "10m",
            "max.compaction.lag.ms: a beat each second would make a long read at start otherwise.",
        ),
        default("segment", duration(MINUTE, DAY), "10m", "segment.ms: only closed segments are compacted."),
    ],
};

static TOPIC_DATA: Section = Section {
    about: "Settings of the data topics.",
    fields: &[
        default(
            "max_compaction_lag",
            duration(MINUTE, DAY.saturating_mul(7)),
            "1h",
            "max.compaction.lag.ms: bounds what a new reader has to read, at little work for the broker.",
        ),
        default(
            "segment",
            duration(MINUTE, DAY.saturating_mul(7)),
            "1h",
            "segment.ms: only closed segments are compacted.",
        ),
    ],
};

const SERVICE_RULES: Kind = Kind::List { of: &Kind::Section(&SERVICE_RULE), min_items: 0 };
const CONFIG_RULES: Kind = Kind::List { of: &Kind::Section(&CONFIG_RULE), min_items: 0 };

static EXPORT: Section = Section {
    about: "What other clusters may see.",
    fields: &[
        default(
            "services",
            SERVICE_RULES,
            r#"[{namespace: "*", group: "*", service: "*"}]"#,
            "Services to export, those that any rule names; [] for none. All, because this is what a federation is for.",
        ),
        default(
            "configs",
            CONFIG_RULES,
            "[]",
            "Config items to export. None, because they often hold secrets: whoever exports them names them.",
        ),
        default("exclude", Kind::Section(&EXCLUDE), "{}", "What is never exported, whatever other rules say."),
    ],
};

static EXCLUDE: Section = Section {
    about: "Exceptions.",
    fields: &[
        default("services", SERVICE_RULES, "[]", "Services to leave out."),
        default("configs", CONFIG_RULES, "[]", "Config items to leave out."),
    ],
};

static IMPORT: Section = Section {
    about: "What is taken from other clusters. Names are those of the federation.",
    fields: &[
        default(
            "clusters",
            list(&Kind::Glob),
            r#"["*"]"#,
            "Patterns of clusters to read; the own cluster is always read. Of a cluster that is not read, drains that were ordered \
             there are not known here either.",
        ),
        default("services", SERVICE_RULES, "[]", "Services to take; [] for all that those clusters export."),
        default("configs", CONFIG_RULES, "[]", "Config items to take; [] for all that those clusters export."),
        default("exclude", Kind::Section(&IMPORT_EXCLUDE), "{}", "What is never taken, whatever other rules say."),
    ],
};

static IMPORT_EXCLUDE: Section = Section {
    about: "Exceptions.",
    fields: &[
        default("clusters", list(&Kind::Glob), "[]", "Patterns of clusters to leave out."),
        default("services", SERVICE_RULES, "[]", "Services to leave out."),
        default("configs", CONFIG_RULES, "[]", "Config items to leave out."),
    ],
};

static SERVICE_RULE: Section = Section {
    about: "Names services; all three patterns have to match.",
    fields: &[
        default("namespace", Kind::GlobOrEmpty, r#""*""#, "Of the namespace's id."),
        default("group", Kind::Glob, r#""*""#, "Of the group."),
        default("service", Kind::Glob, r#""*""#, "Of the service's name."),
    ],
};

static CONFIG_RULE: Section = Section {
    about: "Names config items; all three patterns have to match.",
    fields: &[
        default("namespace", Kind::GlobOrEmpty, r#""*""#, "Of the namespace's id."),
        default("group", Kind::Glob, r#""*""#, "Of the group."),
        default("data_id", Kind::Glob, r#""*""#, "Of the data id."),
    ],
};

static LISTEN: Section = Section {
    about: "Where this gateway answers.",
    fields: &[
        default(
            "http",
            Kind::SocketAddress,
            "127.0.0.1:7070",
            "HTTP API, metrics, health. This machine only, until somebody decides otherwise: there is no login.",
        ),
        default(
            "grpc",
            Kind::SocketAddress,
            "127.0.0.1:7071",
            "All gRPC services; this machine only, for the same reason.",
        ),
    ],
};

static FRESHNESS: Section = Section {
    about: "When a silent cluster counts as stale and as lost. Best alike in all clusters.",
    fields: &[
        default(
            "beat",
            duration(SECOND, SECOND.saturating_mul(10)),
            "1s",
            "How often the leader says that it lives: one small record. Not below what a record may take on its way (2.5 s are two \
             and a half beats).",
        ),
        default(
            "stale_after",
            duration(SECOND, MINUTE.saturating_mul(60)),
            "10s",
            "Age from which a cluster's instances go behind all live ones. Above what a broker's failover takes with tuned time-outs \
             (3 to 5 s), so that this alone moves no traffic.",
        ),
        default(
            "lost_after",
            duration(SECOND, DAY),
            "60s",
            "Age from which a cluster counts as lost; nothing is removed by that.",
        ),
    ],
};

static GUARD: Section = Section {
    about: "When a loss of instances of the own Nacos is held until an operator says what it is: `nacos-fed guard`. Best alike in all \
            gateways of a cluster.",
    fields: &[
        default(
            "mass_percent",
            Kind::Count { min: 0, max: 100 },
            "30",
            "More than this part of a namespace, in percent, is a mass loss. One zone of three is more; a step of a rollout \
             is a quarter. 100 turns the guard off.",
        ),
        default(
            "mass_instances",
            Kind::Count { min: 1, max: 65_535 },
            "10",
            "Fewer instances than this are never a mass loss: a small namespace may be shut down without being asked.",
        ),
        default(
            "mass_window",
            duration(SECOND, MINUTE.saturating_mul(60)),
            "60s",
            "What is lost within this time counts together, so that several smaller losses are not each let go.",
        ),
        optional(
            "mass_confirm_after",
            duration(SECOND, DAY.saturating_mul(30)),
            "never: an operator decides",
            "A hold that nobody has decided about is released after this. Never, because no time makes an empty Nacos true.",
        ),
        default(
            "trust_for",
            duration(Duration::ZERO, DAY),
            "60s",
            "What is held is taken for as healthy as it was for this long after it went missing, then its health is unknown, so that callers \
             prefer proven instances. As long as a restart of Nacos takes.",
        ),
    ],
};

static ROUTING: Section = Section {
    about: "How callers are led to instances.",
    fields: &[
        default("policy", Kind::Section(&POLICY), "{}", "Where the policy document comes from."),
        default("damping", Kind::Section(&DAMPING), "{}", "How long better news have to stay true before they count."),
        default("instance_locality", Kind::Section(&INSTANCE_LOCALITY), "{}", "What of an instance says where it is."),
        default(
            "advertise_prefix",
            Kind::Text,
            "nacos-fed.advertise.",
            "Metadata key of an instance's address for callers of another network, without that network's name at its end. Its value is \
             host or host:port.",
        ),
        optional(
            "plan_cache",
            Kind::Bytes { min: 1 << 20, max: 1 << 40 },
            "an eighth of the memory that the gateway may use, at least 64MiB",
            "Bytes of encoded plans to keep. What does not fit is planned each time it is asked for.",
        ),
    ],
};

static POLICY: Section = Section {
    about: "Where the policy document comes from. The config item, while it exists, counts instead of the file, the file instead of the \
            defaults. Both are watched: a right new version is in force within a second, a wrong one changes nothing and is reported.",
    fields: &[
        optional("file", Kind::Path, "no file", "A policy document on disk. To return to the defaults, empty it."),
        default("config", Kind::Section(&POLICY_CONFIG), "{}", "A policy document in the local Nacos."),
    ],
};

static POLICY_CONFIG: Section = Section {
    about: "The config item of the local Nacos that holds the policy document. It need not exist.",
    fields: &[
        default(
            "enabled",
            Kind::Flag,
            "true",
            "Whether it is looked for. On, so that a policy can be published when it is needed, without a restart.",
        ),
        default("namespace", Kind::Text, "public", "Local id of its namespace."),
        default(
            "group",
            Kind::Text,
            "nacos-fed",
            "Its group: one of its own, so that the right to write it can be given apart.",
        ),
        default("data_id", Kind::Text, "routing-policy.yaml", "Its data id."),
    ],
};

static DAMPING: Section = Section {
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

static INSTANCE_LOCALITY: Section = Section {
    about: "What of an instance says where it is. What it does not say it has from its cluster.",
    fields: &[
        default("region", Kind::Text, "region", "Metadata key of its region."),
        default("zone", Kind::Text, "zone", "Metadata key of its zone."),
        default("sub_zone", Kind::Text, "sub_zone", "Metadata key of its sub-zone."),
        default(
            "nacos_cluster_as_zone",
            Kind::Flag,
            "false",
            "Whether the Nacos cluster that it registered in, if that is not DEFAULT, is its zone unless its metadata names one. Off: to \
             most people that name means something else.",
        ),
    ],
};

static TELEMETRY: Section = Section {
    about: "Traces.",
    fields: &[
        optional("otlp", Kind::Url, "no traces", "Where to send traces by OTLP over gRPC."),
        default(
            "sample_ratio",
            Kind::Ratio,
            "0.01",
            "Share of the changes that are traced. One in a hundred shows the shape and costs little.",
        ),
    ],
};

static LOG: Section = Section {
    about: "The program's own log.",
    fields: &[
        default("format", Kind::Choice(&["text", "json"]), "text", "How log lines look; --log-format overrules it."),
        default("level", Kind::LogFilter, "info", "What is logged; --log-level overrules it."),
    ],
};
