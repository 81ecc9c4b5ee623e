//! `/v1/watch`: one service as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use federation_access::judge::AccessSubject;
use federation_access::right::AccessRight;
use federation_answers::discovery::AbsentDocument;
use federation_answers::problem::ProblemDocument;
use federation_core::service::FederatedService;
use futures::{Stream, StreamExt};
use tokio::time::{Instant, MissedTickBehavior};

use super::problem::Problem;
use super::rights::{RightedRoutes, get};
use super::{VIEW_PART, document, params, reply};
use crate::ApiState;
use crate::ask::{Origins, ServiceAsk};
use crate::asker::Asker;
use crate::select::Moment;
use crate::versions::ShownVersions;
use federation_ports::metrics::WatchFace;
use federation_view::hub::services::{EncodeService, ServiceMark, ServiceShown, WatchedServices};
use federation_view::hub::{Hub, HubEnded, Watcher};

/// How often a comment is sent, so that nobody on the way takes an idle connection for a dead one.
pub(super) const COMMENT_EVERY: Duration = Duration::from_secs(15);
pub(super) const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// Of every stream of events.
pub(super) const STREAM_HEADERS: [(&str, &str); 3] = [
    ("content-type", "text/event-stream"),
    ("cache-control", "no-store"),
    ("x-accel-buffering", "no"), // Understood by nginx and others: pass events on at once.
];

/// Services as events.
pub(crate) type WatchedEvents = WatchedServices<ServiceEvents>;

/// Who watches services by events.
#[derive(Clone)]
pub(super) struct Watching {
    hub: Hub<WatchedEvents>,
    versions: ShownVersions,
    state: ApiState,
}

/// The route of this face's watches, which share one hub.
pub(super) fn routes(state: &ApiState) -> RightedRoutes<ApiState> {
    let watching = Watching { hub: hub(state), versions: state.versions(), state: state.clone() };
    RightedRoutes::new().route("/v1/watch", get(VIEW_PART, watch)).with_state(watching)
}

pub(crate) fn hub(state: &ApiState) -> Hub<WatchedEvents> {
    let encode = ServiceEvents { versions: state.versions() };
    state.hub(WatchedServices::new(state.view().clone(), encode), WatchFace::Sse)
}

/// One service now and after every change, as server-sent events.
///
/// `event: service` has the version as `id` and the document of `/v1/service` as data; `event: absent` says that no cluster
/// has an instance. A slow reader misses states in between, never the newest one. Ages are those of the moment of the
/// change. A comment comes every 15 seconds.
#[utoipa::path(
    get,
    path = "/v1/watch",
    tag = "discovery",
    params(
        ("namespaceId" = Option<String>, Query, description = "namespace id; absent: public; empty: the namespace with the empty id"),
        ("groupName" = Option<String>, Query, description = "absent: DEFAULT_GROUP"),
        ("serviceName" = String, Query, description = "service name, or GROUP@@SERVICE"),
        ("origin" = Option<String>, Query, description = "only instances of these clusters; repeated or with commas between"),
        ("healthyOnly" = Option<bool>, Query, description = "only healthy instances"),
        ("Last-Event-ID" = Option<String>, Header, description = "the version that the client has already: it is not sent again"),
    ),
    responses(
        (status = 200, body = String, content_type = "text/event-stream", description = "events until the client leaves or the gateway stops"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "a parameter cannot be used"),
    ),
)]
pub(super) async fn watch(
    State(watching): State<Watching>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    asker: Asker,
) -> Result<Response, Problem> {
    let ask = params::service(query.as_deref())?;
    asker.may(&watching.state, AccessRight::View, AccessSubject::Service(&ask.key))?;
    let watcher = watching.hub.watch(ask, last_event(watching.versions, &headers));
    let body = Body::from_stream(while_allowed(events(watcher, COMMENT_EVERY), asker));
    Ok((STREAM_HEADERS, body).into_response())
}

/// The version of the last event that the client saw. An id that was not given out here is as good as none.
fn last_event(versions: ShownVersions, headers: &HeaderMap) -> Option<ServiceMark> {
    let id = headers.get("last-event-id")?.to_str().ok()?;
    versions.revision(id.trim().parse().ok()?).map(ServiceMark::Service)
}

/// Ends the stream once whoever asked may not see it any more.
pub(super) fn while_allowed<T>(events: impl Stream<Item = T> + Send + 'static, asker: Asker) -> impl Stream<Item = T> {
    events.take_until(async move { asker.ended().await })
}

pub(crate) fn events(
    mut watcher: Watcher<WatchedEvents>,
    comment_every: Duration,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    async_stream::stream! {
        let mut comments = tokio::time::interval_at(Instant::now() + comment_every, comment_every);
        comments.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let news = tokio::select! { // Both are cancel-safe.
                news = watcher.next() => news,
                _ = comments.tick() => Ok(COMMENT),
            };
            match news {
                Ok(bytes) => yield Ok(bytes),
                Err(HubEnded) => break,
            }
        }
    }
}

/// Services as server-sent events.
pub(crate) struct ServiceEvents {
    versions: ShownVersions,
}

impl EncodeService for ServiceEvents {
    type Topic = ServiceAsk;

    fn encode(&self, ask: &ServiceAsk, shown: &ServiceShown) -> Bytes {
        let moment = Moment::of_shown(shown);
        match &shown.service {
            Some(service) => service_event(self.versions, ask, service, &moment),
            None => absent_event(ask, &moment),
        }
    }
}

fn service_event(versions: ShownVersions, ask: &ServiceAsk, service: &FederatedService, moment: &Moment) -> Bytes {
    let version = versions.shown(moment.service_version(service));
    let document = reply::encode(&document::service(ask, service, moment, version));
    event(&format!("event: service\nid: {version}\ndata: "), &document)
}

/// Without an id: a client that comes back is told the state anew, whatever it is.
pub(crate) fn absent_event(ask: &ServiceAsk, moment: &Moment) -> Bytes {
    let document = reply::encode(&AbsentDocument {
        namespace_id: ask.key.namespace().into(),
        group_name: ask.key.group().into(),
        service_name: ask.key.service().into(),
        clusters: document::looked_at(moment, &Origins::All),
    });
    event("event: absent\ndata: ", &document)
}

/// JSON has no line breaks outside of strings, and inside them they are escaped: one `data` line holds it.
fn event(head: &str, document: &[u8]) -> Bytes {
    [head.as_bytes(), document, b"\n\n"].concat().into()
}
