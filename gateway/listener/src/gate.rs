//! What all listeners of a process share: how many connections and bytes there may be in all, and who is told what is turned away.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::connection::{Clock, Moment};
use crate::descriptors;
use crate::limits::{ANSWER_BYTES, LARGE_REQUEST_BYTES, LISTENERS, MOST_CONNECTIONS, PeerPatience};
use crate::purse::SharedBudgets;
use crate::refusal::ListenerRefusal;
use crate::web::ServedHosts;

/// Why something is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TurnedAway {
    /// The listener, or all together, have as many connections as they may have.
    Full,
    /// One peer has.
    Peer,
    /// The system has no more descriptors or memory for sockets.
    System,
    /// A body was too large.
    TooLarge,
    /// A body did not come in time.
    TooSlow,
    /// Too many bytes of requests or answers were held at the time.
    NoRoom,
    /// A peer let us wait too long, and its connection was ended.
    Impatience,
    /// A request named another host.
    Host,
    /// A web page of another origin asked.
    Page,
    /// A peer spoke plain text where TLS is spoken.
    PlainText,
    /// A peer did not come to terms with us about TLS, or does not trust our certificate.
    Handshake,
    /// A peer's certificate is not one of those that are let in, or it has none and must have one.
    Certificate,
}

impl TurnedAway {
    /// Every one.
    pub const ALL: [Self; 12] = [
        Self::Full,
        Self::Peer,
        Self::System,
        Self::TooLarge,
        Self::TooSlow,
        Self::NoRoom,
        Self::Impatience,
        Self::Host,
        Self::Page,
        Self::PlainText,
        Self::Handshake,
        Self::Certificate,
    ];

    /// The word that metrics use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Peer => "peer",
            Self::System => "system",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::NoRoom => "no_room",
            Self::Impatience => "impatience",
            Self::Host => "host",
            Self::Page => "page",
            Self::PlainText => "plain_text",
            Self::Handshake => "handshake",
            Self::Certificate => "certificate",
        }
    }

    fn index(self) -> usize {
        Self::ALL.iter().position(|other| *other == self).expect("all are listed")
    }
}

