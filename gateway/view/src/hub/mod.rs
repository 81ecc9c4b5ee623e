//! One hub for all who watch: each change is encoded once, however many are told of it.
//!
//! A kind of what is watched, in one encoding, is a type: [`Watched`]. Each has a [`Hub`] of its own, so nothing is cast and one kind knows
//! nothing of another: [`services`] and [`plans`] are two, to which a face adds its encoding. Within a hub, all who watch the same share
//! a *topic*, which keeps the newest event and nothing else:
//!
//! ```text
//!   the view changes ── wakes ──▶ every watcher ── the first looks and encodes ──▶ topic: mark, event
//!                                               ── the others find the mark ─────▶ the same bytes
//! ```
//!
//! The failures that this defends against: thousands who encode one change thousands of times; a slow reader for whom events pile up; and a
//! watcher who is told an older state after a newer one. So nothing is queued for anybody: whoever can take more asks for the newest state,
//! which is read from the view while the topic is locked, and so is never older than what the topic gave out before.
//!
//! Bounds: a hub keeps one event for each topic, and has at most as many topics as watchers, whose number the listeners bound. A watcher
//! holds no event, however long it does not read; a topic goes with its last watcher. A hub has no task: what there is to do is
//! done by those who watch.

pub mod plans;
pub mod services;
#[cfg(test)]
mod tests;

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use federation_core::time::{Millis, Mono};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio_util::sync::CancellationToken;

/// Events older than this are made anew for somebody who begins to watch, because of the ages in them; so a topic is encoded at most once a
/// second for newcomers.
const OLD_FOR_A_NEWCOMER: Millis = Millis::from_secs(1);

/// A kind of what is watched, in one encoding.
pub trait Watched: Send + Sync + 'static {
    /// Names one thing of the kind, and what of it is wanted. All who watch equal ones share the event.
    type Topic: Eq + Hash + Send + Sync;
    /// What a state is told from others by: a version, a fingerprint. States with equal marks are one state to those who watch.
    type Mark: Copy + PartialEq + Send + Sync;
    /// What was read at one moment.
    type State;
    /// What is told. Cloned for each watcher, so it is to be cheap, as bytes are.
    type Event: Clone + Send + Sync;
    /// What wakes one watcher.
    type Changes: Send;

    /// Begins to note changes of whatever the state of `topic` is read from.
    fn changes(&self, topic: &Self::Topic) -> Self::Changes;

    /// Waits for a change since `changes` began or since the last call; several in between may count as one. To be cancel-safe. May wake
    /// without a reason, never fail to wake with one.
    fn changed(changes: &mut Self::Changes) -> impl Future<Output = ()> + Send;

    /// Reads the state as it is now. Called while the topic is locked: it must not wait, nor use the hub.
    fn look(&self, topic: &Self::Topic) -> Self::State;

    /// The mark of a state.
    fn mark(state: &Self::State) -> Self::Mark;

    /// When the state was read.
    fn read_at(state: &Self::State) -> Mono;

    /// Whether somebody who knows `told` has to be told of `mark`.
    fn is_news(mark: Self::Mark, told: Self::Mark) -> bool {
        mark != told
    }

    /// The event of a state. Called once for each state of a topic and once more for a newcomer to whom that would be old, while the topic is locked.
    fn encode(&self, topic: &Self::Topic, state: &Self::State) -> Self::Event;
}

/// What is counted of a hub.
#[derive(Clone, Debug, Default)]
pub struct HubMetrics {
    /// Who watches now.
    pub watchers: Gauge,
    /// Events that were encoded; does not grow with the number of watchers.
    pub encodings: Counter,
}

/// The hub has ended: nothing will be told any more. Whoever watched is to be told so, and may watch again elsewhere or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gateway is stopping")]
pub struct HubEnded;

/// All topics of one kind. Cheap to clone.
pub struct Hub<W: Watched>(Arc<Shared<W>>);

impl<W: Watched> Clone for Hub<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Shared<W: Watched> {
    watched: W,
    topics: DashMap<Arc<W::Topic>, Arc<Newest<W>>, foldhash::fast::RandomState>,
    metrics: HubMetrics,
    end: CancellationToken,
}

/// The newest event of a topic, if any was told. Locked while the state is read and, if it is news, encoded.
struct Newest<W: Watched>(Mutex<Option<Told<W>>>);

struct Told<W: Watched> {
    mark: W::Mark,
    at: Mono,
    event: W::Event,
}

impl<W: Watched> Hub<W> {
    /// A hub that nobody watches yet, and that ends when `end` is cancelled.
    #[must_use]
    pub fn new(watched: W, metrics: HubMetrics, end: CancellationToken) -> Self {
        Self(Arc::new(Shared { watched, topics: DashMap::default(), metrics, end }))
    }

    /// Begins to watch. `known` is the mark of what the watcher knows already; without one it is told the present state first.
    #[must_use]
    pub fn watch(&self, topic: W::Topic, known: Option<W::Mark>) -> Watcher<W> {
        let changes = self.0.watched.changes(&topic);
        let (topic, newest) = self.0.join(topic);
        self.0.metrics.watchers.inc();
        Watcher { hub: Arc::clone(&self.0), topic, newest: Some(newest), changes, known: Known::Before(known) }
    }

