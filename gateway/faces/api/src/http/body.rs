//! Bodies of orders: JSON that says so, of a size that fits.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// Bytes of an order: some texts of at most 1 KiB, escaped.
const LARGEST_BODY: usize = 64 << 10;

/// What the body says.
///
/// # Errors
/// It is not said to be JSON, too large, or something else.
pub(super) fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<T, Problem> {
    // A page of another site can make a browser send text, but not this type.
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if !content_type.split(';').next().is_some_and(|it| it.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Problem::not_json(content_type));
    }
    let body = body.ok().filter(|body| body.len() <= LARGEST_BODY).ok_or_else(|| Problem::too_large(LARGEST_BODY))?;
    serde_json::from_slice(&body).map_err(|error| Problem::bad_body(&error))
}
