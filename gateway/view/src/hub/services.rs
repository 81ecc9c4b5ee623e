//! Services as what is watched: a topic is a service, and what of it a face's encoding wants.
//!
//! News is a new version: the last change of the service or of the freshness of one of its origins. That a service does not exist is told
//! once, whatever becomes of the clusters meanwhile.

use std::hash::Hash;
use std::sync::Arc;

use bytes::Bytes;
use federation_core::id::ServiceKey;
use federation_core::service::{FederatedService, Revision};
use federation_core::time::Mono;
use tokio::sync::watch;

use super::Watched;
use crate::view::{ClusterTable, ServiceWatch, ViewReader};

/// Says which service a topic is about.
pub trait ServiceTopic: Eq + Hash + Send + Sync + 'static {
    /// The service.
    fn key(&self) -> &ServiceKey;
}

/// All of a service.
impl ServiceTopic for ServiceKey {
    fn key(&self) -> &ServiceKey {
        self
    }
}

/// How a face tells of services.
pub trait EncodeService: Send + Sync + 'static {
    /// A service, and what of it is wanted.
    type Topic: ServiceTopic;

    /// The event of a service, or of its absence. Called while the topic is locked: it must not wait.
    fn encode(&self, topic: &Self::Topic, shown: &ServiceShown) -> Bytes;
}

/// What the view showed of a service at one moment.
#[derive(Clone, Debug)]
pub struct ServiceShown {
    /// `None` if no cluster has an instance.
    pub service: Option<Arc<FederatedService>>,
    /// Where the clusters are, and how fresh.
    pub clusters: Arc<ClusterTable>,
    /// When.
    pub now: Mono,
}

/// What somebody who watches a service was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceMark {
    /// It exists, in this version.
    Service(Revision),
    /// It does not; the freshness of the clusters is of this revision.
    Absent(Revision),
}

/// What may change what is told of a service.
pub struct ServiceChanges {
    service: ServiceWatch,
    clusters: watch::Receiver<Revision>,
}

/// Services, as `E` encodes them.
pub struct WatchedServices<E> {
    view: ViewReader,
    encode: E,
}

impl<E: EncodeService> WatchedServices<E> {
    /// The services that `view` shows.
    #[must_use]
    pub fn new(view: ViewReader, encode: E) -> Self {
        Self { view, encode }
    }
}

impl<E: EncodeService> Watched for WatchedServices<E> {
    type Topic = E::Topic;
    type Mark = ServiceMark;
    type State = ServiceShown;
    type Event = Bytes;
    type Changes = ServiceChanges;

    fn changes(&self, topic: &E::Topic) -> ServiceChanges {
        ServiceChanges { service: self.view.watch_service(topic.key()), clusters: self.view.watch_clusters() }
    }

    async fn changed(changes: &mut ServiceChanges) {
        tokio::select! { // Both are cancel-safe: they only wait for a change.
            () = changes.service.changed() => {}
            // Cannot fail: the sender lives as long as the view, which the hub holds.
            _ = changes.clusters.changed() => {}
        }
    }

    fn look(&self, topic: &E::Topic) -> ServiceShown {
        let (clusters, now) = (self.view.clusters(), self.view.now());
        ServiceShown { service: self.view.service(topic.key()), clusters, now }
    }

    fn mark(shown: &ServiceShown) -> ServiceMark {
        match &shown.service {
            Some(service) => ServiceMark::Service(shown.clusters.version_of(service)),
            None => ServiceMark::Absent(shown.clusters.newest()),
        }
    }

    fn read_at(shown: &ServiceShown) -> Mono {
        shown.now
    }

    fn is_news(mark: ServiceMark, told: ServiceMark) -> bool {
        !matches!((told, mark), (ServiceMark::Absent(_), ServiceMark::Absent(_))) && mark != told
    }

    fn encode(&self, topic: &E::Topic, shown: &ServiceShown) -> Bytes {
        self.encode.encode(topic, shown)
    }
}
