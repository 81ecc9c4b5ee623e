//! One connection as its listener watches it: what it does, and for how long it has not.
//!
//! The problem: most of what a peer can leave undone is seen by nobody. A socket that stays silent wakes no task, hyper's own limit covers
//! the heads of HTTP/1 only, and a task that waits for a window to open is never polled. So those who see something (the socket, the
//! requests, the answers) write times into this, and the listener looks at all connections again and again and judges. One timer serves
//! 20,000 connections.
//!
//! ```text
//!  (TLS, then) first bytes                    request                    its end
//! greeting ──┬──▶ HTTP/1 ──▶ head ──────▶ ┐              ┌──▶ HTTP/1 idle ──▶ head …
//!            └──▶ HTTP/2 ──▶ idle ──────▶ ┴─ requests > 0 ┴──▶ HTTP/2 idle
//! at any time: a write that does not go on; an answer that is not read in time
//! ```
//!
//! Invariant: a connection with an open request whose writes go on is never ended here, however silent: a watch may live for ever.
//! Requests have deadlines of their own, see [`crate::receive`].

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::certificate::PeerCertificate;
use crate::limits::PeerPatience;
use crate::purse::{Budget, Ledger};

/// Milliseconds since the listener began; 0 is "never", so the first one is 1.
pub(crate) type Moment = u64;

/// The clock of one listener.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    Since(Instant),
    #[cfg(test)]
    ByHand(&'static AtomicU64),
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self::Since(Instant::now())
    }

    pub(crate) fn now(self) -> Moment {
        match self {
            Self::Since(start) => u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1,
            #[cfg(test)]
            Self::ByHand(now) => now.load(Ordering::Relaxed),
        }
    }
}

/// What the peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Spoken {
    /// It has said nothing, or the beginning of HTTP/2's preface.
    Nothing = 0,
    Http1 = 1,
    Http2 = 2,
}

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Order {
    Live = 0,
    /// It ends with its last request.
    Finish = 1,
    /// It ends now.
    Cut = 2,
}

/// Something that happens once and can be waited for.
#[derive(Debug, Default)]
struct Once {
    happened: AtomicBool,
    told: Notify,
}

impl Once {
    fn happen(&self) {
        self.happened.store(true, Ordering::Release);
        self.told.notify_waiters();
    }

    async fn wait(&self) {
        let told = self.told.notified();
        tokio::pin!(told);
        told.as_mut().enable(); // From here on no telling is missed.
        if !self.happened.load(Ordering::Acquire) {
            told.await;
        }
    }
}

/// A connection of a peer. Shared by its socket, its requests and answers, and its listener.
#[derive(Debug)]
pub struct PeerConnection {
    peer: SocketAddr,
    /// Set once TLS is spoken, with who the peer has shown to be.
    secured: OnceLock<Option<PeerCertificate>>,
    clock: Clock,
    opened: Moment,
    spoken: AtomicU8,
    requests: AtomicU32,
    /// Since when there is no request; the opening counts.
    idle: AtomicU64,
    /// Since when a head of HTTP/1 is being sent.
    head: AtomicU64,
    /// Since when a write waits for the peer.
    stalled: AtomicU64,
    /// When it was told to finish.
    finishing: AtomicU64,
    answers: Ledger,
    /// When each answer that waits has to have been read; as many as there are open requests. Locked for single operations only.
    due: Mutex<Vec<(u64, Moment)>>,
    next_answer: AtomicU64,
    requests_budget: Budget,
    order: AtomicU8,
    ordered: Notify,
    closed: Once,
}

impl PeerConnection {
    pub(crate) fn new(peer: SocketAddr, clock: Clock, requests_budget: Budget, answers: Ledger) -> Self {
        let now = clock.now();
        Self {
            peer,
            secured: OnceLock::new(),
            clock,
            opened: now,
            spoken: AtomicU8::new(Spoken::Nothing as u8),
            requests: AtomicU32::new(0),
            idle: AtomicU64::new(now),
            head: AtomicU64::new(0),
            stalled: AtomicU64::new(0),
            finishing: AtomicU64::new(0),
            answers,
            due: Mutex::default(),
            next_answer: AtomicU64::new(0),
            requests_budget,
            order: AtomicU8::new(Order::Live as u8),
            ordered: Notify::new(),
            closed: Once::default(),
        }
    }

