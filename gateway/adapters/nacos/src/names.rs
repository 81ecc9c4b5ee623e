//! Names of local namespaces in the federation and back, and what of the local Nacos is exported.
//!
//! Inside this adapter services and config items bear local names; whatever leaves it bears federated ones. Invariant: a local namespace
//! keeps its federated name for the life of the process, and no two share one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use federation_core::id::{ConfigKey, ServiceKey};
use federation_core::pattern::NameSelection;
use nacos_protocol::client::{ConfigName, ServiceName};

use federation_core::namespaces::Namespaces;

/// Nacos's default namespace. For config items `""` is another name of it; for services `""` is a namespace of its own.
pub const PUBLIC: &str = "public";
/// Group of services that named none.
pub(super) const DEFAULT_GROUP: &str = "DEFAULT_GROUP";

/// What became of a namespace that was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meeting {
    /// It has a federated name.
    Named,
    /// Its federated name is another local namespace's: it stays outside, or two worlds would mix.
    Clash {
        /// The local namespace that has the name.
        with: String,
    },
    /// Its federated name depends on its shown name, which is not known.
    Unnamed,
}

/// Namespaces by local and by federated name.
#[derive(Default)]
struct Known {
    federated: BTreeMap<String, Arc<str>>,
    local: BTreeMap<Arc<str>, String>,
}

impl Known {
    fn insert(&mut self, local: &str, federated: &str) {
        let federated: Arc<str> = federated.into();
        self.local.insert(Arc::clone(&federated), local.to_owned());
        self.federated.insert(local.to_owned(), federated);
    }
}

/// Both directions of naming, and the export rules over local names.
pub(super) struct Names {
    export: NameSelection,
    rules: Namespaces,
    /// Locked for one look-up or insertion.
    known: Mutex<Known>,
}

impl Names {
    /// Namespaces that the configuration names by id are known from the start.
    pub(super) fn new(export: NameSelection, rules: Namespaces) -> Self {
        let mut known = Known::default();
        for (local, federated) in rules.by_id() {
            known.insert(local, federated);
        }
        Self { export, rules, known: Mutex::new(known) }
    }

    /// What is exported, over local names.
    pub(super) fn export(&self) -> &NameSelection {
        &self.export
    }

    /// The federated name of a local namespace by the rules for its id alone.
    pub(super) fn by_rule<'a>(&'a self, local: &'a str) -> &'a str {
        self.rules.federated(local, None)
    }

    /// Notes that a local namespace exists.
    pub(super) fn meet(&self, local: &str, shown_name: Option<&str>) -> Meeting {
        let mut known = self.known();
        if known.federated.contains_key(local) {
            return Meeting::Named;
        }
        // The nameless namespace is in no list of Nacos, so it has no shown name.
        let shown_name = if local.is_empty() { Some("") } else { shown_name };
        if shown_name.is_none() && self.rules.needs_shown_names() {
            return Meeting::Unnamed;
        }
        let federated = self.rules.federated(local, shown_name);
        match known.local.get(federated) {
            Some(other) => Meeting::Clash { with: other.clone() },
            None => {
                known.insert(local, federated);
                Meeting::Named
            }
        }
    }

    /// The federated name of a namespace that was met.
    pub(super) fn federated(&self, local: &str) -> Option<Arc<str>> {
        self.known().federated.get(local).cloned()
    }

    fn local(&self, federated: &str) -> Option<String> {
        if let Some(local) = self.known().local.get(federated) {
            return Some(local.clone());
        }
        // Known from the log before Nacos named it: without a rule for it, it has the same name here.
        self.meet(federated, None);
        self.known().local.get(federated).cloned()
    }

    /// The federated key of an exported service; `None` if it is not exported or its namespace not met.
    pub(super) fn service_key(&self, name: &ServiceName) -> Option<ServiceKey> {
        let local = ServiceKey::new(&name.namespace, &name.group, &name.service);
        if !self.export.has_service(&local) {
            return None;
        }
        let federated = self.federated(&name.namespace)?;
        let same = *federated == *name.namespace;
        Some(if same { local } else { ServiceKey::new(&federated, &name.group, &name.service) })
    }

    /// As [`Names::service_key`], of a service in which somebody registered: so its namespace exists. It is met, unless its federated name depends
    /// on its shown name, or is another's.
    pub(super) fn registered_key(&self, name: &ServiceName) -> Option<ServiceKey> {
        if self.federated(&name.namespace).is_none() {
            self.meet(&name.namespace, None);
        }
        self.service_key(name)
    }

    /// The local name of a service; `None` while its namespace is not known.
    pub(super) fn service_name(&self, key: &ServiceKey) -> Option<ServiceName> {
        self.local(key.namespace()).map(|local| ServiceName::new(local, key.group(), key.service()))
    }

