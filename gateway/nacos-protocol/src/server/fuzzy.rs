//! Watches on what exists: which services or config items match a pattern, and which of them a client was told of.
//!
//! Input: watch requests, and things that may have begun or ceased to exist. Output: the differences to what each client
//! knows. Invariant: `told` is what the client knows once it has taken all notices so far.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::{FuzzyWatching, PushBody, PushKey, RegistryRefusal};
use crate::message::config::{ConfigFuzzyWatchChangeNotifyRequest, ConfigFuzzyWatchSyncRequest, FuzzyConfig};
use crate::message::error_code;
use crate::message::naming::{
    FuzzyService, NamingFuzzyWatchChangeNotifyRequest, NamingFuzzyWatchSyncRequest, changed_type, sync_type,
};

/// Patterns of all clients together; one more is refused.
const PATTERNS_MAX: usize = 1000;

/// A pattern that cannot be watched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// It does not have the three parts.
    #[error("pattern {0:?} is not namespace>>group>>name")]
    Malformed(String),
    /// There are [`PATTERNS_MAX`] patterns already.
    #[error("more than {PATTERNS_MAX} fuzzy watch patterns")]
    TooMany,
}

/// Names a thing that can be watched.
#[derive(Clone, Copy, Debug)]
pub struct WatchedName<'a> {
    /// Namespace id.
    pub namespace: &'a str,
    /// Group.
    pub group: &'a str,
    /// Service or data id.
    pub name: &'a str,
}

/// `namespace>>group pattern>>name pattern`: the namespace exact, the others exact, `*`, `x*`, `*x` or `*x*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuzzyPattern {
    namespace: String,
    group: String,
    name: String,
}

/// What differs from what a client knows, each by its key on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchDifference {
    /// Exists, and the client does not know.
    pub appeared: Vec<String>,
    /// Does not exist, and the client thinks it does.
    pub vanished: Vec<String>,
}

#[derive(Debug)]
struct Watch {
    pattern: FuzzyPattern,
    told: HashSet<String>,
}

/// All watches of all clients.
#[derive(Debug, Default)]
pub struct FuzzyWatches {
    watches: HashMap<(Arc<str>, FuzzyWatching, String), Watch>,
}

impl FuzzyWatches {
    /// Starts or renews a watch of a client that knows `received`, and says what it does not know of `existing`.
    ///
    /// # Errors
    /// Refuses a malformed pattern, and one pattern too many.
    pub fn watch<'a>(
        &mut self,
        connection: &Arc<str>,
        watching: FuzzyWatching,
        pattern: &str,
        received: Vec<String>,
        existing: impl Iterator<Item = WatchedName<'a>>,
    ) -> Result<WatchDifference, WatchError> {
        let parsed = FuzzyPattern::parse(pattern)?;
        let place = (connection.clone(), watching, pattern.to_owned());
        if self.watches.len() >= PATTERNS_MAX && !self.watches.contains_key(&place) {
            return Err(WatchError::TooMany);
        }
        let there: BTreeSet<String> =
            existing.filter(|name| parsed.matches(*name)).map(|name| wire_key(watching, name)).collect();
        let received: BTreeSet<String> = received.into_iter().collect();
        let appeared = there.difference(&received).cloned().collect();
        let vanished = received.difference(&there).cloned().collect();
        self.watches.insert(place, Watch { pattern: parsed, told: there.into_iter().collect() });
        Ok(WatchDifference { appeared, vanished })
    }

    /// Ends one watch.
    pub fn cancel(&mut self, connection: &Arc<str>, watching: FuzzyWatching, pattern: &str) {
        self.watches.remove(&(connection.clone(), watching, pattern.to_owned()));
    }

    /// Ends a connection: all its watches go.
    pub fn disconnect(&mut self, connection: &Arc<str>) {
        self.watches.retain(|(of, _, _), _| of != connection);
    }

    /// Notes whether a thing exists; the answer is the clients that must be told so.
    pub fn note(&mut self, watching: FuzzyWatching, name: WatchedName<'_>, exists: bool) -> Vec<Arc<str>> {
        let mut clients = Vec::new();
        if self.watches.is_empty() {
            return clients;
        }
        let key = wire_key(watching, name);
        for ((connection, what, _), watch) in &mut self.watches {
            if *what == watching && watch.pattern.matches(name) {
                let news = match exists {
                    true => !watch.told.contains(&key) && watch.told.insert(key.clone()), // Mostly it is known.
                    false => watch.told.remove(&key),
                };
                clients.extend(news.then(|| connection.clone()));
            }
        }
        clients.sort();
        clients.dedup();
        clients
    }
}

