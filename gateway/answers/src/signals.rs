//! `/v1/events`: what its server-sent events have as data.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The first event of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Hello)]
pub struct HelloDocument {
    /// The cluster of the gateway that answers.
    pub cluster: String,
    /// The name of its process.
    pub replica: String,
    /// The version of its program.
    pub version: Cow<'static, str>,
    /// Changes after this number are told; it is the event's id as well.
    pub since: u64,
}

/// What changed since the event before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChangedTopics)]
pub struct ChangedTopicsDocument {
    /// Of `clusters`, `links`, `drains`, `holds`, `policy`, `gateway`, `services`, `configs`, `excluded`, `changes`: each once, in this order,
    /// at least one. Whoever does not see everything is not told of `links`, `holds`, `gateway` and `excluded`.
    pub topics: Vec<Cow<'static, str>>,
    /// How many services changed under the stream's filter; of a burst of more than some thousand changes, or for a client that comes back, at least so
    /// many.
    pub services: usize,
    /// How many config items, in the same way.
    pub configs: usize,
}