    /// The federated key of an exported config item; `None` if it is not exported or its namespace not met.
    pub(super) fn config_key(&self, name: &ConfigName) -> Option<ConfigKey> {
        let exported = |namespace: &str| self.export.has_config(&ConfigKey::new(namespace, &name.group, &name.data_id));
        let is_default = name.namespace.is_empty() || name.namespace == PUBLIC;
        let (local, exported) = match is_default {
            true => (PUBLIC, exported(PUBLIC) || exported("")),
            false => (&*name.namespace, exported(&name.namespace)),
        };
        let federated = if exported { self.federated(local)? } else { return None };
        Some(ConfigKey::new(&federated, &name.group, &name.data_id))
    }

    /// The local name of a config item, its namespace as gRPC wants it: `""` is the default namespace on 2.x and 3.x alike, `public` on
    /// 2.x is one that no list shows. `None` while its namespace is not known.
    pub(super) fn config_name(&self, key: &ConfigKey) -> Option<ConfigName> {
        let local = self.local(key.namespace())?;
        let tenant = if local == PUBLIC { String::new() } else { local };
        Some(ConfigName::new(tenant, key.group(), key.data_id()))
    }

    /// Whether some config item of the local namespace may be exported.
    pub(super) fn may_have_configs_in(&self, local: &str) -> bool {
        self.export.may_have_configs_in(local) || (local == PUBLIC && self.export.may_have_configs_in(""))
    }

