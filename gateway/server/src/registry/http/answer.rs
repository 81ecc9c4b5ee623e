//! Answers as Nacos words them: version 3 wraps everything as `{code, message, data}`, version 1 nothing.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use crate::registry::configs::PublishError;
use crate::registry::instance::Illegal;
use crate::registry::owner::Stopped;

/// A request that is not carried out. The codes are Nacos's.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// A parameter is absent.
    #[error("Required parameter '{0}' is not present")]
    Missing(&'static str),
    /// A parameter cannot be read.
    #[error("parameter '{0}' cannot be read")]
    Malformed(&'static str),
    /// A service, its cluster, or an update's target is not known.
    #[error("service {0} is not found!")]
    NoService(String),
    /// A service whose detail is asked for is not known.
    #[error("service not found: {0}")]
    NoDetail(String),
    /// A single thing is not known.
    #[error("{0}")]
    NotFound(&'static str),
    /// Nacos would refuse it.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// Nacos would refuse the publication.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The registry stops.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::Missing(_) | Self::Malformed(_) | Self::Illegal(_) => StatusCode::BAD_REQUEST,
            Self::Publish(PublishError::Illegal(_)) => StatusCode::BAD_REQUEST,
            Self::Publish(PublishError::Conflict) => StatusCode::CONFLICT,
            Self::Publish(_) => StatusCode::INTERNAL_SERVER_ERROR, // The disk.
            Self::NoService(_) | Self::NoDetail(_) | Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Stopped(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Code and words of version 3.
    fn code(&self) -> (u32, &'static str) {
        match self {
            Self::Missing(_) => (10_000, "parameter missing"),
            Self::Malformed(_) | Self::Publish(PublishError::Illegal(_)) => (10_002, "parameter validate error"),
            Self::NoDetail(_) => (21_008, "service not exist"),
            Self::NotFound(_) => (20_004, "resource not found"),
            Self::Illegal(_) => (21_004, "instance error"),
            Self::Publish(PublishError::Conflict) => (20_005, "resource conflict"),
            Self::NoService(_) | Self::Stopped(_) | Self::Publish(_) => (30_000, "server error"),
        }
    }

    /// The failure in plain text, as version 1 tells it.
    pub(super) fn plain(&self) -> Response {
        (self.status(), self.to_string()).into_response()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (code, message) = self.code();
        (self.status(), Json(json!({"code": code, "message": message, "data": self.to_string()}))).into_response()
    }
}

/// A success of version 3.
pub(super) fn success(data: impl Serialize) -> Response {
    Json(json!({"code": 0, "message": "success", "data": data})).into_response()
}

/// One page of `items`, as version 3 wraps it.
pub(super) fn page<T, U: Serialize>(
    items: &[T],
    (number, size): (usize, usize),
    show: impl Fn(&T) -> U,
) -> serde_json::Value {
    let shown: Vec<U> = items.iter().skip((number - 1).saturating_mul(size)).take(size).map(show).collect();
    json!({
        "totalCount": items.len(),
        "pageNumber": number,
        "pagesAvailable": items.len().div_ceil(size),
        "pageItems": shown,
    })
}

/// The caller did not log in, or as nobody who may.
pub(super) fn forbidden() -> Response {
    let body =
        json!({"code": 403, "message": "access denied", "data": "authorization failed: token invalid or missing"});
    (StatusCode::FORBIDDEN, Json(body)).into_response()
}
