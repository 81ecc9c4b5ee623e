//! Patterns over names: globs, rules of three globs, and which rule is the most specific.
//!
//! Input: patterns as people wrote them and the keys of services and config items. Output: whether they match, and how
//! specific a match is. Invariant: matching takes at most pattern × name steps, whatever the pattern is.

use std::fmt;
use std::str::FromStr;

use crate::id::{ConfigKey, ServiceKey};

/// Longest pattern in bytes; twice the longest name that Nacos allows (a service's 512 characters).
pub const LONGEST_PATTERN_BYTES: usize = 1024;

/// A pattern that matches whole names: `*` stands for any text, also none, `?` for one character, everything else for
/// itself. There is no way to escape the two: Nacos forbids them in the names it checks.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Glob {
    /// As written, with runs of `*` made one.
    pattern: Box<str>,
}

/// A text that cannot be a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern is {bytes} bytes long, at most {LONGEST_PATTERN_BYTES} are allowed")]
pub struct InvalidGlob {
    /// The pattern's length.
    pub bytes: usize,
}

impl FromStr for Glob {
    type Err = InvalidGlob;
    /// Accepts any text up to [`LONGEST_PATTERN_BYTES`]; the empty pattern matches only the empty name.
    fn from_str(text: &str) -> Result<Self, InvalidGlob> {
        if text.len() > LONGEST_PATTERN_BYTES {
            return Err(InvalidGlob { bytes: text.len() });
        }
        let mut pattern = String::with_capacity(text.len());
        for character in text.chars() {
            if character != '*' || !pattern.ends_with('*') {
                pattern.push(character);
            }
        }
        Ok(Self { pattern: pattern.into() })
    }
}

impl Glob {
    /// The pattern that matches every name.
    #[must_use]
    pub fn any() -> Self {
        Self { pattern: "*".into() }
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// Whether the whole of `name` matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.takes(name, |_| true)
    }

    /// Whether some name is matched by both. At most pattern × pattern steps, fewer where their beginnings differ.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let wild = |character: char| matches!(character, '*' | '?');
        let pairs = self.pattern.chars().zip(other.pattern.chars()).take_while(|(a, b)| *a != '*' && *b != '*');
        if pairs.into_iter().any(|(a, b)| a != b && !wild(a) && !wild(b)) {
            return false;
        }
        // ours[i..] and theirs[j..] can be one text: row[i], for j from the end on.
        let ours: Vec<char> = self.pattern.chars().collect();
        let mut row: Vec<bool> = (0..=ours.len()).map(|at| ours[at..].iter().all(|left| *left == '*')).collect();
        for theirs in other.pattern.chars().rev() {
            let mut diagonal = row[ours.len()];
            row[ours.len()] = theirs == '*' && diagonal;
            for at in (0..ours.len()).rev() {
                let before = row[at];
                row[at] = match (ours[at], theirs) {
                    // A star stands for nothing, or takes one more of the other.
                    ('*', _) | (_, '*') => before || row[at + 1],
                    (a, b) => diagonal && (a == b || wild(a) || wild(b)),
                };
                diagonal = before;
            }
        }
        row[0]
    }

    /// Whether every name that `other` matches is matched by this pattern as well. Sound, not complete: `?*` is not found to cover `*?`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        // The other's wildcards are characters of their own: a star is swallowed by a star alone, a `?` by either.
        self.takes(&other.pattern, |character| character != '*')
    }

    /// Whether the whole of `text` is taken, a `?` taking one character that is `one`. A failed attempt goes back only to the last `*` before
    /// it: what an earlier star could take, the later one can as well.
    fn takes(&self, text: &str, one: impl Fn(char) -> bool) -> bool {
        let (mut pattern, mut rest) = (self.pattern.chars(), text.chars());
        let mut last_star = None;
        loop {
            let rest_here = rest.clone();
            match (pattern.next(), rest.next()) {
                (None, None) => return true,
                (Some('*'), _) => {
                    rest = rest_here;
                    last_star = Some((pattern.clone(), rest.clone()));
                }
                (Some('?'), Some(found)) if one(found) => {}
                (Some(wanted), Some(found)) if wanted == found => {}
                (_, _) => {
                    let Some((after_star, swallowed)) = last_star.as_mut() else { return false };
                    if swallowed.next().is_none() {
                        return false;
                    }
                    (pattern, rest) = (after_star.clone(), swallowed.clone());
                }
            }
        }
    }

    /// The one name that this pattern matches, if it has no wildcard.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        (!self.pattern.contains(['*', '?'])).then_some(&*self.pattern)
    }

    /// How many of the pattern's characters stand for themselves.
    #[must_use]
    pub fn literal_chars(&self) -> usize {
        self.pattern.chars().filter(|character| !matches!(character, '*' | '?')).count()
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pattern)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Glob({:?})", self.pattern)
    }
}

