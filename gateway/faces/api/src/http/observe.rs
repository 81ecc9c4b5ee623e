//! Counts and times requests.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::ApiState;
use federation_ports::metrics::Route;

/// The label is the route's pattern, never the path that somebody made up.
pub(super) async fn observe(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or(Route::Other, |path| Route::of(path.as_str()));
    let started = Instant::now();
    let response = next.run(request).await;
    let metrics = state.api_metrics();
    metrics.http_requests(route, response.status().as_u16()).inc();
    metrics.http_seconds(route).observe(started.elapsed().as_secs_f64());
    response
}
