//! Decides what is in force: which source counts, and what a new document of one changes.
//!
//! Input: what the sources say, in the order in which it was learned, and documents that were kept from the last run. Output: what is in
//! force, what is refused, and what is to be kept. Invariants: a wrong document changes nothing but its refusal; only a source's own word
//! that there is no document takes one out of force.

use std::sync::Arc;

use federation_core::routing::Policies;
use federation_core::time::WallMs;
use md5::{Digest, Md5};

use super::store::{InForce, PolicyRefusal, PolicySource, PolicyStanding, PolicyWord};
use federation_document::mistakes::{Mistake, Mistakes};

/// What a source says of its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// There is none.
    Absent,
    /// This is it.
    Text(Arc<str>),
    /// It is there, or should be, and cannot be read: why.
    Unreadable(Arc<str>),
}

/// What became of what a source said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was known.
    Nothing,
    /// The document is good, and the one to keep.
    Accepted,
    /// The document is wrong.
    Refused,
    /// There is no document any more.
    Removed,
}

impl Outcome {
    /// Whether another document is good now than before, or none.
    pub(super) fn changes_what_is_kept(self) -> bool {
        matches!(self, Self::Accepted | Self::Removed)
    }
}

/// A good document.
#[derive(Clone, Debug)]
pub(super) struct Good {
    pub(super) text: Arc<str>,
    pub(super) policies: Arc<Policies>,
    pub(super) since: WallMs,
}

/// One source.
struct Slot {
    source: PolicySource,
    /// `None` until the source was heard in this process.
    said: Option<Said>,
    good: Option<Good>,
    refusal: Option<PolicyRefusal>,
}

/// All sources and what follows from them.
pub(super) struct Ledger {
    /// The one that counts first first.
    slots: Vec<Slot>,
    in_force: InForce,
}

impl Ledger {
    /// With these sources, the one that counts first first; what was kept of them is in force until they are heard.
    pub(super) fn new(sources: Vec<(PolicySource, Option<Good>)>, now: WallMs) -> Self {
        let slot = |(source, good)| Slot { source, said: None, good, refusal: None };
        let mut ledger = Self { slots: sources.into_iter().map(slot).collect(), in_force: InForce::default() };
        ledger.decide(now);
        ledger
    }

    /// Whether this was said before, so that it need not be read again.
    pub(super) fn knows(&self, source: &PolicySource, said: &Said) -> bool {
        self.slot(source).is_some_and(|slot| slot.said.as_ref() == Some(said))
    }

    /// The source says that there is none.
    pub(super) fn absent(&mut self, source: &PolicySource, now: WallMs) -> Outcome {
        let Some(slot) = self.slot_mut(source) else { return Outcome::Nothing };
        let had = slot.good.is_some() || slot.refusal.is_some();
        (slot.good, slot.refusal) = (None, None);
        slot.said = Some(Said::Absent);
        self.decide(now);
        if had { Outcome::Removed } else { Outcome::Nothing }
    }

    /// The source has this document, which is right.
    pub(super) fn accept(
        &mut self,
        source: &PolicySource,
        text: Arc<str>,
        policies: Arc<Policies>,
        now: WallMs,
    ) -> Outcome {
        let Some(slot) = self.slot_mut(source) else { return Outcome::Nothing };
        let confirmed = slot.good.as_ref().is_some_and(|good| good.text == text);
        let healed = slot.refusal.take().is_some();
        slot.said = Some(Said::Text(Arc::clone(&text)));
        if !confirmed {
            slot.good = Some(Good { text, policies, since: now });
        }
        self.decide(now);
        if confirmed && !healed { Outcome::Nothing } else { Outcome::Accepted }
    }

    /// The source says something that is no document, or a wrong one.
    pub(super) fn refuse(&mut self, source: &PolicySource, said: Said, mistakes: &Mistakes, now: WallMs) -> Outcome {
        let Some(slot) = self.slot_mut(source) else { return Outcome::Nothing };
        slot.said = Some(said);
        let mistakes: Vec<Mistake> = mistakes.sorted().into_iter().cloned().collect();
        slot.refusal = Some(PolicyRefusal { source: source.clone(), at: now, mistakes: mistakes.into() });
        Outcome::Refused
    }

    /// What is in force now.
    pub(super) fn in_force(&self) -> &InForce {
        &self.in_force
    }

    /// What is known of each source.
    pub(super) fn standings(&self) -> Vec<PolicyStanding> {
        let word = |slot: &Slot| match slot.said {
            None => PolicyWord::NotHeard,
            Some(Said::Absent) => PolicyWord::Absent,
            Some(Said::Text(_) | Said::Unreadable(_)) => PolicyWord::Present,
        };
        let standing = |slot: &Slot| PolicyStanding {
            source: slot.source.clone(),
            word: word(slot),
            refusal: slot.refusal.clone(),
        };
        self.slots.iter().map(standing).collect()
    }

    /// The good document of a source.
    pub(super) fn good_of(&self, source: &PolicySource) -> Option<&Good> {
        self.slot(source)?.good.as_ref()
    }

    fn decide(&mut self, now: WallMs) {
        let best = self.slots.iter().find_map(|slot| Some((&slot.source, slot.good.as_ref()?)));
        let (source, md5) = match best {
            Some((source, good)) => (source.clone(), Some(md5_of(&good.text))),
            None => (PolicySource::Defaults, None),
        };
        if (&source, &md5) == (&self.in_force.source, &self.in_force.md5) {
            return;
        }
        self.in_force = InForce {
            policies: best.map(|(_, good)| Arc::clone(&good.policies)).unwrap_or_default(),
            version: self.in_force.version + 1,
            // A document that counts again because a better source lost its own is in force since then, a kept one since before.
            since: Some(if self.in_force.version == 0 { best.map_or(now, |(_, good)| good.since) } else { now }),
            source,
            md5,
        };
    }