/// How specific a pattern of three parts is: the literal characters of the namespace, then of the group, then of the
/// name. The greater is the more specific.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Specificity {
    namespace: usize,
    group: usize,
    name: usize,
}

/// Names services by namespace, group and service; all three have to match.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ServicePattern {
    /// Of the namespace's id.
    pub namespace: Glob,
    /// Of the group's name.
    pub group: Glob,
    /// Of the service's name without its group.
    pub service: Glob,
}

impl ServicePattern {
    /// The pattern that matches every service.
    #[must_use]
    pub fn any() -> Self {
        Self { namespace: Glob::any(), group: Glob::any(), service: Glob::any() }
    }

    /// Whether `key` is one of the services that this pattern names.
    #[must_use]
    pub fn matches(&self, key: &ServiceKey) -> bool {
        self.namespace.matches(key.namespace())
            && self.group.matches(key.group())
            && self.service.matches(key.service())
    }

    /// Whether every service that `other` names is named by this pattern as well, as far as [`Glob::covers`] tells.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.namespace.covers(&other.namespace)
            && self.group.covers(&other.group)
            && self.service.covers(&other.service)
    }

    /// Whether some service may be named by both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.namespace.overlaps(&other.namespace)
            && self.group.overlaps(&other.group)
            && self.service.overlaps(&other.service)
    }

    /// For choosing among several patterns that match.
    #[must_use]
    pub fn specificity(&self) -> Specificity {
        specificity(&self.namespace, &self.group, &self.service)
    }
}

impl fmt::Display for ServicePattern {
    /// `namespace/group/service`, for people: a name may itself have a slash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.group, self.service)
    }
}

/// Names config items by namespace, group and data id; all three have to match.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ConfigPattern {
    /// Of the namespace's id.
    pub namespace: Glob,
    /// Of the group's name.
    pub group: Glob,
    /// Of the item's data id.
    pub data_id: Glob,
}

impl ConfigPattern {
    /// The pattern that matches every config item.
    #[must_use]
    pub fn any() -> Self {
        Self { namespace: Glob::any(), group: Glob::any(), data_id: Glob::any() }
    }

    /// Whether `key` is one of the items that this pattern names.
    #[must_use]
    pub fn matches(&self, key: &ConfigKey) -> bool {
        self.namespace.matches(key.namespace())
            && self.group.matches(key.group())
            && self.data_id.matches(key.data_id())
    }

    /// For choosing among several patterns that match.
    #[must_use]
    pub fn specificity(&self) -> Specificity {
        specificity(&self.namespace, &self.group, &self.data_id)
    }
}

impl fmt::Display for ConfigPattern {
    /// `namespace/group/data id`, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.group, self.data_id)
    }
}

fn specificity(namespace: &Glob, group: &Glob, name: &Glob) -> Specificity {
    Specificity { namespace: namespace.literal_chars(), group: group.literal_chars(), name: name.literal_chars() }
}

/// The most specific of rules that all match, or all rules that are equally specific: whether a tie is a mistake is the
/// caller's to say. Empty for no rules.
#[must_use]
pub fn most_specific<R>(matching: impl IntoIterator<Item = R>, specificity: impl Fn(&R) -> Specificity) -> Vec<R> {
    let mut best = Vec::new();
    for rule in matching {
        match best.first().map(|first| specificity(&rule).cmp(&specificity(first))) {
            Some(std::cmp::Ordering::Less) => {}
            Some(std::cmp::Ordering::Equal) => best.push(rule),
            Some(std::cmp::Ordering::Greater) | None => best = vec![rule],
        }
    }
    best
}

/// Which services and config items pass: those that an included pattern names and no excluded one does. An exclusion
/// always wins, however unspecific it is: what somebody has excluded must not leave because of another rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NameSelection {
    /// None = no service.
    pub services: Vec<ServicePattern>,
    /// None = no config item.
    pub configs: Vec<ConfigPattern>,
    /// Services that never pass.
    pub excluded_services: Vec<ServicePattern>,
    /// Config items that never pass.
    pub excluded_configs: Vec<ConfigPattern>,
}

impl NameSelection {
    /// Everything passes.
    #[must_use]
    pub fn everything() -> Self {
        Self { services: vec![ServicePattern::any()], configs: vec![ConfigPattern::any()], ..Self::default() }
    }

    /// Whether the service passes.
    #[must_use]
    pub fn has_service(&self, key: &ServiceKey) -> bool {
        self.services.iter().any(|pattern| pattern.matches(key))
            && !self.excluded_services.iter().any(|pattern| pattern.matches(key))
    }

