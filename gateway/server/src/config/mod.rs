//! Configuration of one gateway: a YAML file, checked whole.
//!
//! Input: the file's text, the environment's variables and the host's name. Output: a [`GatewayConfig`] in which illegal values
//! cannot be, or every mistake at once with its place and what would be right. The way: text → tree with places
//! ([`federation_document`]) → `${NAME}` replaced  → sections read by the table of fields ([`fields`]).

mod dashboard;
pub mod fields;
mod front_door;
mod gateway;
mod guard;
mod intents;
pub mod json_schema;
mod kafka;
mod listen;
mod nacos;
#[cfg(test)]
mod reference;
mod routing;
mod rules;
mod secret;
#[cfg(test)]
mod tests;
mod weakness;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use federation_access::document::AccessSettings;
use federation_core::id::{ClusterId, FederationId};
use federation_core::locality::Locality;

pub use self::dashboard::DashboardConfig;
pub use self::front_door::{FrontDoorAuth, FrontDoorConfig};
pub use self::gateway::{AdvertiseConfig, FreshnessConfig, LogConfig, LogFormat, TelemetryConfig};
pub use self::guard::Guard;
pub use self::intents::IntentsConfig;
pub use self::kafka::{
    CompactionConfig, KafkaConfig, KafkaProperties, KafkaPropertyFiles, SealingConfig, TopicsConfig, refused_property,
};
pub use self::listen::{ListenConfig, ListenSecurity};
pub use self::nacos::{
    ClientCertificate, EmbeddedRegistryConfig, LoginConfig, NacosConfig, RegistryChoice, RemoteNacos, Tls,
};
pub use self::routing::{DampingConfig, RoutingConfig};
pub use self::secret::SecretSource;
pub use self::weakness::AcceptedWeakness;
use federation_core::namespaces::Namespaces;

pub use self::rules::{ExportConfig, ImportConfig, ImportLimits};

use self::gateway::Replica;
use federation_document::mistakes::Mistakes;
use federation_document::place::SourceSpan;
use federation_document::reader::{FieldPlace, MappingFields, ShownValue};
use federation_document::{expand, text_file, tree};

/// Largest file in bytes; a hundred times what a generous configuration has.
pub const LARGEST_FILE_BYTES: u64 = 1 << 20;

/// One gateway's configuration.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// The federation to join.
    pub federation: FederationId,
    /// The cluster that this gateway stands beside.
    pub cluster: ClusterId,
    /// Name of this process, to show.
    pub replica: String,
    /// Where the cluster is.
    pub locality: Locality,
    /// Where its instances are reached from other networks.
    pub advertise: AdvertiseConfig,
    /// The registry to watch.
    pub nacos: NacosConfig,
    /// The log.
    pub kafka: KafkaConfig,
    /// What other clusters may see.
    pub export: ExportConfig,
    /// What is taken from other clusters.
    pub import: ImportConfig,
    /// Names of local namespaces in the federation.
    pub namespaces: Namespaces,
    /// Where this gateway answers.
    pub listen: ListenConfig,
    /// Who may ask and act there; `None` for everybody on loopback addresses, and nobody elsewhere.
    pub access: Option<AccessSettings>,
    /// The pages that show the federation.
    pub dashboard: DashboardConfig,
    /// Where clients of Nacos are served; `None` for nowhere.
    pub front_door: Option<FrontDoorConfig>,
    /// When a silent cluster counts as stale and as lost.
    pub freshness: FreshnessConfig,
    /// When a mass loss is held.
    pub guard: Guard,
    /// Whose orders count.
    pub intents: IntentsConfig,
    /// How services are routed.
    pub routing: RoutingConfig,
    /// Directory for snapshots and policies, of this cluster and process alone; need not exist yet.
    pub data_dir: PathBuf,
    /// Traces.
    pub telemetry: TelemetryConfig,
    /// The program's own log.
    pub log: LogConfig,
}

/// A configuration and how to show it.
#[derive(Clone, Debug)]
pub struct LoadedConfig {
    /// What it means.
    pub config: GatewayConfig,
    /// What is in force: defaults filled in, secrets masked.
    pub effective: ShownValue,
}

/// What a configuration may depend on besides its text.
#[derive(Clone, Debug, Default)]
pub struct ConfigSurroundings {
    /// For `${NAME}`.
    pub variables: BTreeMap<String, String>,
    /// For the replica's name.
    pub host: String,
}

impl ConfigSurroundings {
    /// Those of this process. Variables that are no UTF-8 count as not set.
    #[must_use]
    pub fn of_process() -> Self {
        let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let variables: BTreeMap<String, String> = std::env::vars_os().filter_map(utf8).collect();
        let of_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let host = variables.get("HOSTNAME").cloned().or_else(of_kernel).unwrap_or_else(|| "localhost".to_owned());
        Self { variables, host: host.trim().to_owned() }
    }
}

