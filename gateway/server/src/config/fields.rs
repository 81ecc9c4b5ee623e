//! Every field of the configuration with its type, bounds, default and the reason for the default: the one place that
//! says so. The reader, the JSON Schema and the table in `docs/configuration.md` follow it.

use std::time::Duration;

use federation_access::fields::ACCESS;
use federation_document::sections::{CONFIG_NAMES, SERVICE_NAMES};
use federation_document::table::{TableSection, ValueKind, default, list, optional, required};

mod dashboard;
mod front_door;
mod intents;
mod listen;
mod routing;

use dashboard::DASHBOARD;
use front_door::FRONT_DOOR;
use intents::INTENTS;
use listen::{LISTEN, NACOS_LISTEN};
use routing::ROUTING;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

const fn duration(min: Duration, max: Duration) -> ValueKind {
    ValueKind::Duration { min, max }
}

/// The whole file as a kind, for readers that start at the top.
pub(super) static ROOT_KIND: ValueKind = ValueKind::Section(&ROOT);

/// The whole file.
pub static ROOT: TableSection = TableSection {
    about: "One gateway.",
    fields: &[
        required(
            "federation",
            ValueKind::Id,
            "The federation to join; a part of every topic's name. All clusters that should see each other name the same.",
        ),
        required(
            "cluster",
            ValueKind::Id,
            "The cluster that this gateway stands beside: one Nacos deployment. Its replicas name the same, nobody else does.",
        ),
        default("replica", ValueKind::Section(&REPLICA), "{}", "This process among the gateways of its cluster."),
        default("locality", ValueKind::Section(&LOCALITY), "{}", "Where the cluster is; equal in all its replicas."),
        default(
            "advertise",
            ValueKind::Map { keys: "another network's name to an address", of: &ValueKind::AdvertisedAddress },
            "{}",
            "Where all instances of this cluster are reached from other networks, for example at an ingress in front of them; \
             equal in all its replicas. Without a port each instance's own is meant. An instance that names an address for \
             a network itself goes by that.",
        ),
        required("nacos", ValueKind::Section(&NACOS), "The Nacos to watch, or the embedded registry."),
        required("kafka", ValueKind::Section(&KAFKA), "The Kafka that keeps the federation log."),
        default("export", ValueKind::Section(&EXPORT), "{}", "What other clusters may see of this one."),
        default("import", ValueKind::Section(&IMPORT), "{}", "What this gateway takes from other clusters."),
        default(
            "namespaces",
            ValueKind::Map {
                keys: "a local namespace's id, or name: and its shown name, to its name in the federation",
                of: &ValueKind::Text,
            },
            "{}",
            "Names of local namespaces in the federation, where they differ: Nacos makes ids by chance, so that the same \
             namespace has another id in each cluster. By default the id itself.",
        ),
        default("listen", ValueKind::Section(&LISTEN), "{}", "Where this gateway answers."),
        optional(
            "access",
            ValueKind::Section(&ACCESS),
            "everybody on loopback addresses, nobody elsewhere",
            "Who may ask this gateway, and who may act.",
        ),
        default("dashboard", ValueKind::Section(&DASHBOARD), "{}", "The pages that show the federation."),
        optional(
            "front_door",
            ValueKind::Section(&FRONT_DOOR),
            "none",
            "Where clients of Nacos are served as by a Nacos.",
        ),
        default(
            "freshness",
            ValueKind::Section(&FRESHNESS),
            "{}",
            "When a silent cluster counts as stale and as lost.",
        ),
        default(
            "guard",
            ValueKind::Section(&GUARD),
            "{}",
            "When a mass loss is held until an operator says what it is.",
        ),
        default("intents", ValueKind::Section(&INTENTS), "{}", "Whose orders count here, and how they are signed."),
        default("routing", ValueKind::Section(&ROUTING), "{}", "How callers are led to instances."),
        default(
            "data_dir",
            ValueKind::Path,
            "./data",
            "Directory for snapshots and for the policy in force, from which the gateway serves when Kafka and Nacos are down at its \
             start. It belongs to this cluster and to one process: each replica needs its own. Relative to the working directory, so \
             that a container needs no absolute path.",
        ),
        default("telemetry", ValueKind::Section(&TELEMETRY), "{}", "Traces."),
        default("log", ValueKind::Section(&LOG), "{}", "The program's own log, on standard error."),
    ],
};

