//! Who listens to which config items over one connection to the local Nacos, as plain data.
//!
//! The failure that this defends against: a listener that is told "as you hold it" and is never told of the change a millisecond later. Of each
//! item, the client of Nacos compares *one* MD5 again and again, on each new connection and every few minutes, and tells when it differs.
//! Listeners may hold others. So the invariant is: **whoever holds another MD5 than the compared one was told to look again** since it said so.
//!
//! ```text
//!             a comparison says "same"               the bell
//!   Unproven ─────────────────────────▶ Proven ─────────────────────▶ Rung
//!      ▲  ▲                                │  ◀── a comparison or a read ──┘
//!      │  └── the connection is gone ──────┴──────────── …from both ───────┘
//! ```
//!
//! - A listener is noted before Nacos is asked: each bell from then on reaches it.
//! - What Nacos said counts only if no bell came, and the connection did not change, since the question was asked.
//! - Where the compared MD5 is replaced although no bell rang, all who hold another one are told.
//! - A comparison is answered here, without Nacos, only while the item is proven, and to callers to whom Nacos itself answered one within
//!   [`CONFIRMED_FOR`]: so each client's own check every few minutes is Nacos's to answer and to allow, as ever, and a thousand clients of one group
//!   that ask for the same cost one question.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nacos_protocol::server::{ConfigName, ConnectionId, ListenContext};

use super::caller::ShownHeaders;

/// How long an answer of Nacos stands for a caller. Shorter than the 3 to 5 min after which clients check all they hold.
pub(super) const CONFIRMED_FOR: Duration = Duration::from_secs(60);
/// Callers of one group with different credentials whose comparisons are remembered for an item; there is mostly one.
const CONFIRMED_CALLERS: usize = 4;
/// An item that nobody listens to any more is listened to so much longer: pollers come back, and so do clients that connect again.
const LINGER: Duration = Duration::from_secs(60);
/// Items of one listener; an SDK's client shards at 3,000.
pub(super) const MOST_OF_A_LISTENER: usize = 20_000;
/// Items of one group of callers, also those that linger.
const MOST_OF_A_GROUP: usize = 5 * MOST_OF_A_LISTENER;
/// Items and listeners of items in all, also items that linger: ten thousand clients with a hundred items each. Some 150 bytes each.
pub(super) const MOST_LISTENS: usize = 2_000_000;

/// A listener, and what it is to look at again, as it named it.
pub(super) type Ring = (ConnectionId, Arc<ConfigName>);

/// Listens that may still be added, over all connections to Nacos. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct ListenBudget(Arc<AtomicUsize>);

impl ListenBudget {
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(most)))
    }

    fn take(&self, count: usize) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(count)).is_ok()
    }

    fn give(&self, count: usize) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

/// What is known of the compared MD5 of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing, on this connection.
    Unproven,
    /// Nacos said that it is the item's, and has not rung since.
    Proven,
    /// Nacos rang since, and all listeners were told.
    Rung,
}

#[derive(Debug)]
struct Item {
    /// What the client of Nacos compares; `None` until Nacos answered for the first time.
    compared: Option<String>,
    standing: Standing,
    /// Grows with each bell.
    bells: u64,
    /// To whom Nacos answered, and when.
    confirmed: Vec<(ShownHeaders, Instant)>,
    /// With the MD5 that each holds.
    listeners: HashMap<ConnectionId, String>,
    unheard_since: Instant,
}

/// A place in time, for what was asked then: see the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ItemLook {
    connection: u64,
    bells: u64,
}

/// A question for Nacos.
#[derive(Debug)]
pub(super) struct ListenTicket {
    /// Of each item of the question, when it was asked, and whether the listener was added for it.
    looks: Vec<(ItemLook, bool)>,
}

/// What is to be done about a listen call.
#[derive(Debug)]
pub(super) enum Begun {
    /// It is answered: these differ.
    Answered(Vec<ConfigName>),
    /// Nacos is to be asked; then [`Listening::settle`], [`Listening::settle_unreached`] or [`Listening::withdraw`].
    Ask(ListenTicket),
    /// A limit is reached.
    TooMany,
}