    /// The groups to ask for where only one group at a time may be listed: the default one and those that rules name.
    pub(super) fn groups_in(&self, local: &str) -> Vec<String> {
        let rules = self.export.services.iter().filter(|rule| rule.namespace.matches(local));
        let mut groups: Vec<String> = rules.filter_map(|rule| rule.group.literal()).map(str::to_owned).collect();
        groups.push(DEFAULT_GROUP.to_owned());
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// The namespaces to ask for where namespaces may not be listed: those that are named, and the default one.
    pub(super) fn fallback_namespaces(&self) -> Vec<String> {
        let mut named: Vec<String> = self.named_namespaces().into_iter().map(str::to_owned).collect();
        named.push(PUBLIC.to_owned());
        named.sort_unstable();
        named.dedup();
        named
    }

    /// The namespaces that the configuration names by id: each is looked into, also where Nacos's list lacks it, because Nacos lets clients
    /// register in a namespace that nobody has created.
    pub(super) fn named_namespaces(&self) -> BTreeSet<&str> {
        let of_rules = self.export.literal_namespaces().into_iter();
        of_rules.chain(self.rules.by_id().map(|(local, _)| local)).collect()
    }

    /// Whether the shown name of a namespace decides on its name in the federation.
    pub(super) fn needs_shown_name_of(&self, local: &str) -> bool {
        self.rules.needs_shown_names() && self.federated(local).is_none()
    }

    /// The names of namespaces that no namespace of Nacos has, with a text for people. `listed` are the ids that Nacos lists, if they may be
    /// listed; `has_anything_in` says of an id whether anything exported was found there.
    pub(super) fn unmatched(
        &self,
        listed: Option<&BTreeSet<String>>,
        has_anything_in: impl Fn(&str) -> bool,
    ) -> Vec<(String, String)> {
        let is_there = |id: &str| id.is_empty() || id == PUBLIC || listed.is_some_and(|listed| listed.contains(id));
        let by_id = self.rules.by_id().filter(|(id, _)| !is_there(id) && !has_anything_in(id)).map(|(id, name)| {
            let title = format!("namespaces.{id} ({name})");
            let text = match listed {
                Some(_) => {
                    format!("{title}: nacos's list has no namespace {id:?}, and nothing exported was found in it")
                }
                None => format!("{title}: nothing exported was found in it, and namespaces may not be listed"),
            };
            (title, text)
        });
        let known = self.known();
        let by_name = self.rules.shown_names().filter(|(_, name)| !known.local.contains_key(*name));
        let by_name = by_name.map(|(shown, name)| {
            let title = format!("namespaces.name:{shown} ({name})");
            let text = match listed {
                Some(_) => format!("{title}: no namespace that nacos lists has that shown name"),
                None => format!("{title}: shown names are in the list of namespaces, which this account may not read"),
            };
            (title, text)
        });
        by_id.chain(by_name).collect()
    }

    /// The config items that rules name in full, for where items may not be listed.
    pub(super) fn literal_configs_in(&self, local: &str) -> Vec<ConfigName> {
        let default = |namespace: &str| if namespace.is_empty() { PUBLIC.to_owned() } else { namespace.to_owned() };
        let literal = |rule: &federation_core::pattern::ConfigPattern| {
            let namespace = rule.namespace.literal().map_or_else(|| local.to_owned(), default);
            Some(ConfigName::new(namespace, rule.group.literal()?, rule.data_id.literal()?))
        };
        let rules =
            self.export.configs.iter().filter(|rule| {
                rule.namespace.matches(local) || (local == PUBLIC && rule.namespace.literal() == Some(""))
            });
        rules.filter_map(literal).collect()
    }

    /// Whether a rule names the config item in full.
    pub(super) fn is_literal_config(&self, name: &ConfigName) -> bool {
        let local = if name.namespace.is_empty() { PUBLIC } else { &name.namespace };
        let same = |found: &ConfigName| found.group == name.group && found.data_id == name.data_id;
        self.literal_configs_in(local).iter().any(same)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use federation_core::pattern::{ConfigPattern, ServicePattern};

    use super::*;

    fn namespaces(lines: &str) -> Namespaces {
        serde_saphyr::from_str::<BTreeMap<String, String>>(lines).unwrap().into_iter().collect()
    }

    fn everything(lines: &str) -> Names {
        Names::new(NameSelection::everything(), namespaces(lines))
    }

    #[test]
    fn a_namespace_without_a_rule_has_the_same_name_in_both_directions() {
        let names = everything("{}");
        let key = ServiceKey::new("prod", "G", "s");
        assert_eq!(names.service_key(&ServiceName::new("prod", "G", "s")), None, "not met yet");
        assert_eq!(names.meet("prod", Some("Production")), Meeting::Named);
        assert_eq!(names.service_key(&ServiceName::new("prod", "G", "s")), Some(key.clone()));
        assert_eq!(names.service_name(&key), Some(ServiceName::new("prod", "G", "s")));
    }

    #[test]
    fn a_namespace_that_nobody_created_is_met_with_the_first_registration_in_it() {
        let name = |namespace: &str| ServiceName::new(namespace, "G", "s");
        let names = everything("{a: shared}");
        assert_eq!(names.registered_key(&name("new")), Some(ServiceKey::new("new", "G", "s")));
        assert_eq!(names.service_key(&name("new")), Some(ServiceKey::new("new", "G", "s")));
        assert_eq!(names.registered_key(&name("shared")), None, "the name of another one");
        assert_eq!(
            everything(r#"{"name:Production": prod}"#).registered_key(&name("a1b2")),
            None,
            "it may be that one"
        );
    }

    #[test]
    fn a_key_of_the_log_is_understood_before_nacos_names_its_namespace() {
        let names = everything("{local-1: shared}");
        let local = |namespace| names.service_name(&ServiceKey::new(namespace, "G", "s")).map(|name| name.namespace);
        assert_eq!(local("shared").as_deref(), Some("local-1"));
        assert_eq!(local("other").as_deref(), Some("other"));
        assert_eq!(local("local-1"), None, "that namespace has another name in the federation");
    }

    #[test]
    fn a_rule_by_shown_name_waits_until_the_shown_name_is_known() {
        let names = everything(r#"{"name:Production": prod}"#);
        assert_eq!(names.meet("a1b2", None), Meeting::Unnamed);
        assert_eq!(names.service_name(&ServiceKey::new("prod", "G", "s")), None);
        assert_eq!(names.meet("a1b2", Some("Production")), Meeting::Named);
        assert_eq!(names.service_name(&ServiceKey::new("prod", "G", "s")), Some(ServiceName::new("a1b2", "G", "s")));
        assert_eq!(names.meet("", None), Meeting::Named, "the nameless namespace has no shown name");
    }

    #[test]
    fn two_local_namespaces_never_share_a_federated_name() {
        let names = everything("{a: shared}");
        assert_eq!(names.meet("shared", None), Meeting::Clash { with: "a".to_owned() });
        assert_eq!(names.service_key(&ServiceName::new("shared", "G", "s")), None);
    }

    #[test]
    fn for_config_items_the_default_namespace_has_one_name_and_for_services_two() {
        let names = everything("{}");
        names.meet(PUBLIC, None);
        names.meet("", None);
        for namespace in ["", PUBLIC] {
            let key = names.config_key(&ConfigName::new(namespace, "G", "d"));
            assert_eq!(key, Some(ConfigKey::new(PUBLIC, "G", "d")));
            let service = names.service_key(&ServiceName::new(namespace, "G", "s"));
            assert_eq!(service, Some(ServiceKey::new(namespace, "G", "s")));
        }
        let name = names.config_name(&ConfigKey::new(PUBLIC, "G", "d"));
        assert_eq!(name, Some(ConfigName::new("", "G", "d")));
    }

    #[test]
    fn rules_say_what_to_ask_for_where_nothing_may_be_listed() {
        let rule = |namespace: &str, group: &str| ServicePattern {
            namespace: namespace.parse().unwrap(),
            group: group.parse().unwrap(),
            ..ServicePattern::any()
        };
        let item = ConfigPattern {
            namespace: "".parse().unwrap(),
            group: "G".parse().unwrap(),
            data_id: "d".parse().unwrap(),
        };
        let export = NameSelection {
            services: vec![rule("prod", "shop"), rule("*", "pay*")],
            configs: vec![item, ConfigPattern::any()],
            ..NameSelection::default()
        };
        let names = Names::new(export, Namespaces::default());
        assert_eq!(names.fallback_namespaces(), ["", "prod", PUBLIC]);
        assert_eq!(names.groups_in("prod"), [DEFAULT_GROUP, "shop"]);
        assert_eq!(names.literal_configs_in(PUBLIC), [ConfigName::new(PUBLIC, "G", "d")]);
        assert_eq!(Names::new(NameSelection::everything(), Namespaces::default()).fallback_namespaces(), [PUBLIC]);
    }
}
