//! Sections `export`, `import` and `namespaces`: what crosses between clusters and under which names.

use std::collections::BTreeMap;

use federation_core::id::ClusterId;
use federation_core::pattern::{ConfigPattern, Glob, Selection, ServicePattern};

use federation_document::reader::{Place, Read};

/// What other clusters may see of this one. Namespaces are local ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export(pub Selection);

impl Export {
    /// The same rules on names of the federation. A namespace given by a pattern may have any name there: which of its
    /// services are exported is decided on local ids, before they are renamed.
    #[must_use]
    pub fn federated(&self, namespaces: &Namespaces) -> Selection {
        if *namespaces == Namespaces::default() {
            return self.0.clone();
        }
        let named = |glob: &Glob| match glob.literal() {
            Some(id) => namespaces.federated(id, None).parse().unwrap_or_else(|_| Glob::any()),
            None => Glob::any(),
        };
        let service = |rule: &ServicePattern| ServicePattern { namespace: named(&rule.namespace), ..rule.clone() };
        let config = |rule: &ConfigPattern| ConfigPattern { namespace: named(&rule.namespace), ..rule.clone() };
        // Exclusions by pattern would exclude everything: they were applied before.
        let exact = |glob: &Glob| glob.literal().is_some();
        let excluded_services = self.0.excluded_services.iter().filter(|rule| exact(&rule.namespace)).map(service);
        let excluded_configs = self.0.excluded_configs.iter().filter(|rule| exact(&rule.namespace)).map(config);
        Selection {
            services: self.0.services.iter().map(service).collect(),
            configs: self.0.configs.iter().map(config).collect(),
            excluded_services: excluded_services.collect(),
            excluded_configs: excluded_configs.collect(),
        }
    }
}

/// What is taken from other clusters. Namespaces are names of the federation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Patterns of clusters to read.
    pub clusters: Vec<Glob>,
    /// Patterns of clusters to leave out.
    pub excluded_clusters: Vec<Glob>,
    /// What is taken from those clusters.
    pub selection: Selection,
}

impl Import {
    /// Whether the log of `cluster` is read. The own cluster's always is; that is the caller's to add.
    #[must_use]
    pub fn has_cluster(&self, cluster: &ClusterId) -> bool {
        let any = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(cluster.as_str()));
        any(&self.clusters) && !any(&self.excluded_clusters)
    }
}

/// Names of local namespaces in the federation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    by_id: BTreeMap<String, String>,
    by_shown_name: BTreeMap<String, String>,
}

impl Namespaces {
    /// The name in the federation of the local namespace with this id and, if it is known, this shown name. The id
    /// counts before the shown name; without either the id is the name.
    #[must_use]
    pub fn federated<'a>(&'a self, id: &'a str, shown_name: Option<&str>) -> &'a str {
        let by_shown_name = || shown_name.and_then(|name| self.by_shown_name.get(name));
        self.by_id.get(id).or_else(by_shown_name).map_or(id, String::as_str)
    }

    /// Rules by local id: the id and its federated name.
    pub fn by_id(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_id.iter().map(|(local, federated)| (&**local, &**federated))
    }

    /// Federated names of the namespaces that rules find by their shown name.
    pub fn by_shown_name(&self) -> impl Iterator<Item = &str> {
        self.by_shown_name.values().map(|federated| &**federated)
    }

    /// Rules by shown name: the shown name and its federated name.
    pub fn shown_names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_shown_name.iter().map(|(shown, federated)| (&**shown, &**federated))
    }

    /// Whether some name depends on shown names, so that they have to be known before anything is published.
    #[must_use]
    pub fn needs_shown_names(&self) -> bool {
        !self.by_shown_name.is_empty()
    }
}

impl Read for Export {
    fn read(place: &mut Place<'_>) -> Option<Self> {
        place.section(|fields| {
            let services = fields.get("services");
            let configs = fields.get("configs");
            let exclude = fields.get::<Exclude>("exclude");
            let exclude = exclude?;
            Some(Self(Selection {
                services: services?,
                configs: configs?,
                excluded_services: exclude.services,
                excluded_configs: exclude.configs,
            }))
        })
    }
}

impl Read for Import {
    fn read(place: &mut Place<'_>) -> Option<Self> {
        place.section(|fields| {
            let clusters = fields.get("clusters");
            let services = fields.get::<Vec<ServicePattern>>("services");
            let configs = fields.get::<Vec<ConfigPattern>>("configs");
            let exclude = fields.get::<ImportExclude>("exclude");
            let (services, configs, exclude) = (services?, configs?, exclude?);
            let selection = Selection {
                services: or_all(services, ServicePattern::any()),
                configs: or_all(configs, ConfigPattern::any()),
                excluded_services: exclude.rules.services,
                excluded_configs: exclude.rules.configs,
            };
            Some(Self { clusters: clusters?, excluded_clusters: exclude.clusters, selection })
        })
    }
}

/// No rule for imports means no restriction.
fn or_all<P>(patterns: Vec<P>, any: P) -> Vec<P> {
    if patterns.is_empty() { vec![any] } else { patterns }
}

struct Exclude {
    services: Vec<ServicePattern>,
    configs: Vec<ConfigPattern>,
}

struct ImportExclude {
    clusters: Vec<Glob>,
    rules: Exclude,
}

impl Read for Exclude {
    fn read(place: &mut Place<'_>) -> Option<Self> {
        place.section(|fields| {
            let services = fields.get("services");
            let configs = fields.get("configs");
            Some(Self { services: services?, configs: configs? })
        })
    }
}

impl Read for ImportExclude {
    fn read(place: &mut Place<'_>) -> Option<Self> {
        place.section(|fields| {
            let clusters = fields.get("clusters");
            let services = fields.get("services");
            let configs = fields.get("configs");
            Some(Self { clusters: clusters?, rules: Exclude { services: services?, configs: configs? } })
        })
    }
}

impl Read for Namespaces {
    /// Two local namespaces of one name would mix their services, where the same name may mean two things.
    fn read(place: &mut Place<'_>) -> Option<Self> {
        let names = BTreeMap::<String, String>::read(place)?;
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        let mistakes_before = place.mistakes.count();
        for (local, federated) in &names {
            if let Some(other) = taken.insert(federated, local) {
                let problem = format!("`{federated}` is also the name of {other}");
                place.add_below(local, &problem, "a name of its own for each local namespace");
            }
        }
        if place.mistakes.count() > mistakes_before {
            return None;
        }
        let mut namespaces = Self::default();
        for (local, federated) in names {
            match local.strip_prefix("name:") {
                Some(shown_name) => namespaces.by_shown_name.insert(shown_name.to_owned(), federated),
                None => namespaces.by_id.insert(local, federated),
            };
        }
        Some(namespaces)
    }
}
