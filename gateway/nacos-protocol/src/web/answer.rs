//! Words of answers: versions 2 and 3 wrap everything as `{code, message, data}`, version 1 nothing.
//!
//! They are those that 2.3.2 (versions 1 and 2) and 3.1.0 (version 3) give; where they cannot be had, because they name classes of Java, the same is said
//! in other words.

use std::time::SystemTime;

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use crate::names::IllegalPart;
use crate::reading::UnreadableText;

/// A family of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebVersion {
    /// Below `/v1`.
    V1,
    /// Below `/v2`.
    V2,
    /// Below `/v3`.
    V3,
}

/// Parameters with which a request is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamFailure {
    /// A parameter of the naming API is absent.
    #[error("Param '{0}' is required.")]
    Missing(&'static str),
    /// A parameter of the config API or of a login is absent.
    #[error("Parameter '{0}' is missing")]
    Absent(&'static str),
    /// A parameter is no number.
    #[error("For input string: \"{0}\"")]
    NotANumber(String),
    /// A parameter has no legal value.
    #[error("{0}")]
    Invalid(String),
    /// Metadata or a beat cannot be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableText),
    /// The name of a service carries a group, and one of the two is blank.
    #[error("the name of the service or of its group is blank")]
    HalfAName,
    /// Nacos refuses it before anything else.
    #[error(transparent)]
    Illegal(#[from] IllegalPart),
}

impl ParamFailure {
    /// The status of an answer, but for what 3.1.0 says to unreadable ones.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Code and words of versions 2 and 3.
    #[must_use]
    pub fn code(&self) -> (u32, &'static str) {
        match self {
            Self::Missing(_) | Self::Absent(_) => (10_000, "parameter missing"),
            _ => (20_002, "parameter validate error"),
        }
    }

    /// What versions 2 and 3 say in addition.
    #[must_use]
    pub fn data(&self, version: WebVersion) -> String {
        match self {
            Self::Missing(name) | Self::Absent(name) => missing(version, name),
            _ => self.to_string(),
        }
    }
}

/// How versions 2 and 3 say that a parameter is absent.
#[must_use]
pub fn missing(version: WebVersion, name: &str) -> String {
    let kind = if name == "port" { "Integer" } else { "String" };
    match version {
        WebVersion::V3 => format!("Required parameter '{name}' type {kind} is not present"),
        WebVersion::V1 | WebVersion::V2 => {
            format!("Required request parameter '{name}' for method parameter type {kind} is not present")
        }
    }
}

/// What versions 2 and 3 put around everything.
#[derive(Clone, Debug, Serialize)]
pub struct WrappedAnswer<T> {
    code: u32,
    message: &'static str,
    data: T,
}

impl<T: Serialize> WrappedAnswer<T> {
    /// A success.
    pub fn success(data: T) -> Self {
        Self { code: 0, message: "success", data }
    }
}

/// A failure of versions 2 and 3.
#[must_use]
pub fn failure((code, message): (u32, &str), data: &str) -> Value {
    json!({"code": code, "message": message, "data": data})
}

/// The body that Nacos's web server gives an answer without one. What is not known below `/v1/ns` is "not implemented" there, in whichever respect.
#[must_use]
pub fn bare_answer(status: StatusCode, path: &str) -> (StatusCode, Value) {
    let unknown = matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND);
    let status = if unknown && path.starts_with("/nacos/v1/ns/") { StatusCode::NOT_IMPLEMENTED } else { status };
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let body = json!({
        "timestamp": u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        "status": status.as_u16(),
        "error": status.canonical_reason().unwrap_or_default(),
        "path": path,
    });
    (status, body)
}
