//! Bodies of orders: JSON that says so, of a size that fits.

use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, header};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// Bytes of an order: some texts of at most 1 KiB, escaped.
pub(super) const LARGEST_BODY: usize = 64 << 10;

/// The body of an order as it came.
pub(super) struct Ordered {
    content_type: Option<HeaderValue>,
    bytes: Result<Bytes, BytesRejection>,
}

impl<S: Send + Sync> FromRequest<S> for Ordered {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
        Ok(Self { content_type, bytes: Bytes::from_request(request, state).await })
    }
}

impl Ordered {
    /// What the body says.
    ///
    /// # Errors
    /// It is not said to be JSON, too large, or something else.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, Problem> {
        serde_json::from_slice(&self.json()?).map_err(|error| Problem::bad_body(&error))
    }

    /// As [`Ordered::read`], of a body whose values are told to nobody: `wanted` is all that is said of one that is wrong.
    ///
    /// # Errors
    /// As [`Ordered::read`].
    pub(super) fn read_secret<T: DeserializeOwned>(self, wanted: &str) -> Result<T, Problem> {
        serde_json::from_slice(&self.json()?).map_err(|_| Problem::bad_secret_body(wanted))
    }

    fn json(self) -> Result<Bytes, Problem> {
        // A page of another site can make a browser send text, but not this type.
        let content_type = self.content_type.as_ref().and_then(|value| value.to_str().ok()).unwrap_or("");
        if !content_type.split(';').next().is_some_and(|it| it.trim().eq_ignore_ascii_case("application/json")) {
            return Err(Problem::not_json(content_type));
        }
        let bytes = self.bytes.ok().filter(|bytes| bytes.len() <= LARGEST_BODY);
        bytes.ok_or_else(|| Problem::too_large(LARGEST_BODY))
    }
}