    /// The other side's address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.secured.get().is_some()
    }

    /// The certificate that the peer has shown, signed by an authority that the listener trusts for clients; `None` without TLS, and
    /// where it has shown none.
    #[must_use]
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        self.secured.get()?.as_ref()
    }

    /// TLS is spoken from now on.
    pub(crate) fn secure(&self, certificate: Option<PeerCertificate>) {
        let set = self.secured.set(certificate);
        debug_assert!(set.is_ok(), "one connection has one handshake");
    }

    /// Ends it at once, from any thread.
    pub fn cut(&self) {
        self.give(Order::Cut);
    }

    /// Waits until it is gone.
    pub async fn closed(&self) {
        self.closed.wait().await;
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.requests_budget
    }

    pub(crate) fn answers(&self) -> &Ledger {
        &self.answers
    }

    pub(crate) fn close(&self) {
        self.closed.happen();
    }

    /// Orders only get stricter.
    pub(crate) fn give(&self, order: Order) {
        if self.order.fetch_max(order as u8, Ordering::AcqRel) < order as u8 {
            self.ordered.notify_one();
        }
    }

    /// Waits for the next order. Cancel-safe: one that was not taken is kept.
    pub(crate) async fn ordered(&self) -> Order {
        self.ordered.notified().await;
        self.order()
    }

    /// Waits until it is to end, before it has a request.
    pub(crate) async fn told_to_end(&self) {
        while self.ordered().await == Order::Live {}
    }

    pub(crate) fn order(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::Live,
            1 => Order::Finish,
            _ => Order::Cut,
        }
    }

    pub(crate) fn spoken(&self) -> Spoken {
        match self.spoken.load(Ordering::Relaxed) {
            0 => Spoken::Nothing,
            1 => Spoken::Http1,
            _ => Spoken::Http2,
        }
    }

    /// The first bytes said what the peer speaks.
    pub(crate) fn speaks(&self, spoken: Spoken) {
        self.spoken.store(spoken as u8, Ordering::Relaxed);
        if spoken == Spoken::Http2 {
            self.idle.store(self.clock.now(), Ordering::Relaxed);
        }
    }

    /// Bytes came in.
    pub(crate) fn heard(&self) {
        if self.requests.load(Ordering::Relaxed) == 0 && self.head.load(Ordering::Relaxed) == 0 {
            self.head.store(self.clock.now(), Ordering::Relaxed);
        }
    }

    /// A write goes on, or waits for the peer.
    pub(crate) fn wrote(&self, pending: bool) {
        match (pending, self.stalled.load(Ordering::Relaxed)) {
            (true, 0) => self.stalled.store(self.clock.now(), Ordering::Relaxed),
            (false, since) if since != 0 => self.stalled.store(0, Ordering::Relaxed),
            _ => {}
        }
    }

    /// A request's head has come; it lasts until what is returned is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Turn {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head.store(0, Ordering::Relaxed);
        Turn(Arc::clone(self))
    }

    /// An answer of this size waits to be read, until [`PeerConnection::paid`] is told the number that is returned.
    pub(crate) fn owe(&self, bytes: usize, patience: &PeerPatience) -> u64 {
        let seconds = bytes / patience.answer_rate;
        let within = patience.answer + Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX >> 1));
        let id = self.next_answer.fetch_add(1, Ordering::Relaxed);
        self.due().push((id, self.clock.now().saturating_add(millis(within))));
        id
    }

    /// The answer with this number was handed over, or given up.
    pub(crate) fn paid(&self, id: u64) {
        let mut due = self.due();
        if let Some(index) = due.iter().position(|(of, _)| *of == id) {
            due.swap_remove(index);
        }
    }

    /// What is to become of it now.
    pub(crate) fn judge(&self, patience: &PeerPatience) -> Order {
        let now = self.clock.now();
        let over = |since: Moment, most: Duration| since != 0 && now.saturating_sub(since) >= millis(most);
        let of = |moment: &AtomicU64| moment.load(Ordering::Relaxed);
        if over(of(&self.stalled), patience.stalled) || self.has_unread(now) {
            return Order::Cut;
        }
        if self.requests.load(Ordering::Relaxed) > 0 {
            return Order::Live;
        }
        if over(of(&self.finishing), patience.ending) {
            return Order::Cut; // Bytes of its last streams are left that nobody reads.
        }
        match self.spoken() {
            Spoken::Nothing if over(self.opened, patience.greeting) => Order::Cut,
            Spoken::Http1 if over(of(&self.head), patience.head) => Order::Cut,
            Spoken::Http1 if over(of(&self.idle), patience.idle_http1) => self.finish(now),
            Spoken::Http2 if over(of(&self.idle), patience.idle_http2) => self.finish(now),
            _ => Order::Live,
        }
    }

    fn finish(&self, now: Moment) -> Order {
        let _ = self.finishing.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed); // The first time counts.
        Order::Finish
    }

    /// Whether a write waits for the peer.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed) != 0
    }

    fn has_unread(&self, now: Moment) -> bool {
        self.due().iter().any(|(_, due)| *due <= now)
    }

    fn due(&self) -> MutexGuard<'_, Vec<(u64, Moment)>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open request.
#[derive(Debug)]
pub(crate) struct Turn(Arc<PeerConnection>);

