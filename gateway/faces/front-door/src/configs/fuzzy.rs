//! Fuzzy watches on config items over one connection to the local Nacos, as plain data: who watches which pattern, and what Nacos told of it.
//!
//! Nacos knows a watch by connection and pattern. So all clients of a group that watch one pattern are one watch to it, and each request of
//! theirs is passed on: Nacos answers with what that client does not know. Its notices name the pattern alone and are given to all of the
//! group who watch it: they say what is and what is not, so hearing one twice changes nothing.
//!
//! After a break the watch is begun anew with what was known, so that what went meanwhile is told as well.

use std::collections::{BTreeSet, HashMap};

use nacos_protocol::message::config::{ConfigFuzzyWatchChangeNotifyRequest, ConfigFuzzyWatchSyncRequest};
use nacos_protocol::server::{ConnectionId, PushBody, PushKey};

/// Patterns of one group of callers. Nacos takes 20 in all by default.
const MOST_PATTERNS: usize = 1000;
/// Keys of a pattern that are remembered. Nacos follows 500 by default.
const MOST_KEYS: usize = 20_000;
/// What Nacos says of a key that is gone.
const DELETED: &str = "DELETE_CONFIG";

#[derive(Debug, Default)]
struct WatchedPattern {
    watchers: BTreeSet<ConnectionId>,
    /// What exists, as far as Nacos told.
    known: BTreeSet<String>,
}

impl WatchedPattern {
    fn note(&mut self, key: &str, change: &str) {
        if change == DELETED {
            self.known.remove(key);
        } else if self.known.len() < MOST_KEYS {
            self.known.insert(key.to_owned());
        }
    }
}

/// What Nacos is to be asked: a pattern to begin anew with what was known of it, or to end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PatternOrder {
    Restate(String, Vec<String>),
    End(String),
}

/// A notice for these watchers.
pub(super) type FuzzyNotice = (Vec<ConnectionId>, PushKey, PushBody);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct FuzzyPatterns {
    patterns: HashMap<String, WatchedPattern>,
    ended: BTreeSet<String>,
    to_restate: bool,
    batches: u32,
}

impl FuzzyPatterns {
    /// Notes a watcher that knows these keys. Whether it is new; `None` if there are too many patterns.
    pub(super) fn add(&mut self, pattern: &str, watcher: &ConnectionId, received: &[String]) -> Option<bool> {
        if self.patterns.len() >= MOST_PATTERNS && !self.patterns.contains_key(pattern) {
            return None;
        }
        self.ended.remove(pattern);
        let watched = self.patterns.entry(pattern.to_owned()).or_default();
        received.iter().for_each(|key| watched.note(key, ""));
        Some(watched.watchers.insert(watcher.clone()))
    }

    /// The watcher watches this no more. Whether nobody does.
    pub(super) fn remove(&mut self, pattern: &str, watcher: &ConnectionId) -> bool {
        let Some(watched) = self.patterns.get_mut(pattern) else { return false };
        watched.watchers.remove(watcher);
        let is_last = watched.watchers.is_empty();
        if is_last {
            self.patterns.remove(pattern);
        }
        is_last
    }

