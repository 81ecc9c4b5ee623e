//! Fields of `dashboard`.

use federation_document::table::{TableSection, ValueKind, default};

pub(super) static DASHBOARD: TableSection = TableSection {
    about: "The pages that show the federation, at the address of the HTTP API.",
    fields: &[
        default("enabled", ValueKind::Flag, "true", "Whether this gateway serves them."),
        default(
            "read_only",
            ValueKind::Flag,
            "false",
            "Whether pages may only look: each order that a browser sends is refused (403, `read-only`), whatever the rights of whoever asks. \
             The command line and other programs are not concerned.",
        ),
    ],
};
