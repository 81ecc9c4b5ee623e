//! What changed lately: a bounded history of services, config items, clusters and orders, each change with what it came of.
//!
//! It answers "what happened to this one, when, and through what" for minutes to days, and is not an audit: it lives in memory, begins when the
//! gateway is ready, and forgets. The failures that this defends against are a burst that costs memory without end, a start of a large registry that
//! is remembered instance by instance, and a noisy service that pushes out the one change of a quiet one.
//!
//! ```text
//!   change ──▶ recent: the newest MOST_RECENT of all, MOST_OF_ONE of each subject
//!                 │ pushed out, and the last of its subject
//!                 ▼
//!              lasting: one change a subject, of MOST_LASTING subjects; the one that came first goes first
//! ```
//!
//! Bounds: [`MOST_RECENT`] + [`MOST_LASTING`] changes of some 400 bytes each, texts of at most [`LONGEST_TEXT`] bytes: 13 MB by that reckoning. Of one change of
//! a service at most [`MOST_OF_ONE`] instances are told one by one; the rest is counted. Invariant: ids grow with time, and no id is used twice.

mod differences;
mod services;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use federation_core::cause::{ChangeCause, ChangeThrough};
use federation_core::guard::GuardTarget;
use federation_core::id::{ClusterId, ConfigKey, InstanceId, ServiceKey};
use federation_core::intents::DrainTarget;
use federation_core::time::Mono;

pub(super) use self::differences::HistoryDesk;

/// Changes that are remembered of all subjects: some minutes of a rolling restart of everything, weeks of a quiet federation.
pub const MOST_RECENT: usize = 16_384;
/// Changes that are remembered of one subject among them.
pub const MOST_OF_ONE: usize = 64;
/// Subjects of which the last change is remembered beyond that.
pub const MOST_LASTING: usize = 16_384;
/// Bytes of what is said of before and after.
pub const LONGEST_TEXT: usize = 120;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangeKind {
    /// An instance of a service.
    Instance,
    /// A config item.
    Config,
    /// How a cluster's facts are to be taken; also that it came or went.
    Freshness,
    /// A drain.
    Drain,
    /// A hold of the guard.
    Hold,
    /// The policy in force.
    Policy,
    /// Who leads a cluster.
    Leader,
    /// The gateway itself.
    Gateway,
    /// Which clusters are excluded.
    Excluded,
}

impl ChangeKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Instance,
        Self::Config,
        Self::Freshness,
        Self::Drain,
        Self::Hold,
        Self::Policy,
        Self::Leader,
        Self::Gateway,
        Self::Excluded,
    ];

    /// The word that answers use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Config => "config",
            Self::Freshness => "freshness",
            Self::Drain => "drain",
            Self::Hold => "hold",
            Self::Policy => "policy",
            Self::Leader => "leader",
            Self::Gateway => "gateway",
            Self::Excluded => "excluded",
        }
    }
}

/// Whose history a change belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ChangeSubject {
    /// A service.
    Service(ServiceKey),
    /// A config item.
    Config(ConfigKey),
    /// A cluster: its freshness, its leader, whether it is excluded.
    Cluster(ClusterId),
    /// A target of drains.
    Drain(DrainTarget),
    /// A target of the guard.
    Hold(GuardTarget),
    /// The answering gateway and its policy.
    Gateway,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRecord {
    /// Its number; grows with time.
    pub id: u64,
    /// When this gateway showed it first, by the view's clock.
    pub at: Mono,
    /// What changed.
    pub kind: ChangeKind,
    /// How: `added`, `removed`, `health` and the like.
    pub what: &'static str,
    /// Whose history it belongs to.
    pub subject: ChangeSubject,
    /// The instance, if it is one.
    pub instance: Option<InstanceId>,
    /// The cluster whose fact it is, or that it concerns.
    pub origin: Option<ClusterId>,
    /// What it came of.
    pub cause: ChangeCause,
    /// Who ordered it, if somebody did.
    pub who: Option<Arc<str>>,
    /// What was before, for people; at most [`LONGEST_TEXT`] bytes.
    pub before: Option<Arc<str>>,
    /// What is since, for people; at most [`LONGEST_TEXT`] bytes.
    pub after: Option<Arc<str>>,
}

impl ChangeRecord {
    pub(crate) fn new(kind: ChangeKind, what: &'static str, subject: ChangeSubject) -> Self {
        Self {
            id: 0,
            at: Mono(0),
            kind,
            what,
            subject,
            instance: None,
            origin: None,
            cause: ChangeCause::from(ChangeThrough::Time),
            who: None,
            before: None,
            after: None,
        }
    }

    pub(crate) fn of(self, origin: &ClusterId) -> Self {
        Self { origin: Some(origin.clone()), ..self }
    }

    pub(crate) fn through(self, cause: impl Into<ChangeCause>) -> Self {
        Self { cause: cause.into(), ..self }
    }

