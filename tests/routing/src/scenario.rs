//! A scenario as plain values: what the naive arithmetic computes with, and how it becomes the input of the real one or
//! the text of a scenario file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use federation_core::freshness::Freshness;
use federation_core::instance::Health;
use federation_core::locality::Locality;
use federation_core::routing as real;

/// Everything one plan is made from.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    /// Who asks.
    pub caller: Caller,
    /// What the operator decided.
    pub policy: Policy,
    /// Freshness by origin: `live`, `isolated`, `stale` or `lost`.
    pub origins: BTreeMap<String, String>,
    /// Drains, one per cluster.
    pub drains: Vec<Drain>,
    /// The endpoints, their ids unique.
    pub endpoints: Vec<Endpoint>,
}

/// Region, zone and sub-zone.
pub type Place = [Option<String>; 3];

/// Who asks.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Where.
    pub place: Place,
    /// In which network.
    pub network: Option<String>,
    /// Of which cluster.
    pub cluster: Option<String>,
    /// With which labels.
    pub labels: BTreeMap<String, String>,
}

/// What the operator decided.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Percent.
    pub overprovisioning: u32,
    /// Percent.
    pub panic_threshold: u8,
    /// Levels are as large as their weights.
    pub weighted_health: bool,
    /// Tiers by locality.
    pub locality: bool,
    /// From region, to region.
    pub failover: Vec<(String, String)>,
    /// Labels, or label=constant.
    pub failover_priority: Vec<String>,
    /// From pattern, to patterns with percent.
    pub distribute: Vec<(String, Vec<(String, u8)>)>,
    /// By printed locality.
    pub locality_weights: BTreeMap<String, u32>,
    /// Stale origins stay where they are.
    pub keep_stale: bool,
    /// Level by level.
    pub prefer_degraded_local: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            overprovisioning: 140,
            panic_threshold: 50,
            weighted_health: false,
            locality: true,
            failover: Vec::new(),
            failover_priority: Vec::new(),
            distribute: Vec::new(),
            locality_weights: BTreeMap::new(),
            keep_stale: false,
            prefer_degraded_local: false,
        }
    }
}

/// A part of a cluster's traffic that is taken away.
#[derive(Clone, Debug)]
pub struct Drain {
    /// The cluster.
    pub cluster: String,
    /// 0 to 100.
    pub percent: u8,
    /// In force even if nothing healthy is left.
    pub force: bool,
}

/// One endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Unique.
    pub id: String,
    /// Its cluster.
    pub origin: String,
    /// Where it runs.
    pub place: Place,
    /// In which network.
    pub network: Option<String>,
    /// With which labels.
    pub labels: BTreeMap<String, String>,
    /// As registered, in millionths: 0 to 10,000,000,000. Never exactly between two thousandths, which a float may miss.
    pub weight: u64,
    /// `healthy`, `unhealthy` or `unknown`.
    pub health: &'static str,
    /// Warming up.
    pub excluded: bool,
    /// Switched on.
    pub enabled: bool,
    /// Given from outside.
    pub priority: Option<u16>,
}

impl Endpoint {
    /// A healthy endpoint of weight 1, nowhere.
    #[must_use]
    pub fn new(id: &str, origin: &str) -> Self {
        Self {
            id: id.into(),
            origin: origin.into(),
            place: Place::default(),
            network: None,
            labels: BTreeMap::new(),
            weight: 1_000_000,
            health: "healthy",
            excluded: false,
            enabled: true,
            priority: None,
        }
    }
}

/// What the real implementation takes.
pub struct Inputs {
    /// The endpoints.
    pub endpoints: Vec<real::Endpoint>,
    /// The caller.
    pub caller: real::Caller,
    /// The policy.
    pub policy: real::Policy,
    /// The drains.
    pub intents: real::Intents,
}

impl Scenario {
    /// The plan of the real implementation.
    #[must_use]
    pub fn plan(&self) -> real::Plan {
        let inputs = self.inputs();
        real::plan(&inputs.endpoints, &inputs.caller, &inputs.policy, &inputs.intents)
    }