    fn slot(&self, source: &PolicySource) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.source == *source)
    }

    fn slot_mut(&mut self, source: &PolicySource) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.source == *source)
    }
}

/// Lower-case hex, as Nacos writes it.
fn md5_of(text: &str) -> Arc<str> {
    let hex: String = Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    hex.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;

    const GOOD: &str = "stale: keep\n";
    const OTHER: &str = "locality: off\n";
    const WRONG: &str = "stale: keep\nlocality: of\n";

    fn file() -> PolicySource {
        PolicySource::File("p.yaml".into())
    }

    fn item() -> PolicySource {
        let (namespace, group, data_id) = ("public".into(), "g".into(), "d".into());
        PolicySource::ConfigItem(crate::sources::PolicyItem { namespace, group, data_id })
    }

    fn ledger() -> Ledger {
        Ledger::new(vec![(item(), None), (file(), None)], WallMs(1))
    }

    fn take(ledger: &mut Ledger, source: &PolicySource, text: &str, at: u64) -> Outcome {
        match document::from_text("p", text) {
            Ok(policies) => ledger.accept(source, text.into(), policies.into(), WallMs(at)),
            Err(mistakes) => ledger.refuse(source, Said::Text(text.into()), &mistakes, WallMs(at)),
        }
    }

    fn shown(ledger: &Ledger) -> (u64, &'static str, Option<u64>) {
        let in_force = ledger.in_force();
        (in_force.version, in_force.source.kind(), in_force.since.map(|at| at.0))
    }

    fn refused(ledger: &Ledger) -> Vec<(&'static str, usize)> {
        let standings = ledger.standings();
        let refusals = standings.iter().filter_map(|it| it.refusal.as_ref());
        refusals.map(|it| (it.source.kind(), it.mistakes[0].line)).collect()
    }

    #[test]
    fn the_item_counts_before_the_file_and_the_file_before_the_defaults() {
        let mut ledger = ledger();
        assert_eq!(shown(&ledger), (0, "defaults", None));
        assert_eq!(take(&mut ledger, &file(), GOOD, 2), Outcome::Accepted);
        assert_eq!(shown(&ledger), (1, "file", Some(2)));
        assert_eq!(take(&mut ledger, &item(), OTHER, 3), Outcome::Accepted);
        assert_eq!(shown(&ledger), (2, "config_item", Some(3)));
        assert_eq!(take(&mut ledger, &file(), "", 4), Outcome::Accepted);
        assert_eq!(shown(&ledger), (2, "config_item", Some(3)), "the file is not in force");
        assert_eq!(ledger.absent(&item(), WallMs(5)), Outcome::Removed);
        assert_eq!(shown(&ledger), (3, "file", Some(5)));
        assert_eq!(ledger.absent(&file(), WallMs(6)), Outcome::Removed);
        assert_eq!(shown(&ledger), (4, "defaults", Some(6)), "a version is never used twice");
        assert_eq!(ledger.absent(&item(), WallMs(7)), Outcome::Nothing);
    }

    #[test]
    fn a_wrong_document_changes_nothing_but_what_is_said_of_it() {
        let mut ledger = ledger();
        take(&mut ledger, &item(), GOOD, 2);
        assert_eq!(take(&mut ledger, &item(), WRONG, 3), Outcome::Refused);
        assert_eq!((shown(&ledger), refused(&ledger)), ((1, "config_item", Some(2)), vec![("config_item", 2)]));
        assert!(ledger.knows(&item(), &Said::Text(WRONG.into())), "it is not read again and again");
        assert_eq!(take(&mut ledger, &item(), GOOD, 4), Outcome::Accepted);
        assert_eq!((shown(&ledger), refused(&ledger)), ((1, "config_item", Some(2)), vec![]), "back to the former");
        assert_eq!(take(&mut ledger, &item(), OTHER, 5), Outcome::Accepted);
        assert_eq!(shown(&ledger), (2, "config_item", Some(5)));
    }

    #[test]
    fn a_wrong_document_that_is_removed_is_forgotten() {
        let mut ledger = ledger();
        take(&mut ledger, &item(), WRONG, 2);
        assert_eq!((shown(&ledger), refused(&ledger)), ((0, "defaults", None), vec![("config_item", 2)]));
        assert_eq!(ledger.absent(&item(), WallMs(3)), Outcome::Removed);
        assert_eq!(refused(&ledger), vec![]);
    }

    #[test]
    fn what_was_kept_is_in_force_until_its_source_says_something_right() {
        let kept = || {
            let policies = Arc::new(document::from_text("p", GOOD).unwrap());
            Ledger::new(
                vec![(item(), Some(Good { text: GOOD.into(), policies, since: WallMs(1) })), (file(), None)],
                WallMs(9),
            )
        };
        assert_eq!(shown(&kept()), (1, "config_item", Some(1)));
        assert_eq!(kept().standings()[0].word, PolicyWord::NotHeard);
        let mut confirmed = kept();
        assert_eq!(take(&mut confirmed, &item(), GOOD, 10), Outcome::Nothing);
        assert_eq!(
            (shown(&confirmed), confirmed.standings()[0].word),
            ((1, "config_item", Some(1)), PolicyWord::Present)
        );
        let mut wrong = kept();
        take(&mut wrong, &item(), WRONG, 10);
        assert_eq!((shown(&wrong), refused(&wrong)), ((1, "config_item", Some(1)), vec![("config_item", 2)]));
        let mut deleted = kept();
        assert_eq!(deleted.absent(&item(), WallMs(10)), Outcome::Removed);
        assert_eq!(shown(&deleted), (2, "defaults", Some(10)));
    }
}
