//! The fields of `front_door`.

use federation_document::sections::SERVICE_NAMES;
use federation_document::table::{TableSection, ValueKind, default, list, required};

use super::SERVICE_RULES;
use super::listen::{INSECURE, TLS};

pub(super) static FRONT_DOOR: TableSection = TableSection {
    about: "Where clients of Nacos are served as by a Nacos: lookups from all clusters, registrations and config items from and to the own \
            Nacos. Without this section nobody is.",
    fields: &[
        required(
            "listen",
            ValueKind::SocketAddress,
            "Address of HTTP, which clients are told as that of their Nacos; beside a Nacos on the same host another port than 8848.",
        ),
        default(
            "grpc_offset",
            ValueKind::Count { min: 1, max: 60_000 },
            "1000",
            "From the HTTP port to the gRPC port. Unmodified clients add 1000.",
        ),
        TLS,
        INSECURE,
        default("naming", ValueKind::Section(&LOOKUPS), "{}", "Which clusters lookups are answered from."),
        default(
            "auth",
            ValueKind::Choice(&["auto", "on", "off"]),
            "auto",
            "Whether the own Nacos is asked, with the caller's own token, before a caller reads a service: `on`, `off`, or where the \
             gateway itself has a login there (`auto`). Registrations and config items always reach it with what the caller shows.",
        ),
        default(
            "max_connections",
            ValueKind::Count { min: 1, max: 20_000 },
            "12000",
            "Connections at a time at each of the two ports, if the process may open as many files: each client that registers takes one more \
             to the own Nacos. Further ones are closed at once.",
        ),
    ],
};

static LOOKUPS: TableSection = TableSection {
    about: "Which clusters lookups are answered from. Of several rules for a service the most specific counts.",
    fields: &[
        default(
            "local_only",
            SERVICE_RULES,
            "[]",
            "Services that are looked up in the own cluster alone, by local names.",
        ),
        default(
            "only_from",
            list(&ValueKind::Section(&ONLY_FROM)),
            "[]",
            "Services that are looked up in one cluster alone.",
        ),
    ],
};

static ONLY_FROM: TableSection = TableSection {
    about: "Services that are looked up in one cluster alone.",
    fields: &[
        required("services", ValueKind::Section(&SERVICE_NAMES), "Which, by local names."),
        required("cluster", ValueKind::Id, "Where."),
    ],
};
