//! The fields of sections that name addresses to listen on.

use federation_document::table::{TableField, TableSection, ValueKind, default, optional, required};

pub(super) static LISTEN: TableSection = TableSection {
    about: "Where this gateway answers.",
    fields: &[
        default(
            "http",
            ValueKind::SocketAddress,
            "127.0.0.1:7070",
            "HTTP API, metrics, health. This machine only, until somebody decides otherwise; elsewhere nobody may ask without `access`.",
        ),
        default(
            "grpc",
            ValueKind::SocketAddress,
            "127.0.0.1:7071",
            "All gRPC services; this machine only, for the same reason.",
        ),
        default(
            "hosts",
            ValueKind::List { of: &ValueKind::HostName, min_items: 0 },
            "[]",
            "Names in the public DNS by which HTTP clients ask for this gateway, on any of its ports. Addresses, names without a dot and those \
             that end in .localhost, .internal, .svc or .cluster.local need not be listed; a request that names another host is refused \
             (421), because a web page may have made it up.",
        ),
        TLS,
        INSECURE,
    ],
};

pub(super) static NACOS_LISTEN: TableSection = TableSection {
    about: "Addresses of the embedded registry.",
    fields: &[
        default(
            "http",
            ValueKind::SocketAddress,
            "127.0.0.1:8848",
            "HTTP; Nacos's port, on this machine only until somebody decides otherwise.",
        ),
        optional(
            "grpc",
            ValueKind::SocketAddress,
            "the HTTP address, its port plus `grpc_offset`",
            "gRPC; clients expect it at the HTTP port plus 1000.",
        ),
        default(
            "insecure",
            ValueKind::Flag,
            "false",
            "Whether addresses that are not loopback may be listened on: this registry speaks plain text, to whoever reaches it.",
        ),
    ],
};

pub(super) const TLS: TableField = optional(
    "tls",
    ValueKind::Section(&LISTENER_TLS),
    "plain text",
    "TLS on both ports of this section, and nothing but TLS. Its files are read again each second and on SIGHUP: what is good is in force \
     for new connections, what is not is refused and told.",
);

pub(super) const INSECURE: TableField = default(
    "insecure",
    ValueKind::Flag,
    "false",
    "Whether addresses that are not loopback may be listened on without TLS. Each start and `status` then say so.",
);

static LISTENER_TLS: TableSection = TableSection {
    about: "TLS on the ports of a section.",
    fields: &[
        required(
            "certificate",
            ValueKind::Path,
            "PEM file of the certificate, and after it of those that lead to an authority that clients know.",
        ),
        required("key", ValueKind::Path, "PEM file of its private key: PKCS#8, PKCS#1 or SEC1, not encrypted."),
        optional(
            "client_ca",
            ValueKind::Path,
            "clients show no certificate",
            "PEM file of the authorities whose certificates clients may show.",
        ),
        optional(
            "client_auth",
            ValueKind::Choice(&["none", "request", "require"]),
            "`require` with `client_ca`, else `none`",
            "Whether clients show a certificate: `none` are asked for one; all are asked and may have none (`request`), and one that \
             `client_ca` has not signed is refused; who has none is refused (`require`).",
        ),
    ],
};
