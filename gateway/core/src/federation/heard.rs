//! What others ordered, as this process hears it: which records of orders change the federation, told once each, for whoever keeps who did what.
//!
//! Not told: what this process took itself (whoever took it knows), steps of ramps, records that are read again, and what leaves the log when it
//! says nothing any more. While a topic is read from its beginning nothing is told; at its end it is what differs from what was known before.
//!
//! Duty of the caller: [`Federation::take_heard`] after steps. What nobody takes is dropped beyond a bound.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::drains::IntentTable;
use crate::federation::Federation;
use crate::guard::{GuardEntry, GuardTable, GuardTarget, GuardWord};
use crate::id::ClusterId;
use crate::intents::verdict::NotAccepted;
use crate::intents::{DrainIntent, DrainTarget};
use crate::log::intents::LoggedDrain;
use crate::orders::{HeardOrder, HeardWhat};
use crate::percent::Percent;
use crate::time::{Now, WallMs};

/// What waits to be taken, at most.
const MOST_HEARD: usize = 1_000;

/// What was known of an origin's orders before its topic was read to the end.
pub(super) struct KnownBefore {
    drains: BTreeMap<DrainTarget, DrainIntent>,
    intents: Arc<IntentTable>,
    guard: Arc<GuardTable>,
}

impl Federation {
    /// What was heard since this was last called, in the order in which it was read.
    pub fn take_heard(&mut self) -> Vec<HeardOrder> {
        std::mem::take(&mut self.heard)
    }

    /// What is in force for a target as the logs are served now: the percentage, and where it goes.
    pub(super) fn percent_of(&self, target: &DrainTarget) -> (Percent, Percent) {
        let included = self.origins.iter().filter(|(id, _)| !self.excluded.contains(*id));
        let served = included.filter_map(|(id, it)| Some((it.intents.served_of(target)?.intent.as_ref()?, id)));
        let highest = served.max_by_key(|(intent, id)| (intent.counter, *id));
        highest.map_or_else(Default::default, |(intent, _)| (intent.percent, intent.goal()))
    }

    /// A drain's record was folded, behind the end of the topic. `was` is what the key had, `before` the percentage in force.
    pub(super) fn hear_drain(
        &mut self,
        now: Now,
        id: &ClusterId,
        target: &DrainTarget,
        was: Option<&LoggedDrain>,
        before: Percent,
    ) {
        let is = self.origins.get(id).and_then(|origin| origin.intents.served_of(target));
        let (was, is) = (was.and_then(|it| it.intent.as_ref()), is.and_then(|it| it.intent.clone()));
        let after = self.percent_of(target).1;
        match is {
            Some(intent) => {
                let is_known = was.is_some_and(|was| was.is_same_order(&intent)) || self.is_own(id, &intent);
                if !is_known {
                    let when = intent.when;
                    let what = HeardWhat::Drain { target: target.clone(), intent, before, after };
                    self.hear(now, id, when, what, None);
                }
            }
            None if was.is_some() && before != after => {
                let what = HeardWhat::Forgotten { target: target.clone(), before, after };
                self.hear(now, id, now.wall, what, None);
            }
            None => {}
        }
    }

    fn is_own(&self, id: &ClusterId, intent: &DrainIntent) -> bool {
        id == self.cluster() && intent.replica == self.settings.identity.nonce
    }

    /// A drain's record that is not accepted was read.
    pub(super) fn hear_refused_drain(
        &mut self,
        now: Now,
        id: &ClusterId,
        target: &DrainTarget,
        intent: Option<&DrainIntent>,
        why: NotAccepted,
    ) {
        let (before, target) = (self.percent_of(target).0, target.clone());
        let what = match intent.cloned() {
            Some(intent) => HeardWhat::Drain { target, intent, before, after: before },
            None => HeardWhat::Forgotten { target, before, after: before },
        };
        self.hear(now, id, now.wall, what, Some(why));
    }

    /// A word of people about a hold was read, or one that is not accepted.
    pub(super) fn hear_word(
        &mut self,
        now: Now,
        id: &ClusterId,
        target: &GuardTarget,
        entry: &GuardEntry,
        why: Option<NotAccepted>,
    ) {
        if !matches!(entry.word, GuardWord::Keep | GuardWord::Release) || self.is_under_way(id, target, entry) {
            return;
        }
        let before = self.guard.get(target).map(|found| found.entry.word);
        let what = HeardWhat::Hold { target: target.clone(), entry: entry.clone(), before };
        self.hear(now, id, if why.is_some() { now.wall } else { entry.when }, what, why);
    }

    /// What is known of an origin's orders; `None` where its topic was read to the end already: then all that is new was heard.
    pub(super) fn known_before(&self, id: &ClusterId) -> Option<KnownBefore> {
        let origin = self.origins.get(id).filter(|origin| !origin.intents.is_read())?;
        let served = origin.intents.served();
        let drains = served.filter_map(|(target, it)| Some((target.clone(), it.intent.clone()?))).collect();
        Some(KnownBefore { drains, intents: Arc::clone(&self.intents), guard: Arc::clone(&self.guard) })
    }

    /// The topic of an origin was read to its end: what differs from what was known is heard.
    pub(super) fn hear_difference(&mut self, now: Now, id: &ClusterId, known: &KnownBefore) {
        let Some(origin) = self.origins.get(id) else { return };
        let served = origin.intents.served().filter_map(|(target, it)| Some((target, it.intent.as_ref()?)));
        let is_news = |target: &DrainTarget, intent: &DrainIntent| {
            !known.drains.get(target).is_some_and(|was| was.is_same_order(intent)) && !self.is_own(id, intent)
        };
        let news = served.filter(|(target, intent)| is_news(target, intent));
        let news: Vec<_> = news.map(|(target, intent)| (target.clone(), intent.clone())).collect();
        let refused: Vec<_> = origin.intents.refused().map(|(target, it)| (target.clone(), it.clone())).collect();
        let refused_words: Vec<_> = origin.guard.refused().map(|(target, it)| (target.clone(), it.clone())).collect();
        for (target, intent) in news {
            let before = known.intents.get(&target).map(|drain| drain.intent.percent).unwrap_or_default();
            let (when, after) = (intent.when, self.percent_of(&target).1);
            self.hear(now, id, when, HeardWhat::Drain { target, intent, before, after }, None);
        }
        for (target, record) in refused {
            self.hear_refused_drain(now, id, &target, record.intent.as_ref(), record.why);
        }
        for (target, record) in refused_words {
            if let Some(entry) = &record.entry {
                self.hear_word(now, id, &target, entry, Some(record.why));
            }
        }
        // Of words those that count: nothing says which others were heard by an earlier process.
        let words = Arc::clone(&self.guard);
        for (target, found) in words.standing().filter(|(_, found)| found.taken_in == *id) {
            let was = known.guard.get(target);
            let GuardEntry { word, when, .. } = found.entry;
            if matches!(word, GuardWord::Keep | GuardWord::Release) && was.map(|it| &it.entry) != Some(&found.entry) {
                let before = was.map(|was| was.entry.word);
                let what = HeardWhat::Hold { target: target.clone(), entry: found.entry.clone(), before };
                self.hear(now, id, when, what, None);
            }
        }
    }

    fn hear(&mut self, now: Now, id: &ClusterId, when: WallMs, what: HeardWhat, refused: Option<NotAccepted>) {
        if self.heard.len() < MOST_HEARD {
            self.heard.push(HeardOrder { origin: id.clone(), when: when.min(now.wall), what, refused });
        }
    }
}
