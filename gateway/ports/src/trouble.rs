//! What is wrong with this gateway right now: one board that every part writes to and every face reads.
//!
//! The failure that it defends against is a refusal that nobody hears: a part that fails for as long as its cause lasts, each time with
//! an error that somebody else's success clears, or that only its own log has. So a trouble is kept *by what it concerns*: it stands from
//! the moment it is raised until the same concern is healed, whatever else goes well meanwhile. Each is logged once when it begins and
//! once when it ends, counted in `federation_troubles`, and told by `/v1/status`, `/readyz` and `nacos-fed status`.
//!
//! Duties of a writer: raise what *lasts* (a single failed call is no trouble), name what it concerns in words that stay the same, and
//! heal it when that very thing works again. The board never forgets by itself. Writers may call from any thread; a call takes a lock
//! for the length of one map operation and never waits.

pub mod lasting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::Serialize;
use utoipa::ToSchema;

use crate::metrics::{TroubleKind, TroubleMetrics};

/// Troubles of one kind that are kept one by one; further ones are counted by the last entry's text only. A broken Nacos could
/// otherwise fill the memory with one trouble for each of its services.
const MOST_OF_A_KIND: usize = 100;

/// One thing that is wrong now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// What kind of thing, for programs.
    #[schema(value_type = String)]
    pub kind: TroubleKind,
    /// What it concerns: a topic, a service, a rule, a file; empty where the kind says it all.
    pub about: String,
    /// What is wrong and what to do, for people.
    pub text: String,
    /// Wall time at which it began, milliseconds since 1970.
    pub since_ms: u64,
}

/// Cheap to clone; all clones are one board.
#[derive(Clone, Default)]
pub struct TroubleBoard(Arc<Shared>);

impl std::fmt::Debug for TroubleBoard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TroubleBoard").field("standing", &self.standing().len()).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Shared {
    /// Locked for single operations only.
    standing: Mutex<BTreeMap<(TroubleKind, String), Trouble>>,
    metrics: TroubleMetrics,
}

impl TroubleBoard {
    /// An empty board that counts in `metrics`.
    #[must_use]
    pub fn new(metrics: TroubleMetrics) -> Self {
        Self(Arc::new(Shared { standing: Mutex::default(), metrics }))
    }

    /// Something is wrong with `about`, or is wrong still. A changed text replaces the former one.
    pub fn raise(&self, kind: TroubleKind, about: &str, text: impl Into<String>) {
        let mut standing = self.standing();
        let text = text.into();
        if let Some(known) = standing.get_mut(&(kind, about.to_owned())) {
            known.text = text;
            return;
        }
        if of_kind(&standing, kind) >= MOST_OF_A_KIND {
            return;
        }
        tracing::warn!(trouble = kind.as_str(), about, detail = text, "trouble began");
        let trouble = Trouble { kind, about: about.to_owned(), text, since_ms: wall_ms() };
        standing.insert((kind, about.to_owned()), trouble);
        self.0.metrics.standing(kind).set(i64::try_from(of_kind(&standing, kind)).unwrap_or(i64::MAX));
    }

    /// `about` works again, or is of no concern any more.
    pub fn heal(&self, kind: TroubleKind, about: &str) {
        let mut standing = self.standing();
        if let Some(ended) = standing.remove(&(kind, about.to_owned())) {
            tracing::info!(trouble = kind.as_str(), about, detail = ended.text, "trouble ended");
            self.0.metrics.standing(kind).set(i64::try_from(of_kind(&standing, kind)).unwrap_or(i64::MAX));
        }
    }

    /// [`TroubleBoard::raise`] with a text, [`TroubleBoard::heal`] without.
    pub fn set(&self, kind: TroubleKind, about: &str, text: Option<String>) {
        match text {
            Some(text) => self.raise(kind, about, text),
            None => self.heal(kind, about),
        }
    }

    /// Exactly these troubles of the kind stand, as (about, text); for a kind with one writer that knows them all.
    pub fn replace(&self, kind: TroubleKind, now: impl IntoIterator<Item = (String, String)>) {
        let now: BTreeMap<String, String> = now.into_iter().collect();
        let known: Vec<String> =
            self.standing().keys().filter(|(of, _)| *of == kind).map(|(_, about)| about.clone()).collect();
        known.iter().filter(|about| !now.contains_key(*about)).for_each(|about| self.heal(kind, about));
        now.into_iter().for_each(|(about, text)| self.raise(kind, &about, text));
    }