    pub(crate) fn from(self, before: impl AsRef<str>) -> Self {
        Self { before: Some(short(before.as_ref())), ..self }
    }

    pub(crate) fn to(self, after: impl AsRef<str>) -> Self {
        Self { after: Some(short(after.as_ref())), ..self }
    }
}

/// At most [`LONGEST_TEXT`] bytes of it.
fn short(text: &str) -> Arc<str> {
    if text.len() <= LONGEST_TEXT {
        return text.into();
    }
    let end = (0..=LONGEST_TEXT - '…'.len_utf8()).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..end]).into()
}

/// What is remembered, at one moment.
#[derive(Clone, Debug, Default)]
pub struct RememberedChanges {
    /// Newest first.
    pub changes: Vec<Arc<ChangeRecord>>,
    /// When the oldest change came that is remembered of anything; `None` if none is.
    pub oldest: Option<Mono>,
    /// How many changes are not remembered any more, or were only counted.
    pub forgotten: u64,
}

/// All that is remembered. Locked while a change is added, and while references to changes are copied.
#[derive(Default)]
pub(super) struct ChangeBook(Mutex<Shelves>);

#[derive(Default)]
struct Shelves {
    recent: BTreeMap<u64, Arc<ChangeRecord>>,
    by_subject: HashMap<ChangeSubject, VecDeque<u64>, foldhash::fast::RandomState>,
    lasting: BTreeMap<u64, Arc<ChangeRecord>>,
    lasting_of: HashMap<ChangeSubject, u64, foldhash::fast::RandomState>,
    last_id: u64,
    forgotten: u64,
}

impl ChangeBook {
    /// Remembers these, of one moment; `uncounted` more are not told one by one.
    pub(super) fn add(&self, at: Mono, records: Vec<ChangeRecord>, uncounted: u64) {
        let mut shelves = self.shelves();
        shelves.forgotten += uncounted;
        for record in records {
            shelves.add(ChangeRecord { at, ..record });
        }
    }

    /// What is remembered of one subject, or of all, with ids below `below`.
    pub(super) fn remembered(&self, subject: Option<&ChangeSubject>, below: u64) -> RememberedChanges {
        let shelves = self.shelves();
        let changes = match subject {
            Some(subject) => shelves.of(subject, below),
            None => shelves.all(below),
        };
        let first = |shelf: &BTreeMap<u64, Arc<ChangeRecord>>| shelf.first_key_value().map(|(_, it)| it.at);
        let oldest = first(&shelves.lasting).into_iter().chain(first(&shelves.recent)).min();
        RememberedChanges { changes, oldest, forgotten: shelves.forgotten }
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    fn add(&mut self, record: ChangeRecord) {
        self.last_id += 1;
        let (id, subject) = (self.last_id, record.subject.clone());
        if let Some(before) = self.lasting_of.remove(&subject) {
            self.lasting.remove(&before);
            self.forgotten += 1; // It was kept for being the last one.
        }
        self.recent.insert(id, Arc::new(ChangeRecord { id, ..record }));
        let of_it = self.by_subject.entry(subject).or_default();
        of_it.push_back(id);
        if of_it.len() > MOST_OF_ONE {
            let oldest = of_it.pop_front();
            self.forgotten += oldest.and_then(|id| self.recent.remove(&id)).map_or(0, |_| 1);
        }
        if self.recent.len() > MOST_RECENT {
            self.push_out();
        }
    }

    fn push_out(&mut self) {
        let Some((id, record)) = self.recent.pop_first() else { return };
        let of_it = self.by_subject.get_mut(&record.subject).expect("what is recent stands with its subject");
        of_it.pop_front();
        if !of_it.is_empty() {
            self.forgotten += 1;
            return;
        }
        self.by_subject.remove(&record.subject);
        self.lasting_of.insert(record.subject.clone(), id);
        self.lasting.insert(id, record);
        if self.lasting.len() > MOST_LASTING
            && let Some((_, gone)) = self.lasting.pop_first()
        {
            self.lasting_of.remove(&gone.subject);
            self.forgotten += 1;
        }
    }

    fn of(&self, subject: &ChangeSubject, below: u64) -> Vec<Arc<ChangeRecord>> {
        let recent = self.by_subject.get(subject).into_iter().flatten().rev();
        let recent = recent.filter_map(|id| self.recent.get(id));
        let lasting = self.lasting_of.get(subject).and_then(|id| self.lasting.get(id));
        recent.chain(lasting).filter(|it| it.id < below).map(Arc::clone).collect()
    }

    /// What lasts is older than what is recent.
    fn all(&self, below: u64) -> Vec<Arc<ChangeRecord>> {
        let recent = self.recent.range(..below).rev();
        recent.chain(self.lasting.range(..below).rev()).map(|(_, record)| Arc::clone(record)).collect()
    }
}
