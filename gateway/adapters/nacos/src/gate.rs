//! Decides when everything watched has answered once on a connection.
//!
//! The word is given at most once per connection, after the first discovery of names, and after each service that was found or asked for
//! has answered or was refused. Without the first, a gateway would call a registry read of which it does not know the names yet.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use federation_core::id::ServiceKey;
use foldhash::fast::RandomState;
use nacos_protocol::client::ServiceName;

/// How long a name that was found may wait for the engine to ask for it, and an announced fuzzy watch for its end, after discovery. The
/// engine's own rules may leave a name out; that must not hold back the word for ever.
const GRACE: Duration = Duration::from_secs(10);

/// The state of one connection at a time.
#[derive(Debug, Default)]
pub(super) struct Gate {
    connected: bool,
    told: bool,
    discovered: Option<Instant>,
    /// Found, and not asked for by the engine yet.
    expected: HashSet<ServiceKey, RandomState>,
    /// Namespaces whose services only a fuzzy watch names, and whose first state is not complete yet.
    fuzzy: HashSet<String>,
    /// Namespaces whose fuzzy watch has told all on this connection, or will tell no more.
    fuzzy_told: HashSet<String>,
    /// Asked for, and not answered on this connection yet.
    unanswered: HashSet<ServiceName, RandomState>,
}

impl Gate {
    /// A connection was set up; all of this is asked for anew.
    pub(super) fn connected(&mut self, watched: impl Iterator<Item = ServiceName>) {
        (self.connected, self.told) = (true, false);
        self.unanswered = watched.collect();
        self.fuzzy_told.clear();
    }

    /// The connection ended.
    pub(super) fn disconnected(&mut self) {
        self.connected = false;
    }

    /// The engine asked for a service.
    pub(super) fn asked_for(&mut self, name: ServiceName, key: &ServiceKey) {
        self.expected.remove(key);
        self.unanswered.insert(name);
    }

    /// The engine gave a service up.
    pub(super) fn given_up(&mut self, name: &ServiceName) {
        self.unanswered.remove(name);
    }

    /// A service answered, or was refused.
    pub(super) fn answered(&mut self, name: &ServiceName) {
        self.unanswered.remove(name);
    }

    /// A service was found that the engine will ask for. Only what is found before the word is waited for.
    pub(super) fn expect(&mut self, key: &ServiceKey) {
        if !self.told {
            self.expected.insert(key.clone());
        }
    }

    /// Only a fuzzy watch names the services of this namespace.
    pub(super) fn expect_fuzzy(&mut self, namespace: &str) {
        if self.discovered.is_none() && !self.fuzzy_told.contains(namespace) {
            self.fuzzy.insert(namespace.to_owned());
        }
    }

    /// A fuzzy watch has told all, or will tell no more.
    pub(super) fn fuzzy_done(&mut self, namespace: &str) {
        self.fuzzy.remove(namespace);
        self.fuzzy_told.insert(namespace.to_owned());
    }

    /// Each namespace was tried once.
    pub(super) fn discovered(&mut self, now: Instant) {
        self.discovered.get_or_insert(now);
    }

    /// Whether each namespace was tried once.
    pub(super) fn is_discovered(&self) -> bool {
        self.discovered.is_some()
    }

    /// Whether the word is to be given now; true once per connection.
    pub(super) fn opens(&mut self, now: Instant) -> bool {
        let Some(discovered) = self.discovered.filter(|_| self.connected && !self.told) else { return false };
        if now >= discovered + GRACE {
            self.expected.clear();
            self.fuzzy.clear();
        }
        self.told = self.expected.is_empty() && self.fuzzy.is_empty() && self.unanswered.is_empty();
        self.told
    }

    /// Whether the word was given on this connection.
    pub(super) fn is_open(&self) -> bool {
        self.connected && self.told
    }

    /// How many services have not answered on this connection.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(service: &str) -> ServiceName {
        ServiceName::new("public", "G", service)
    }

    fn key(service: &str) -> ServiceKey {
        ServiceKey::new("public", "G", service)
    }

    #[test]
    fn the_word_waits_for_discovery_the_engine_and_each_answer() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        gate.connected(std::iter::empty());
        assert!(!gate.opens(now), "not discovered");
        gate.expect(&key("a"));
        gate.discovered(now);
        assert!(!gate.opens(now), "the engine has not asked yet");
        gate.asked_for(name("a"), &key("a"));
        assert!(!gate.opens(now), "not answered");
        gate.answered(&name("a"));
        assert!(gate.opens(now) && gate.is_open());
        assert!(!gate.opens(now), "once");
    }

    #[test]
    fn a_new_connection_waits_for_new_answers_only() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        gate.connected(std::iter::empty());
        gate.discovered(now);
        assert!(gate.opens(now));
        gate.disconnected();
        assert!(!gate.is_open() && !gate.opens(now));
        gate.connected([name("a"), name("b")].into_iter());
        gate.answered(&name("a"));
        assert!(!gate.opens(now));
        gate.given_up(&name("b"));
        assert!(gate.opens(now));
    }

    #[test]
    fn a_name_that_the_engine_leaves_out_is_waited_for_only_so_long() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        gate.connected(std::iter::empty());
        gate.expect(&key("left-out"));
        gate.expect_fuzzy("public");
        gate.discovered(now);
        assert!(!gate.opens(now + GRACE / 2));
        assert!(gate.opens(now + GRACE));
    }

    #[test]
    fn a_fuzzy_watch_that_alone_names_services_is_waited_for() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        gate.connected(std::iter::empty());
        gate.expect_fuzzy("public");
        gate.discovered(now);
        assert!(!gate.opens(now));
        gate.fuzzy_done("public");
        gate.expect_fuzzy("public");
        assert!(gate.opens(now), "what has told all is not waited for again");
    }
}
