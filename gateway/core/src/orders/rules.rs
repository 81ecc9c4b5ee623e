//! Whose orders count here, and for what: rules of the configuration, and whether a record is signed.
//!
//! A cluster's records say who wrote them by the topic that they stand in, and whoever may write to that topic may claim to be the cluster. Two
//! things bound what that is worth: rules say which clusters' orders are accepted for which targets, and signatures say whether a record was made
//! by somebody who has the cluster's key. Input: the configuration as a value, and of one record its topic, what it is about, and the verdict of
//! whoever decoded it. Output: accepted, or why not. Invariants: the verdict depends on nothing else, so that it is the same each time a record
//! is read; orders of the own cluster are never refused by a rule, so that people can always overrule others at their own gateway.

use std::collections::BTreeSet;

use crate::guard::{GuardTarget, GuardWord};
use crate::id::ClusterId;
use crate::intents::DrainTarget;
use crate::intents::verdict::{NotAccepted, Signed};
use crate::pattern::{Glob, ServicePattern};

/// What a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum OrderKind {
    /// Drains, and their ends.
    Drain,
    /// Decisions about holds of the guard.
    Guard,
}

/// Which clusters' orders are accepted for which targets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AcceptRule {
    /// Patterns of the clusters that order.
    pub from: Vec<Glob>,
    /// What they may order.
    pub orders: Vec<OrderKind>,
    /// Patterns of the clusters about which they may.
    pub clusters: Vec<Glob>,
    /// The services about which they may; an order about all of a cluster needs a pattern of all.
    pub services: Vec<ServicePattern>,
    /// Each about itself alone.
    pub itself: bool,
}

/// What a record orders something about.
#[derive(Clone, Copy, Debug)]
pub enum OrderSubject<'a> {
    /// A drain or its end; also a tombstone of one.
    Drain(&'a DrainTarget),
    /// A word about a hold; `None` is a tombstone.
    Hold(&'a GuardTarget, Option<GuardWord>),
}

/// What of all that clusters order is accepted. Without rules and keys, everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct IntentRules {
    /// What is accepted of other clusters; `None` for everything.
    pub accept: Option<Vec<AcceptRule>>,
    /// Clusters of which keys are pinned: their records need a signature.
    pub pinned: BTreeSet<ClusterId>,
    /// All clusters' records need one.
    pub all_signed: bool,
}

impl IntentRules {
    /// Whether a record in the log of `origin` is accepted by a gateway of `own`.
    ///
    /// # Errors
    /// Why it has no effect.
    pub fn judge(
        &self,
        own: &ClusterId,
        origin: &ClusterId,
        subject: OrderSubject<'_>,
        signed: Signed,
    ) -> Result<(), NotAccepted> {
        self.judge_signature(origin, signed)?;
        let Some(rules) = self.accept.as_deref().filter(|_| own != origin) else { return Ok(()) };
        if subject.is_own_word(origin) || rules.iter().any(|rule| rule.accepts(origin, subject)) {
            return Ok(());
        }
        Err(NotAccepted::NoRule)
    }

    fn judge_signature(&self, origin: &ClusterId, signed: Signed) -> Result<(), NotAccepted> {
        if !self.all_signed && !self.pinned.contains(origin) {
            return Ok(());
        }
        match signed {
            Signed::Valid => Ok(()),
            Signed::Absent => Err(NotAccepted::Unsigned),
            Signed::Unpinned => Err(NotAccepted::NoKey),
            Signed::Wrong => Err(NotAccepted::WrongSignature),
        }
    }
}

impl OrderSubject<'_> {
    fn kind(self) -> OrderKind {
        match self {
            Self::Drain(_) => OrderKind::Drain,
            Self::Hold(..) => OrderKind::Guard,
        }
    }

    fn cluster(&self) -> &ClusterId {
        match self {
            Self::Drain(target) => target.cluster(),
            Self::Hold(target, _) => target.cluster(),
        }
    }

    /// What a cluster says of holds of its own is its leader's word of what is so, and no order.
    fn is_own_word(self, origin: &ClusterId) -> bool {
        let said_by_leaders = |word: Option<GuardWord>| !matches!(word, Some(GuardWord::Keep | GuardWord::Release));
        matches!(self, Self::Hold(target, word) if target.cluster() == origin && said_by_leaders(word))
    }

    /// The services that it is about.
    fn services(self) -> ServicePattern {
        match self {
            Self::Drain(target) => target.services().cloned().unwrap_or_else(ServicePattern::any),
            Self::Hold(target, _) => {
                // Of a name that is no pattern, or has a wildcard, more is asked for than it names, never less.
                let namespace = target.namespace().parse().unwrap_or_else(|_| Glob::any());
                ServicePattern { namespace, ..ServicePattern::any() }
            }
        }
    }
}

