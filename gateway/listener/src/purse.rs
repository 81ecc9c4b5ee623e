//! Bytes that strangers make us hold: counted before they are kept, per connection, per listener and in all.
//!
//! What is defended against: a peer that opens many connections or streams and fills each with a body that never ends. Each byte of a
//! request that is being received is taken from the connection's budget; the first 64 KiB of a request also from one of the listener, the
//! rest from another one of it and from one that all listeners share. So senders of large bodies cannot keep out small requests, nor
//! those at one listener the ones at another. Without room a request waits a moment, because the others end,
//! and is then refused; what it held is free at once.
//!
//! Invariants: what is taken is given back when its [`Charge`] is dropped, however the request ends; the budgets are never exceeded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{ListenerLimits, PIECE, REQUEST_SIZE, WAITING};

/// There is no room now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// A budget of bytes that can be waited for.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    free: Arc<Semaphore>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(bytes)), bytes }
    }

    #[cfg(test)]
    fn taken(&self) -> usize {
        self.bytes - self.free.available_permits()
    }

    fn try_take(&self, bytes: u32) -> Result<OwnedSemaphorePermit, NoRoom> {
        Arc::clone(&self.free).try_acquire_many_owned(bytes).map_err(|_| NoRoom)
    }

    async fn take(&self, bytes: u32) -> OwnedSemaphorePermit {
        let taken = Arc::clone(&self.free).acquire_many_owned(bytes).await;
        taken.expect("the semaphore is never closed")
    }
}

/// The budgets of one listener, and those that it shares with the others.
#[derive(Clone, Debug)]
pub(crate) struct ListenerBudgets {
    pub(crate) small: Budget,
    pub(crate) large: Budget,
    pub(crate) shared: SharedBudgets,
}

impl ListenerBudgets {
    pub(crate) fn new(limits: &ListenerLimits, shared: &SharedBudgets) -> Self {
        Self { small: Budget::new(limits.small_bytes), large: Budget::new(limits.large_bytes), shared: shared.clone() }
    }
}

/// What all listeners of a process share.
#[derive(Clone, Debug)]
pub(crate) struct SharedBudgets {
    large: Budget,
    pub(crate) answers: Arc<Ledger>,
    /// Places to wait in.
    waiting: Arc<Semaphore>,
    /// Bytes of all requests, for figures.
    held: Arc<AtomicUsize>,
}