    /// All that is wrong now, sorted by kind and concern.
    #[must_use]
    pub fn all(&self) -> Vec<Trouble> {
        self.standing().values().cloned().collect()
    }

    /// Whether a trouble of this kind stands.
    #[must_use]
    pub fn has(&self, kind: TroubleKind) -> bool {
        of_kind(&self.standing(), kind) > 0
    }

    fn standing(&self) -> MutexGuard<'_, BTreeMap<(TroubleKind, String), Trouble>> {
        self.0.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The troubles of one kind that one of several writers raises: each tells all of its own, and heals no other's.
pub struct RaisedTroubles {
    board: TroubleBoard,
    kind: TroubleKind,
    abouts: BTreeSet<String>,
}

impl RaisedTroubles {
    /// None yet.
    #[must_use]
    pub fn new(board: TroubleBoard, kind: TroubleKind) -> Self {
        Self { board, kind, abouts: BTreeSet::new() }
    }

    /// Exactly these of the writer's troubles stand, as (about, text). No two writers of a kind may name the same concern.
    pub fn tell(&mut self, now: impl IntoIterator<Item = (String, String)>) {
        let now: BTreeMap<String, String> = now.into_iter().collect();
        self.abouts
            .iter()
            .filter(|about| !now.contains_key(*about))
            .for_each(|about| self.board.heal(self.kind, about));
        now.iter().for_each(|(about, text)| self.board.raise(self.kind, about, text.as_str()));
        self.abouts = now.into_keys().collect();
    }
}

fn of_kind(standing: &BTreeMap<(TroubleKind, String), Trouble>, kind: TroubleKind) -> usize {
    standing.keys().filter(|(of, _)| *of == kind).count()
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(board: &TroubleBoard) -> Vec<String> {
        board.all().into_iter().map(|trouble| trouble.about).collect()
    }

    #[test]
    fn a_trouble_stands_until_the_very_thing_that_it_concerns_works_again() {
        let board = TroubleBoard::default();
        board.raise(TroubleKind::NacosCall, "orders", "cannot be read");
        let since = board.all()[0].since_ms;
        board.heal(TroubleKind::NacosCall, "payments"); // Another's success says nothing of this one.
        board.heal(TroubleKind::LogRefuses, "orders");
        board.raise(TroubleKind::NacosCall, "orders", "still cannot be read");
        let all = board.all();
        assert_eq!((all.len(), all[0].text.as_str(), all[0].since_ms), (1, "still cannot be read", since));
        assert_eq!(board.0.metrics.standing(TroubleKind::NacosCall).get(), 1);
        board.heal(TroubleKind::NacosCall, "orders");
        assert!(board.all().is_empty());
        assert_eq!(board.0.metrics.standing(TroubleKind::NacosCall).get(), 0);
    }

    #[test]
    fn one_writer_of_a_kind_replaces_its_troubles_and_no_others() {
        let board = TroubleBoard::default();
        board.raise(TroubleKind::LogRefuses, "instances", "too few replicas");
        let told = |names: &[&str]| names.iter().map(|it| ((*it).to_owned(), "text".to_owned())).collect::<Vec<_>>();
        board.replace(TroubleKind::RuleMatchesNothing, told(&["a", "b"]));
        board.replace(TroubleKind::RuleMatchesNothing, told(&["b", "c"]));
        assert_eq!(about(&board), ["instances", "b", "c"]);
    }

    #[test]
    fn several_writers_of_a_kind_heal_only_their_own() {
        let board = TroubleBoard::default();
        let told = |names: &[&str]| names.iter().map(|it| ((*it).to_owned(), "text".to_owned())).collect::<Vec<_>>();
        let mut writers = [0, 1].map(|_| RaisedTroubles::new(board.clone(), TroubleKind::RuleMatchesNothing));
        writers[0].tell(told(&["a", "b"]));
        writers[1].tell(told(&["c"]));
        writers[0].tell(told(&["b"]));
        assert_eq!(about(&board), ["b", "c"]);
        writers[1].tell(told(&[]));
        assert_eq!(about(&board), ["b"]);
    }

    #[test]
    fn a_broken_peer_cannot_fill_the_memory_with_troubles() {
        let board = TroubleBoard::default();
        for number in 0..10 * MOST_OF_A_KIND {
            board.raise(TroubleKind::RemovalUnconfirmed, &number.to_string(), "x");
        }
        assert_eq!(board.all().len(), MOST_OF_A_KIND);
    }
}
