//! `/v1/events`: which topics changed, as server-sent events, for pages that show a whole gateway.
//!
//! An event carries no names and no values: whoever shows a topic asks for it. A stream looks at what is new to it when it may tell again, so a
//! client that reads slowly, or a burst, costs nothing but a number. Ids are numbers of this process: a client that comes back with one is told
//! in one event what changed meanwhile, and one that comes with any other is told to ask for everything.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use federation_access::judge::{AccessSubject, ListSight, NamedByPattern};
use federation_access::right::AccessRight;
use federation_answers::problem::ProblemDocument;
use federation_answers::signals::{ChangedTopicsDocument, HelloDocument};
use federation_core::id::{ConfigKey, ServiceKey};
use federation_core::pattern::{ConfigPattern, ServicePattern};
use federation_core::service::Revision;
use federation_policy::{InForce, PolicyStanding};
use federation_ports::metrics::WatchFace;
use federation_view::view::signals::{ChangedNames, SignalNews, SignalTopic};
use futures::Stream;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use xxhash_rust::xxh3::xxh3_64;

use super::events::{self, COMMENT, COMMENT_EVERY};
use super::problem::Problem;
use super::{params, reply};
use crate::ApiState;
use crate::ask::news::NewsAsk;
use crate::asker::Asker;

/// Between two events of one stream: at most four a second.
const PACE: Duration = Duration::from_millis(250);
/// Troubles of the gateway wake nobody, so they are looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What changes, as server-sent events: which topics, and of how many services and config items under a filter.
///
/// The first event is `hello`; its data says who answers, and since which number changes are told. `event: changed` has as data the topics that
/// changed since the event before, at most four a second. A client that comes back with `Last-Event-ID` is told what changed since then; one
/// whose id is of another process is told `event: reset`: ask for everything. A comment comes every 15 seconds.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "operations",
    params(
        ("q" = Option<String>, Query, description = "count only services and config items in whose namespace, group or name this text is; at most 256 bytes, upper and lower case are one"),
        ("namespaceId" = Option<String>, Query, description = "count only those of this namespace"),
        ("origin" = Option<String>, Query, description = "count only those that one of these clusters has, or that nobody has any more; repeated or with commas between"),
        ("Last-Event-ID" = Option<String>, Header, description = "the id of the last event that the client saw"),
    ),
    responses(
        (status = 200, body = String, content_type = "text/event-stream", description = "events until the client leaves or the gateway stops"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "a parameter cannot be used"),
    ),
)]
pub(super) async fn watch(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    asker: Asker,
) -> Result<Response, Problem> {
    let ask = params::news(query.as_deref())?;
    let stream = SignalStream::new(state, ask, &asker, &headers);
    let body = Body::from_stream(events::while_allowed(stream.events(), asker));
    Ok((events::STREAM_HEADERS, body).into_response())
}

/// From where on changes are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    /// From now on.
    Now,
    /// From this number of this process on.
    Number(u64),
    /// What the client knows is of another process.
    Reset,
}

/// One client's stream.
struct SignalStream {
    state: ApiState,
    ask: NewsAsk,
    sight: SignalSight,
    since: Since,
    changes: watch::Receiver<u64>,
    outside: OutsideTopics,
    _counted: CountedWatcher,
}

/// What of the topics somebody may see.
struct SignalSight {
    services: ListSight<ServicePattern>,
    configs: ListSight<ConfigPattern>,
    /// Whether that is everything: some topics are shown to nobody else.
    is_whole: bool,
}

impl SignalSight {
    fn shows(&self, topic: SignalTopic) -> bool {
        use SignalTopic::{Changes, Clusters, Configs, Drains, Excluded, Gateway, Holds, Links, Policy, Services};
        match topic {
            Clusters | Drains | Policy | Services | Configs | Changes => true,
            Links | Holds | Gateway | Excluded => self.is_whole,
        }
    }
}