impl Turn {
    pub(crate) fn connection(&self) -> &Arc<PeerConnection> {
        &self.0
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.idle.store(self.0.clock.now(), Ordering::Relaxed);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Watched {
        connection: Arc<PeerConnection>,
        now: &'static AtomicU64,
        patience: PeerPatience,
    }

    impl Watched {
        fn new(spoken: Spoken) -> Self {
            let now: &'static AtomicU64 = Box::leak(Box::new(AtomicU64::new(1)));
            let peer = "127.0.0.1:1".parse().unwrap();
            let connection = PeerConnection::new(peer, Clock::ByHand(now), Budget::new(1), Ledger::new(1));
            if spoken != Spoken::Nothing {
                connection.speaks(spoken);
            }
            Self { connection: Arc::new(connection), now, patience: PeerPatience::default() }
        }

        /// What is to become of it after this time.
        fn after(&self, duration: Duration) -> Order {
            self.now.fetch_add(millis(duration), Ordering::Relaxed);
            self.connection.judge(&self.patience)
        }
    }

    impl std::ops::Deref for Watched {
        type Target = Arc<PeerConnection>;
        fn deref(&self) -> &Arc<PeerConnection> {
            &self.connection
        }
    }

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn who_says_nothing_is_cut_after_the_greeting_and_who_speaks_after_being_idle() {
        let patience = PeerPatience::default();
        for (spoken, most, order) in [
            (Spoken::Nothing, patience.greeting, Order::Cut),
            (Spoken::Http1, patience.idle_http1, Order::Finish),
            (Spoken::Http2, patience.idle_http2, Order::Finish),
        ] {
            let silent = Watched::new(spoken);
            assert_eq!(silent.after(most - MOMENT), Order::Live, "{spoken:?}");
            assert_eq!(silent.after(MOMENT), order, "{spoken:?}");
            assert_eq!(silent.after(patience.ending), Order::Cut, "{spoken:?}: it was told to end");
        }
    }

    #[test]
    fn a_head_of_http1_has_to_end_however_it_trickles_and_one_of_http2_is_watched_by_pings() {
        for (spoken, order) in [(Spoken::Http1, Order::Cut), (Spoken::Http2, Order::Live)] {
            let sender = Watched::new(spoken);
            let mut last = Order::Live;
            for _ in 0..sender.patience.head.as_secs() {
                assert_eq!(last, Order::Live);
                sender.heard();
                last = sender.after(Duration::from_secs(1));
            }
            assert_eq!(last, order, "{spoken:?}");
        }
    }

    #[test]
    fn an_open_request_keeps_a_connection_for_ever_unless_writes_stall() {
        for spoken in [Spoken::Http1, Spoken::Http2] {
            let watcher = Watched::new(spoken);
            watcher.heard();
            let _turn = watcher.begin();
            assert_eq!(watcher.after(Duration::from_secs(30 * 86_400)), Order::Live);
            watcher.heard();
            watcher.wrote(true);
            assert_eq!(watcher.after(watcher.patience.stalled - MOMENT), Order::Live);
            watcher.wrote(true);
            watcher.wrote(false);
            assert_eq!(watcher.after(watcher.patience.stalled), Order::Live, "it went on");
            watcher.wrote(true);
            watcher.heard();
            assert_eq!(watcher.after(watcher.patience.stalled), Order::Cut);
        }
    }

    #[test]
    fn idleness_counts_from_the_end_of_the_last_request() {
        let client = Watched::new(Spoken::Http1);
        client.heard();
        let turns = [client.begin(), client.begin()];
        assert_eq!(client.after(client.patience.idle_http1 * 2), Order::Live);
        drop(turns);
        assert_eq!(client.after(client.patience.idle_http1 - MOMENT), Order::Live);
        assert_eq!(client.after(MOMENT), Order::Finish);
    }

    #[test]
    fn an_answer_has_to_be_read_in_a_time_that_grows_with_its_size() {
        let reader = Watched::new(Spoken::Http2);
        let _turn = reader.begin();
        let large = reader.owe(10 * reader.patience.answer_rate, &reader.patience);
        assert_eq!(reader.after(reader.patience.answer), Order::Live);
        assert_eq!(reader.after(Duration::from_secs(10)), Order::Cut);
        reader.paid(large);
        assert_eq!(reader.after(MOMENT), Order::Live);
    }

    #[tokio::test]
    async fn orders_get_stricter_only_and_its_end_is_heard_by_all_who_wait_and_later() {
        let connection = Watched::new(Spoken::Http1);
        connection.give(Order::Finish);
        assert_eq!(connection.ordered().await, Order::Finish);
        connection.cut();
        connection.give(Order::Finish);
        assert_eq!(connection.ordered().await, Order::Cut);
        let waiting = async { tokio::join!(connection.closed(), connection.closed()) };
        tokio::join!(waiting, async { connection.close() });
        connection.closed().await;
    }
}
