//! Answers as Nacos words them: versions 2 and 3 wrap everything as `{code, message, data}`, version 1 nothing.
//!
//! Statuses and bodies are those that 2.3.2 (versions 1 and 2) and 3.1.0 (version 3) give; where they cannot be had, because they name classes of
//! Java, the same is said in other words.

use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use nacos_protocol::names::IllegalPart;
use nacos_protocol::reading::UnreadableText;
use nacos_protocol::web::{ParamFailure, WebVersion, WrappedAnswer, bare_answer, failure, missing};
use serde::Serialize;

use crate::check::IllegalName;
use crate::configs::PublishError;
use crate::owner::RegistryStopped;
use crate::polls::TooMany;

/// A request that is not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The parameters are not as Nacos takes them.
    #[error(transparent)]
    Param(#[from] ParamFailure),
    /// Something is not known.
    #[error("{0}")]
    NotFound(String),
    /// A service whose detail is asked for is not known.
    #[error("service not found, namespace: {namespace}, serviceName: {grouped}")]
    NoDetail {
        /// Its namespace.
        namespace: String,
        /// `group@@service`.
        grouped: String,
    },
    /// The cluster of a service whose instances are asked for is not known.
    #[error("service {0} is not found!")]
    NoInstances(String),
    /// The health of an instance is not to be set.
    #[error("health check is still working, service: {grouped}, cluster: {cluster}")]
    HealthIsChecked {
        /// `group@@service`.
        grouped: String,
        /// Nacos cluster.
        cluster: String,
    },
    /// Nacos would refuse it.
    #[error(transparent)]
    Illegal(#[from] IllegalName),
    /// Nacos would refuse the publication.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Variants of a config item are not kept here.
    #[error("variants of a config item by tag or address are not supported here")]
    Variant,
    /// There is no room for a long poll.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The registry stops.
    #[error(transparent)]
    Stopped(#[from] RegistryStopped),
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::Param(params) => params.status(),
            Self::Publish(PublishError::Conflict) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Publish(PublishError::Illegal(_)) => StatusCode::BAD_REQUEST,
            Self::Publish(_) => StatusCode::INTERNAL_SERVER_ERROR, // The disk.
            Self::NotFound(_) | Self::NoInstances(_) => StatusCode::NOT_FOUND,
            Self::Stopped(_) | Self::TooMany(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn illegal(&self) -> Option<&IllegalName> {
        match self {
            Self::Illegal(illegal) | Self::Publish(PublishError::Illegal(illegal)) => Some(illegal),
            _ => None,
        }
    }

    /// Code and words of versions 2 and 3.
    fn code(&self) -> (u32, &'static str) {
        if let Some(illegal) = self.illegal() {
            return match illegal {
                IllegalName::Weight => (21_001, "weight error"),
                IllegalName::ServiceExists(_) => (21_007, "service already exist"),
                IllegalName::NoSuchService(_) => (21_008, "service not exist"),
                IllegalName::ServiceNotEmpty(_) => (21_010, "service delete failure"),
                IllegalName::BlankContent(_) => (10_000, "parameter missing"),
                IllegalName::NoService(_) | IllegalName::OtherLifetime { .. } => (21_004, "instance error"),
                _ => (20_002, "parameter validate error"),
            };
        }
        match self {
            Self::Param(params) => params.code(),
            Self::NotFound(_) => (20_004, "resource not found"),
            Self::NoDetail { .. } => (21_008, "service not exist"),
            Self::Publish(PublishError::Conflict) => (20_005, "resource conflict"),
            Self::NoInstances(_)
            | Self::HealthIsChecked { .. }
            | Self::Stopped(_)
            | Self::TooMany(_)
            | Self::Publish(_) => (30_000, "server error"), // Of publications, what the disk does not take.
            _ => (20_002, "parameter validate error"),
        }
    }

    /// What is said before a version counts: checks of characters and lengths are told alike in all of them.
    fn of_params(&self) -> Option<Response> {
        let is_of_params = matches!(self, Self::Param(ParamFailure::Illegal(_)));
        let illegal = is_of_params || self.illegal().is_some_and(IllegalName::is_of_params);
        illegal.then(|| (self.status(), format!("{self}\r\n")).into_response())
    }
}

impl From<IllegalPart> for Failure {
    fn from(illegal: IllegalPart) -> Self {
        Self::Param(illegal.into())
    }
}

impl From<UnreadableText> for Failure {
    fn from(unreadable: UnreadableText) -> Self {
        Self::Param(unreadable.into())
    }
}

/// A failure as version 1 tells it: plain text, or what its web server says of an error that nobody caught.
pub(super) struct V1(Failure);

/// A failure as version 2 tells it.
pub(super) struct V2(Failure);

/// A failure as version 3 tells it.
pub(super) struct V3(Failure);

macro_rules! told_by {
    ($($version:ident),*) => { $(impl<E: Into<Failure>> From<E> for $version {
        fn from(error: E) -> Self {
            Self(error.into())
        }
    })* };
}
told_by!(V1, V2, V3);

impl IntoResponse for V1 {
    fn into_response(self) -> Response {
        let Self(failure) = self;
        if let Some(response) = failure.of_params() {
            return response;
        }
        match &failure {
            Failure::Param(ParamFailure::Unreadable(_) | ParamFailure::HalfAName) => bare(failure.status()),
            Failure::Illegal(illegal @ IllegalName::OtherLifetime { .. }) => {
                (failure.status(), format!("errCode: 400, errMsg: {illegal}")).into_response()
            }
            _ => (failure.status(), failure.to_string()).into_response(),
        }
    }
}

impl IntoResponse for V2 {
    fn into_response(self) -> Response {
        wrapped(&self.0, self.0.status(), WebVersion::V2)
    }
}

impl IntoResponse for V3 {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            // 3.1.0 answers 200 without a body.
            Failure::Param(ParamFailure::Unreadable(_)) => StatusCode::BAD_REQUEST,
            failure => failure.status(),
        };
        wrapped(&self.0, status, WebVersion::V3)
    }
}

fn wrapped(told: &Failure, status: StatusCode, version: WebVersion) -> Response {
    if let Some(response) = told.of_params() {
        return response;
    }
    let data = match (told, told.illegal()) {
        (Failure::Param(params), _) => params.data(version),
        (_, Some(IllegalName::BlankContent(_))) => missing(version, "content"),
        _ => told.to_string(),
    };
    (status, Json(failure(told.code(), &data))).into_response()
}

/// A success of versions 2 and 3.
pub(super) fn success(data: impl Serialize) -> Response {
    Json(WrappedAnswer::success(data)).into_response()
}

/// A text that version 1 answers as JSON.
pub(super) fn json_text(text: &'static str) -> Response {
    ([(CONTENT_TYPE, "application/json;charset=UTF-8")], text).into_response()
}

/// A page, as versions 2 and 3 wrap it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShownPage<U> {
    total_count: usize,
    page_number: usize,
    pages_available: usize,
    page_items: Vec<U>,
}

/// One page of `items`.
pub(super) fn page<T, U>(items: &[T], at: (usize, usize), show: impl Fn(&T) -> U) -> ShownPage<U> {
    let (number, size) = at;
    let page_items = items.iter().skip((number - 1).saturating_mul(size)).take(size).map(show).collect();
    ShownPage { total_count: items.len(), page_number: number, pages_available: items.len().div_ceil(size), page_items }
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

/// Gives answers without a body of their own the one that Nacos's web server gives: status and path. What is not known below `/v1/ns` is "not implemented"
/// there, in whichever respect.
pub(super) async fn explain(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let of_router = response.status() == StatusCode::METHOD_NOT_ALLOWED;
    if response.extensions_mut().remove::<Bare>().is_none() && !of_router {
        return response;
    }
    let (status, body) = bare_answer(response.status(), &path);
    (status, Json(body)).into_response()
}
