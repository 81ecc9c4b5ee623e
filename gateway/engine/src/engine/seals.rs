//! Keys of sealed contents: the state machine learns how own items are written, and what is sealed is opened once its key is there.
//!
//! Looked at each time that ages are told, by what stands there and not by news of keys: so it does not matter which came first, a key or what
//! is sealed under it.

use std::fmt::Write as _;

use federation_codec::interner::TextInterner;
use federation_codec::seal::SealKeys;
use federation_core::config_item::{SealKeyId, SealPolicy, SealReason};
use federation_core::id::ClusterId;
use federation_core::input::{Input, OpenedItem, SealInput};
use federation_core::log::partition::SealCounts;
use federation_ports::facts::NamedFacts;
use federation_ports::metrics::TroubleKind;

use super::Engine;

/// Keys that are named of one origin; it may have made up any number of them.
const NAMED: usize = 8;

impl Engine {
    /// Sees to it that keys which came or went count. Opens as much as the pace of a turn allows; the rest is the next look's.
    pub(super) fn follow_keys(&mut self) {
        let keys = self.keys.load();
        if keys.policy() != self.core.seal_policy() {
            tracing::info!(
                seals_with = told_policy(keys.policy()),
                "contents of own config items are written otherwise"
            );
            self.step(Input::Seal(SealInput::Policy(keys.policy())), None);
        }
        let opened = self.open(&keys);
        if !opened.is_empty() {
            tracing::info!(items = opened.len(), "sealed config items were tried with a key that came after them");
            self.step(Input::Seal(SealInput::Opened(opened)), None);
        }
    }

    fn open(&self, keys: &SealKeys) -> Vec<OpenedItem> {
        let openable = |seals: &SealCounts| {
            seals.keys.keys().any(|(key, reason)| *reason == Some(SealReason::NoKey) && keys.has(*key))
        };
        if !self.core.seals().any(|(_, seals)| openable(&seals)) {
            return Vec::new();
        }
        let (until, mut interner, mut items) =
            (self.clock.mono() + self.pace.show, TextInterner::default(), Vec::new());
        for (origin, key, sealed) in self.core.unopened() {
            if let Some(opened) = keys.open(origin, key, sealed, &mut interner) {
                items.push(OpenedItem { origin: origin.clone(), key: key.clone(), sealed: sealed.clone(), opened });
            }
            if self.clock.mono() >= until {
                break;
            }
        }
        items
    }

    /// Metrics and troubles of what is sealed, and facts for the gateway's status.
    pub(super) fn tell_seals(&self) -> NamedFacts {
        let keys = self.keys.load();
        let has_keys = keys.policy() != SealPolicy::Unkeyed;
        let mut stand = Vec::new();
        for (origin, seals) in self.core.seals() {
            for reason in SealReason::ALL {
                let count = i64::try_from(seals.sealed(reason)).unwrap_or(i64::MAX);
                self.metrics.sealed_config_items(origin, reason).set(count);
            }
            let trouble = told_trouble(origin, &seals, has_keys, origin == self.core.cluster());
            self.troubles.set(TroubleKind::Sealed, origin.as_str(), trouble);
            if seals.total() > 0 {
                stand.push(format!("{origin}: {}", told_counts(&seals)));
            }
        }
        let left = self.core.items_to_reseal();
        self.metrics.config_items_to_reseal.set(i64::try_from(left).unwrap_or(i64::MAX));
        let names: Vec<String> = keys.names().map(|name| name.to_string()).collect();
        vec![
            ("contentsSealedWith", told_policy(self.core.seal_policy())),
            ("contentsOpenedWith", names.join(", ")),
            ("contentsByKey", stand.join("; ")),
            ("contentsToReseal", left.to_string()),
        ]
    }
}

fn told_policy(policy: SealPolicy) -> String {
    match policy {
        SealPolicy::Unkeyed => "no key".to_owned(),
        SealPolicy::Clear => "nothing".to_owned(),
        SealPolicy::Under(key) => key.to_string(),
    }
}

/// As in `clear 2, 0123456789abcdef 40, fedcba9876543210 3 (no_key)`.
fn told_counts(seals: &SealCounts) -> String {
    let mut text = format!("clear {}", seals.clear);
    for ((key, reason), count) in seals.keys.iter().take(NAMED) {
        let _ = write!(text, ", {key} {count}"); // Writing to memory cannot fail.
        if let Some(reason) = reason {
            let _ = write!(text, " ({})", reason.as_str());
        }
    }
    if seals.keys.len() > NAMED {
        text.push_str(", and further keys");
    }
    text
}

/// A gateway that was given no keys is not in trouble because others seal, unless its own cluster does.
fn told_trouble(origin: &ClusterId, seals: &SealCounts, has_keys: bool, own: bool) -> Option<String> {
    let named = |reason: SealReason| {
        let of_reason = seals.keys.keys().filter(|(_, why)| *why == Some(reason)).map(|(key, _)| *key);
        of_reason.take(NAMED).map(|key: SealKeyId| key.to_string()).collect::<Vec<_>>().join(", ")
    };
    let (no_key, closed) = (seals.sealed(SealReason::NoKey), seals.sealed(SealReason::CannotBeOpened));
    let left = if own { ": while they stand so on the log, their changes are not written by this gateway" } else { "" };
    if closed > 0 {
        let keys = named(SealReason::CannotBeOpened);
        return Some(format!("{closed} config items of {origin} cannot be opened by the key that they name, {keys}"));
    }
    let keys = named(SealReason::NoKey);
    (no_key > 0 && (has_keys || own)).then(|| {
        let left = if has_keys { "" } else { left };
        format!("{no_key} config items of {origin} are sealed under keys that this gateway does not have: {keys}{left}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_given_no_keys_is_in_trouble_only_about_the_own_cluster() {
        let (origin, key) = ("a".parse().unwrap(), SealKeyId([1; 8]));
        let sealed = |reason| SealCounts { keys: [((key, Some(reason)), 2)].into(), clear: 1 };
        let no_key = sealed(SealReason::NoKey);
        let trouble = |seals: &SealCounts, has_keys, own| told_trouble(&origin, seals, has_keys, own);
        assert_eq!(trouble(&no_key, false, false), None);
        let own = trouble(&no_key, false, true).unwrap();
        assert!(own.contains("0101010101010101: while they stand so"), "{own}");
        assert!(trouble(&no_key, true, false).unwrap().ends_with("does not have: 0101010101010101"));
        assert!(trouble(&sealed(SealReason::CannotBeOpened), false, false).unwrap().contains("cannot be opened"));
        assert_eq!(told_counts(&no_key), "clear 1, 0101010101010101 2 (no_key)");
    }
}
