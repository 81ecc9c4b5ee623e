//! Plans that are kept: per service a few classes of callers, over all services a number of bytes.
//!
//! [`Classes`] hang on one value of a service in the view and go with it. Reading takes no lock. Invariants: a service keeps
//! at most [`MOST_CLASSES`] plans, all services together at most the budget's bytes and one plan; the oldest go first. The
//! list by which they are found again is never much longer than what it lists.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use arc_swap::ArcSwap;
use federation_core::routing::Caller;
use prometheus_client::metrics::gauge::Gauge;

use super::caller::AskingCaller;
use super::encoded::EncodedPlan;
use super::inputs::PlanStamp;

/// Callers of one service that differ in anything: more places than a federation has, and few enough to look through.
pub(super) const MOST_CLASSES: usize = 32;

/// Entries of the list beyond twice the plans that are kept, before it is tidied.
const SLACK: usize = 64;

/// Callers that share one value with all services: what is beyond has a value for each plan.
const MOST_CALLERS: usize = 1024;

/// What is counted for a plan beside its bytes: the entry, its caller, its places in lists.
const ENTRY_BYTES: usize = 512;

/// How an answer is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanEncoding {
    /// For HTTP.
    Json,
    /// For gRPC.
    Proto,
}

/// A plan for one caller, encoded.
pub(super) struct Kept {
    pub(super) caller: Arc<Caller>,
    pub(super) stamp: PlanStamp,
    faces: [OnceLock<EncodedPlan>; 2],
    home: Weak<Classes>,
    bytes: AtomicUsize,
    account: Arc<Account>,
}

impl Kept {
    pub(super) fn face(&self, face: PlanEncoding) -> Option<&EncodedPlan> {
        self.faces[face as usize].get()
    }

    /// Adds what this plan is in another face.
    fn add(&self, face: PlanEncoding, encoded: EncodedPlan) -> &EncodedPlan {
        self.faces[face as usize].get_or_init(|| {
            self.bytes.fetch_add(encoded.size(), Ordering::Relaxed);
            self.account.add(encoded.size());
            encoded
        })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.account.remove(self.bytes.load(Ordering::Relaxed));
    }
}

/// The plans of one value of a service.
#[derive(Default)]
pub(super) struct Classes(ArcSwap<Plans>);

/// The newest plan apart from the others: most services have one, and a list is one more place in memory to fetch.
#[derive(Clone, Default)]
struct Plans {
    newest: Option<Arc<Kept>>,
    /// The newest first.
    others: Vec<Arc<Kept>>,
}

impl Plans {
    fn iter(&self) -> impl Iterator<Item = &Arc<Kept>> {
        self.newest.iter().chain(&self.others)
    }
}

/// The newest first.
impl FromIterator<Arc<Kept>> for Plans {
    fn from_iter<I: IntoIterator<Item = Arc<Kept>>>(plans: I) -> Self {
        let mut plans = plans.into_iter();
        Self { newest: plans.next(), others: plans.collect() }
    }
}

impl Classes {
    pub(super) fn find(&self, asking: &AskingCaller<'_>) -> Option<Arc<Kept>> {
        self.0.load().iter().find(|kept| asking.is(&kept.caller)).cloned()
    }

    /// Of two plans for one caller the last one stays.
    fn keep(&self, kept: &Arc<Kept>) {
        self.0.rcu(|plans| {
            let others = plans.iter().filter(|other| other.caller != kept.caller).take(MOST_CLASSES - 1);
            [kept].into_iter().chain(others).cloned().collect::<Plans>()
        });
    }

    fn forget(&self, kept: &Arc<Kept>) {
        self.0.rcu(|plans| plans.iter().filter(|other| !Arc::ptr_eq(other, kept)).cloned().collect::<Plans>());
    }
}

/// What is kept now, over all services.
#[derive(Default)]
struct Account {
    bytes: AtomicUsize,
    plans: AtomicUsize,
    shown: Gauge,
}

impl Account {
    fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.shown.inc_by(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    fn remove(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.plans.fetch_sub(1, Ordering::Relaxed);
        self.shown.dec_by(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

/// Callers that plans are kept for, each once: whoever looks for a plan compares callers, and those of all services are the
/// same few, which stay near the processor.
#[derive(Default)]
struct Callers(Mutex<HashSet<Arc<Caller>>>); // Locked for a lookup after a plan was made.

impl Callers {
    fn shared(&self, caller: Caller) -> Arc<Caller> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = known.get(&caller) {
            return Arc::clone(shared);
        }
        if known.len() >= MOST_CALLERS {
            known.retain(|caller| Arc::strong_count(caller) > 1);
        }
        let shared = Arc::new(caller);
        if known.len() < MOST_CALLERS {
            known.insert(Arc::clone(&shared));
        }
        shared
    }
}

/// Keeps plans within a number of bytes.
pub(super) struct Budget {
    most_bytes: usize,
    account: Arc<Account>,
    callers: Callers,
    /// Every plan that is kept, the oldest first, and some that are not any more. Locked for a few steps after a plan was made.
    oldest: Mutex<VecDeque<Weak<Kept>>>,
}

impl Budget {
    /// `shown` says how many bytes are kept.
    pub(super) fn new(most_bytes: usize, shown: Gauge) -> Self {
        let account = Arc::new(Account { shown, ..Account::default() });
        Self { most_bytes, account, callers: Callers::default(), oldest: Mutex::default() }
    }

    /// Keeps a plan in its first face.
    pub(super) fn keep(
        &self,
        home: &Arc<Classes>,
        caller: Caller,
        stamp: PlanStamp,
        first: (PlanEncoding, EncodedPlan),
    ) -> Arc<Kept> {
        self.account.plans.fetch_add(1, Ordering::Relaxed);
        self.account.add(ENTRY_BYTES);
        let kept = Arc::new(Kept {
            caller: self.callers.shared(caller),
            stamp,
            faces: Default::default(),
            home: Arc::downgrade(home),
            bytes: AtomicUsize::new(ENTRY_BYTES),
            account: Arc::clone(&self.account),
        });
        kept.add(first.0, first.1);
        home.keep(&kept);
        self.oldest.lock().unwrap_or_else(PoisonError::into_inner).push_back(Arc::downgrade(&kept));
        self.tidy();
        kept
    }

    /// Keeps what a plan is in another face.
    pub(super) fn add<'a>(&self, kept: &'a Kept, face: PlanEncoding, encoded: EncodedPlan) -> &'a EncodedPlan {
        let encoded = kept.add(face, encoded);
        self.tidy();
        encoded
    }

    /// Lets go of the oldest plans while there are too many bytes.
    fn tidy(&self) {
        let mut oldest = self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        while self.account.bytes.load(Ordering::Relaxed) > self.most_bytes && oldest.len() > 1 {
            let Some(kept) = oldest.pop_front().and_then(|kept| kept.upgrade()) else { continue };
            if let Some(home) = kept.home.upgrade() {
                home.forget(&kept);
            }
        }
        if oldest.len() > 2 * self.account.plans.load(Ordering::Relaxed) + SLACK {
            oldest.retain(|kept| kept.strong_count() > 0);
        }
    }

    #[cfg(test)]
    pub(super) fn callers(&self) -> usize {
        self.callers.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> (usize, usize, usize) {
        let listed = self.oldest.lock().unwrap_or_else(PoisonError::into_inner).len();
        (self.account.plans.load(Ordering::Relaxed), self.account.bytes.load(Ordering::Relaxed), listed)
    }
}
