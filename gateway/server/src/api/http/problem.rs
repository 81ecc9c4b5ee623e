//! Errors as RFC 9457 problem documents.

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::document::LookedAt;
use super::plan_document::UnusedDocument;
use crate::api::ask::{BadField, Origins};
use crate::api::select::Moment;
use crate::resolve::Unused;

/// Instances that a problem lists; how many there are is in its detail.
const LISTED: usize = 100;

/// What went wrong, as programs tell it apart. Types are for ever.
#[derive(Clone, Copy)]
enum Kind {
    BadParameter,
    UnknownParameter,
    ServiceNotFound,
    ConfigNotFound,
    NoSuchPath,
    NoSuchMethod,
    NotReady,
    NothingUsable,
}

impl Kind {
    /// Type, title and status.
    fn meaning(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::BadParameter => {
                ("urn:federation:problem:bad-parameter", "A parameter cannot be used", StatusCode::BAD_REQUEST)
            }
            Self::UnknownParameter => {
                ("urn:federation:problem:unknown-parameter", "A parameter is not known", StatusCode::BAD_REQUEST)
            }
            Self::ServiceNotFound => {
                ("urn:federation:problem:service-not-found", "There is no such service", StatusCode::NOT_FOUND)
            }
            Self::ConfigNotFound => {
                ("urn:federation:problem:config-not-found", "There is no such config item", StatusCode::NOT_FOUND)
            }
            Self::NoSuchPath => ("urn:federation:problem:no-such-path", "There is no such path", StatusCode::NOT_FOUND),
            Self::NoSuchMethod => {
                ("urn:federation:problem:no-such-method", "The path has no such method", StatusCode::METHOD_NOT_ALLOWED)
            }
            Self::NotReady => {
                ("urn:federation:problem:not-ready", "The gateway is not ready", StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::NothingUsable => {
                ("urn:federation:problem:nothing-usable", "No instance can be used", StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }
}

/// An error as an answer.
#[derive(Debug)]
pub(super) struct Problem(Box<ProblemDocument>);

/// An error as a document of type `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemDocument {
    /// Names the kind of problem; for programs.
    r#type: &'static str,
    /// The kind of problem; for people.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened this time; for people.
    detail: String,
    /// The parameter that cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// The clusters that were looked at, in vain.
    #[serde(skip_serializing_if = "Option::is_none")]
    clusters: Option<Vec<LookedAt>>,
    /// Why the gateway is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<Vec<String>>,
    /// Instances that were left out, or counted and given nothing, by id; at most 100.
    #[serde(rename = "leftOut", skip_serializing_if = "Option::is_none")]
    left_out: Option<Vec<UnusedDocument>>,
}

impl Problem {
    fn new(kind: Kind, detail: String) -> Self {
        let (r#type, title, status) = kind.meaning();
        let status = status.as_u16();
        let (field, value, clusters, reasons, left_out) = (None, None, None, None, None);
        Self(Box::new(ProblemDocument { r#type, title, status, detail, field, value, clusters, reasons, left_out }))
    }

    /// A parameter that the path does not have.
    pub(super) fn unknown_parameter(name: &str, value: &str, known: &[&str]) -> Self {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let detail = format!("{name:?} is not a parameter of this path; known are: {known}");
        Self::new(Kind::UnknownParameter, detail).about(name, Some(value.to_owned()))
    }

    /// No cluster has the service.
    pub(super) fn service_not_found(name: &str, moment: &Moment, origins: &Origins) -> Self {
        Self::not_found(Kind::ServiceNotFound, name, moment, origins)
    }

    /// No cluster has the config item.
    pub(super) fn config_not_found(name: &str, moment: &Moment, origins: &Origins) -> Self {
        Self::not_found(Kind::ConfigNotFound, name, moment, origins)
    }

    fn not_found(kind: Kind, name: &str, moment: &Moment, origins: &Origins) -> Self {
        let mut problem = Self::new(kind, moment.looked_at_sentence(&name, origins));
        problem.0.clusters = Some(LookedAt::all(moment, origins));
        problem
    }

    /// There is nothing at `path`.
    pub(super) fn no_such_path(path: &str) -> Self {
        Self::new(Kind::NoSuchPath, format!("there is nothing at {path:?}; /docs lists what there is"))
    }

    /// Everything here is read with GET.
    pub(super) fn no_such_method(method: &Method) -> Self {
        Self::new(Kind::NoSuchMethod, format!("{method} cannot be used here, only GET and HEAD"))
    }

    /// Answers cannot be relied on yet, or not any more.
    pub(super) fn not_ready(reasons: Vec<String>) -> Self {
        let detail = if reasons.is_empty() { "no reason was given".to_owned() } else { reasons.join("; ") };
        let mut problem = Self::new(Kind::NotReady, detail);
        problem.0.reasons = Some(reasons);
        problem
    }

    /// The service exists, and none of its instances can be used.
    pub(super) fn nothing_usable(detail: String, unused: Vec<Unused>) -> Self {
        let mut problem = Self::new(Kind::NothingUsable, detail);
        problem.0.left_out = Some(unused.into_iter().take(LISTED).map(UnusedDocument::from).collect());
        problem
    }

    /// The document as JSON text.
    pub(super) fn encode(&self) -> Bytes {
        super::reply::encode(&self.0).into()
    }

    fn about(mut self, field: &str, value: Option<String>) -> Self {
        self.0.field = Some(field.to_owned());
        self.0.value = value;
        self
    }
}

impl From<BadField> for Problem {
    fn from(bad: BadField) -> Self {
        let field = bad.field.parameter();
        let detail = match &bad.value {
            Some(value) => format!("{field} cannot be {value:?}: {}", bad.detail),
            None => format!("{field} is missing: {}", bad.detail),
        };
        Self::new(Kind::BadParameter, detail).about(field, bad.value)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).expect("the status comes from a constant");
        let mut response = (status, Json(self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