static REPLICA: TableSection = TableSection {
    about: "This process among the gateways of its cluster.",
    fields: &[optional("name", ValueKind::Text, "the host's name", "Name to show; decides nothing.")],
};

static LOCALITY: TableSection = TableSection {
    about: "Where a cluster is.",
    fields: &[
        optional("region", ValueKind::Text, "unknown: near to nobody", "For example cn-east."),
        optional(
            "zone",
            ValueKind::Text,
            "unknown",
            "For example cn-east-1. Needs a region: zone names are unique only within one.",
        ),
        optional("sub_zone", ValueKind::Text, "unknown", "For example a rack. Needs a zone."),
        optional(
            "network",
            ValueKind::Text,
            "all are reachable",
            "Endpoints of one network reach each other directly.",
        ),
    ],
};

static NACOS: TableSection = TableSection {
    about: "The local Nacos.",
    fields: &[
        optional(
            "servers",
            ValueKind::List { of: &ValueKind::HostPort, min_items: 1 },
            "only with `embedded: true`",
            "HTTP addresses of the Nacos servers; the gRPC port is that plus `grpc_offset`.",
        ),
        optional(
            "username",
            ValueKind::Text,
            "no login",
            "Account with the right to read what is exported, with `password`.",
        ),
        optional("password", ValueKind::Secret, "no login", "Of `username`; best as ${NAME}, or in `password_file`."),
        optional(
            "password_file",
            ValueKind::Path,
            "`password` counts",
            "File with the password of `username`, one line. Read again whenever it changes: the next login takes what is there then.",
        ),
        optional("tls", ValueKind::Section(&NACOS_TLS), "gRPC without TLS", "TLS of the gRPC connections."),
        default("https", ValueKind::Flag, "false", "Whether the HTTP API speaks TLS. Off, as Nacos itself has it."),
        default("context_path", ValueKind::ContextPath, "/nacos", "Path of the HTTP API; what Nacos is shipped with."),
        default(
            "grpc_offset",
            ValueKind::Count { min: 0, max: 60_000 },
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
             only so; it is rare, and a full read of a large Nacos is not cheap. No more than 50 services are read each second, \
             so 100,000 take half an hour.",
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
            "insecure",
            ValueKind::Flag,
            "false",
            "Whether a Nacos that is not on this machine may be spoken to in a way that others on the line can read or forge: with a user and \
             password in plain text, or with TLS for one of gRPC and HTTP alone.",
        ),
        default(
            "embedded",
            ValueKind::Flag,
            "false",
            "Run a registry in this process in place of a Nacos: for an edge site or a trial.",
        ),
        default("listen", ValueKind::Section(&NACOS_LISTEN), "{}", "Where the embedded registry answers."),
        optional(
            "data_dir",
            ValueKind::Path,
            "`registry` in the gateway's `data_dir`",
            "Where the embedded registry keeps config items. It belongs to this cluster and to one process, like the gateway's `data_dir`.",
        ),
    ],
};

static NACOS_TLS: TableSection = TableSection {
    about: "TLS towards Nacos.",
    fields: &[
        default("enabled", ValueKind::Flag, "true", "Whether TLS is spoken; whoever writes this section wants it."),
        optional(
            "ca",
            ValueKind::Path,
            "the system's authorities",
            "PEM file of the authorities to trust, for gRPC and HTTP.",
        ),
        optional("cert", ValueKind::Path, "no client certificate", "PEM file of the client's certificate, with `key`."),
        optional("key", ValueKind::Path, "no client certificate", "PEM file of the client's private key."),
        optional(
            "server_name",
            ValueKind::Text,
            "the host of the address",
            "Name that the servers' certificates have to bear.",
        ),
    ],
};