impl FuzzyPattern {
    /// Reads it as clients write it.
    ///
    /// # Errors
    /// It does not have the three parts.
    pub fn parse(text: &str) -> Result<Self, WatchError> {
        let malformed = || WatchError::Malformed(text.chars().take(200).collect());
        let parts: Vec<&str> = text.split(">>").collect();
        let [namespace, group, name] = parts[..] else { return Err(malformed()) };
        if group.is_empty() || name.is_empty() {
            return Err(malformed());
        }
        Ok(Self { namespace: namespace.to_owned(), group: group.to_owned(), name: name.to_owned() })
    }

    /// The one namespace that it is about.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether it is about this thing.
    #[must_use]
    pub fn matches(&self, name: WatchedName<'_>) -> bool {
        self.namespace == name.namespace && part_matches(&self.group, name.group) && part_matches(&self.name, name.name)
    }
}

fn part_matches(pattern: &str, text: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), Some(_)) => text.contains(&rest[..rest.len() - 1]),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => pattern == text,
    }
}

/// How notices name a thing.
#[must_use]
pub fn wire_key(watching: FuzzyWatching, WatchedName { namespace, group, name }: WatchedName<'_>) -> String {
    match watching {
        FuzzyWatching::Services => format!("{namespace}@@{group}@@{name}"),
        FuzzyWatching::Configs => {
            let escape = |text: &str| text.replace('%', "%25").replace('+', "%2B");
            format!("{}+{}+{}", escape(name), escape(group), escape(namespace))
        }
    }
}

/// Keys in one batch of a fuzzy watch's state, as Nacos has it.
fn batch_size(watching: FuzzyWatching) -> usize {
    match watching {
        FuzzyWatching::Services => 10,
        FuzzyWatching::Configs => 20,
    }
}

/// The push that a watched thing began or ceased to exist.
#[must_use]
pub fn fuzzy_push(watching: FuzzyWatching, key: String, exists: bool) -> (PushKey, PushBody) {
    let body = match watching {
        FuzzyWatching::Services => PushBody::of(&NamingFuzzyWatchChangeNotifyRequest {
            service_key: key.clone(),
            changed_type: if exists { changed_type::ADDED } else { changed_type::DELETED }.to_owned(),
            sync_type: sync_type::CHANGED.to_owned(),
            ..NamingFuzzyWatchChangeNotifyRequest::default()
        }),
        FuzzyWatching::Configs => PushBody::of(&ConfigFuzzyWatchChangeNotifyRequest {
            group_key: key.clone(),
            change_type: if exists { "CONFIG_CHANGED" } else { "DELETE_CONFIG" }.to_owned(),
            ..ConfigFuzzyWatchChangeNotifyRequest::default()
        }),
    };
    (PushKey::Fuzzy(key.into()), body)
}

/// The pushes that answer a fuzzy watch: batches of what the client does not know, and for a new watch the end of them.
#[must_use]
pub fn fuzzy_state(
    watching: FuzzyWatching,
    pattern: &str,
    difference: &WatchDifference,
    initializing: bool,
) -> Vec<(PushKey, PushBody)> {
    let appeared = difference.appeared.iter().map(|key| (key, true));
    let all: Vec<(&String, bool)> = appeared.chain(difference.vanished.iter().map(|key| (key, false))).collect();
    let kind = if initializing { sync_type::INIT } else { sync_type::DIFF };
    let chunks = all.chunks(batch_size(watching));
    let total = chunks.len();
    let batches = chunks.zip(1u32..).map(|(chunk, number)| {
        let body = encode_batch(watching, pattern, kind, chunk, (number, total));
        (PushKey::FuzzyBatch(pattern.into(), number), body)
    });
    let end = initializing.then(|| {
        let body = encode_batch(watching, pattern, sync_type::INIT_FINISHED, &[], (0, 0));
        (PushKey::FuzzyBatch(pattern.into(), 0), body)
    });
    batches.chain(end).collect()
}

