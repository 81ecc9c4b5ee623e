//! What changed since when, by topic: for those who show a whole gateway, and ask again for what changed.
//!
//! A signal is a number and nothing else. Each change takes the next one, and every topic keeps that of its last; so whoever says the number that he
//! was told last is told the topics with a higher one, however long he was away. Of services and config items the newest names are remembered
//! as well, to be counted under somebody's filter.
//!
//! The failure that this defends against is a queue for each of many pages: nothing is kept for anybody. Bounds: one number a topic, and
//! [`MOST_NAMES`] names each of services and of config items, which are not even noted while nobody listens; a count that would need
//! more is told as incomplete. Invariant: a topic is signalled after what changed is in place, so that who asks then sees it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use federation_core::id::{ConfigKey, ServiceKey};
use tokio::sync::watch;

/// Names of changed services that are remembered, and of config items: some seconds of a rolling restart of everything. At most some 200 KiB,
/// as names are shared with the view.
const MOST_NAMES: usize = 4096;

/// What a page may have to ask for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignalTopic {
    /// Freshness, places or sizes of clusters.
    Clusters,
    /// How gateways take clusters.
    Links,
    /// Drains in force.
    Drains,
    /// Holds of the guard.
    Holds,
    /// The policy in force, or what is said of its sources.
    Policy,
    /// Readiness, part and troubles of the gateway.
    Gateway,
    /// Services.
    Services,
    /// Config items.
    Configs,
    /// Clusters that are excluded.
    Excluded,
    /// What is remembered of changes.
    Changes,
}

const TOPICS: usize = 10;

impl SignalTopic {
    /// All of them.
    pub const ALL: [Self; TOPICS] = [
        Self::Clusters,
        Self::Links,
        Self::Drains,
        Self::Holds,
        Self::Policy,
        Self::Gateway,
        Self::Services,
        Self::Configs,
        Self::Excluded,
        Self::Changes,
    ];

    /// The word that events use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clusters => "clusters",
            Self::Links => "links",
            Self::Drains => "drains",
            Self::Holds => "holds",
            Self::Policy => "policy",
            Self::Gateway => "gateway",
            Self::Services => "services",
            Self::Configs => "configs",
            Self::Excluded => "excluded",
            Self::Changes => "changes",
        }
    }
}

/// What changed since a number.
#[derive(Clone, Debug, Default)]
pub struct SignalNews {
    /// The number of the newest change: what to ask by next time.
    pub number: u64,
    /// Topics that changed, in the order of [`SignalTopic::ALL`].
    pub topics: Vec<SignalTopic>,
    /// Services that changed, each once.
    pub services: ChangedNames<ServiceKey>,
    /// Config items that changed, each once.
    pub configs: ChangedNames<ConfigKey>,
}

/// Names that changed.
#[derive(Clone, Debug)]
pub struct ChangedNames<K> {
    /// Each once, sorted.
    pub names: Vec<K>,
    /// Whether these are all.
    pub complete: bool,
}

impl<K> Default for ChangedNames<K> {
    fn default() -> Self {
        Self { names: Vec::new(), complete: true }
    }
}

/// All topics of a view.
#[derive(Default)]
pub(super) struct SignalBoard {
    /// Locked while a change is noted, and while somebody reads what is new to him.
    book: Mutex<SignalBook>,
    newest: watch::Sender<u64>,
}

#[derive(Default)]
struct SignalBook {
    last: [u64; TOPICS],
    /// What those who note changes from outside noted last.
    marks: [Option<u64>; TOPICS],
    newest: u64,
    services: RecentNames<ServiceKey>,
    configs: RecentNames<ConfigKey>,
}

/// The newest names, each with the number of its change.
struct RecentNames<K> {
    names: VecDeque<(u64, K)>,
    /// All names of changes with higher numbers are there.
    complete_after: u64,
}

impl<K> Default for RecentNames<K> {
    fn default() -> Self {
        Self { names: VecDeque::new(), complete_after: 0 }
    }
}

impl<K: Clone + Ord> RecentNames<K> {
    fn note<'a>(&mut self, number: u64, names: impl Iterator<Item = &'a K>)
    where
        K: 'a,
    {
        for name in names {
            if self.names.len() >= MOST_NAMES {
                self.complete_after = self.names.pop_front().map_or(number, |(number, _)| number);
            }
            self.names.push_back((number, name.clone()));
        }
    }

    /// Somebody who may ask later is not told the names of this change.
    fn skip(&mut self, number: u64) {
        self.names.clear();
        self.complete_after = number;
    }

    fn since(&self, number: u64) -> ChangedNames<K> {
        let from = self.names.partition_point(|(of, _)| *of <= number);
        let mut names: Vec<K> = self.names.range(from..).map(|(_, name)| name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        ChangedNames { names, complete: number >= self.complete_after }
    }
}

