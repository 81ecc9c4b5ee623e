//! What the local Nacos said of who may read what, and for how long it counts.
//!
//! Bounds: so many of each kind, and the oldest go first. What is refused has a place of its own, so that whoever tries passwords drives out
//! nobody who may.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use nacos_protocol::server::RegistryRefusal;

/// Permissions that are kept: those of 10,000 clients for ten services each. One is about 200 bytes.
const MOST_ALLOWED: usize = 100_000;
/// Refusals that are kept, each with Nacos's words.
const MOST_REFUSED: usize = 10_000;
/// Longest time that a permission counts, whatever its token says: the life that Nacos gives tokens by default.
const LONGEST_LIFE: Duration = Duration::from_secs(5 * 3600);
/// How long a permission counts whose credential says no end.
const LIFE_WITHOUT_END: Duration = Duration::from_secs(60);
/// How long a refusal counts. Nacos itself takes 15 s to notice that a right was granted.
const REFUSED_FOR: Duration = Duration::from_secs(30);
/// How long a permission goes on counting after its end while Nacos cannot be asked. Nobody can log in then either, and a registry that
/// forgets its clients is worse than one that knows them for too long; after an hour somebody should have looked.
const STALE_FOR: Duration = Duration::from_secs(3600);
/// Longest text of a refusal that is kept, in characters.
const WORDS: usize = 200;

/// Who wants what, as a digest: names and tokens may be long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PermissionKey([u8; 32]);

impl PermissionKey {
    /// Whoever shows this wants to do `what` with the thing of these names.
    pub(super) fn new(credential: &blake3::Hash, what: &'static str, names: [&str; 3]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(credential.as_bytes());
        for text in [what].into_iter().chain(names) {
            hasher.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        Self(*hasher.finalize().as_bytes())
    }
}

/// What is known of a permission.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Known {
    /// It may.
    Allowed,
    /// It may not, as Nacos said a moment ago.
    Refused(RegistryRefusal),
    /// It might, and whether it still may has to be asked; if nobody can be asked, it may.
    Stale,
    /// Nothing.
    Nothing,
}

/// See the module.
pub(super) struct Permissions {
    allowed: Shelf<Instant>,
    refused: Shelf<(Instant, RegistryRefusal)>,
}

impl Default for Permissions {
    fn default() -> Self {
        Self { allowed: Shelf::of(MOST_ALLOWED), refused: Shelf::of(MOST_REFUSED) }
    }
}

impl Permissions {
    pub(super) fn look(&self, key: &PermissionKey, now: Instant) -> Known {
        match self.refused.get(key) {
            Some((until, refusal)) if now < *until => return Known::Refused(refusal.clone()),
            _ => {}
        }
        match self.allowed.get(key) {
            Some(until) if now < *until => Known::Allowed,
            Some(until) if now < *until + STALE_FOR => Known::Stale,
            _ => Known::Nothing,
        }
    }

    /// Nacos allowed it. `life` is what the token has left by its own word.
    pub(super) fn allow(&mut self, key: PermissionKey, now: Instant, life: Option<Duration>) {
        let life = life.unwrap_or(LIFE_WITHOUT_END).min(LONGEST_LIFE);
        self.refused.remove(&key);
        self.allowed.put(key, now + life);
    }

    /// Nacos refused it; what was allowed before is no more.
    pub(super) fn refuse(&mut self, key: PermissionKey, now: Instant, mut refusal: RegistryRefusal) {
        refusal.message = refusal.message.chars().take(WORDS).collect();
        self.allowed.remove(&key);
        self.refused.put(key, (now + REFUSED_FOR, refusal));
    }
}

/// So many values, of which the oldest go.
struct Shelf<T> {
    values: HashMap<PermissionKey, (u64, T)>,
    /// Keys by the order in which they came.
    order: BTreeMap<u64, PermissionKey>,
    next: u64,
    most: usize,
}

impl<T> Shelf<T> {
    fn of(most: usize) -> Self {
        Self { values: HashMap::new(), order: BTreeMap::new(), next: 0, most }
    }

    fn get(&self, key: &PermissionKey) -> Option<&T> {
        self.values.get(key).map(|(_, value)| value)
    }

    fn put(&mut self, key: PermissionKey, value: T) {
        self.remove(&key);
        self.values.insert(key, (self.next, value));
        self.order.insert(self.next, key);
        self.next += 1;
        if self.values.len() > self.most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.values.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &PermissionKey) {
        if let Some((number, _)) = self.values.remove(key) {
            self.order.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> PermissionKey {
        PermissionKey::new(&blake3::hash(b"caller"), "read", ["", "G", name])
    }

    #[test]
    fn a_permission_counts_for_the_life_of_its_token_and_then_while_nobody_can_say() {
        const HOUR: Duration = Duration::from_secs(3600);
        let start = Instant::now();
        for (life, counts) in [
            (Some(HOUR), HOUR),
            (Some(9 * HOUR), 5 * HOUR),
            (Some(Duration::ZERO), Duration::ZERO),
            (None, Duration::from_secs(60)),
        ] {
            let mut permissions = Permissions::default();
            permissions.allow(key("s"), start, life);
            let at = |after: Duration| permissions.look(&key("s"), start + after);
            let moment = Duration::from_millis(1);
            if counts > Duration::ZERO {
                assert_eq!(at(counts - moment), Known::Allowed, "{life:?}");
            }
            assert_eq!((at(counts), at(counts + HOUR - moment)), (Known::Stale, Known::Stale), "{life:?}");
            assert_eq!(at(counts + HOUR), Known::Nothing, "{life:?}");
            assert_eq!(permissions.look(&key("t"), start), Known::Nothing, "of another service nothing was said");
        }
    }

    #[test]
    fn a_refusal_counts_for_half_a_minute_and_ends_a_permission() {
        let (start, mut permissions) = (Instant::now(), Permissions::default());
        permissions.allow(key("s"), start, Some(LONGEST_LIFE));
        permissions.refuse(key("s"), start, RegistryRefusal::no_right("token expired!"));
        let refused = Known::Refused(RegistryRefusal::no_right("token expired!"));
        assert_eq!(permissions.look(&key("s"), start + REFUSED_FOR / 2), refused);
        assert_eq!(permissions.look(&key("s"), start + REFUSED_FOR), Known::Nothing);
        permissions.allow(key("s"), start, None);
        assert_eq!(permissions.look(&key("s"), start), Known::Allowed);
    }

    #[test]
    fn the_oldest_go_first() {
        let mut shelf = Shelf::of(2);
        for (name, value) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            shelf.put(key(name), value);
        }
        assert_eq!((shelf.get(&key("a")), shelf.get(&key("b")), shelf.get(&key("c"))), (Some(&3), None, Some(&4)));
        shelf.remove(&key("a"));
        assert_eq!((shelf.values.len(), shelf.order.len()), (1, 1));
    }
}