    /// Whether the config item passes.
    #[must_use]
    pub fn has_config(&self, key: &ConfigKey) -> bool {
        self.configs.iter().any(|pattern| pattern.matches(key))
            && !self.excluded_configs.iter().any(|pattern| pattern.matches(key))
    }

    /// Whether some service of this namespace may pass; false saves listing it.
    #[must_use]
    pub fn may_have_services_in(&self, namespace: &str) -> bool {
        self.services.iter().any(|pattern| pattern.namespace.matches(namespace))
    }

    /// Whether it is certain that all services of this group pass, whatever they are called.
    #[must_use]
    pub fn has_all_services_in(&self, namespace: &str, group: &str) -> bool {
        let is_of = |pattern: &ServicePattern| pattern.namespace.matches(namespace) && pattern.group.matches(group);
        self.services.iter().any(|pattern| is_of(pattern) && pattern.service.covers(&Glob::any()))
            && !self.excluded_services.iter().any(is_of)
    }

    /// Whether some config item of this namespace may pass; false saves listing it.
    #[must_use]
    pub fn may_have_configs_in(&self, namespace: &str) -> bool {
        self.configs.iter().any(|pattern| pattern.namespace.matches(namespace))
    }

    /// The namespaces named without wildcards, sorted: what an account can be asked about that may not list namespaces.
    #[must_use]
    pub fn literal_namespaces(&self) -> Vec<&str> {
        let of_services = self.services.iter().map(|pattern| &pattern.namespace);
        let of_configs = self.configs.iter().map(|pattern| &pattern.namespace);
        let mut namespaces: Vec<&str> = of_services.chain(of_configs).filter_map(Glob::literal).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        namespaces
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn glob(text: &str) -> Glob {
        text.parse().unwrap()
    }

    fn services(namespace: &str, group: &str, service: &str) -> ServicePattern {
        ServicePattern { namespace: glob(namespace), group: glob(group), service: glob(service) }
    }

    fn overlap_naively(a: &[char], b: &[char]) -> bool {
        match (a.split_first(), b.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => overlap_naively(rest, b) || (!b.is_empty() && overlap_naively(a, &b[1..])),
            (_, Some(('*', rest))) => overlap_naively(a, rest) || (!a.is_empty() && overlap_naively(&a[1..], b)),
            (Some((x, a)), Some((y, b))) => (x == y || *x == '?' || *y == '?') && overlap_naively(a, b),
            _ => false,
        }
    }

    /// Tries every way to divide the name among the stars: right by its shortness, exponential by nature.
    fn matches_naively(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|swallowed| matches_naively(rest, &name[swallowed..])),
            Some(('?', rest)) => !name.is_empty() && matches_naively(rest, &name[1..]),
            Some((wanted, rest)) => name.first() == Some(wanted) && matches_naively(rest, &name[1..]),
        }
    }

    #[test]
    fn a_glob_matches_whole_names() {
        for (pattern, name, want) in [
            ("*", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "a", false),
            ("order", "order", true),
            ("order", "orders", false),
            ("order", "Order", false),
            ("order*", "order", true),
            ("*-prod", "cn-prod", true),
            ("*-prod", "cn-prod-2", false),
            ("a?c", "abc", true),
            ("a?c", "a订c", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("*?", "", false),
            ("**a**", "bab", true),
            ("{a,b}", "{a,b}", true),
        ] {
            assert_eq!(glob(pattern).matches(name), want, "{pattern:?} on {name:?}");
        }
    }

    #[test]
    fn a_glob_covers_another_if_it_matches_all_that_the_other_does() {
        for (a, b, want) in [
            ("*", "*", true),
            ("*", "", true),
            ("*", "order-?", true),
            ("order-*", "order-*", true),
            ("order-*", "order-eu-*", true),
            ("order-*", "order-", true),
            ("order-*", "order*", false),
            ("order-?", "order-*", false),
            ("order-?", "order-?", true),
            ("order-?", "order-a", true),
            ("order-a", "order-?", false),
            ("*-eu", "order-*-eu", true),
            ("*-eu", "order-*", false),
            ("?*", "*", false),
            ("", "*", false),
        ] {
            assert_eq!(glob(a).covers(&glob(b)), want, "{a:?} over {b:?}");
        }
        assert!(services("prod", "*", "order-*").covers(&services("prod", "G", "order-?")));
        assert!(!services("prod", "*", "order-*").covers(&ServicePattern::any()));
    }

    #[test]
    fn globs_overlap_if_some_name_matches_both() {
        for (a, b, want) in [
            ("*", "", true),
            ("a*", "*b", true),
            ("a*c", "ab*", true),
            ("a*", "b*", false),
            ("*a", "*b", false),
            ("order-*", "order-?", true),
            ("order-??", "order-?", false),
            ("?", "", false),
            ("?*", "", false),
            ("a*b*c", "*x*", true),
            ("abc", "abc", true),
            ("abc", "abd", false),
            ("order-*-eu", "order-us-*", true),
            ("ä*", "?", true),
        ] {
            assert_eq!(glob(a).overlaps(&glob(b)), want, "{a:?} and {b:?}");
            assert_eq!(glob(b).overlaps(&glob(a)), want, "{b:?} and {a:?}");
        }
    }

    #[test]
    fn a_pattern_made_to_backtrack_ends_at_once() {
        let pattern = glob(&format!("{}b", "a*".repeat(500)));
        let name = "a".repeat(4000);
        assert!(!pattern.matches(&name));
    }

    #[test]
    fn a_pattern_over_its_limit_is_refused() {
        assert_eq!("x".repeat(1025).parse::<Glob>(), Err(InvalidGlob { bytes: 1025 }));
        assert!("x".repeat(1024).parse::<Glob>().is_ok());
    }

    #[test]
    fn the_namespace_counts_before_the_group_and_the_group_before_the_service() {
        let rules = [services("*", "group", "service"), services("p*", "*", "*"), services("p*", "g*", "*")];
        let best = most_specific(&rules, |rule| rule.specificity());
        assert_eq!(best, [&rules[2]]);
        let tie = [services("a*", "*", "*"), services("*a", "*", "*")];
        assert_eq!(most_specific(&tie, |rule| rule.specificity()).len(), 2);
    }

    #[test]
    fn an_exclusion_wins_over_a_more_specific_inclusion() {
        let selection = NameSelection {
            services: vec![services("prod", "*", "*")],
            excluded_services: vec![services("*", "*", "internal-*")],
            ..NameSelection::default()
        };
        assert!(selection.has_service(&ServiceKey::new("prod", "DEFAULT_GROUP", "order")));
        assert!(!selection.has_service(&ServiceKey::new("prod", "DEFAULT_GROUP", "internal-order")));
        assert!(!selection.has_service(&ServiceKey::new("test", "DEFAULT_GROUP", "order")));
        assert!(!selection.has_all_services_in("prod", "DEFAULT_GROUP"), "some are excluded");
        assert!(!NameSelection::default().has_all_services_in("prod", "DEFAULT_GROUP"));
        assert!(NameSelection::everything().has_all_services_in("prod", "DEFAULT_GROUP"));
        assert!(selection.may_have_services_in("prod") && !selection.may_have_services_in("test"));
        assert_eq!(selection.literal_namespaces(), ["prod"]);
    }

    #[test]
    fn nothing_is_selected_by_default_and_everything_on_demand() {
        let item = ConfigKey::new("", "G", "a.yaml");
        assert!(!NameSelection::default().has_config(&item));
        assert!(NameSelection::everything().has_config(&item));
    }

    proptest! {
        /// What one pattern covers, it matches whenever the other does.
        #[test]
        fn what_is_covered_is_matched(a in "[ab*?]{0,6}", b in "[ab*?]{0,6}", name in "[ab]{0,6}") {
            if glob(&a).covers(&glob(&b)) && glob(&b).matches(&name) {
                prop_assert!(glob(&a).matches(&name), "{a:?} over {b:?}, {name:?}");
            }
        }

        #[test]
        fn a_glob_decides_as_the_naive_matcher_does(pattern in "[ab*?]{0,8}", name in "[abä]{0,8}") {
            let naive = matches_naively(
                &pattern.chars().collect::<Vec<_>>(),
                &name.chars().collect::<Vec<_>>(),
            );
            prop_assert_eq!(glob(&pattern).matches(&name), naive);
        }

        #[test]
        fn globs_overlap_as_the_naive_comparison_says(a in "[ab*?]{0,8}", b in "[ab*?]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(glob(&a).overlaps(&glob(&b)), overlap_naively(&chars(&a), &chars(&b)));
        }

        #[test]
        fn a_name_that_two_globs_match_shows_that_they_overlap(a in "[ab*?]{0,6}", b in "[ab*?]{0,6}", name in "[ab]{0,6}") {
            let both = glob(&a).matches(&name) && glob(&b).matches(&name);
            prop_assert!(!both || glob(&a).overlaps(&glob(&b)));
        }

        #[test]
        fn a_name_made_from_a_pattern_matches_it(parts in prop::collection::vec("[a-z]{0,4}", 1..6), fill in "[a-z]{0,5}") {
            prop_assert!(glob(&parts.join("*")).matches(&parts.join(&fill)));
        }
    }
}