/// What follows from an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// What the client of Nacos is to compare from now on.
    pub(super) compare: Vec<(Arc<ConfigName>, String)>,
    /// Who is to be told.
    pub(super) ring: Vec<Ring>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Listening {
    items: HashMap<Arc<ConfigName>, Item>,
    by_listener: HashMap<ConnectionId, BTreeSet<Arc<ConfigName>>>,
    /// Grows when the connection is gone, and when there is one.
    connection: u64,
    budget: ListenBudget,
}

impl Item {
    fn new(now: Instant) -> Self {
        Self {
            compared: None,
            standing: Standing::Unproven,
            bells: 0,
            confirmed: Vec::new(),
            listeners: HashMap::new(),
            unheard_since: now,
        }
    }

    fn is_confirmed(&self, shown: ShownHeaders, now: Instant) -> bool {
        let stands = |(to, at): &(ShownHeaders, Instant)| *to == shown && now.duration_since(*at) < CONFIRMED_FOR;
        self.standing == Standing::Proven && self.confirmed.iter().any(stands)
    }

    /// Nacos says that the item has this MD5.
    fn prove(&mut self, name: &Arc<ConfigName>, md5: &str, shown: ShownHeaders, now: Instant, settled: &mut Settled) {
        if self.compared.as_deref() != Some(md5) {
            if self.compared.is_some() && self.standing != Standing::Rung {
                let others = self.listeners.iter().filter(|(_, held)| *held != md5);
                settled.ring.extend(others.map(|(listener, _)| (listener.clone(), Arc::clone(name))));
            }
            self.compare(name, md5, settled);
        }
        self.standing = Standing::Proven;
        self.confirmed.retain(|(to, _)| *to != shown);
        if self.confirmed.len() >= CONFIRMED_CALLERS {
            self.confirmed.remove(0);
        }
        self.confirmed.push((shown, now));
    }

    fn compare(&mut self, name: &Arc<ConfigName>, md5: &str, settled: &mut Settled) {
        self.compared = Some(md5.to_owned());
        settled.compare.push((Arc::clone(name), md5.to_owned()));
    }

    fn doubt(&mut self, standing: Standing) {
        self.standing = standing;
        self.confirmed.clear();
    }
}

impl Listening {
    pub(super) fn new(budget: ListenBudget) -> Self {
        Self { items: HashMap::new(), by_listener: HashMap::new(), connection: 0, budget }
    }

    /// Notes a listener of these items.
    pub(super) fn begin(
        &mut self,
        listener: &ConnectionId,
        contexts: &[ListenContext],
        shown: ShownHeaders,
        now: Instant,
    ) -> Begun {
        let mine = self.by_listener.get(listener);
        let (new_to_me, new_items) = (
            distinct(contexts, |name| mine.is_some_and(|mine| mine.contains(name))),
            distinct(contexts, |name| self.items.contains_key(name)),
        );
        if mine.map_or(0, BTreeSet::len) + new_to_me > MOST_OF_A_LISTENER
            || self.items.len() + new_items > MOST_OF_A_GROUP
            || !self.budget.take(new_to_me + new_items)
        {
            return Begun::TooMany;
        }
        let can_answer =
            |context: &ListenContext| self.items.get(&context.name).is_some_and(|item| item.is_confirmed(shown, now));
        let answered = contexts.iter().all(can_answer);
        let mut looks = Vec::with_capacity(contexts.len());
        let mut differing = Vec::new();
        for context in contexts {
            let (name, item) = self.item(&context.name, now);
            let is_new = !item.listeners.contains_key(listener);
            if is_new || answered {
                item.listeners.insert(listener.clone(), context.md5.clone());
            }
            if answered && item.compared.as_deref() != Some(&*context.md5) {
                differing.push(context.name.clone());
            }
            let bells = item.bells;
            looks.push((ItemLook { connection: self.connection, bells }, is_new));
            self.by_listener.entry(listener.clone()).or_default().insert(name);
        }
        if answered { Begun::Answered(differing) } else { Begun::Ask(ListenTicket { looks }) }
    }

