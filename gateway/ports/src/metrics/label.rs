//! Values of labels. All come from enums or are cluster ids, so that there are never many of them.

use std::fmt;

use federation_core::config_item::SealReason;
use federation_core::freshness::Freshness;
use federation_core::id::ClusterId;
use federation_core::log::record::TopicKind;
use federation_core::service::HoldReason;
use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

/// Something that is written as a label's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MetricLabel<T>(pub T);

/// Has one short word for each value.
pub trait LabelWord {
    /// The word.
    fn word(&self) -> &str;
}

impl<T: LabelWord> EncodeLabelValue for MetricLabel<T> {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), fmt::Error> {
        self.0.word().encode(encoder)
    }
}

impl LabelWord for ClusterId {
    fn word(&self) -> &str {
        self.as_str()
    }
}

impl LabelWord for TopicKind {
    fn word(&self) -> &str {
        self.as_str()
    }
}

impl LabelWord for Freshness {
    fn word(&self) -> &str {
        self.as_str()
    }
}

impl LabelWord for SealReason {
    fn word(&self) -> &str {
        self.as_str()
    }
}

impl LabelWord for HoldReason {
    fn word(&self) -> &str {
        self.code()
    }
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word that metrics and documents use.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl LabelWord for $name {
            fn word(&self) -> &str {
                self.as_str()
            }
        }
    };
}

label!(
    /// What a record did to the view.
    DeltaResult {
        /// The view shows something else now.
        Changed = "changed",
        /// The record said what was known.
        Unchanged = "unchanged",
        /// A partition is read anew: the view keeps what it had.
        Held = "held",
        /// The record came out of order: the view keeps the former value for a moment.
        OutOfOrder = "out_of_order",
        /// The record cannot be read.
        Undecodable = "undecodable",
    }
);

label!(
    /// What became of a record that was to be written.
    PublishResult {
        /// Handed to the producer.
        Sent = "sent",
        /// Read back from the log.
        ReadBack = "read_back",
        /// The producer gave it up, or it was taken back.
        Failed = "failed",
        /// Larger than the brokers take.
        TooLarge = "too_large",
    }
);

label!(
    /// A part of the log's adapter.
    Component {
        /// Reads all clusters' topics.
        Consumer = "consumer",
        /// Writes data topics.
        DataProducer = "data_producer",
        /// Writes the control topic.
        ControlProducer = "control_producer",
        /// Creates and verifies topics, and finds new clusters.
        Topics = "topics",
        /// Asks where partitions end.
        Ends = "ends",
        /// The client that asks for topics and places, and tells whether brokers answer.
        Inspector = "inspector",
    }
);

label!(
    /// A kind of trouble that can stand on the board of a gateway.
    #[derive(PartialOrd, Ord)]
    TroubleKind {
        /// The brokers cannot be reached, or refuse this account.
        LogUnreachable = "log_unreachable",
        /// A part of the log cannot be unpacked: what follows it is not read.
        LogUnreadable = "log_unreadable",
        /// A client of the log gets nothing although there is something, and raises no error.
        LogSilent = "log_silent",
        /// The brokers refuse what this gateway writes.
        LogRefuses = "log_refuses",
        /// A topic's settings are dangerous, or not as wanted.
        LogTopics = "log_topics",
        /// The beginning of an own topic is gone and was not due to go.
        LogBeginningLost = "log_beginning_lost",
        /// What is known of another cluster is provably not everything.
        OriginIncomplete = "origin_incomplete",
        /// A partition was read anew and is still not what its origin states.
        PartitionDiverged = "partition_diverged",
        /// Records of another cluster are out of bounds and set aside.
        OriginSetAside = "origin_set_aside",
        /// Orders of a cluster are not accepted here, or not signed as they have to be.
        OrdersNotAccepted = "orders_not_accepted",
        /// Another cluster has more instances, config items or bytes than are taken of one.
        OriginOverLimit = "origin_over_limit",
        /// Another cluster writes more than is read of one in the long run.
        OriginTooFast = "origin_too_fast",
        /// This gateway, or another one with its cluster's id, is described differently from the cluster.
        Stranger = "stranger",
        /// The engine has not turned for too long.
        EngineStuck = "engine_stuck",
        /// A connection to the local Nacos shows no sign of life.
        NacosSilent = "nacos_silent",
        /// Calls to the local Nacos fail, or are refused.
        NacosCall = "nacos_call",
        /// Instances are gone from Nacos's lists and no read confirms it.
        RemovalUnconfirmed = "removal_unconfirmed",
        /// So much of a namespace went at once that the guard holds it.
        MassLossHeld = "mass_loss_held",
        /// A rule of the configuration names something that does not exist.
        RuleMatchesNothing = "rule_matches_nothing",
        /// Files cannot be written or read.
        Storage = "storage",
        /// Connections of clients are turned away: a limit is reached.
        Connections = "connections",
        /// Config items are read from last known copies, because the local Nacos cannot be reached.
        ConfigCopies = "config_copies",
        /// A file of accounts or keys cannot be used: what it held before counts on.
        Access = "access",
        /// What the files of a listener's certificate hold now cannot be used.
        CertificateRefused = "certificate_refused",
        /// A listener's certificate is near its end, or past it.
        CertificateExpiring = "certificate_expiring",
        /// Contents of config items cannot be read, or the file of their keys cannot.
        Sealed = "sealed_contents",
        /// Something is open to others on the line, as the configuration asks for by name.
        Insecure = "insecure",
    }
);

label!(
    /// Why a request was refused for who asks.
    AccessRefusalKind {
        /// What it shows does not count, or it shows nothing and that is not enough.
        Unauthenticated = "unauthenticated",
        /// It is known who asks, and he may not.
        Forbidden = "forbidden",
    }
);