static KAFKA: TableSection = TableSection {
    about: "The federation log.",
    fields: &[
        required("brokers", ValueKind::List { of: &ValueKind::HostPort, min_items: 1 }, "Addresses to start from."),
        default(
            "properties",
            ValueKind::Map { keys: "names of librdkafka properties to values", of: &ValueKind::Property },
            "{}",
            "Passed to librdkafka as they are, for TLS and SASL above all. Those on which the log's correctness rests are refused.",
        ),
        default(
            "properties_files",
            ValueKind::Map { keys: "names of librdkafka properties to files with their values", of: &ValueKind::Path },
            "{}",
            "Further properties, each in a file of its own, as `sasl.password: /run/secrets/kafka`. Read again whenever one changes: clients \
             with the new values then take the place of those before.",
        ),
        default(
            "topics",
            ValueKind::Section(&TOPICS),
            "{}",
            "How this cluster's topics are created and what is verified of them.",
        ),
        default(
            "topic_prefix",
            ValueKind::TopicPrefix,
            "nacos-fed.",
            "Begins the name of every topic; equal in all clusters. Says whose topics these are in a shared Kafka.",
        ),
        optional(
            "encrypt_configs",
            ValueKind::Section(&SEALING),
            "contents of config items stand in the clear on the log",
            "Seals contents of config items on the log and in snapshots, so that only who has a key can read them.",
        ),
        default(
            "insecure",
            ValueKind::Flag,
            "false",
            "Whether the properties may leave the connection to brokers beyond this machine open to others on the line: SASL without TLS, \
             certificates or host names that are not verified, settings of TLS or SASL that `security.protocol` does not use.",
        ),
        default("read_also", ValueKind::Reserved, "[]", "Further Kafkas to read; not available yet."),
    ],
};

static SEALING: TableSection = TableSection {
    about: "Sealed contents of config items.",
    fields: &[
        required(
            "key_file",
            ValueKind::Path,
            "A file of keys, one a line: 32 random bytes in base64 or hexadecimal, as `openssl rand -base64 32` prints them. The first seals \
             what this cluster has, all open what is read; lines that begin with `#` are remarks. Read again whenever it changes.",
        ),
        default(
            "seal",
            ValueKind::Flag,
            "true",
            "Whether what this cluster has is sealed; equal in all its replicas. Switched off, sealed items of other clusters are opened all the \
             same, and own ones that stand sealed on the log are written anew in the clear.",
        ),
    ],
};

static TOPICS: TableSection = TableSection {
    about: "Settings of topics.",
    fields: &[
        default(
            "partitions",
            ValueKind::Count { min: 1, max: 256 },
            "8",
            "Of each data topic; cannot be changed later. Eight spread the log over the brokers and cost them little.",
        ),
        optional(
            "replication_factor",
            ValueKind::Count { min: 1, max: 15 },
            "the broker's default",
            "Copies of each topic; with 3, two have to be in sync for a write.",
        ),
        default(
            "control",
            ValueKind::Section(&TOPIC_CONTROL),
            "{}",
            "Of the control topic: beats, leadership, intents.",
        ),
        default("data", ValueKind::Section(&TOPIC_DATA), "{}", "Of the topics of instances and config items."),
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
            ValueKind::Bytes { min: 1 << 20, max: 1 << 27 },
            "12MiB",
            "max.message.bytes: Nacos allows config items of 10 MiB, and a record is a little larger.",
        ),
    ],
};

