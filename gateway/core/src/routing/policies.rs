//! Which policy a service is planned by: rules for services by pattern, and one policy for all that no rule names.
//!
//! Input: patterns with their policies. Output: the policy of a service, and the rule it came from. Invariant: no service
//! matches two most specific rules, so that the order of rules never decides.

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

use super::policy::Policy;
use crate::id::ServiceKey;
use crate::pattern::{ServicePattern, Specificity};

/// Most rules beside the default: each is tried for each service.
pub const MAX_RULES: usize = 1_000;

/// All policies of a gateway. A rule is whole: what it does not name has its default, not the value of the default policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    default: Arc<Policy>,
    /// The most specific first.
    rules: Vec<(ServicePattern, Arc<Policy>)>,
}

/// The policy of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EffectivePolicy<'a> {
    /// What it is planned by.
    pub policy: &'a Arc<Policy>,
    /// The rule it came from; `None` = the default.
    pub rule: Option<&'a ServicePattern>,
}

/// Two rules that are equally specific and name one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyTie {
    /// The one that was given first: its place among the rules, from 0.
    pub first: usize,
    /// The other one.
    pub second: usize,
    /// The pattern of the first.
    pub first_pattern: ServicePattern,
    /// The pattern of the second.
    pub second_pattern: ServicePattern,
}

impl fmt::Display for PolicyTie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = (&self.first_pattern, &self.second_pattern);
        write!(f, "{first} and {second} are equally specific, and a service may match both")
    }
}

/// Rules that cannot be in force together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicies {
    /// Every tie, by the places of its rules; at least one.
    #[error("{}", ties(.0))]
    Ties(Vec<PolicyTie>),
    /// More than [`MAX_RULES`].
    #[error("{rules} rules are given, at most {MAX_RULES} are allowed")]
    TooMany {
        /// How many were given.
        rules: usize,
    },
}

fn ties(ties: &[PolicyTie]) -> String {
    let texts: Vec<String> = ties.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl Policies {
    /// `rules` in any order, `default` for services that none of them names.
    ///
    /// # Errors
    /// Two rules of equal specificity that may match one service, and more than [`MAX_RULES`], are refused.
    pub fn new(default: Arc<Policy>, mut rules: Vec<(ServicePattern, Arc<Policy>)>) -> Result<Self, InvalidPolicies> {
        if rules.len() > MAX_RULES {
            return Err(InvalidPolicies::TooMany { rules: rules.len() });
        }
        let found = find_ties(&rules);
        if !found.is_empty() {
            return Err(InvalidPolicies::Ties(found));
        }
        rules.sort_by_key(|(pattern, _)| Reverse(pattern.specificity()));
        Ok(Self { default, rules })
    }

    /// The policy of services that no rule names.
    #[must_use]
    pub fn default_policy(&self) -> &Arc<Policy> {
        &self.default
    }

    /// All rules, the most specific first.
    #[must_use]
    pub fn rules(&self) -> &[(ServicePattern, Arc<Policy>)] {
        &self.rules
    }

    /// What `service` is planned by: the most specific rule that names it, else the default.
    #[must_use]
    pub fn effective(&self, service: &ServiceKey) -> EffectivePolicy<'_> {
        match self.rules.iter().find(|(pattern, _)| pattern.matches(service)) {
            Some((pattern, policy)) => EffectivePolicy { policy, rule: Some(pattern) },
            None => EffectivePolicy { policy: &self.default, rule: None },
        }
    }
}