/// Is told what listeners do. Called often; must not wait.
pub trait ListenerObserver: Send + Sync {
    /// So many connections are open at a listener.
    fn open(&self, listener: &'static str, connections: usize);
    /// A connection or request was turned away.
    fn turned_away(&self, listener: &'static str, reason: TurnedAway);
    /// What is wrong at a listener now, when that has changed; `None` when it is over.
    fn trouble(&self, listener: &'static str, trouble: Option<String>);
}

/// Tells nobody.
struct Nobody;

impl ListenerObserver for Nobody {
    fn open(&self, _: &'static str, _: usize) {}
    fn turned_away(&self, _: &'static str, _: TurnedAway) {}
    fn trouble(&self, _: &'static str, _: Option<String>) {}
}

/// How much all listeners of a process may take together.
#[derive(Clone, Copy, Debug)]
pub struct ListenerCapacity {
    /// Open connections: of clients, and those that are made on behalf of clients.
    pub connections: usize,
    /// Bytes of large requests under way, beyond the first 64 KiB of each.
    pub large_request_bytes: usize,
    /// Bytes of answers that wait to be read.
    pub answer_bytes: usize,
}

impl ListenerCapacity {
    /// What this process may have: its limit of descriptors is raised as far as it may be, and some are kept for itself.
    #[must_use]
    pub fn claim() -> Self {
        let connections = descriptors::places_for(descriptors::raise());
        Self { connections, large_request_bytes: LARGE_REQUEST_BYTES, answer_bytes: ANSWER_BYTES }
    }
}

/// Cheap to clone; all clones are one gate.
#[derive(Clone)]
pub struct ListenerGate(Arc<Shared>);

struct Shared {
    observer: Box<dyn ListenerObserver>,
    capacity: ListenerCapacity,
    patience: PeerPatience,
    hosts: ServedHosts,
    budgets: SharedBudgets,
    /// Connections of clients that no listener is assured of.
    common: Counted,
    /// These, and those that are made on behalf of clients.
    places: Counted,
}

/// How many there may be, and are.
struct Counted {
    most: usize,
    open: AtomicUsize,
}

impl Counted {
    fn up_to(most: usize) -> Self {
        Self { most, open: AtomicUsize::new(0) }
    }

    fn take(&self) -> bool {
        take_below(&self.open, self.most)
    }

    fn give_back(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for ListenerGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("capacity", &self.0.capacity).finish_non_exhaustive()
    }
}

impl Default for ListenerGate {
    /// Of all that the process may have; nobody is told.
    fn default() -> Self {
        Self::new(ListenerCapacity::claim(), PeerPatience::default(), ServedHosts::default(), Nobody)
    }
}

impl ListenerGate {
    /// A gate of this capacity, asked for by `hosts` besides addresses and local names, that tells `observer`.
    #[must_use]
    pub fn new(
        capacity: ListenerCapacity,
        patience: PeerPatience,
        hosts: ServedHosts,
        observer: impl ListenerObserver + 'static,
    ) -> Self {
        let budgets = SharedBudgets::new(capacity.large_request_bytes, capacity.answer_bytes);
        let all_assured = LISTENERS * assured(&capacity);
        let common = Counted::up_to(of_clients(&capacity) - all_assured);
        let places = Counted::up_to(capacity.connections - all_assured);
        let observer = Box::new(observer);
        Self(Arc::new(Shared { observer, capacity, patience, hosts, budgets, common, places }))
    }

    /// How long peers may let listeners wait.
    #[must_use]
    pub fn patience(&self) -> &PeerPatience {
        &self.0.patience
    }

    pub(crate) fn hosts(&self) -> &ServedHosts {
        &self.0.hosts
    }

    /// Bytes of requests that are held now.
    #[must_use]
    pub fn request_bytes(&self) -> usize {
        self.0.budgets.held()
    }

    /// Bytes of answers that wait to be read now.
    #[must_use]
    pub fn answer_bytes(&self) -> usize {
        self.0.budgets.answers.held()
    }

    /// A place for a connection that is to be made on behalf of a client: it takes a descriptor as the client's own does. `None` where there
    /// are as many as may be. What listeners are assured of is not touched.
    #[must_use]
    pub fn outward(&self) -> Option<OutwardPlace> {
        self.0.places.take().then(|| OutwardPlace(self.clone()))
    }

    fn take_common(&self) -> bool {
        let Shared { common, places, .. } = &*self.0;
        let has_room = common.take();
        let is_taken = has_room && places.take();
        if has_room && !is_taken {
            common.give_back();
        }
        is_taken
    }

    fn give_back_common(&self) {
        self.0.common.give_back();
        self.0.places.give_back();
    }

    pub(crate) fn budgets(&self) -> &SharedBudgets {
        &self.0.budgets
    }

    pub(crate) fn door(&self, listener: &'static str, clock: Clock, limit: usize) -> Door {
        let all = of_clients(&self.0.capacity);
        // Three quarters of all for one listener, and of these seven eighths for one address: behind an address may be a proxy with
        // thousands of clients, and some others have to get in beside it.
        let listener_most = (all - all / 4).min(limit).max(1);
        let most = Most { all, listener: listener_most, peer: (listener_most - listener_most / 8).max(1) };
        let telling =
            Telling { gate: self.clone(), listener, clock, most, last: Default::default(), system: Mutex::default() };
        let told = Told(Arc::new(telling));
        Door { told, open: Arc::default() }
    }
}

/// Connections of clients that there may be in all.
fn of_clients(capacity: &ListenerCapacity) -> usize {
    capacity.connections.min(MOST_CONNECTIONS)
}

/// Connections that each listener can have whatever the others do.
fn assured(capacity: &ListenerCapacity) -> usize {
    of_clients(capacity) / 4 / LISTENERS
}

/// Counts one more, unless there are `most`.
fn take_below(of: &AtomicUsize, most: usize) -> bool {
    let below = |open: usize| (open < most).then_some(open + 1);
    of.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below).is_ok()
}

/// The place of a connection that is made on behalf of a client, given back when this is dropped.
#[derive(Debug)]
pub struct OutwardPlace(ListenerGate);

impl Drop for OutwardPlace {
    fn drop(&mut self) {
        self.0.0.places.give_back();
    }
}

#[derive(Clone, Copy, Debug)]
struct Most {
    all: usize,
    listener: usize,
    peer: usize,
}

/// Lets peers in at one listener, and counts them.
pub(crate) struct Door {
    told: Told,
    open: Arc<Open>,
}

#[derive(Default)]
struct Open {
    assured: AtomicUsize,
    /// Connections of each address. Locked for single operations only.
    peers: Mutex<HashMap<IpAddr, usize>>,
}

impl Open {
    fn peers(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Door {
    pub(crate) fn told(&self) -> &Told {
        &self.told
    }

    /// A place for a peer that has connected.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn enter(&self, peer: IpAddr, open_here: usize) -> Result<Ticket, TurnedAway> {
        let Most { listener, peer: of_peer, .. } = self.told.0.most;
        let peer = who(peer);
        if open_here >= listener {
            return Err(TurnedAway::Full);
        }
        if self.open.peers().get(&peer).is_some_and(|open| *open >= of_peer) {
            return Err(TurnedAway::Peer);
        }
        let shared = &self.told.0.gate.0;
        let is_common = !take_below(&self.open.assured, assured(&shared.capacity));
        if is_common && !self.told.0.gate.take_common() {
            return Err(TurnedAway::Full);
        }
        *self.open.peers().entry(peer).or_default() += 1;
        let common = is_common.then(|| self.told.0.gate.clone());
        Ok(Ticket { open: Arc::clone(&self.open), peer, common })
    }
}

/// A place that is given back when this is dropped.
pub(crate) struct Ticket {
    open: Arc<Open>,
    peer: IpAddr,
    /// Where the place is from, if not from those that the listener is assured of.
    common: Option<ListenerGate>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        match &self.common {
            Some(gate) => gate.give_back_common(),
            None => {
                self.open.assured.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let mut peers = self.open.peers();
        if let Some(open) = peers.get_mut(&self.peer) {
            *open -= 1;
            if *open == 0 {
                peers.remove(&self.peer);
            }
        }
    }
}

/// Whom an address stands for: whoever has one of IPv6 has all of its /64.
fn who(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

/// Tells the observer what happens at one listener. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Told(Arc<Telling>);

struct Telling {
    gate: ListenerGate,
    listener: &'static str,
    clock: Clock,
    most: Most,
    /// When something was last turned away, for each reason.
    last: [AtomicU64; TurnedAway::ALL.len()],
    /// What the system said last. Locked for single operations only.
    system: Mutex<String>,
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Told").field(&self.0.listener).finish()
    }
}

impl Told {
    pub(crate) fn turned_away(&self, reason: TurnedAway) {
        self.0.last[reason.index()].store(self.0.clock.now(), Ordering::Relaxed);
        self.0.gate.0.observer.turned_away(self.0.listener, reason);
    }

    pub(crate) fn refused(&self, refusal: ListenerRefusal) {
        match refusal {
            ListenerRefusal::TooLarge(_) => self.turned_away(TurnedAway::TooLarge),
            ListenerRefusal::TooSlow(_) => self.turned_away(TurnedAway::TooSlow),
            ListenerRefusal::Busy | ListenerRefusal::Unread => self.turned_away(TurnedAway::NoRoom),
            ListenerRefusal::Misdirected => self.turned_away(TurnedAway::Host),
            ListenerRefusal::ForeignPage => self.turned_away(TurnedAway::Page),
            ListenerRefusal::Broken => {}
        }
    }

    pub(crate) fn open(&self, connections: usize) {
        self.0.gate.0.observer.open(self.0.listener, connections);
    }

    /// The system refused a connection.
    pub(crate) fn refused_by_system(&self, error: &io::Error) {
        *self.0.system.lock().unwrap_or_else(PoisonError::into_inner) = error.to_string();
        self.turned_away(TurnedAway::System);
    }

    /// What is wrong here now.
    pub(crate) fn trouble(&self) -> Option<String> {
        let calm = u64::try_from(self.0.gate.0.patience.calm.as_millis()).unwrap_or(u64::MAX);
        let now = self.0.clock.now();
        let is_recent = |last: Moment| last != 0 && now.saturating_sub(last) < calm;
        let recent =
            TurnedAway::ALL.iter().filter(|reason| is_recent(self.0.last[reason.index()].load(Ordering::Relaxed)));
        let texts: Vec<String> = recent.filter_map(|reason| self.text(*reason)).collect();
        (!texts.is_empty()).then(|| format!("connections at {}: {}", self.0.listener, texts.join("; ")))
    }

    /// What is wrong while this goes on, for people; `None` where only the peer has a problem.
    fn text(&self, reason: TurnedAway) -> Option<String> {
        let Most { all, listener, peer } = self.0.most;
        match reason {
            TurnedAway::Full => {
                Some(format!("as many are open as may be ({listener} here, {all} in all), new ones are closed at once"))
            }
            TurnedAway::Peer => Some(format!("one address has {peer} open, further ones are closed at once")),
            TurnedAway::System => {
                let error = self.0.system.lock().unwrap_or_else(PoisonError::into_inner);
                Some(format!("the system refuses new ones ({error}), clients have to wait"))
            }
            TurnedAway::NoRoom => {
                Some("too many bytes of requests or of unread answers are held, requests are refused".to_owned())
            }
            TurnedAway::TooLarge
            | TurnedAway::TooSlow
            | TurnedAway::Impatience
            | TurnedAway::Host
            | TurnedAway::Page
            | TurnedAway::PlainText
            | TurnedAway::Handshake
            | TurnedAway::Certificate => None,
        }
    }

    pub(crate) fn tell_trouble(&self, trouble: Option<String>) {
        self.0.gate.0.observer.trouble(self.0.listener, trouble);
    }
}
