//! How much each rule of the configuration matches in the local Nacos.
//!
//! Input: services and config items as they come and go, and whole listings for what exclusions keep back. Output: a count for each rule,
//! for `status`, and the rules that name something and match nothing. Kept as things change: a look costs no more than the rules are many.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use federation_core::id::{ConfigKey, ServiceKey};
use federation_core::pattern::{ConfigPattern, Glob, NameSelection, ServicePattern};
use nacos_protocol::client::{ConfigName, ServiceName};

use super::names::PUBLIC;

/// Rules of one list that `status` tells of, at most; the others are counted.
const SHOWN: usize = 100;

/// A rule and how much of what is exported it names.
struct Rule<P> {
    pattern: P,
    count: AtomicUsize,
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// Services.
    Services,
    /// Config items.
    Configs,
}

/// A rule that names something, and matches nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unmatched {
    /// Its place in the configuration, and what it says.
    pub(super) title: String,
    /// What it is about.
    pub(super) of: Of,
    /// The one namespace that it names, if it has no wildcard.
    pub(super) namespace: Option<String>,
}

/// All rules that are over local names.
pub(super) struct Rules {
    services: Vec<Rule<ServicePattern>>,
    configs: Vec<Rule<ConfigPattern>>,
    excluded_services: Vec<ServicePattern>,
    excluded_configs: Vec<ConfigPattern>,
    /// By namespace, how many listed services and items each exclusion names. Locked for one look-up or change.
    kept_back: Mutex<BTreeMap<String, KeptBack>>,
    /// Exported services and items by local namespace. Locked for one look-up or change.
    in_namespace: Mutex<BTreeMap<String, usize>>,
}

#[derive(Default)]
struct KeptBack {
    services: Vec<usize>,
    configs: Vec<usize>,
}

impl Rules {
    pub(super) fn new(export: &NameSelection) -> Self {
        Self {
            services: counted(&export.services),
            configs: counted(&export.configs),
            excluded_services: export.excluded_services.clone(),
            excluded_configs: export.excluded_configs.clone(),
            kept_back: Mutex::default(),
            in_namespace: Mutex::default(),
        }
    }

    /// An exported service was found.
    pub(super) fn service_came(&self, name: &ServiceName) {
        self.rules_of(name).for_each(Rule::came);
        *self.in_namespace().entry(name.namespace.clone()).or_default() += 1;
    }

    /// It is gone.
    pub(super) fn service_went(&self, name: &ServiceName) {
        self.rules_of(name).for_each(Rule::went);
        self.leave(&name.namespace);
    }

    /// An exported config item was found.
    pub(super) fn config_came(&self, name: &ConfigName) {
        self.rules_of_config(name).for_each(Rule::came);
        *self.in_namespace().entry(default_by_name(&name.namespace).to_owned()).or_default() += 1;
    }

    /// It is gone.
    pub(super) fn config_went(&self, name: &ConfigName) {
        self.rules_of_config(name).for_each(Rule::went);
        self.leave(default_by_name(&name.namespace));
    }

    fn rules_of(&self, name: &ServiceName) -> impl Iterator<Item = &Rule<ServicePattern>> {
        let key = ServiceKey::new(&name.namespace, &name.group, &name.service);
        self.services.iter().filter(move |rule| rule.pattern.matches(&key))
    }

    fn rules_of_config(&self, name: &ConfigName) -> impl Iterator<Item = &Rule<ConfigPattern>> {
        let keys = keys_of(name);
        self.configs.iter().filter(move |rule| keys.iter().any(|key| rule.pattern.matches(key)))
    }

    fn leave(&self, namespace: &str) {
        let mut all = self.in_namespace();
        if let Some(count) = all.get_mut(namespace) {
            *count -= 1;
            if *count == 0 {
                all.remove(namespace);
            }
        }
    }

    /// All services of a namespace, exported or not.
    pub(super) fn services_listed(&self, namespace: &str, names: &[ServiceName]) {
        if self.excluded_services.is_empty() {
            return;
        }
        let keys: Vec<_> = names.iter().map(|it| ServiceKey::new(&it.namespace, &it.group, &it.service)).collect();
        let count = |rule: &ServicePattern| keys.iter().filter(|key| rule.matches(key)).count();
        let counts = self.excluded_services.iter().map(count).collect();
        self.kept_back().entry(namespace.to_owned()).or_default().services = counts;
    }