impl SignalStream {
    fn new(state: ApiState, ask: NewsAsk, asker: &Asker, headers: &HeaderMap) -> Self {
        let sight = SignalSight {
            services: asker.sight::<ServiceKey>(),
            configs: asker.sight::<ConfigKey>(),
            is_whole: asker.identity().may(AccessRight::View, AccessSubject::Whole).is_ok(),
        };
        let changes = state.view().watch_signals();
        let outside = OutsideTopics::of(&state);
        let counted = CountedWatcher::new(&state);
        let mut stream = Self { state, ask, sight, since: Since::Now, changes, outside, _counted: counted };
        stream.outside.note(&stream.state);
        stream.since = since(&stream.state, headers);
        stream
    }

    fn events(mut self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        async_stream::stream! {
            let mut clocks = StreamClocks::new();
            let mut told = self.first_number();
            yield Ok(self.hello(told));
            if self.since == Since::Reset {
                yield Ok(self.event("reset", told, b"{}"));
            }
            while !self.state.draining().is_cancelled() {
                self.outside.note(&self.state);
                self.changes.mark_unchanged();
                let news = self.state.view().signals_since(told);
                told = news.number;
                if let Some(event) = self.changed(&news) {
                    yield Ok(event);
                    self.rest().await;
                    continue;
                }
                if self.await_change(&mut clocks).await == Woken::ToComment {
                    yield Ok(COMMENT);
                }
            }
        }
    }

    fn first_number(&self) -> u64 {
        match self.since {
            Since::Number(number) => number,
            Since::Now | Since::Reset => self.state.view().newest_signal(),
        }
    }

    /// Until the next event may be told. What changes meanwhile is told by it.
    async fn rest(&self) {
        tokio::select! { // Both only wait.
            () = tokio::time::sleep(PACE) => {}
            () = self.state.draining().cancelled() => {}
        }
    }

    async fn await_change(&mut self, clocks: &mut StreamClocks) -> Woken {
        let draining = self.state.draining().clone();
        tokio::select! { // All are cancel-safe: they only wait for a change or a time.
            () = changed(&mut self.changes) => Woken::ToLook,
            () = self.outside.changed() => Woken::ToLook,
            _ = clocks.look.tick() => Woken::ToLook,
            _ = clocks.comment.tick() => Woken::ToComment,
            () = draining.cancelled() => Woken::ToLook,
        }
    }

    fn hello(&self, told: u64) -> Bytes {
        let identity = self.state.identity();
        let since = self.state.shown_version(Revision(told));
        let hello = HelloDocument {
            cluster: identity.cluster.to_string(),
            replica: identity.replica.clone(),
            version: identity.version.into(),
            since,
        };
        self.event("hello", told, &reply::encode(&hello))
    }

    /// `None` if nothing of it concerns this client.
    fn changed(&self, news: &SignalNews) -> Option<Bytes> {
        if news.topics.is_empty() {
            return None;
        }
        let view = self.state.view();
        let services = self.count(&news.services, &self.sight.services, |key| {
            view.service(key).is_none_or(|it| it.origins.iter().any(|found| self.ask.origins.accepts(&found.origin)))
        });
        let configs = self.count(&news.configs, &self.sight.configs, |key| {
            view.config(key).is_none_or(|it| it.items.iter().any(|found| self.ask.origins.accepts(&found.origin)))
        });
        let concerns = |topic: &SignalTopic| match topic {
            SignalTopic::Services => services > 0,
            SignalTopic::Configs => configs > 0,
            other => self.sight.shows(*other),
        };
        let topics: Vec<_> = news.topics.iter().copied().filter(concerns).map(|it| it.as_str().into()).collect();
        let document = ChangedTopicsDocument { topics, services, configs };
        (!document.topics.is_empty()).then(|| self.event("changed", news.number, &reply::encode(&document)))
    }