    /// The present state, as somebody is told it who does not go on to watch: the event of those who do, else one that is made for this question
    /// alone and kept nowhere.
    ///
    /// # Errors
    /// When the hub has ended.
    pub fn once(&self, topic: &W::Topic) -> Result<W::Event, HubEnded> {
        if self.0.end.is_cancelled() {
            return Err(HubEnded);
        }
        let Some(newest) = self.0.topics.view(topic, |_, newest| Arc::clone(newest)) else {
            let event = self.0.watched.encode(topic, &self.0.watched.look(topic));
            self.0.metrics.encodings.inc();
            return Ok(event);
        };
        let told = self.0.news(topic, &newest, Known::Before(None));
        drop(newest);
        self.0.leave(topic); // Its last watcher may have left meanwhile, and found it in use.
        let (_, event) = told.expect("to somebody who knows nothing everything is news");
        Ok(event)
    }

    /// How many topics somebody watches.
    #[must_use]
    pub fn topics(&self) -> usize {
        self.0.topics.len()
    }
}

impl<W: Watched> Shared<W> {
    /// The topic as it is shared; made if this is the first who watches it.
    fn join(&self, topic: W::Topic) -> (Arc<W::Topic>, Arc<Newest<W>>) {
        let shared = |topic: &Arc<W::Topic>, newest: &Arc<Newest<W>>| (Arc::clone(topic), Arc::clone(newest));
        if let Some(found) = self.topics.view(&topic, shared) {
            return found;
        }
        let topic = Arc::new(topic);
        let newest = || Arc::new(Newest(Mutex::new(None)));
        let newest = Arc::clone(self.topics.entry(Arc::clone(&topic)).or_insert_with(newest).value());
        (topic, newest)
    }

    /// Forgets the topic if nobody watches it. Who is about to watch holds a second count, or waits for this part of the map and makes it anew.
    fn leave(&self, topic: &W::Topic) {
        self.topics.remove_if(topic, |_, newest| Arc::strong_count(newest) == 1);
    }

    /// The newest event of the topic, unless it is no news to somebody who knows `known`.
    fn news(&self, topic: &W::Topic, newest: &Newest<W>, known: Known<W::Mark>) -> Option<(W::Mark, W::Event)> {
        let mut newest = newest.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.watched.look(topic); // Under the lock: so a topic never goes back in time.
        let (mark, at) = (W::mark(&state), W::read_at(&state));
        let (known, newcomer) = match known {
            Known::Before(known) => (known, true),
            Known::Told(told) => (Some(told), false),
        };
        if known.is_some_and(|known| !W::is_news(mark, known)) {
            return None;
        }
        let too_old = |told: &Told<W>| newcomer && at.since(told.at) > OLD_FOR_A_NEWCOMER;
        if let Some(told) = newest.as_ref().filter(|told| told.mark == mark && !too_old(told)) {
            return Some((mark, told.event.clone()));
        }
        let event = self.watched.encode(topic, &state);
        self.metrics.encodings.inc();
        *newest = Some(Told { mark, at, event: event.clone() });
        Some((mark, event))
    }
}

/// What a watcher knows.
#[derive(Clone, Copy)]
enum Known<M> {
    /// It was told nothing here yet: what it knew when it came.
    Before(Option<M>),
    /// What it was told last.
    Told(M),
}

/// One who watches a topic; has left it once it is dropped.
pub struct Watcher<W: Watched> {
    hub: Arc<Shared<W>>,
    topic: Arc<W::Topic>,
    newest: Option<Arc<Newest<W>>>,
    changes: W::Changes,
    known: Known<W::Mark>,
}

impl<W: Watched> Watcher<W> {
    /// The newest event, once it is news to this watcher; states in between are skipped. Cancel-safe: what is not returned is told
    /// by the next call.
    ///
    /// # Errors
    /// When the hub has ended; also if there were news.
    pub async fn next(&mut self) -> Result<W::Event, HubEnded> {
        loop {
            if self.hub.end.is_cancelled() {
                return Err(HubEnded);
            }
            if let Some(event) = self.news() {
                return Ok(event);
            }
            tokio::select! { // Both are cancel-safe: they only wait.
                () = W::changed(&mut self.changes) => {}
                () = self.hub.end.cancelled() => {}
            }
        }
    }

    fn news(&mut self) -> Option<W::Event> {
        let newest = self.newest.as_ref().expect("a watcher leaves its topic only when it is dropped");
        let (mark, event) = self.hub.news(&self.topic, newest, self.known)?;
        self.known = Known::Told(mark);
        Some(event)
    }
}

impl<W: Watched> Drop for Watcher<W> {
    fn drop(&mut self) {
        drop(self.newest.take());
        self.hub.leave(&self.topic);
        self.hub.metrics.watchers.dec();
    }
}
