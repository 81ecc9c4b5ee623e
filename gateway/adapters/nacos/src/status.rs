//! What the adapter says of itself, for `status` and for readiness.

use federation_core::reason::GatewayReason;
use federation_ports::facts::{FactSource, NamedFacts};

use super::calls::ApiCall;
use super::shared::{Context, Notes, Watched};

/// A view of the adapter's state. Cheap to clone; each call reads what is true now.
#[derive(Clone)]
pub struct NacosStatus {
    shared: Context,
}

impl NacosStatus {
    pub(super) fn new(shared: Context) -> Self {
        Self { shared }
    }

    /// Whether everything watched has answered since the connection was set up.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        self.shared.watched().answered
    }

    fn connection(&self, notes: &Notes) -> String {
        match (&*self.shared.link.borrow(), &notes.disconnected) {
            (Some(link), _) => {
                let abilities = match (link.fuzzy_watch, link.persistent_instances) {
                    (true, true) => "fuzzy watch, persistent instances",
                    (true, false) => "fuzzy watch",
                    (false, true) => "persistent instances",
                    (false, false) => "none announced",
                };
                format!("connected to {}, connection {}, abilities: {abilities}", link.server, link.generation)
            }
            (None, Some(reason)) => format!("not connected: {reason}"),
            (None, None) => "connecting".to_owned(),
        }
    }
}

impl FactSource for NacosStatus {
    fn facts(&self) -> NamedFacts {
        let shared = &self.shared;
        let notes = shared.note(|notes| notes.clone());
        let watched = shared.watched();
        let mut facts = vec![
            ("nacos", self.connection(&notes)),
            ("nacos_watched", watched_text(&watched)),
            ("nacos_reads_waiting", shared.questions.len().to_string()),
            ("nacos_configs_waiting", shared.configs.len().to_string()),
        ];
        let mut add = |name, lines: Vec<String>| {
            if !lines.is_empty() {
                facts.push((name, lines.join("; ")));
            }
        };
        add("nacos_calls_refused", shared.calls.refused());
        add("nacos_calls_failing", shared.calls.failing());
        add("nacos_fuzzy_watch_limited", notes.limited.iter().map(said).collect());
        add("nacos_export_rules", shared.rules.facts());
        add("nacos_namespaces_unlisted", shared.unlisted_namespaces());
        add("nacos_namespaces_outside", notes.outside.iter().map(said).collect());
        add("nacos_instances_left_out", left_out(&watched));
        facts
    }

    fn limits(&self) -> Vec<GatewayReason> {
        let calls = &self.shared.calls;
        let limits = [
            (ApiCall::ReadInstances, GatewayReason::DisabledUnreadable),
            (ApiCall::ListNamespaces, GatewayReason::NamespacesUnlisted),
            (ApiCall::ListServices, GatewayReason::ServicesUnlisted),
            (ApiCall::Subscribe, GatewayReason::ServicesUnread),
            (ApiCall::ListConfigs, GatewayReason::ConfigsUnlisted),
            (ApiCall::ReadConfig, GatewayReason::ConfigsUnread),
        ];
        limits.into_iter().filter(|(call, _)| calls.is_refused_anywhere(*call)).map(|(_, reason)| reason).collect()
    }
}

fn said((namespace, words): (&String, &String)) -> String {
    format!("{namespace:?}: {words}")
}

fn watched_text(watched: &Watched) -> String {
    let mut text = format!("{} services", watched.services);
    if watched.unanswered > 0 {
        text.push_str(&format!(", {} not answered yet", watched.unanswered));
    }
    if watched.unresolved > 0 {
        text.push_str(&format!(", {} of namespaces not known here", watched.unresolved));
    }
    text
}

fn left_out(watched: &Watched) -> Vec<String> {
    let skipped = watched.skipped;
    [
        (skipped.marked, "written by a federating tool"),
        (skipped.unusable, "without a usable address"),
        (skipped.weightless, "with an impossible weight, taken as 0"),
        (skipped.doubled, "under an address that another client has registered too, shown once"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, why)| format!("{count} {why}"))
    .collect()
}