impl AcceptRule {
    fn accepts(&self, origin: &ClusterId, subject: OrderSubject<'_>) -> bool {
        let any = |globs: &[Glob], name: &ClusterId| globs.iter().any(|glob| glob.matches(name.as_str()));
        let wanted = subject.services();
        self.orders.contains(&subject.kind())
            && any(&self.from, origin)
            && any(&self.clusters, subject.cluster())
            && (!self.itself || subject.cluster() == origin)
            && self.services.iter().any(|pattern| pattern.covers(&wanted))
            && !matches!(subject, OrderSubject::Hold(_, Some(GuardWord::Held | GuardWord::Over)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(name: &str) -> ClusterId {
        name.parse().unwrap()
    }

    fn globs(texts: &[&str]) -> Vec<Glob> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn rule(from: &[&str], clusters: &[&str]) -> AcceptRule {
        AcceptRule {
            from: globs(from),
            orders: vec![OrderKind::Drain, OrderKind::Guard],
            clusters: globs(clusters),
            services: vec![ServicePattern::any()],
            itself: false,
        }
    }

    fn accepting(rules: Vec<AcceptRule>) -> IntentRules {
        IntentRules { accept: Some(rules), ..IntentRules::default() }
    }

    fn of_drain(rules: &IntentRules, origin: &str, target: &str) -> bool {
        let target = target.parse().unwrap();
        rules.judge(&cluster("own"), &cluster(origin), OrderSubject::Drain(&target), Signed::Absent).is_ok()
    }

    fn of_hold(rules: &IntentRules, origin: &str, target: &str, word: Option<GuardWord>) -> bool {
        let target = target.parse().unwrap();
        rules.judge(&cluster("own"), &cluster(origin), OrderSubject::Hold(&target, word), Signed::Absent).is_ok()
    }

    #[test]
    fn a_rule_names_who_orders_what_about_which_cluster_and_services() {
        let orders = ServicePattern { service: "order-*".parse().unwrap(), ..ServicePattern::any() };
        let rules = accepting(vec![
            rule(&["hq-*"], &["*"]),
            AcceptRule { itself: true, ..rule(&["edge-*"], &["*"]) },
            AcceptRule { services: vec![orders], ..rule(&["shop"], &["a", "b"]) },
        ]);
        for (origin, target, want) in [
            ("hq-1", "a", true),
            ("hq-1", "own", true),
            ("hq", "a", false),
            ("edge-1", "edge-1", true),
            ("edge-1", "edge-2", false),
            ("shop", "a", false),
            ("shop", "a/*/*/order-1", true),
            ("shop", "a/*/*/order-*", true),
            ("shop", "a/*/*/order", false),
            ("shop", "c/*/*/order-1", false),
            ("own", "a", true),
        ] {
            assert_eq!(of_drain(&rules, origin, target), want, "{origin} orders {target}");
        }
        assert!(of_drain(&IntentRules::default(), "anybody", "a"));
        assert!(!of_drain(&accepting(Vec::new()), "anybody", "a") && of_drain(&accepting(Vec::new()), "own", "a"));
    }

    #[test]
    fn decisions_need_a_rule_and_what_a_leader_says_of_its_own_holds_needs_none() {
        let public = ServicePattern { namespace: "public".parse().unwrap(), ..ServicePattern::any() };
        let rules = accepting(vec![
            AcceptRule { orders: vec![OrderKind::Guard], services: vec![public], ..rule(&["hq"], &["*"]) },
            AcceptRule { orders: vec![OrderKind::Drain], ..rule(&["b"], &["*"]) },
        ]);
        for (origin, target, word, want) in [
            ("hq", "a/public", Some(GuardWord::Release), true),
            ("hq", "a/other", Some(GuardWord::Release), false),
            ("hq", "a/p*", Some(GuardWord::Keep), false),
            ("hq", "a/public", Some(GuardWord::Over), false),
            ("b", "a/public", Some(GuardWord::Release), false),
            ("b", "b/public", Some(GuardWord::Release), false),
            ("b", "b/public", Some(GuardWord::Held), true),
            ("b", "b/public", None, true),
            ("b", "a/public", Some(GuardWord::Held), false),
        ] {
            assert_eq!(of_hold(&rules, origin, target, word), want, "{origin} says {word:?} of {target}");
        }
        assert!(!of_drain(&rules, "hq", "a"));
    }

    #[test]
    fn a_pinned_cluster_needs_its_signature_and_with_require_signatures_every_one_does() {
        let target = "x".parse().unwrap();
        let pinned = IntentRules { pinned: [cluster("a")].into(), ..IntentRules::default() };
        let all = IntentRules { all_signed: true, ..pinned.clone() };
        let judge = |rules: &IntentRules, origin: &str, signed| {
            rules.judge(&cluster("own"), &cluster(origin), OrderSubject::Drain(&target), signed).err()
        };
        for (rules, origin, signed, want) in [
            (&pinned, "a", Signed::Valid, None),
            (&pinned, "a", Signed::Absent, Some(NotAccepted::Unsigned)),
            (&pinned, "a", Signed::Wrong, Some(NotAccepted::WrongSignature)),
            (&pinned, "b", Signed::Absent, None),
            (&pinned, "b", Signed::Unpinned, None),
            (&all, "b", Signed::Absent, Some(NotAccepted::Unsigned)),
            (&all, "b", Signed::Unpinned, Some(NotAccepted::NoKey)),
            (&all, "own", Signed::Absent, Some(NotAccepted::Unsigned)),
            (&all, "own", Signed::Valid, None),
        ] {
            assert_eq!(judge(rules, origin, signed), want, "{origin} {signed:?}");
        }
    }
}