    /// Nacos answered that these differ, and all others do not.
    pub(super) fn settle(
        &mut self,
        listener: &ConnectionId,
        contexts: &[ListenContext],
        ticket: &ListenTicket,
        differing: &HashSet<ConfigName>,
        (shown, now): (ShownHeaders, Instant),
    ) -> Settled {
        let (connection, mut settled) = (self.connection, Settled::default());
        self.each_of(listener, contexts, ticket, |name, item, context, look| {
            let undisturbed = look == ItemLook { connection, bells: item.bells };
            if differing.contains(&**name) {
                if item.compared.as_deref() == Some(&*context.md5) && item.standing == Standing::Proven {
                    item.doubt(Standing::Unproven); // It changed; the bell is on its way.
                }
            } else if undisturbed {
                return item.prove(name, &context.md5, shown, now, &mut settled);
            } else if look.connection != connection && item.compared.as_deref() != Some(&*context.md5) {
                settled.ring.push((listener.clone(), Arc::clone(name))); // It may have been told before it said what it holds.
            }
            if item.compared.is_none() {
                item.compare(name, &context.md5, &mut settled);
            }
        });
        settled
    }

    /// Nacos could not be reached: the listener hears of it when Nacos is back and something differs.
    pub(super) fn settle_unreached(
        &mut self,
        listener: &ConnectionId,
        contexts: &[ListenContext],
        ticket: &ListenTicket,
    ) -> Settled {
        let (connection, mut settled) = (self.connection, Settled::default());
        self.each_of(listener, contexts, ticket, |name, item, context, look| {
            if item.compared.is_none() {
                item.compare(name, &context.md5, &mut settled);
            } else if look.connection != connection && item.compared.as_deref() != Some(&*context.md5) {
                settled.ring.push((listener.clone(), Arc::clone(name))); // Nacos came back meanwhile.
            }
        });
        settled
    }

    /// Nacos refused, or did not answer: what was added is taken back.
    pub(super) fn withdraw(
        &mut self,
        listener: &ConnectionId,
        contexts: &[ListenContext],
        ticket: &ListenTicket,
        now: Instant,
    ) {
        for (context, (_, is_new)) in contexts.iter().zip(&ticket.looks) {
            if *is_new {
                self.ignore(listener, &context.name, now);
            }
        }
    }

    /// The listener listens to this no more.
    pub(super) fn ignore(&mut self, listener: &ConnectionId, name: &ConfigName, now: Instant) {
        let Some(names) = self.by_listener.get_mut(listener) else { return };
        if names.remove(name) {
            if names.is_empty() {
                self.by_listener.remove(listener);
            }
            self.leave(listener, name, now);
        }
    }

    /// The listener is gone.
    pub(super) fn forget(&mut self, listener: &ConnectionId, now: Instant) {
        for name in self.by_listener.remove(listener).unwrap_or_default() {
            self.leave(listener, &name, now);
        }
    }

    /// Nacos rang: all listeners of the item are to be told. Under both names of the default namespace: Nacos may know one connection by one of
    /// them only.
    pub(super) fn rang(&mut self, name: &ConfigName) -> Vec<Ring> {
        let mut ring = Vec::new();
        for name in [Some(name.clone()), alias(name)].into_iter().flatten() {
            let Some((name, _)) = self.items.get_key_value(&name) else { continue };
            let name = Arc::clone(name);
            let Some(item) = self.items.get_mut(&name) else { continue };
            item.bells += 1;
            item.doubt(Standing::Rung);
            ring.extend(item.listeners.keys().map(|listener| (listener.clone(), Arc::clone(&name))));
        }
        ring
    }

    /// There is a new connection: what it compares will be told where it differs, and this is who holds something else.
    pub(super) fn connected(&mut self) -> Vec<Ring> {
        self.connection += 1;
        let mut ring = Vec::new();
        for (name, item) in &self.items {
            let Some(compared) = &item.compared else { continue };
            let strays = item.listeners.iter().filter(|(_, held)| *held != compared);
            ring.extend(strays.map(|(listener, _)| (listener.clone(), Arc::clone(name))));
        }
        ring
    }

    /// The connection is gone.
    pub(super) fn disconnected(&mut self) {
        self.connection += 1;
        self.items.values_mut().for_each(|item| item.doubt(Standing::Unproven));
    }

    /// Nacos does not let the client listen in this namespace with what its callers showed last: all who listen there are to ask themselves.
    pub(super) fn refused(&mut self, namespace: &str) -> Vec<Ring> {
        let mut ring = Vec::new();
        for (name, item) in self.items.iter_mut().filter(|(name, _)| name.namespace == namespace) {
            item.bells += 1;
            item.doubt(Standing::Unproven);
            ring.extend(item.listeners.keys().map(|listener| (listener.clone(), Arc::clone(name))));
        }
        ring
    }

