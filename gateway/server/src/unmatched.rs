//! Names in the configuration that match nothing in the other clusters: clusters to import, rules of what to import of them, rules of the
//! policy. (Rules over the local Nacos are counted where it is watched.)
//!
//! A cluster that is imported by its id and that nobody has ever seen is a trouble: it is misspelt, or it is not there. Rules may be written
//! before the services that they are for, so those that match nothing are facts of `status`. A look goes through all names, a few at a time,
//! and looks take at most a hundredth of the time.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use federation_core::id::{ClusterId, ConfigKey, ServiceKey};
use federation_core::pattern::{ConfigPattern, Glob, ServicePattern};
use tokio_util::sync::CancellationToken;

use crate::config::{GatewayConfig, ImportConfig};
use federation_policy::PolicyReader;
use federation_ports::facts::{FactSource, NamedFacts};
use federation_ports::metrics::TroubleKind;
use federation_ports::trouble::lasting::{FindingKnown, LastingFindings, TroubleFinding};
use federation_ports::trouble::{RaisedTroubles, TroubleBoard};
use federation_view::view::{ClusterTable, ViewReader};

/// Least time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Looks take this part of the time at most.
const SHARE: u32 = 100;
/// Names that are looked at before others have their turn.
const CHUNK: usize = 1000;
/// An imported cluster may be missing for this long: clusters of a federation are started one after the other.
const MISSING_AFTER: Duration = Duration::from_secs(60);
/// Rules that `status` names of each kind.
const SHOWN: usize = 20;

/// The looker. It does nothing until it is run.
pub struct UnmatchedNames {
    import: ImportConfig,
    own: ClusterId,
    view: ViewReader,
    policy: PolicyReader,
    board: TroubleBoard,
    found: UnmatchedFacts,
}

/// What was found, for `status`. Cheap to clone. Locked for one copy.
#[derive(Clone, Default)]
pub struct UnmatchedFacts(Arc<Mutex<NamedFacts>>);

impl FactSource for UnmatchedFacts {
    fn facts(&self) -> NamedFacts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl UnmatchedNames {
    /// Looks at what `view` has of the clusters and services that the configuration of imports and the policy name.
    #[must_use]
    pub fn new(config: &GatewayConfig, view: ViewReader, policy: PolicyReader, board: TroubleBoard) -> Self {
        let (import, own) = (config.import.clone(), config.cluster.clone());
        Self { import, own, view, policy, board, found: UnmatchedFacts::default() }
    }

    /// What it finds.
    #[must_use]
    pub fn facts(&self) -> UnmatchedFacts {
        self.found.clone()
    }

    /// Looks until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut raised = RaisedTroubles::new(self.board.clone(), TroubleKind::RuleMatchesNothing);
        let mut lasting = LastingFindings::new(MISSING_AFTER);
        let mut pause = LOOK_EVERY;
        loop {
            // Both arms are cancel-safe: a token, a timer.
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let began = Instant::now();
            raised.tell(lasting.due(began, self.missing_clusters()));
            let facts = self.look_at_rules().await;
            *self.found.0.lock().unwrap_or_else(PoisonError::into_inner) = facts;
            pause = LOOK_EVERY.max(began.elapsed() * SHARE);
        }
    }

    fn missing_clusters(&self) -> Vec<TroubleFinding> {
        let log_is_read = !self.board.has(TroubleKind::LogUnreachable) && !self.board.has(TroubleKind::LogSilent);
        let known = if log_is_read && self.view.gateway().ready { FindingKnown::Yes } else { FindingKnown::No };
        missing_clusters(&self.import, &self.view.clusters(), known)
    }

    async fn look_at_rules(&self) -> NamedFacts {
        let policies = Arc::clone(&self.policy.in_force().policies);
        let mut policy: Vec<ServicePattern> = policies.rules().iter().map(|(pattern, _)| pattern.clone()).collect();
        let mut services = self.import.selection.services.clone();
        let mut last = None;
        while !(policy.is_empty() && services.is_empty())
            && let Some(names) = next_names(&self.view.service_names(), last.as_ref())
        {
            policy.retain(|rule| !names.iter().any(|name| rule.matches(name)));
            services.retain(|rule| !names.iter().any(|name| rule.matches(name) && self.is_imported_service(name)));
            last = names.into_iter().next_back();
            tokio::task::yield_now().await;
        }
        let mut configs = self.import.selection.configs.clone();
        let mut last = None;
        while !configs.is_empty()
            && let Some(names) = next_names(&self.view.config_names(), last.as_ref())
        {
            configs.retain(|rule| !names.iter().any(|name| rule.matches(name) && self.is_imported_config(name)));
            last = names.into_iter().next_back();
            tokio::task::yield_now().await;
        }
        facts_of(&policy, &services, &configs)
    }

    fn is_imported_service(&self, key: &ServiceKey) -> bool {
        self.view.service(key).is_some_and(|found| found.origins.iter().any(|it| it.origin != self.own))
    }

    fn is_imported_config(&self, key: &ConfigKey) -> bool {
        self.view.config(key).is_some_and(|found| found.items.iter().any(|it| it.origin != self.own))
    }
}