fn find_ties(rules: &[(ServicePattern, Arc<Policy>)]) -> Vec<PolicyTie> {
    let specificities: Vec<Specificity> = rules.iter().map(|(pattern, _)| pattern.specificity()).collect();
    let mut ties = Vec::new();
    for (second, (second_pattern, _)) in rules.iter().enumerate() {
        for (first, (first_pattern, _)) in rules[..second].iter().enumerate() {
            if specificities[first] == specificities[second] && first_pattern.overlaps(second_pattern) {
                let (first_pattern, second_pattern) = (first_pattern.clone(), second_pattern.clone());
                ties.push(PolicyTie { first, second, first_pattern, second_pattern });
            }
        }
    }
    ties
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{OverprovisioningPercent, StaleRule};

    fn pattern(text: &str) -> ServicePattern {
        let parts: Vec<&str> = text.split('/').collect();
        let glob = |at: usize| parts[at].parse().unwrap();
        ServicePattern { namespace: glob(0), group: glob(1), service: glob(2) }
    }

    fn policy(overprovisioning: u32) -> Arc<Policy> {
        let overprovisioning = OverprovisioningPercent::new(overprovisioning).unwrap();
        Arc::new(Policy { overprovisioning, ..Policy::default() })
    }

    fn policies(rules: &[(&str, u32)]) -> Result<Policies, InvalidPolicies> {
        let rules = rules.iter().map(|(text, factor)| (pattern(text), policy(*factor))).collect();
        Policies::new(policy(100), rules)
    }

    #[test]
    fn the_most_specific_rule_decides_in_any_order() {
        let rules = [("*/*/order-*", 110), ("*/*/*", 120), ("prod/*/*", 130), ("*/*/order-eu", 140)];
        let backwards: Vec<_> = rules.iter().rev().copied().collect();
        for rules in [rules.to_vec(), backwards] {
            let policies = policies(&rules).unwrap();
            for (namespace, service, want, rule) in [
                ("public", "order-us", 110, "*/*/order-*"),
                ("public", "order-eu", 140, "*/*/order-eu"),
                ("public", "cart", 120, "*/*/*"),
                ("prod", "order-eu", 130, "prod/*/*"),
            ] {
                let effective = policies.effective(&ServiceKey::new(namespace, "G", service));
                assert_eq!(effective.policy.overprovisioning.percent(), want, "{namespace} {service}");
                assert_eq!(effective.rule, Some(&pattern(rule)), "{namespace} {service}");
            }
        }
        let effective = policies(&[("prod/*/*", 130)]).unwrap();
        let effective = effective.effective(&ServiceKey::new("public", "G", "cart"));
        assert_eq!((effective.policy.overprovisioning.percent(), effective.rule), (100, None));
    }

    #[test]
    fn a_rule_takes_nothing_from_the_default() {
        let default = Arc::new(Policy { stale: StaleRule::Keep, ..Policy::default() });
        let policies = Policies::new(default, vec![(pattern("*/*/a"), Arc::default())]).unwrap();
        assert_eq!(policies.effective(&ServiceKey::new("", "", "a")).policy.stale, StaleRule::Demote);
        assert_eq!(policies.effective(&ServiceKey::new("", "", "b")).policy.stale, StaleRule::Keep);
    }

    #[test]
    fn equally_specific_rules_that_overlap_are_refused_all_at_once() {
        let refused = policies(&[("*/*/order-*", 110), ("*/*/*-order", 110), ("*/*/a*", 110), ("*/*/*a", 110)]);
        let Err(InvalidPolicies::Ties(ties)) = refused else { panic!("{refused:?}") };
        let places: Vec<_> = ties.iter().map(|tie| (tie.first, tie.second)).collect();
        assert_eq!(places, [(0, 1), (2, 3)]);
        assert!(policies(&[("*/*/order-a*", 110), ("*/*/order-b*", 110), ("*/*/x??", 110), ("*/*/x", 110)]).is_ok());
        assert!(policies(&[("prod/*/a", 110), ("test/*/a", 110)]).is_ok());
    }

    #[test]
    fn too_many_rules_are_refused() {
        let rules = (0..=MAX_RULES).map(|number| (pattern(&format!("*/*/s{number}")), Arc::default())).collect();
        assert_eq!(Policies::new(Arc::default(), rules), Err(InvalidPolicies::TooMany { rules: MAX_RULES + 1 }));
    }
}