    /// To be noted before an item is read, for [`Listening::read`]; `None` if nobody listens to it.
    pub(super) fn look(&self, name: &ConfigName) -> Option<ItemLook> {
        let item = self.items.get(name)?;
        Some(ItemLook { connection: self.connection, bells: item.bells })
    }

    /// The item was read, and has this MD5: after a bell, that is as good as a comparison.
    pub(super) fn read(
        &mut self,
        name: &ConfigName,
        look: ItemLook,
        md5: &str,
        (shown, now): (ShownHeaders, Instant),
    ) -> Settled {
        let (connection, mut settled) = (self.connection, Settled::default());
        let Some((name, _)) = self.items.get_key_value(name) else { return settled };
        let name = Arc::clone(name);
        let Some(item) = self.items.get_mut(&name) else { return settled };
        let undisturbed = look == ItemLook { connection, bells: item.bells };
        let is_same = item.compared.as_deref() == Some(md5);
        // Of an unproven item it is not known whether Nacos would ring; of a proven one, its bell is on its way if it differs.
        if undisturbed && (item.standing == Standing::Rung || item.standing == Standing::Proven && is_same) {
            item.prove(&name, md5, shown, now, &mut settled);
        }
        settled
    }

    /// Items to which nobody has listened for a while; they are forgotten.
    pub(super) fn take_unheard(&mut self, now: Instant) -> Vec<Arc<ConfigName>> {
        let unheard = |item: &Item| item.listeners.is_empty() && now.duration_since(item.unheard_since) >= LINGER;
        let gone: Vec<_> =
            self.items.iter().filter(|(_, item)| unheard(item)).map(|(name, _)| Arc::clone(name)).collect();
        for name in &gone {
            self.items.remove(name);
        }
        self.budget.give(gone.len());
        gone
    }

    /// Whether nobody listens to anything.
    pub(super) fn is_unheard(&self) -> bool {
        self.by_listener.is_empty()
    }

    fn item(&mut self, name: &ConfigName, now: Instant) -> (Arc<ConfigName>, &mut Item) {
        let name = match self.items.get_key_value(name) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::new(name.clone()),
        };
        let item = self.items.entry(Arc::clone(&name)).or_insert_with(|| Item::new(now));
        (name, item)
    }

    /// The items of a question of which the listener has not taken leave meanwhile, with what it holds now.
    fn each_of(
        &mut self,
        listener: &ConnectionId,
        contexts: &[ListenContext],
        ticket: &ListenTicket,
        mut each: impl FnMut(&Arc<ConfigName>, &mut Item, &ListenContext, ItemLook),
    ) {
        for (context, (look, _)) in contexts.iter().zip(&ticket.looks) {
            let Some((name, _)) = self.items.get_key_value(&context.name) else { continue };
            let name = Arc::clone(name);
            let Some(item) = self.items.get_mut(&name) else { continue };
            if let Some(held) = item.listeners.get_mut(listener) {
                held.clone_from(&context.md5);
                each(&name, item, context, *look);
            }
        }
    }

    fn leave(&mut self, listener: &ConnectionId, name: &ConfigName, now: Instant) {
        if let Some(item) = self.items.get_mut(name)
            && item.listeners.remove(listener).is_some()
        {
            self.budget.give(1);
            if item.listeners.is_empty() {
                item.unheard_since = now;
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let listeners: usize = self.items.values().map(|item| item.listeners.len()).sum();
        self.budget.give(self.items.len() + listeners);
    }
}

/// How many items are named that are not known.
fn distinct(contexts: &[ListenContext], is_known: impl Fn(&ConfigName) -> bool) -> usize {
    let names = contexts.iter().map(|context| &context.name).filter(|name| !is_known(name));
    names.collect::<HashSet<_>>().len()
}

/// The same item under the other name of the default namespace.
fn alias(name: &ConfigName) -> Option<ConfigName> {
    let namespace = match &*name.namespace {
        "" => "public",
        "public" => "",
        _ => return None,
    };
    Some(ConfigName { namespace: namespace.to_owned(), ..name.clone() })
}

#[cfg(test)]
mod tests;