    /// How many of them are meant; at least one where some are not known any more.
    fn count<K>(
        &self,
        changed: &ChangedNames<K>,
        sight: &ListSight<K::Pattern>,
        has_origin: impl Fn(&K) -> bool,
    ) -> usize
    where
        K: NamedByPattern + NamedParts,
    {
        let meant = |key: &&K| sight.shows(*key) && self.ask.means(key.parts()) && has_origin(key);
        let known = changed.names.iter().filter(meant).count();
        if changed.complete { known } else { known.max(1) }
    }

    fn event(&self, name: &str, number: u64, data: &[u8]) -> Bytes {
        let mut head = String::new();
        let _ = write!(head, "event: {name}\nid: {}\ndata: ", self.state.shown_version(Revision(number)));
        [head.as_bytes(), data, b"\n\n"].concat().into()
    }
}

/// What the client knows.
fn since(state: &ApiState, headers: &HeaderMap) -> Since {
    let Some(id) = headers.get("last-event-id") else { return Since::Now };
    let id = id.to_str().ok().and_then(|id| id.trim().parse().ok());
    let number = id.and_then(|id| state.versions().revision(id)).map(|revision| revision.0);
    number.filter(|number| *number <= state.view().newest_signal()).map_or(Since::Reset, Since::Number)
}

/// Namespace, group and name.
trait NamedParts {
    fn parts(&self) -> [&str; 3];
}

impl NamedParts for ServiceKey {
    fn parts(&self) -> [&str; 3] {
        [self.namespace(), self.group(), self.service()]
    }
}

impl NamedParts for ConfigKey {
    fn parts(&self) -> [&str; 3] {
        [self.namespace(), self.group(), self.data_id()]
    }
}

/// Why a stream wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    ToLook,
    ToComment,
}

/// When a stream wakes by itself.
struct StreamClocks {
    look: Interval,
    comment: Interval,
}

impl StreamClocks {
    fn new() -> Self {
        let every = |time: Duration| {
            let mut interval = tokio::time::interval_at(Instant::now() + time, time);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        Self { look: every(LOOK_EVERY), comment: every(COMMENT_EVERY) }
    }
}

/// What the view knows nothing of.
struct OutsideTopics {
    policy: watch::Receiver<Arc<InForce>>,
    standings: watch::Receiver<Arc<[PolicyStanding]>>,
    excluded: watch::Receiver<u64>,
}

impl OutsideTopics {
    fn of(state: &ApiState) -> Self {
        let policy = state.policy();
        Self { policy: policy.watch(), standings: policy.watch_standings(), excluded: state.exclusions().watch() }
    }

    async fn changed(&mut self) {
        tokio::select! { // All are cancel-safe.
            () = changed(&mut self.policy) => {}
            () = changed(&mut self.standings) => {}
            () = changed(&mut self.excluded) => {}
        }
    }

    /// Tells the view how they are, so that their changes have numbers among the others.
    fn note(&mut self, state: &ApiState) {
        let version = self.policy.borrow_and_update().version;
        let standings = format!("{version} {:?}", self.standings.borrow_and_update());
        let excluded = *self.excluded.borrow_and_update();
        let troubles: String = state.troubles().iter().fold(String::new(), |mut text, trouble| {
            let _ = write!(text, "{}\0{}\0", trouble.kind.as_str(), trouble.about);
            text
        });
        state.view().note_signal(SignalTopic::Policy, xxh3_64(standings.as_bytes()));
        state.view().note_signal(SignalTopic::Excluded, excluded);
        state.view().note_signal(SignalTopic::Gateway, xxh3_64(troubles.as_bytes()));
    }
}

/// For ever if nothing can change any more.
async fn changed<T>(watch: &mut watch::Receiver<T>) {
    if watch.changed().await.is_err() {
        std::future::pending().await
    }
}

/// One who watches, while it lives.
struct CountedWatcher(ApiState);

impl CountedWatcher {
    fn new(state: &ApiState) -> Self {
        state.api_metrics().watchers(WatchFace::Sse).inc();
        Self(state.clone())
    }
}

impl Drop for CountedWatcher {
    fn drop(&mut self) {
        self.0.api_metrics().watchers(WatchFace::Sse).dec();
    }
}