fn encode_batch(
    watching: FuzzyWatching,
    pattern: &str,
    kind: &str,
    keys: &[(&String, bool)],
    (number, total): (u32, usize),
) -> PushBody {
    let (current_batch, total_batch) =
        (i32::try_from(number).unwrap_or(i32::MAX), i32::try_from(total).unwrap_or(i32::MAX));
    let keys = keys.iter().map(|(key, exists)| ((*key).clone(), *exists));
    match watching {
        FuzzyWatching::Services => {
            let context = |(service_key, exists)| FuzzyService {
                service_key,
                changed_type: if exists { changed_type::ADDED } else { changed_type::DELETED }.to_owned(),
            };
            PushBody::of(&NamingFuzzyWatchSyncRequest {
                sync_type: kind.to_owned(),
                group_key_pattern: pattern.to_owned(),
                contexts: keys.map(context).collect(),
                total_batch,
                current_batch,
                ..NamingFuzzyWatchSyncRequest::default()
            })
        }
        FuzzyWatching::Configs => {
            let context = |(group_key, exists): (String, bool)| FuzzyConfig {
                group_key,
                changed_type: if exists { "ADD_CONFIG" } else { "DELETE_CONFIG" }.to_owned(),
            };
            PushBody::of(&ConfigFuzzyWatchSyncRequest {
                sync_type: kind.to_owned(),
                group_key_pattern: pattern.to_owned(),
                contexts: keys.map(context).collect(),
                total_batch,
                current_batch,
                ..ConfigFuzzyWatchSyncRequest::default()
            })
        }
    }
}

impl From<WatchError> for RegistryRefusal {
    fn from(error: WatchError) -> Self {
        let code = match error {
            WatchError::Malformed(_) => error_code::BAD_PARAMETER,
            WatchError::TooMany => error_code::FUZZY_PATTERNS_OVER_LIMIT,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: WatchedName<'static> = WatchedName { namespace: "public", group: "g", name: "orders" };

    #[test]
    fn parts_match_whole_by_prefix_by_suffix_and_inside() {
        for (pattern, matches) in [
            ("*", true),
            ("orders", true),
            ("ord*", true),
            ("*ers", true),
            ("*rde*", true),
            ("order", false),
            ("rders*", false),
            ("*order", false),
            ("*x*", false),
            ("**", true),
        ] {
            assert_eq!(part_matches(pattern, "orders"), matches, "{pattern}");
        }
    }

    #[test]
    fn a_client_is_told_once_what_begins_and_what_ceases_to_exist() {
        let mut watches = FuzzyWatches::default();
        let a: Arc<str> = "a".into();
        let watch = |watches: &mut FuzzyWatches, received: &[&str], there: &[WatchedName<'static>]| {
            let received = received.iter().map(ToString::to_string).collect();
            watches.watch(&a, FuzzyWatching::Services, "public>>*>>*", received, there.iter().copied()).unwrap()
        };
        assert_eq!(watch(&mut watches, &[], &[ORDERS]).appeared, ["public@@g@@orders"]);
        assert!(watches.note(FuzzyWatching::Services, ORDERS, true).is_empty(), "it is known");
        assert_eq!(watches.note(FuzzyWatching::Services, ORDERS, false), std::slice::from_ref(&a));
        assert!(watches.note(FuzzyWatching::Services, ORDERS, false).is_empty());
        assert!(watches.note(FuzzyWatching::Configs, ORDERS, true).is_empty());
        assert!(watches.note(FuzzyWatching::Services, WatchedName { namespace: "", ..ORDERS }, true).is_empty());
        let renewed = watch(&mut watches, &["public@@g@@gone"], &[ORDERS]);
        assert_eq!((renewed.appeared.len(), renewed.vanished), (1, vec!["public@@g@@gone".to_owned()]));
        watches.disconnect(&a);
        assert!(watches.note(FuzzyWatching::Services, ORDERS, false).is_empty());
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for pattern in ["", "public", "public>>*", "public>>>>*", "a>>b>>c>>d"] {
            assert!(FuzzyPattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn keys_are_written_as_clients_parse_them() {
        assert_eq!(wire_key(FuzzyWatching::Services, ORDERS), "public@@g@@orders");
        let odd = WatchedName { namespace: "public", group: "g", name: "a+b%c" };
        assert_eq!(wire_key(FuzzyWatching::Configs, odd), "a%2Bb%25c+g+public");
    }
}