/// The names behind `last`, so many that others do not wait for long; `None` at the end. They are copied: whoever kept the set would make its
/// writer copy all of it.
fn next_names<K: Clone + Ord>(all: &BTreeSet<K>, last: Option<&K>) -> Option<Vec<K>> {
    let behind = last.map_or(Bound::Unbounded, Bound::Excluded);
    let names: Vec<K> = all.range((behind, Bound::Unbounded)).take(CHUNK).cloned().collect();
    (!names.is_empty()).then_some(names)
}

fn missing_clusters(import: &ImportConfig, seen: &ClusterTable, known: FindingKnown) -> Vec<TroubleFinding> {
    let named = import.clusters.iter().enumerate().filter_map(|(at, glob)| Some((at, glob.literal()?)));
    let is_seen = |id: &str| seen.clusters.iter().any(|cluster| cluster.id.as_str() == id);
    let missing = named.filter(|(_, id)| !is_seen(id));
    let finding = |(at, id): (usize, &str)| TroubleFinding {
        about: format!("import.clusters[{at}] {id}"),
        text: format!("import.clusters[{at}] names {id}, and the log has no cluster of that id"),
        known,
    };
    missing.map(finding).collect()
}

/// Rules of wildcards alone name nothing, and are not told.
fn facts_of(policy: &[ServicePattern], services: &[ServicePattern], configs: &[ConfigPattern]) -> NamedFacts {
    let says = |globs: [&Glob; 3]| globs.into_iter().any(|glob| glob.literal_chars() > 0);
    let of_services = |rules: &[ServicePattern]| -> Vec<String> {
        let named = rules.iter().filter(|rule| says([&rule.namespace, &rule.group, &rule.service]));
        named.map(ToString::to_string).collect()
    };
    let configs = configs.iter().filter(|rule| says([&rule.namespace, &rule.group, &rule.data_id]));
    let configs = configs.map(|ConfigPattern { namespace, group, data_id }| format!("{namespace}/{group}/{data_id}"));
    let found = [
        ("policyRulesWithoutService", of_services(policy)),
        ("importRulesWithoutService", of_services(services)),
        ("importRulesWithoutConfig", configs.collect()),
    ];
    found.into_iter().filter(|(_, rules)| !rules.is_empty()).map(|(name, rules)| (name, listed(&rules))).collect()
}

fn listed(rules: &[String]) -> String {
    let mut text = rules[..rules.len().min(SHOWN)].join(", ");
    if rules.len() > SHOWN {
        text.push_str(&format!(" and {} more", rules.len() - SHOWN));
    }
    text
}

#[cfg(test)]
mod tests {
    use federation_core::pattern::NameSelection;
    use federation_core::service::{FactSource, FederatedService, OriginInstances, Revision};
    use federation_core::time::Mono;

    use super::*;
    use crate::config::ImportLimits;
    use federation_view::view::{self, ViewChange};

    fn import(clusters: &[&str], services: &[&str]) -> ImportConfig {
        let rule = |service: &&str| ServicePattern { service: service.parse().unwrap(), ..ServicePattern::any() };
        ImportConfig {
            clusters: clusters.iter().map(|glob| glob.parse().unwrap()).collect(),
            excluded_clusters: Vec::new(),
            selection: NameSelection {
                services: services.iter().map(rule).collect(),
                configs: vec![ConfigPattern::any()],
                ..NameSelection::default()
            },
            limits: ImportLimits { items: 1, bytes: 1, bytes_per_second: 1 },
        }
    }

    fn service(name: &str, origin: &str) -> (ServiceKey, Option<Arc<FederatedService>>) {
        let key = ServiceKey::new("public", "G", name);
        let origins =
            vec![OriginInstances { origin: origin.parse().unwrap(), source: FactSource::Log, instances: Vec::new() }];
        let service = FederatedService { key: key.clone(), revision: Revision(1), origins };
        (key, Some(Arc::new(service)))
    }

    #[test]
    fn a_cluster_that_is_named_and_was_never_seen_is_missing_and_a_pattern_is_not() {
        let found = missing_clusters(&import(&["frankfurt", "eu-*"], &[]), &ClusterTable::default(), FindingKnown::Yes);
        let abouts: Vec<&str> = found.iter().map(|it| &*it.about).collect();
        assert_eq!(abouts, ["import.clusters[0] frankfurt"]);
    }

    #[tokio::test]
    async fn rules_that_match_no_service_of_others_are_told() {
        let (mut writer, reader) = view::new(Arc::new(|| Mono(0)));
        // More than are looked at in one go, and the one that matters last.
        let mut services: Vec<_> = (0..CHUNK + 5).map(|number| service(&format!("a{number}"), "own")).collect();
        services.push(service("orders", "own"));
        services.push(service("payments", "frankfurt"));
        writer.apply(ViewChange { services, ..ViewChange::default() });
        let looker = UnmatchedNames {
            import: import(&["*"], &["orders", "payments", "*"]),
            own: "own".parse().unwrap(),
            view: reader,
            policy: PolicyReader::of_defaults(),
            board: TroubleBoard::default(),
            found: UnmatchedFacts::default(),
        };
        let facts = looker.look_at_rules().await;
        assert_eq!(facts, [("importRulesWithoutService", "*/*/orders".to_owned())], "it is the own cluster's alone");
    }
}
