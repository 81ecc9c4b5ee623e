//! Sections `export`, `import` and `namespaces`: what crosses between clusters and under which names.

use federation_core::id::ClusterId;
use federation_core::pattern::{ConfigPattern, Glob, NameSelection, ServicePattern};

use federation_document::reader::{FieldPlace, ReadValue};
use federation_document::values::ByteCount;

/// What other clusters may see of this one. Namespaces are local ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportConfig(pub NameSelection);

/// What is taken from other clusters. Namespaces are names of the federation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportConfig {
    /// Patterns of clusters to read.
    pub clusters: Vec<Glob>,
    /// Patterns of clusters to leave out.
    pub excluded_clusters: Vec<Glob>,
    /// What is taken from those clusters.
    pub selection: NameSelection,
    /// How much of each of them.
    pub limits: ImportLimits,
}

/// How much is taken of one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportLimits {
    /// Instances and config items.
    pub items: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// Bytes of its log that are read in a second, in the long run.
    pub bytes_per_second: u64,
}

impl ImportConfig {
    /// Whether the log of `cluster` is read. The own cluster's always is; that is the caller's to add.
    #[must_use]
    pub fn has_cluster(&self, cluster: &ClusterId) -> bool {
        let any = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(cluster.as_str()));
        any(&self.clusters) && !any(&self.excluded_clusters)
    }
}

impl ReadValue for ExportConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let services = fields.get("services");
            let configs = fields.get("configs");
            let exclude = fields.get::<Exclude>("exclude");
            let exclude = exclude?;
            Some(Self(NameSelection {
                services: services?,
                configs: configs?,
                excluded_services: exclude.services,
                excluded_configs: exclude.configs,
            }))
        })
    }
}

impl ReadValue for ImportConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let clusters = fields.get("clusters");
            let services = fields.get::<Vec<ServicePattern>>("services");
            let configs = fields.get::<Vec<ConfigPattern>>("configs");
            let exclude = fields.get::<ImportExclude>("exclude");
            let limits = fields.get("limits");
            let (services, configs, exclude) = (services?, configs?, exclude?);
            let selection = NameSelection {
                services: or_all(services, ServicePattern::any()),
                configs: or_all(configs, ConfigPattern::any()),
                excluded_services: exclude.rules.services,
                excluded_configs: exclude.rules.configs,
            };
            Some(Self { clusters: clusters?, excluded_clusters: exclude.clusters, selection, limits: limits? })
        })
    }
}

impl ReadValue for ImportLimits {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let items = fields.get("items");
            let bytes = fields.get::<ByteCount>("bytes");
            let bytes_per_second = fields.get::<ByteCount>("bytes_per_second");
            Some(Self { items: items?, bytes: bytes?.0, bytes_per_second: bytes_per_second?.0 })
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

impl ReadValue for Exclude {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let services = fields.get("services");
            let configs = fields.get("configs");
            Some(Self { services: services?, configs: configs? })
        })
    }
}

impl ReadValue for ImportExclude {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let clusters = fields.get("clusters");
            let services = fields.get("services");
            let configs = fields.get("configs");
            Some(Self { clusters: clusters?, rules: Exclude { services: services?, configs: configs? } })
        })
    }
}
