//! The JSON documents of the HTTP API, as types that are written and read: by the gateway, its command line and the demo.
//!
//! Input and output: what `/openapi.json` describes. Names and the order of fields are for ever; ages are milliseconds. Words (a freshness, a
//! health, a kind) are texts here, not enums: a newer gateway may have another.
//!
//! A document may be of an older or a newer gateway than its reader. Hence the duties of whoever changes one: no field is renamed, removed or
//! given another type; a field that is added has `#[serde(default)]`, so that what older gateways write can still be read. Fields that a reader
//! does not know are skipped. Only orders, which a gateway reads, are refused for a field that it does not know.
//!
//! A new document: a module here, or a type in the module of its path; a golden file in `gateway/faces/api/golden/`; a table in
//! `gateway/server/src/cli/`.

pub mod access;
pub mod audit;
pub mod changes;
pub mod comparison;
pub mod descriptor;
pub mod discovery;
pub mod drain;
pub mod exclusion;
pub mod front_door;
pub mod guard;
pub mod links;
pub mod nacos_comparison;
mod pairs;
pub mod plan;
pub mod policy;
pub mod printable;
pub mod problem;
pub mod reason;
pub mod signals;
pub mod status;
pub mod verification;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_not_said(flag: &bool) -> bool {
    !*flag
}