/// Reads and checks a file.
///
/// # Errors
/// Every mistake that it has; also that it cannot be read.
pub fn load(path: &Path, surroundings: &ConfigSurroundings) -> Result<LoadedConfig, Mistakes> {
    let name = path.display().to_string();
    match text_file::read(path, LARGEST_FILE_BYTES) {
        Ok(text) => from_text(&name, &text, surroundings),
        Err(problem) => {
            let mut mistakes = Mistakes::new(&name, "");
            mistakes.add(SourceSpan::default(), "", &problem, "a YAML file in UTF-8 of at most 1 MiB");
            Err(mistakes)
        }
    }
}

/// Checks `text`; `name` is shown in mistakes.
///
/// # Errors
/// Every mistake that it has.
pub fn from_text(name: &str, text: &str, surroundings: &ConfigSurroundings) -> Result<LoadedConfig, Mistakes> {
    let mut mistakes = Mistakes::new(name, text);
    let Some(mut tree) = tree::parse(text, &mut mistakes) else { return Err(mistakes) };
    expand::expand(&mut tree, "", &surroundings.variables, &mut mistakes);
    let mut place = FieldPlace {
        node: &tree,
        kind: &fields::ROOT_KIND,
        path: String::new(),
        named: SourceSpan { line: 1, column: 1, width: 0 },
        mistakes: &mut mistakes,
        shown: ShownValue::Nothing,
    };
    let config = place.section(|fields| GatewayConfig::read(fields, &surroundings.host));
    let effective = std::mem::take(&mut place.shown);
    match config {
        Some(config) if mistakes.count() == 0 => Ok(LoadedConfig { config, effective }),
        _ => {
            assert!(mistakes.count() > 0, "a section reader gave up without saying why");
            Err(mistakes)
        }
    }
}

/// Users can log in only where there is a Nacos that has some, and where their passwords are not for everybody.
fn refuse_logins(fields: &mut MappingFields<'_>, access: Option<&AccessSettings>, nacos: Option<&NacosConfig>) {
    let Some(nacos) = nacos.filter(|_| access.is_some_and(|access| access.nacos_login)) else { return };
    match &nacos.registry {
        RegistryChoice::Embedded(_) => {
            let right = "`nacos_login: false`, or a Nacos that is not embedded";
            fields.mistake("access", "the embedded registry has no users who could log in", right);
        }
        RegistryChoice::Remote(remote) if !remote.insecure => {
            if let Some(what) = remote.weakness_of_logins() {
                let right = "`https: true` in `nacos`, or `insecure: true` there where nobody else is on the line";
                fields.mistake("access", what, right);
            }
        }
        RegistryChoice::Remote(_) => {}
    }
}

impl GatewayConfig {
    fn read(fields: &mut MappingFields<'_>, host: &str) -> Option<Self> {
        let federation = fields.get("federation");
        let cluster = fields.get("cluster");
        let replica = fields.get::<Replica>("replica");
        let locality = fields.get::<Locality>("locality");
        let advertise = fields.get::<AdvertiseConfig>("advertise");
        if let (Some(own), Some(advertise)) = (locality.as_ref().and_then(|own| own.network.as_deref()), &advertise)
            && advertise.0.contains_key(own)
        {
            fields.mistake("advertise", "an address for the cluster's own network", "names of other networks");
        }
        let nacos = fields.get::<NacosConfig>("nacos");
        let kafka = fields.get("kafka");
        let export = fields.get("export");
        let import = fields.get("import");
        let namespaces = fields.get("namespaces");
        let listen = fields.get("listen");
        let access = fields.maybe::<AccessSettings>("access");
        refuse_logins(fields, access.as_ref().and_then(Option::as_ref), nacos.as_ref());
        let dashboard = fields.get("dashboard");
        let front_door = fields.maybe("front_door");
        let freshness = fields.get("freshness");
        let guard = fields.get("guard");
        let intents = fields.get("intents");
        let routing = fields.get("routing");
        let data_dir = fields.get("data_dir");
        let telemetry = fields.get("telemetry");
        let log = fields.get("log");
        Some(Self {
            federation: federation?,
            cluster: cluster?,
            replica: replica?.name.unwrap_or_else(|| host.to_owned()),
            locality: locality?,
            advertise: advertise?,
            nacos: nacos?,
            kafka: kafka?,
            export: export?,
            import: import?,
            namespaces: namespaces?,
            listen: listen?,
            access: access?,
            dashboard: dashboard?,
            front_door: front_door?,
            freshness: freshness?,
            guard: guard?,
            intents: intents?,
            routing: routing?,
            data_dir: data_dir?,
            telemetry: telemetry?,
            log: log?,
        })
    }
}
