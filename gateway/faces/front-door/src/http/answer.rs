//! Answers in the words of each version.

use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use nacos_protocol::message::error_code;
use nacos_protocol::server::RegistryRefusal;
use nacos_protocol::web::{ParamFailure, WebVersion, bare_answer, failure};
use serde_json::Value;

/// A request that is not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum WebFailure {
    /// The parameters are not as Nacos takes them.
    #[error(transparent)]
    Param(#[from] ParamFailure),
    /// This door, or the local Nacos, refuses it.
    #[error("{}", .0.message)]
    Refused(#[from] RegistryRefusal),
    /// The local Nacos cannot be asked, and is needed.
    #[error("{0}")]
    Unreached(String),
}

impl WebFailure {
    fn status(&self) -> StatusCode {
        match self {
            Self::Param(params) => params.status(),
            Self::Unreached(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Refused(refusal) => match refusal.code {
                error_code::BAD_PARAMETER => StatusCode::BAD_REQUEST,
                error_code::NO_RIGHT => StatusCode::FORBIDDEN,
                error_code::NOT_FOUND => StatusCode::NOT_FOUND,
                // Not known yet, or not to be had from the local Nacos: another gateway, or a later time, may do better.
                _ => StatusCode::SERVICE_UNAVAILABLE,
            },
        }
    }

    fn code(&self) -> (u32, &'static str) {
        match (self, self.status()) {
            (Self::Param(params), _) => params.code(),
            (_, StatusCode::BAD_REQUEST) => (20_002, "parameter validate error"),
            (_, StatusCode::NOT_FOUND) => (20_004, "resource not found"),
            _ => (30_000, "server error"),
        }
    }

    /// The answer of a version.
    pub(super) fn told(&self, version: WebVersion) -> Response {
        let status = self.status();
        match (self, version) {
            // What is said of characters and lengths comes before a version counts.
            (Self::Param(params @ ParamFailure::Illegal(_)), _) => (status, format!("{params}\r\n")).into_response(),
            (Self::Param(ParamFailure::HalfAName | ParamFailure::Unreadable(_)), WebVersion::V1) => bare(status),
            _ if status == StatusCode::FORBIDDEN => bare(status),
            (_, WebVersion::V1) => (status, self.to_string()).into_response(),
            (Self::Param(params), _) => (status, Json(failure(params.code(), &params.data(version)))).into_response(),
            _ => (status, Json(failure(self.code(), &self.to_string()))).into_response(),
        }
    }
}

/// The version that a path is of.
pub(super) fn version_of(path: &str) -> WebVersion {
    match path.as_bytes() {
        [b'/', b'v', b'2', b'/', ..] => WebVersion::V2,
        [b'/', b'v', b'3', b'/', ..] => WebVersion::V3,
        _ => WebVersion::V1,
    }
}

/// The words of versions 2 and 3 for what is nobody's fault who asks.
pub(super) fn server_error(words: &str) -> Value {
    failure((30_000, "server error"), words)
}

/// The mark of an answer that is no more than a status.
#[derive(Clone, Copy)]
struct Bare;

/// An answer that is no more than a status; [`explain`] gives it the body that Nacos's web server gives.
pub(super) fn bare(status: StatusCode) -> Response {
    let mut response = status.into_response();
    response.extensions_mut().insert(Bare);
    response
}

/// Gives answers without a body of their own the one that Nacos's web server gives: status and path.
pub(super) async fn explain(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let of_router =
        response.extensions().get::<Passed>().is_none() && response.status() == StatusCode::METHOD_NOT_ALLOWED;
    if response.extensions_mut().remove::<Bare>().is_none() && !of_router {
        return response;
    }
    let (status, body) = bare_answer(response.status(), &path);
    (status, Json(body)).into_response()
}

/// The mark of an answer of the local Nacos, in which nothing is changed.
#[derive(Clone, Copy)]
pub(super) struct Passed;