label!(
    /// What came of a registration or a withdrawal of a client of the front door.
    RegistrationResult {
        /// The local Nacos acknowledged it.
        Registered = "registered",
        /// It is gone from the local Nacos, or Nacos lost the connection that it hung on.
        Withdrawn = "withdrawn",
        /// The local Nacos refused it, and nothing changed.
        Refused = "refused",
        /// The local Nacos did not answer: the client was told so, and what it wants is kept.
        Unanswered = "unanswered",
    }
);

label!(
    /// What a question whether a client may read something was answered with.
    PermissionResult {
        /// It may, as the local Nacos said, now or for the life of the token.
        Allowed = "allowed",
        /// It may not, as the local Nacos said, now or a moment ago.
        Refused = "refused",
        /// It might until its permission expired, and the local Nacos cannot be asked.
        Stale = "stale",
        /// The local Nacos cannot be asked, and has not said before.
        Unanswered = "unanswered",
    }
);

label!(
    /// Why a record was not delivered.
    SendFailure {
        /// Nobody acknowledged it in time.
        Timeout = "timeout",
        /// Larger than the topic takes.
        TooLarge = "too_large",
        /// The producer's queue was full.
        QueueFull = "queue_full",
        /// Taken back before it was sent.
        Purged = "purged",
        /// Fewer replicas are in sync than the topic asks for.
        NotEnoughReplicas = "not_enough_replicas",
        /// Its time is outside of what the topic takes.
        InvalidTimestamp = "invalid_timestamp",
        /// The brokers' validation refuses what it holds.
        InvalidRecord = "invalid_record",
        /// A policy of the brokers refuses it.
        PolicyViolation = "policy_violation",
        /// The account may not write there.
        NotAuthorized = "not_authorized",
        /// There is no such topic or partition.
        UnknownTopic = "unknown_topic",
        /// The partition has no leader.
        NoLeader = "no_leader",
        /// The broker cannot write to its disk.
        Storage = "storage",
        /// The connection broke, or could not be made.
        Connection = "connection",
        /// The producer's identity or order of records is not what the brokers know.
        Producer = "producer",
        /// Anything else.
        Other = "other",
    }
);

label!(
    /// Where a policy document is from.
    PolicyOrigin {
        /// From disk.
        File = "file",
        /// From the local Nacos.
        ConfigItem = "config_item",
    }
);

label!(
    /// What became of a policy document.
    PolicyLoad {
        /// It is right.
        Accepted = "accepted",
        /// It is wrong, the one before stays.
        Refused = "refused",
        /// It is gone.
        Removed = "removed",
    }
);

label!(
    /// Where somebody watches.
    WatchFace {
        /// `/v1/watch`.
        Sse = "sse",
        /// `WatchService`.
        Grpc = "grpc",
        /// `WatchResolve`.
        Resolve = "resolve",
    }
);

label!(
    /// Whether a plan was kept from an earlier request.
    CacheResult {
        /// It was.
        Hit = "hit",
        /// It had to be made, or made anew.
        Miss = "miss",
    }
);

label!(
    /// A route of the HTTP API.
    Route {
        /// All clusters.
        Clusters = "/v1/clusters",
        /// Service names.
        Services = "/v1/services",
        /// One service.
        Service = "/v1/service",
        /// Config item names.
        Configs = "/v1/configs",
        /// One config item.
        Config = "/v1/config",
        /// The policy in force.
        Policy = "/v1/policy",
        /// Server-sent events.
        Watch = "/v1/watch",
        /// A plan for a caller.
        Resolve = "/v1/resolve",
        /// How a plan came about.
        Explain = "/v1/explain",
        /// Drains and orders.
        Drains = "/v1/drains",
        /// Clusters of which nothing counts.
        Excluded = "/v1/excluded",
        /// The front door.
        FrontDoor = "/v1/front-door",
        /// Its clients are to move.
        FrontDoorDrain = "/v1/front-door/drain",
        /// They may come again.
        FrontDoorUndrain = "/v1/front-door/undrain",
        /// How clusters are described.
        Descriptor = "/v1/descriptor",
        /// Mass losses.
        Guard = "/v1/guard",
        /// What would be.
        WhatIf = "/v1/what-if",
        /// What changed lately.
        Changes = "/v1/changes",
        /// Clusters in the last hour.
        History = "/v1/history",
        /// Signals of changes.
        Events = "/v1/events",
        /// How every gateway takes every cluster.
        Links = "/v1/links",
        /// Whether all gateways have what each cluster says that it has.
        Verify = "/v1/verify",
        /// Whether the log has what the local Nacos says.
        VerifyNacos = "/v1/verify/nacos",
        /// Who asks.
        WhoAmI = "/v1/whoami",
        /// What a page has to know of whoever looks.
        Me = "/v1/me",
        /// Somebody wants to be known.
        Login = "/v1/login",
        /// Somebody wants to be known no more.
        Logout = "/v1/logout",
        /// By which session somebody is known.
        Session = "/v1/session",
        /// Who ordered what.
        Audit = "/v1/audit",
        /// The gateway's own state.
        Status = "/v1/status",
        /// Whether the process lives.
        Livez = "/livez",
        /// Whether answers can be relied on.
        Readyz = "/readyz",
        /// This.
        Metrics = "/metrics",
        /// The description of the API.
        OpenApi = "/openapi.json",
        /// The description's pages.
        Docs = "/docs",
        /// Everything that does not exist.
        Other = "other",
    }
);

impl Route {
    /// The route that a router calls by this path.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let known = Self::ALL.iter().copied().find(|route| route.word() == path);
        known.unwrap_or(if path.starts_with("/docs/") { Self::Docs } else { Self::Other })
    }
}

impl serde::Serialize for TroubleKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