    /// The scenario as the real implementation takes it.
    ///
    /// # Panics
    /// If the scenario is not a legal one.
    #[must_use]
    pub fn inputs(&self) -> Inputs {
        let drain = |drain: &Drain| real::Drain {
            target: drain.cluster.as_str().into(),
            cluster: real::OriginName::new(&drain.cluster),
            percent: real::Percent::new(drain.percent).expect("a percentage"),
            guard: if drain.force { real::DrainGuard::Force } else { real::DrainGuard::VoidIfNothingIsLeft },
        };
        Inputs {
            endpoints: self.endpoints.iter().map(|endpoint| self.endpoint(endpoint)).collect(),
            caller: real::Caller {
                locality: locality(&self.caller.place, self.caller.network.as_ref()),
                cluster: self.caller.cluster.as_deref().map(Into::into),
                labels: labels(&self.caller.labels),
            },
            policy: policy(&self.policy),
            intents: real::Intents::new(self.drains.iter().map(drain).collect()).expect("one drain per cluster"),
        }
    }

    fn endpoint(&self, endpoint: &Endpoint) -> real::Endpoint {
        real::Endpoint {
            id: endpoint.id.as_str().into(),
            origin: real::OriginName::new(&endpoint.origin),
            locality: locality(&endpoint.place, endpoint.network.as_ref()),
            labels: labels(&endpoint.labels).into_iter().collect(),
            weight: registered(endpoint.weight),
            health: match endpoint.health {
                "healthy" => Health::Healthy,
                "unhealthy" => Health::Unhealthy,
                _ => Health::Unknown,
            },
            counting: if endpoint.excluded {
                real::EndpointCounting::Excluded
            } else {
                real::EndpointCounting::Counted
            },
            admission: if endpoint.enabled {
                real::EndpointAdmission::Admitted
            } else {
                real::EndpointAdmission::Disabled
            },
            freshness: match self.origins.get(&endpoint.origin).map(String::as_str) {
                Some("stale") => Freshness::Stale,
                Some("lost") => Freshness::Lost,
                Some("isolated") => Freshness::Isolated,
                _ => Freshness::Live,
            },
            priority: endpoint.priority,
        }
    }

    /// The scenario as a scenario file.
    #[must_use]
    pub fn yaml(&self) -> String {
        let mut text = format!("caller: {}\npolicy:\n", self.caller.yaml());
        self.policy.write(&mut text);
        let origins: Vec<String> =
            self.origins.iter().map(|(origin, freshness)| format!("{origin}: {{freshness: {freshness}}}")).collect();
        let _ = writeln!(text, "origins: {{{}}}", origins.join(", "));
        let drain = |drain: &Drain| {
            format!("{{cluster: {}, percent: {}, force: {}}}", drain.cluster, drain.percent, drain.force)
        };
        let _ = writeln!(text, "drains: [{}]", self.drains.iter().map(drain).collect::<Vec<_>>().join(", "));
        text.push_str("endpoints:\n");
        self.endpoints.iter().for_each(|endpoint| text.push_str(&format!("  - {}\n", endpoint.yaml())));
        if self.endpoints.is_empty() {
            text.push_str("  []\n");
        }
        text
    }
}

impl Caller {
    fn yaml(&self) -> String {
        let mut fields = place_fields(&self.place, self.network.as_ref());
        fields.extend(self.cluster.as_ref().map(|cluster| format!("cluster: {cluster}")));
        fields.push(format!("labels: {}", map_yaml(&self.labels)));
        format!("{{{}}}", fields.join(", "))
    }
}

impl Policy {
    fn write(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "  overprovisioning: {}\n  panic_threshold: {}",
            self.overprovisioning, self.panic_threshold
        );
        let _ = writeln!(text, "  weighted_health: {}", self.weighted_health);
        let _ = writeln!(text, "  locality: {}", if self.locality { "on" } else { "off" });
        let failover: Vec<String> =
            self.failover.iter().map(|(from, to)| format!("{{from: {from}, to: {to}}}")).collect();
        let _ = writeln!(text, "  failover: [{}]", failover.join(", "));
        let _ = writeln!(text, "  failover_priority: [{}]", self.failover_priority.join(", "));
        let percent = |(to, percent): &(String, u8)| format!("\"{to}\": {percent}");
        let rule = |(from, to): &(String, Vec<(String, u8)>)| {
            format!("{{from: \"{from}\", to: {{{}}}}}", to.iter().map(percent).collect::<Vec<_>>().join(", "))
        };
        let distribute: Vec<String> = self.distribute.iter().map(rule).collect();
        let _ = writeln!(text, "  distribute: [{}]", distribute.join(", "));
        let weights: Vec<String> =
            self.locality_weights.iter().map(|(place, weight)| format!("\"{place}\": {weight}")).collect();
        let _ = writeln!(text, "  locality_weights: {{{}}}", weights.join(", "));
        let _ = writeln!(text, "  stale: {}", if self.keep_stale { "keep" } else { "demote" });
        let _ = writeln!(text, "  prefer_degraded_local: {}", self.prefer_degraded_local);
    }
}

