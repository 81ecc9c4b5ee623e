//! Whether a server still pushes: a stream can stay open, and every call be answered, while nothing comes on it any more.
//!
//! A server says nothing on the stream while nothing changes, so its silence proves nothing. But it pushes a service once more some 500 ms
//! after it was subscribed to, even if nobody publishes in it (2.x and 3.x, and the embedded registry). So a stream without a push for a while
//! is asked for a sign of life: one subscription is ended and made anew, and its push is the answer. No answer, twice: the connection is given
//! up, and the next one asks for everything again.
//!
//! ```text
//! a push ──▶ quiet ── quiet_for ──▶ asked ── a push ──▶ quiet
//!                                     │ echo_within
//!                                     ▼
//!                                  asked again ── echo_within ──▶ given up, if this cluster was ever heard to answer
//! ```
//!
//! A registry that pushes only changes would be taken for a mute one, so nothing is given up before one of the cluster's servers has answered
//! so. Without a subscription there is nothing to ask by, and nothing that a push could say that a listing does not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::context::Context;
use super::link::Link;
use super::pump::End;
use super::{DisconnectCause, ServiceName};

/// So many unanswered questions in a row end a connection: a busy server may be late once.
const MOST_UNANSWERED: u32 = 2;

/// What was pushed on one connection, and what has to be.
pub(super) struct Pushes {
    state: Mutex<State>,
}

struct State {
    /// The last push; before the first, when the connection was made.
    last: Instant,
    pushed: bool,
    /// A push is being taken in: nothing further is read meanwhile, which is not the server's silence.
    busy: bool,
    /// The service that was subscribed to last, and when that was asked for.
    expected: Option<(ServiceName, Instant)>,
}

impl Pushes {
    pub(super) fn new() -> Self {
        let state = State { last: Instant::now(), pushed: false, busy: false, expected: None };
        Self { state: Mutex::new(state) }
    }

    /// A service is about to be subscribed to: it will have to be pushed once. Said before the call: the push may overtake its answer.
    pub(super) fn expect_of(&self, service: &ServiceName) {
        let mut state = self.state();
        // One at a time is enough: of many subscriptions at once, as after a connect, the first.
        if state.expected.as_ref().is_none_or(|(_, since)| *since <= state.last) {
            state.expected = Some((service.clone(), Instant::now()));
        }
    }

    /// The subscription did not come about.
    pub(super) fn expect_no_more(&self, service: &ServiceName) {
        self.state().expected.take_if(|(expected, _)| expected == service);
    }

    /// A message is being taken in, or no longer.
    pub(super) fn set_busy(&self, busy: bool) {
        self.state().busy = busy;
    }

    /// A push came, readable or not.
    pub(super) fn pushed(&self) {
        let mut state = self.state();
        (state.last, state.pushed) = (Instant::now(), true);
    }

    /// Whether a push of one of these services answers the subscription that was made last.
    pub(super) fn is_echo(&self, services: &[ServiceName], within: Duration) -> bool {
        let mut state = self.state();
        let echo =
            |(service, since): &mut (ServiceName, Instant)| services.contains(service) && since.elapsed() <= within;
        state.expected.take_if(echo).is_some()
    }

    /// Whether anything was ever pushed.
    pub(super) fn has_any(&self) -> bool {
        self.state().pushed
    }

    /// How long nothing was pushed.
    fn quiet(&self) -> Duration {
        let state = self.state();
        if state.busy { Duration::ZERO } else { state.last.elapsed() }
    }

    /// Since when a push has been due that did not come; `None` if nothing is due, or one came since.
    fn unanswered_since(&self) -> Option<Instant> {
        let state = self.state();
        let since = state.expected.as_ref().map(|(_, since)| *since)?;
        (!state.busy && state.last < since).then_some(since)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of the pushes of a cluster's servers, over all connections.
#[derive(Default)]
pub(super) struct Echoes {
    /// One of them was heard to answer a subscription with a push.
    known: AtomicBool,
    /// Since when pushes that were due have not come.
    missing_since: Mutex<Option<Instant>>,
}

impl Echoes {
    pub(super) fn learn(&self) {
        self.known.store(true, Ordering::Relaxed);
    }

    pub(super) fn are_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }

    /// A push came.
    pub(super) fn heard(&self) {
        *self.missing() = None;
    }

    /// A push that was due since then did not come.
    pub(super) fn missed(&self, since: Instant) {
        self.missing().get_or_insert(since);
    }

    pub(super) fn missing_since(&self) -> Option<Instant> {
        *self.missing()
    }

    fn missing(&self) -> MutexGuard<'_, Option<Instant>> {
        self.missing_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks a stream that has been quiet for so long for a sign of life; returns when none comes.
pub(super) async fn watch_pushes(context: &Context, link: &Link, quiet_for: Duration) -> End {
    let (shared, pushes) = (&context.shared, link.pushes());
    let mut unanswered = 0;
    loop {
        let quiet = pushes.quiet();
        if unanswered == 0 && quiet < quiet_for {
            tokio::time::sleep(quiet_for - quiet).await;
            continue;
        }
        // Bound to the lock for one statement only.
        let renewed = shared.memory().renew_one(rand::random_range(0..usize::MAX));
        if renewed.is_none() {
            tokio::time::sleep(quiet_for).await;
            continue;
        }
        shared.wake.notify_one();
        tokio::time::sleep(shared.options.echo_within).await;
        // A subscription that was not renewed because calls are not answered is the health check's to judge.
        let Some(since) = pushes.unanswered_since() else {
            unanswered = 0;
            continue;
        };
        unanswered += 1;
        if unanswered < MOST_UNANSWERED {
            continue;
        }
        if shared.echoes.are_known() {
            shared.echoes.missed(since);
            return End::Lost {
                reason: format!("the server answers, and pushes nothing: silent for {:?}", pushes.quiet()),
                cause: DisconnectCause::NoPushes,
            };
        }
        unanswered = 0;
        tokio::time::sleep(quiet_for).await;
    }
}