impl SharedBudgets {
    pub(crate) fn new(large_bytes: usize, answer_bytes: usize) -> Self {
        Self {
            large: Budget::new(large_bytes),
            answers: Arc::new(Ledger::new(answer_bytes)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            held: Arc::default(),
        }
    }

    /// Bytes of all requests that are held now.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// What one request holds.
#[derive(Debug)]
pub(crate) struct Charge {
    connection: Budget,
    listener: ListenerBudgets,
    held: Vec<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Charge {
    /// Nothing yet.
    pub(crate) fn new(connection: &Budget, listener: &ListenerBudgets) -> Self {
        Self { connection: connection.clone(), listener: listener.clone(), held: Vec::new(), bytes: 0 }
    }

    /// Adds `bytes` to what is held, waiting at most `patience`. Cancel-safe: what was not added is given back.
    pub(crate) async fn add(&mut self, bytes: usize, patience: Duration) -> Result<(), NoRoom> {
        if self.try_add(bytes).is_ok() {
            return Ok(());
        }
        let _place = Arc::clone(&self.listener.shared.waiting).try_acquire_owned().map_err(|_| NoRoom)?;
        let parts = self.parts(bytes);
        if parts.iter().any(|(budget, part)| *part as usize > budget.bytes) {
            return Err(NoRoom); // It would wait in vain.
        }
        let taking = async {
            let mut taken = Vec::new();
            for (budget, part) in parts {
                taken.push(budget.take(part).await);
            }
            taken
        };
        let taken = tokio::time::timeout(patience, taking).await.map_err(|_| NoRoom)?;
        self.keep(taken, bytes);
        Ok(())
    }

    /// Adds `bytes` to what is held if there is room now.
    pub(crate) fn try_add(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let parts = self.parts(bytes);
        let taken: Result<Vec<_>, NoRoom> = parts.iter().map(|(budget, part)| budget.try_take(*part)).collect();
        self.keep(taken?, bytes);
        Ok(())
    }

    /// Gives everything back.
    pub(crate) fn clear(&mut self) {
        self.held.clear();
        self.listener.shared.held.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }

    /// From which budget comes how much of the next `bytes`, always in this order: two that wait for each other's are impossible.
    fn parts(&self, bytes: usize) -> Vec<(Budget, u32)> {
        let small = bytes.min(REQUEST_SIZE.saturating_sub(self.bytes));
        let ListenerBudgets { small: of_small, large: of_large, shared } = &self.listener;
        let large = bytes - small;
        let wanted = [(&self.connection, bytes), (of_small, small), (of_large, large), (&shared.large, large)];
        let some = wanted.into_iter().filter(|(_, part)| *part > 0);
        some.map(|(budget, part)| (budget.clone(), u32::try_from(part).unwrap_or(u32::MAX))).collect()
    }

    fn keep(&mut self, taken: Vec<OwnedSemaphorePermit>, bytes: usize) {
        self.bytes += bytes;
        self.listener.shared.held.fetch_add(bytes, Ordering::Relaxed);
        for permit in taken {
            let same = self.held.iter_mut().find(|held| Arc::ptr_eq(held.semaphore(), permit.semaphore()));
            match same {
                Some(held) => held.merge(permit),
                None => self.held.push(permit),
            }
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Bytes of answers that wait to be read. Not waited for: the bytes are there already, so that more are refused.
#[derive(Debug)]
pub(crate) struct Ledger {
    held: AtomicUsize,
    most: usize,
}

impl Ledger {
    pub(crate) fn new(most: usize) -> Self {
        Self { held: AtomicUsize::new(0), most }
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Adds an answer, unless it is large, others wait, and together they are too many.
    pub(crate) fn add(&self, bytes: usize) -> Result<(), NoRoom> {
        let add = |held: usize| {
            let fits = bytes <= PIECE || held == 0 || held.saturating_add(bytes) <= self.most;
            fits.then(|| held.saturating_add(bytes))
        };
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).map(drop).map_err(|_| NoRoom)
    }

    pub(crate) fn remove(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(20);
    const LIMITS: ListenerLimits = ListenerLimits {
        small_bytes: 100_000,
        large_bytes: 200_000,
        connection_bytes: 150_000,
        ..ListenerLimits::small()
    };

    fn budgets() -> (ListenerBudgets, Budget) {
        let shared = SharedBudgets::new(250_000, 0);
        (ListenerBudgets::new(&LIMITS, &shared), Budget::new(LIMITS.connection_bytes))
    }

    #[tokio::test]
    async fn what_a_request_holds_is_free_when_it_is_gone() {
        let (listener, connection) = budgets();
        let mut charge = Charge::new(&connection, &listener);
        charge.add(50_000, MOMENT).await.unwrap();
        charge.add(50_000, MOMENT).await.unwrap();
        let budgets = [&connection, &listener.small, &listener.large, &listener.shared.large];
        let taken = || (budgets.map(Budget::taken), listener.shared.held());
        let large = 100_000 - REQUEST_SIZE;
        assert_eq!(taken(), ([100_000, REQUEST_SIZE, large, large], 100_000));
        assert_eq!(charge.add(60_000, MOMENT).await, Err(NoRoom), "the connection has no more");
        assert_eq!(taken().1, 100_000, "nothing of what was refused is kept");
        drop(charge);
        assert_eq!(taken(), ([0; 4], 0));
    }

    #[tokio::test]
    async fn large_requests_leave_room_for_small_ones_at_their_listener_and_at_others() {
        let shared = SharedBudgets::new(250_000, 0);
        let listeners = [ListenerBudgets::new(&LIMITS, &shared), ListenerBudgets::new(&LIMITS, &shared)];
        let mut large = listeners.each_ref().map(|listener| Charge::new(&Budget::new(usize::MAX >> 4), listener));
        large[0].add(REQUEST_SIZE + 200_000, MOMENT).await.unwrap();
        assert_eq!(large[0].add(1, MOMENT).await, Err(NoRoom), "the listener has no more for large ones");
        large[1].add(REQUEST_SIZE + 50_000, MOMENT).await.unwrap();
        assert_eq!(large[1].add(1, MOMENT).await, Err(NoRoom), "in all there is no more for them");
        for listener in &listeners {
            let mut small = Charge::new(&Budget::new(100_000), listener);
            small.add(30_000, MOMENT).await.expect("a small one finds its own room");
        }
    }

    #[tokio::test]
    async fn who_waits_gets_what_others_give_back() {
        let (listener, connection) = budgets();
        let mut first = Charge::new(&connection, &listener);
        first.add(90_000, MOMENT).await.unwrap();
        let mut second = Charge::new(&connection, &listener);
        let waiting = second.add(60_001, Duration::from_secs(60));
        let (waited, ()) = tokio::join!(waiting, async { first.clear() });
        waited.expect("the first one's bytes are free");
    }

    #[test]
    fn an_answer_is_taken_if_it_is_small_or_alone_or_fits() {
        let ledger = Ledger::new(100_000);
        for (name, bytes, fits, held) in [
            ("alone", 1_000_000, true, 1_000_000),
            ("large, beside another", 20_000, false, 1_000_000),
            ("small, beside another", 10, true, 1_000_010),
        ] {
            assert_eq!((ledger.add(bytes).is_ok(), ledger.held()), (fits, held), "{name}");
        }
        ledger.remove(1_000_000);
        assert!(ledger.add(99_990).is_ok() && ledger.add(PIECE + 1).is_err());
    }
}
