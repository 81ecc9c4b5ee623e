//! Why something is as it is, for programs: what pages say in another language than English.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A parameter of a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ReasonValue {
    /// A number; milliseconds where the parameter's name ends in `Ms`.
    Number(u64),
    /// A name, or what another program said.
    Word(String),
}

/// Parameters by name.
pub type ReasonValues = BTreeMap<Cow<'static, str>, ReasonValue>;

/// A reason beside its words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = Reason)]
pub struct ReasonDocument {
    /// Which; all codes stand in the documentation of operations.
    pub code: Cow<'static, str>,
    /// What its words are made of; missing if of nothing.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<Cow<'static, str>, ReasonValue>,
}