/// One change that has to be signalled.
#[derive(Default)]
pub(super) struct Signalled<'a> {
    pub(super) topics: Vec<SignalTopic>,
    pub(super) services: &'a [ServiceKey],
    pub(super) configs: &'a [ConfigKey],
}

impl SignalBoard {
    /// Something changed, and is in place.
    pub(super) fn signal(&self, signalled: &Signalled<'_>) {
        if signalled.topics.is_empty() {
            return;
        }
        let mut book = self.book();
        let number = book.next(&signalled.topics);
        if self.newest.receiver_count() > 0 {
            book.services.note(number, signalled.services.iter());
            book.configs.note(number, signalled.configs.iter());
        } else {
            book.skip_names(number, signalled);
        }
        drop(book);
        self.newest.send_replace(number);
    }

    /// Somebody outside knows the topic to be as `mark` says: a change if another one was noted before.
    pub(super) fn note(&self, topic: SignalTopic, mark: u64) {
        let mut book = self.book();
        let before = book.marks[topic as usize].replace(mark);
        if before.is_none_or(|before| before == mark) {
            return;
        }
        let number = book.next(&[topic]);
        drop(book);
        self.newest.send_replace(number);
    }

    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    pub(super) fn newest(&self) -> u64 {
        self.book().newest
    }

    pub(super) fn since(&self, number: u64) -> SignalNews {
        let book = self.book();
        let changed = |topic: &SignalTopic| book.last[*topic as usize] > number;
        SignalNews {
            number: book.newest,
            topics: SignalTopic::ALL.into_iter().filter(changed).collect(),
            services: book.services.since(number),
            configs: book.configs.since(number),
        }
    }

    fn book(&self) -> MutexGuard<'_, SignalBook> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SignalBook {
    fn next(&mut self, topics: &[SignalTopic]) -> u64 {
        self.newest += 1;
        for topic in topics {
            self.last[*topic as usize] = self.newest;
        }
        self.newest
    }

    fn skip_names(&mut self, number: u64, signalled: &Signalled<'_>) {
        if !signalled.services.is_empty() {
            self.services.skip(number);
        }
        if !signalled.configs.is_empty() {
            self.configs.skip(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> ServiceKey {
        ServiceKey::new("public", "g", &format!("s{number}"))
    }

    fn changed(board: &SignalBoard, names: &[ServiceKey]) {
        board.signal(&Signalled { topics: vec![SignalTopic::Services], services: names, configs: &[] });
    }

    #[test]
    fn who_says_what_he_was_told_last_is_told_what_changed_since_and_nothing_twice() {
        let board = SignalBoard::default();
        let _listening = board.watch();
        changed(&board, &[key(1)]);
        let first = board.since(0);
        assert_eq!((first.topics, first.services.names), (vec![SignalTopic::Services], vec![key(1)]));
        board.signal(&Signalled { topics: vec![SignalTopic::Drains, SignalTopic::Clusters], ..Signalled::default() });
        changed(&board, &[key(2), key(3)]);
        changed(&board, &[key(2)]);
        let news = board.since(first.number);
        assert_eq!(news.topics, [SignalTopic::Clusters, SignalTopic::Drains, SignalTopic::Services]);
        assert_eq!((news.services.names, news.services.complete), (vec![key(2), key(3)], true));
        let nothing = board.since(news.number);
        assert!(nothing.topics.is_empty() && nothing.services.names.is_empty());
    }

    #[test]
    fn names_are_bounded_and_not_kept_for_nobody_and_a_count_that_lacks_some_says_so() {
        let board = SignalBoard::default();
        changed(&board, &(0..10).map(key).collect::<Vec<_>>());
        assert!(board.book().services.names.is_empty(), "nobody listens");
        let _listening = board.watch();
        let known = board.newest();
        assert!(!board.since(0).services.complete && board.since(known).services.complete);
        changed(&board, &(0..MOST_NAMES).map(key).collect::<Vec<_>>());
        let all = board.since(known).services;
        assert_eq!((all.names.len(), all.complete), (MOST_NAMES, true));
        changed(&board, &[key(MOST_NAMES)]);
        assert_eq!(board.book().services.names.len(), MOST_NAMES);
        assert!(!board.since(known).services.complete, "the first name is forgotten");
    }

    #[test]
    fn what_is_known_from_outside_is_a_change_only_where_it_is_another() {
        let board = SignalBoard::default();
        for (mark, want) in [(7, 0), (7, 0), (8, 1), (8, 1), (7, 2)] {
            board.note(SignalTopic::Policy, mark);
            assert_eq!(board.newest(), want, "{mark}");
        }
    }
}
