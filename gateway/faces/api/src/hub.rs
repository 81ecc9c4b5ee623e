//! Watches of services: one encoding for all who watch the same.
//!
//! A topic is a service, a filter and a face. It keeps the bytes of its newest state; whoever notices first that the view
//! has a newer one encodes it, the others take the bytes. Nothing is queued for anybody: a slow watcher asks for the
//! newest state when it can take more. A topic lives as long as somebody watches it.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use dashmap::DashMap;
use federation_core::service::{FederatedService, Revision};
use federation_core::time::{Millis, Mono};
use tokio::sync::watch;

use super::ask::ServiceAsk;
use super::select::Moment;
use federation_ports::metrics::{ApiMetrics, WatchFace};
use federation_view::view::{ServiceWatch, ViewReader};

/// Bytes older than this are made anew for somebody who begins to watch, because of the ages in them; so a topic is encoded
/// at most once a second for newcomers.
const OLD_FOR_A_NEWCOMER: Millis = Millis::from_secs(1);

/// Encodes the state of a service at a moment for one face.
pub(crate) type Encode = Arc<dyn Fn(&ServiceAsk, Option<&FederatedService>, &Moment) -> Bytes + Send + Sync>;

/// What the view says of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// It exists, in this version.
    Service(Revision),
    /// It does not; the freshness of the clusters is of this revision.
    Absent(Revision),
}

impl Shown {
    fn is_news_after(self, told: Option<Self>) -> bool {
        !matches!((told, self), (Some(Self::Absent(_)), Self::Absent(_))) && told != Some(self)
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct TopicKey {
    ask: ServiceAsk,
    face: WatchFace,
}

#[derive(Default)]
struct Topic {
    newest: Mutex<Option<Encoded>>, // Locked while the state is read from the view and, if it is news, encoded.
}

#[derive(Clone)]
struct Encoded {
    shown: Shown,
    at: Mono,
    bytes: Bytes,
}

struct Topics {
    topics: DashMap<TopicKey, Arc<Topic>, foldhash::fast::RandomState>,
    view: ViewReader,
    metrics: ApiMetrics,
}

/// All topics.
pub(crate) struct Hub(Arc<Topics>);

impl Hub {
    pub(crate) fn new(view: ViewReader, metrics: ApiMetrics) -> Self {
        Self(Arc::new(Topics { topics: DashMap::default(), view, metrics }))
    }

    /// Begins to watch. `told` is what the watcher knows already.
    pub(crate) fn watch(&self, ask: ServiceAsk, face: WatchFace, told: Option<Shown>, encode: Encode) -> Watcher {
        let service = self.0.view.watch_service(&ask.key);
        let clusters = self.0.view.watch_clusters();
        let key = TopicKey { ask, face };
        let topic = Arc::clone(self.0.topics.entry(key.clone()).or_default().value());
        self.0.metrics.watchers(face).inc();
        Watcher {
            topics: Arc::clone(&self.0),
            topic: Some(topic),
            key,
            encode,
            service,
            clusters,
            told,
            newcomer: true,
        }
    }

    #[cfg(test)]
    pub(crate) fn topics(&self) -> usize {
        self.0.topics.len()
    }
}

/// One watch.
pub(crate) struct Watcher {
    topics: Arc<Topics>,
    topic: Option<Arc<Topic>>,
    key: TopicKey,
    encode: Encode,
    service: ServiceWatch,
    clusters: watch::Receiver<Revision>,
    told: Option<Shown>,
    newcomer: bool,
}

impl Watcher {
    /// The newest state, once it differs from what this watcher was told last. Cancel-safe: what is not returned is told by
    /// the next call.
    pub(crate) async fn next(&mut self) -> Bytes {
        loop {
            if let Some(news) = self.news() {
                self.told = Some(news.shown);
                self.newcomer = false;
                return news.bytes;
            }
            tokio::select! { // Both are cancel-safe: they only wait for a change.
                () = self.service.changed() => {}
                // Cannot fail: the sender lives as long as the view, which is held here.
                _ = self.clusters.changed() => {}
            }
        }
    }

    /// Reading the view under the topic's lock keeps the topic from going back in time.
    fn news(&self) -> Option<Encoded> {
        let topic = self.topic.as_ref().expect("a watcher leaves its topic only when it is dropped");
        let mut newest = topic.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let moment = Moment::of(&self.topics.view);
        let service = self.topics.view.service(&self.key.ask.key);
        let shown = match &service {
            Some(service) => Shown::Service(moment.service_version(service)),
            None => Shown::Absent(moment.newest()),
        };
        if !shown.is_news_after(self.told) {
            return None;
        }
        let too_old = |encoded: &Encoded| self.newcomer && moment.now.since(encoded.at) > OLD_FOR_A_NEWCOMER;
        match &*newest {
            Some(encoded) if encoded.shown == shown && !too_old(encoded) => Some(encoded.clone()),
            _ => {
                let bytes = (self.encode)(&self.key.ask, service.as_deref(), &moment);
                self.topics.metrics.watch_encodings.inc();
                Some(newest.insert(Encoded { shown, at: moment.now, bytes }).clone())
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.topic.take());
        // Who is about to watch holds a second count, or waits for this part of the map and makes the topic anew.
        self.topics.topics.remove_if(&self.key, |_, topic| Arc::strong_count(topic) == 1);
        self.topics.metrics.watchers(self.key.face).dec();
    }
}