    /// The watcher is gone. Whether there is something to order.
    pub(super) fn forget(&mut self, watcher: &ConnectionId) -> bool {
        let patterns: Vec<String> =
            self.patterns.iter().filter(|(_, it)| it.watchers.contains(watcher)).map(|(it, _)| it.clone()).collect();
        let ended = patterns.into_iter().filter(|pattern| self.remove(pattern, watcher)).collect::<Vec<_>>();
        self.ended.extend(ended);
        !self.ended.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// There is a new connection, which watches nothing yet. Whether there is something to order.
    pub(super) fn connected(&mut self) -> bool {
        self.ended.clear();
        self.to_restate = !self.patterns.is_empty();
        self.to_restate
    }

    pub(super) fn take_orders(&mut self) -> Vec<PatternOrder> {
        let ended = std::mem::take(&mut self.ended).into_iter().map(PatternOrder::End);
        let restate = std::mem::take(&mut self.to_restate);
        let all = self.patterns.iter().filter(|_| restate);
        let known = all.map(|(it, of)| PatternOrder::Restate(it.clone(), of.known.iter().cloned().collect()));
        ended.chain(known).collect()
    }

    /// Nacos tells of what exists. Each batch is a notice of its own: one must not take the place of another that waits.
    pub(super) fn state(&mut self, batch: &ConfigFuzzyWatchSyncRequest) -> Option<FuzzyNotice> {
        let watched = self.patterns.get_mut(&batch.group_key_pattern)?;
        batch.contexts.iter().for_each(|config| watched.note(&config.group_key, &config.changed_type));
        self.batches = self.batches.wrapping_add(1);
        let key = PushKey::FuzzyBatch(batch.group_key_pattern.as_str().into(), self.batches);
        Some((watched.watchers.iter().cloned().collect(), key, PushBody::of(batch)))
    }

    /// Nacos tells of a change. It names no pattern: all who watch in the namespace are told, and look whether it is theirs.
    pub(super) fn change(&mut self, change: &ConfigFuzzyWatchChangeNotifyRequest) -> FuzzyNotice {
        let namespace = change.group_key.rsplit('+').next().unwrap_or_default();
        let mut watchers = BTreeSet::new();
        for (pattern, watched) in &mut self.patterns {
            if same_namespace(pattern.split(">>").next().unwrap_or_default(), namespace) {
                if change.change_type == DELETED {
                    watched.known.remove(&change.group_key);
                }
                watchers.extend(watched.watchers.iter().cloned());
            }
        }
        let key = PushKey::Fuzzy(change.group_key.as_str().into());
        (watchers.into_iter().collect(), key, PushBody::of(change))
    }
}

/// The default namespace has two names.
fn same_namespace(one: &str, other: &str) -> bool {
    let is_default = |name: &str| name.is_empty() || name == "public";
    one == other || is_default(one) && is_default(other)
}

#[cfg(test)]
mod tests {
    use nacos_protocol::message::config::FuzzyConfig;

    use super::*;

    fn watcher(name: &str) -> ConnectionId {
        ConnectionId::from(std::sync::Arc::from(name))
    }

    fn batch(pattern: &str, keys: &[(&str, &str)]) -> ConfigFuzzyWatchSyncRequest {
        let context = |(key, change): &(&str, &str)| FuzzyConfig {
            group_key: (*key).to_owned(),
            changed_type: (*change).to_owned(),
        };
        ConfigFuzzyWatchSyncRequest {
            group_key_pattern: pattern.to_owned(),
            contexts: keys.iter().map(context).collect(),
            ..ConfigFuzzyWatchSyncRequest::default()
        }
    }

    #[test]
    fn all_who_watch_a_pattern_are_told_and_after_a_break_it_is_begun_anew_with_what_is_known() {
        let (mut patterns, pattern) = (FuzzyPatterns::default(), "public>>G>>*");
        assert_eq!(patterns.add(pattern, &watcher("a"), &[]), Some(true));
        assert_eq!(patterns.add(pattern, &watcher("b"), &["x+G+public".to_owned()]), Some(true));
        assert_eq!(patterns.add(pattern, &watcher("b"), &[]), Some(false));
        let told = patterns.state(&batch(pattern, &[("y+G+public", "ADD_CONFIG"), ("x+G+public", "DELETE_CONFIG")]));
        let first = told.expect("it is watched");
        let second = patterns.state(&batch(pattern, &[])).expect("it is watched");
        assert_eq!(first.0, [watcher("a"), watcher("b")]);
        assert_ne!(first.1, second.1, "one does not take the place of the other");
        assert!(patterns.state(&batch("dev>>G>>*", &[])).is_none());
        assert!(patterns.connected());
        assert_eq!(patterns.take_orders(), [PatternOrder::Restate(pattern.into(), vec!["y+G+public".into()])]);
        assert_eq!(patterns.take_orders(), []);
    }

    #[test]
    fn a_change_is_told_in_its_namespace_and_the_last_watcher_ends_the_watch() {
        let mut patterns = FuzzyPatterns::default();
        patterns.add("public>>G>>*", &watcher("a"), &[]);
        patterns.add("dev>>*>>*", &watcher("b"), &[]);
        for (key, told) in [("d+G+public", "a"), ("d+G+", "a"), ("d+G+dev", "b")] {
            let change = ConfigFuzzyWatchChangeNotifyRequest {
                group_key: key.to_owned(),
                ..ConfigFuzzyWatchChangeNotifyRequest::default()
            };
            assert_eq!(patterns.change(&change).0, [watcher(told)], "{key}");
        }
        assert!(patterns.forget(&watcher("a")));
        assert_eq!(patterns.take_orders(), [PatternOrder::End("public>>G>>*".into())]);
        assert!(patterns.remove("dev>>*>>*", &watcher("b")) && patterns.is_empty());
        assert!(!patterns.forget(&watcher("b")));
    }
}