    /// All config items of a namespace, exported or not.
    pub(super) fn configs_listed<'a>(&self, namespace: &str, names: impl Iterator<Item = &'a ConfigName>) {
        if self.excluded_configs.is_empty() {
            return;
        }
        let keys: Vec<_> = names.map(keys_of).collect();
        let named = |rule: &ConfigPattern, keys: &[ConfigKey]| keys.iter().any(|key| rule.matches(key));
        let count = |rule: &ConfigPattern| keys.iter().filter(|keys| named(rule, keys)).count();
        let counts = self.excluded_configs.iter().map(count).collect();
        self.kept_back().entry(namespace.to_owned()).or_default().configs = counts;
    }

    /// The namespace is not looked into any more.
    pub(super) fn left(&self, namespace: &str) {
        self.kept_back().remove(namespace);
    }

    /// Whether anything exported is in the local namespace.
    pub(super) fn has_anything_in(&self, namespace: &str) -> bool {
        self.in_namespace().contains_key(namespace)
    }

    /// How much each rule matches, for people.
    pub(super) fn facts(&self) -> Vec<String> {
        let services = self.services.iter().enumerate().map(|(at, rule)| {
            format!("{}: {}", service_title(at, &rule.pattern), counted_as(rule.count(), Of::Services))
        });
        let configs = self.configs.iter().enumerate().map(|(at, rule)| {
            format!("{}: {}", config_title(at, &rule.pattern), counted_as(rule.count(), Of::Configs))
        });
        let kept_back = self.kept_back();
        let sum = |counts: fn(&KeptBack) -> &Vec<usize>, at: usize| -> usize {
            kept_back.values().filter_map(|namespace| counts(namespace).get(at)).sum()
        };
        let excluded_services = self.excluded_services.iter().enumerate().map(|(at, rule)| {
            let count = sum(|kept| &kept.services, at);
            format!("export.exclude.services[{at}] {rule}: {}", counted_as(count, Of::Services))
        });
        let excluded_configs = self.excluded_configs.iter().enumerate().map(|(at, rule)| {
            let count = sum(|kept| &kept.configs, at);
            let ConfigPattern { namespace, group, data_id } = rule;
            format!("export.exclude.configs[{at}] {namespace}/{group}/{data_id}: {}", counted_as(count, Of::Configs))
        });
        let mut all: Vec<String> = services.take(SHOWN).collect();
        all.extend(configs.take(SHOWN));
        all.extend(excluded_services.take(SHOWN));
        all.extend(excluded_configs.take(SHOWN));
        let count =
            self.services.len() + self.configs.len() + self.excluded_services.len() + self.excluded_configs.len();
        if count > all.len() {
            all.push(format!("and {} more", count - all.len()));
        }
        all
    }

    /// The rules that name something, by more than wildcards and the default namespace, which exists by itself, and match nothing.
    pub(super) fn unmatched(&self) -> Vec<Unmatched> {
        let services = self.services.iter().enumerate().filter(|(_, rule)| {
            let ServicePattern { namespace, group, service } = &rule.pattern;
            rule.count() == 0 && names_something(namespace, [group, service])
        });
        let configs = self.configs.iter().enumerate().filter(|(_, rule)| {
            let ConfigPattern { namespace, group, data_id } = &rule.pattern;
            rule.count() == 0 && names_something(namespace, [group, data_id])
        });
        let literal = |namespace: &Glob| namespace.literal().map(str::to_owned);
        let services = services.map(|(at, rule)| Unmatched {
            title: service_title(at, &rule.pattern),
            of: Of::Services,
            namespace: literal(&rule.pattern.namespace),
        });
        let configs = configs.map(|(at, rule)| Unmatched {
            title: config_title(at, &rule.pattern),
            of: Of::Configs,
            namespace: literal(&rule.pattern.namespace),
        });
        services.chain(configs).collect()
    }

    fn kept_back(&self) -> MutexGuard<'_, BTreeMap<String, KeptBack>> {
        self.kept_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_namespace(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.in_namespace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P> Rule<P> {
    fn came(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn went(&self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

fn counted<P: Clone>(patterns: &[P]) -> Vec<Rule<P>> {
    patterns.iter().map(|pattern| Rule { pattern: pattern.clone(), count: AtomicUsize::new(0) }).collect()
}

fn names_something(namespace: &Glob, others: [&Glob; 2]) -> bool {
    let is_default = matches!(namespace.literal(), Some("" | PUBLIC));
    let says = |glob: &Glob| glob.literal_chars() > 0;
    (says(namespace) && !is_default) || others.into_iter().any(says)
}

fn service_title(at: usize, pattern: &ServicePattern) -> String {
    format!("export.services[{at}] {pattern}")
}

fn config_title(at: usize, ConfigPattern { namespace, group, data_id }: &ConfigPattern) -> String {
    format!("export.configs[{at}] {namespace}/{group}/{data_id}")
}

fn counted_as(count: usize, of: Of) -> String {
    let noun = match (of, count) {
        (Of::Services, 1) => "service",
        (Of::Services, _) => "services",
        (Of::Configs, 1) => "config item",
        (Of::Configs, _) => "config items",
    };
    format!("{count} {noun}")
}

/// For config items `""` is another name of the default namespace, and rules may use either.
fn keys_of(name: &ConfigName) -> Vec<ConfigKey> {
    let key = |namespace: &str| ConfigKey::new(namespace, &name.group, &name.data_id);
    match &*name.namespace {
        "" | PUBLIC => vec![key(""), key(PUBLIC)],
        namespace => vec![key(namespace)],
    }
}

fn default_by_name(namespace: &str) -> &str {
    if namespace.is_empty() { PUBLIC } else { namespace }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service_rule(text: [&str; 3]) -> ServicePattern {
        let [namespace, group, service] = text.map(|part| part.parse().unwrap());
        ServicePattern { namespace, group, service }
    }

    fn config_rule(text: [&str; 3]) -> ConfigPattern {
        let [namespace, group, data_id] = text.map(|part| part.parse().unwrap());
        ConfigPattern { namespace, group, data_id }
    }

    fn titles(rules: &Rules) -> Vec<String> {
        rules.unmatched().into_iter().map(|rule| rule.title).collect()
    }

    #[test]
    fn each_rule_counts_what_it_names_as_it_comes_and_goes() {
        let rules = Rules::new(&NameSelection {
            services: vec![service_rule(["prod", "*", "*"]), service_rule(["*", "G", "s*"])],
            configs: vec![config_rule(["", "G", "*"])],
            excluded_services: vec![service_rule(["*", "*", "internal-*"])],
            ..NameSelection::default()
        });
        let [one, other] = [ServiceName::new("prod", "G", "s1"), ServiceName::new("dev", "G", "s2")];
        rules.service_came(&one);
        rules.service_came(&other);
        rules.config_came(&ConfigName::new("public", "G", "d"));
        rules.services_listed("prod", &[one.clone(), ServiceName::new("prod", "G", "internal-1")]);
        let facts = [
            "export.services[0] prod/*/*: 1 service",
            "export.services[1] */G/s*: 2 services",
            "export.configs[0] /G/*: 1 config item",
            "export.exclude.services[0] */*/internal-*: 1 service",
        ];
        assert_eq!(rules.facts(), facts);
        assert!(titles(&rules).is_empty() && rules.has_anything_in("prod"));
        rules.service_went(&one);
        rules.config_went(&ConfigName::new("", "G", "d"));
        assert_eq!(titles(&rules), ["export.services[0] prod/*/*", "export.configs[0] /G/*"]);
        assert!(!rules.has_anything_in("prod") && rules.has_anything_in("dev"));
    }

    #[test]
    fn rules_of_wildcards_alone_may_match_nothing() {
        let rules = Rules::new(&NameSelection {
            services: vec![
                service_rule(["*", "*", "*"]),
                service_rule(["public", "*", "?*"]),
                service_rule(["", "*", "*"]),
                service_rule(["ghost", "*", "*"]),
                service_rule(["prod-*", "*", "*"]),
                service_rule(["public", "G", "*"]),
            ],
            configs: vec![config_rule(["*", "*", "*"]), config_rule(["*", "*", "app.yaml"])],
            ..NameSelection::default()
        });
        let unmatched = rules.unmatched();
        let found: Vec<_> = unmatched.iter().map(|rule| (&*rule.title, rule.namespace.as_deref())).collect();
        let want = [
            ("export.services[3] ghost/*/*", Some("ghost")),
            ("export.services[4] prod-*/*/*", None),
            ("export.services[5] public/G/*", Some("public")),
            ("export.configs[1] */*/app.yaml", None),
        ];
        assert_eq!(found, want);
    }
}