static TOPIC_CONTROL: TableSection = TableSection {
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

static TOPIC_DATA: TableSection = TableSection {
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

const SERVICE_RULES: ValueKind = ValueKind::List { of: &ValueKind::Section(&SERVICE_NAMES), min_items: 0 };
const CONFIG_RULES: ValueKind = ValueKind::List { of: &ValueKind::Section(&CONFIG_NAMES), min_items: 0 };

static EXPORT: TableSection = TableSection {
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
        default("exclude", ValueKind::Section(&EXCLUDE), "{}", "What is never exported, whatever other rules say."),
    ],
};

static EXCLUDE: TableSection = TableSection {
    about: "Exceptions.",
    fields: &[
        default("services", SERVICE_RULES, "[]", "Services to leave out."),
        default("configs", CONFIG_RULES, "[]", "Config items to leave out."),
    ],
};

static IMPORT: TableSection = TableSection {
    about: "What is taken from other clusters. Names are those of the federation.",
    fields: &[
        default(
            "clusters",
            list(&ValueKind::Glob),
            r#"["*"]"#,
            "Patterns of clusters to read; the own cluster is always read. Of a cluster that is not read, drains that were ordered \
             there are not known here either.",
        ),
        default("services", SERVICE_RULES, "[]", "Services to take; [] for all that those clusters export."),
        default("configs", CONFIG_RULES, "[]", "Config items to take; [] for all that those clusters export."),
        default("exclude", ValueKind::Section(&IMPORT_EXCLUDE), "{}", "What is never taken, whatever other rules say."),
        default(
            "limits",
            ValueKind::Section(&IMPORT_LIMITS),
            "{}",
            "How much is taken of one cluster at most: whoever writes more than anybody has must not fill this gateway's memory.",
        ),
    ],
};

static IMPORT_LIMITS: TableSection = TableSection {
    about: "Of each other cluster. Over a limit what is new of it is not shown, what is known stays, and status says so.",
    fields: &[
        default(
            "items",
            ValueKind::Count { min: 1, max: 100_000_000 },
            "2000000",
            "Instances and config items: ten times what the largest known deployments have.",
        ),
        default(
            "bytes",
            ValueKind::Bytes { min: 1 << 20, max: 1 << 40 },
            "4GiB",
            "Bytes of the metadata of instances, and of config items.",
        ),
        default(
            "bytes_per_second",
            ValueKind::Bytes { min: 1 << 20, max: 1 << 40 },
            "128MiB",
            "Bytes of its log that are read in a second in the long run, each record counted with 512 more. As much as twice bytes \
             is read without a delay, so that a start is as fast as it can be.",
        ),
    ],
};

static IMPORT_EXCLUDE: TableSection = TableSection {
    about: "Exceptions.",
    fields: &[
        default("clusters", list(&ValueKind::Glob), "[]", "Patterns of clusters to leave out."),
        default("services", SERVICE_RULES, "[]", "Services to leave out."),
        default("configs", CONFIG_RULES, "[]", "Config items to leave out."),
    ],
};

static FRESHNESS: TableSection = TableSection {
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

static GUARD: TableSection = TableSection {
    about: "When a loss of instances of the own Nacos is held until an operator says what it is: `nacos-fed guard`. Best alike in all \
            gateways of a cluster.",
    fields: &[
        default(
            "mass_percent",
            ValueKind::Count { min: 0, max: 100 },
            "30",
            "More than this part of a namespace, in percent, is a mass loss. One zone of three is more; a step of a rollout \
             is a quarter. 100 turns the guard off.",
        ),
        default(
            "mass_instances",
            ValueKind::Count { min: 1, max: 65_535 },
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

static TELEMETRY: TableSection = TableSection {
    about: "Traces.",
    fields: &[
        optional("otlp", ValueKind::Url, "no traces", "Where to send traces by OTLP over gRPC."),
        default(
            "sample_ratio",
            ValueKind::Ratio,
            "0.01",
            "Share of the changes that are traced. One in a hundred shows the shape and costs little.",
        ),
    ],
};

static LOG: TableSection = TableSection {
    about: "The program's own log.",
    fields: &[
        default(
            "format",
            ValueKind::Choice(&["text", "json"]),
            "text",
            "How log lines look; --log-format overrules it.",
        ),
        default("level", ValueKind::LogFilter, "info", "What is logged; --log-level overrules it."),
    ],
};