impl Endpoint {
    fn yaml(&self) -> String {
        let mut fields = vec![format!("id: {}", self.id), format!("origin: {}", self.origin)];
        fields.extend(place_fields(&self.place, self.network.as_ref()));
        fields.push(format!("labels: {}", map_yaml(&self.labels)));
        fields.push(format!("weight: {}.{:06}", self.weight / 1_000_000, self.weight % 1_000_000));
        fields.push(format!("health: {}", self.health));
        fields.push(format!("excluded: {}", self.excluded));
        fields.push(format!("enabled: {}", self.enabled));
        fields.extend(self.priority.map(|priority| format!("priority: {priority}")));
        format!("{{{}}}", fields.join(", "))
    }
}

fn place_fields(place: &Place, network: Option<&String>) -> Vec<String> {
    let names = ["region", "zone", "sub_zone"];
    let parts = names.into_iter().zip(place).filter_map(|(name, part)| Some((name, part.as_ref()?)));
    let parts = parts.chain(network.map(|network| ("network", network)));
    parts.map(|(name, part)| format!("{name}: {part}")).collect()
}

fn map_yaml(map: &BTreeMap<String, String>) -> String {
    format!("{{{}}}", map.iter().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>().join(", "))
}

fn locality(place: &Place, network: Option<&String>) -> Locality {
    let [region, zone, sub_zone] = place.each_ref().map(|part| part.as_deref().map(Into::into));
    Locality { region, zone, sub_zone, network: network.map(|network| network.as_str().into()) }
}

fn labels(labels: &BTreeMap<String, String>) -> real::CallerLabels {
    labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect()
}

fn policy(policy: &Policy) -> real::Policy {
    let failover =
        |(from, to): &(String, String)| real::Failover { from: from.as_str().into(), to: to.as_str().into() };
    let pattern = |text: &str| text.parse().expect("a pattern");
    let to = |(to, percent): &(String, u8)| (pattern(to), real::Percent::new(*percent).expect("a percentage"));
    let distribute = |(from, rules): &(String, Vec<(String, u8)>)| {
        real::Distribute::new(pattern(from), rules.iter().map(to).collect()).expect("a distribution")
    };
    let percent = real::Percent::new(policy.panic_threshold).expect("a percentage");
    real::Policy {
        overprovisioning: real::OverprovisioningPercent::new(policy.overprovisioning).expect("a hundred or more"),
        panic_threshold: real::PanicThreshold(percent),
        level_size: if policy.weighted_health { real::LevelSize::Weights } else { real::LevelSize::Endpoints },
        ranking: if policy.locality { real::Ranking::ByLocality } else { real::Ranking::Off },
        spread: match policy.distribute.is_empty() {
            true => real::LoadSpread::Failover(policy.failover.iter().map(failover).collect()),
            false => real::LoadSpread::Distribute(policy.distribute.iter().map(distribute).collect()),
        },
        failover_priority: policy.failover_priority.iter().map(|label| label.parse().expect("a label")).collect(),
        locality_weights: policy
            .locality_weights
            .iter()
            .map(|(place, weight)| (place.as_str().into(), *weight))
            .collect(),
        stale: if policy.keep_stale { real::StaleRule::Keep } else { real::StaleRule::Demote },
        load_order: match policy.prefer_degraded_local {
            true => real::LoadOrder::LevelByLevel,
            false => real::LoadOrder::HealthyFirst,
        },
        reachable: None,
    }
}

fn registered(millionths: u64) -> real::MilliWeight {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    let weight = millionths as f64 / 1e6;
    real::MilliWeight::from_registered(weight).expect("it is finite")
}
