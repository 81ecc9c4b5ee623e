//! What an operator decides: how endpoints rank, when load moves on, and how localities share. Illegal policies cannot
//! be built; the readers of policy files turn these errors into lines and reasons.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::pattern::LocalityPattern;
use super::reachability::Reachability;
use crate::locality::Locality;
use crate::percent::Percent;

/// How the endpoints of a service are ranked, loaded and shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// How much more than its part a level may carry before load moves on.
    pub overprovisioning: OverprovisioningPercent,
    /// Share of usable endpoints below which a level uses all it has; 0 = never.
    pub panic_threshold: PanicThreshold,
    /// What stands for the size of a level.
    pub level_size: LevelSize,
    /// Whether the caller's place ranks endpoints.
    pub ranking: Ranking,
    /// Rules between regions, or percentages by locality: one excludes the other.
    pub spread: LoadSpread,
    /// Labels to compare with the caller's, in order; empty = none.
    pub failover_priority: Vec<RankLabel>,
    /// Weights of localities as they are printed; those not named weigh 1. Empty = endpoints share by their own weights.
    pub locality_weights: BTreeMap<Arc<str>, u32>,
    /// What becomes of endpoints whose origin is stale or lost.
    pub stale: StaleRule,
    /// Who goes first: healthy capacity anywhere, or degraded capacity nearby.
    pub load_order: LoadOrder,
    /// Which networks reach which. `None` = each reaches only itself; in a scenario, where `None` looks at no network, that
    /// has to be said by an empty list.
    pub reachable: Option<Reachability>,
}

/// Percent, 100 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OverprovisioningPercent(u32);

impl OverprovisioningPercent {
    /// `percent` of 100 or more; `None` for less.
    #[must_use]
    pub fn new(percent: u32) -> Option<Self> {
        (percent >= 100).then_some(Self(percent))
    }

    /// The factor in percent.
    #[must_use]
    pub fn percent(self) -> u32 {
        self.0
    }
}

impl Default for OverprovisioningPercent {
    fn default() -> Self {
        Self(140)
    }
}

/// Percent of usable endpoints below which a level panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PanicThreshold(pub Percent);

impl Default for PanicThreshold {
    fn default() -> Self {
        Self(Percent::HALF)
    }
}

/// What stands for the size of a level and of its healthy part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LevelSize {
    /// The number of endpoints.
    #[default]
    Endpoints,
    /// The sum of their weights.
    Weights,
}

/// Whether locality and labels rank endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ranking {
    /// By locality, labels and freshness.
    #[default]
    ByLocality,
    /// By freshness only.
    Off,
}

/// What becomes of endpoints whose origin is stale or lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StaleRule {
    /// They go behind all live ones.
    #[default]
    Demote,
    /// They rank as if live.
    Keep,
}

/// Who takes load first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LoadOrder {
    /// Healthy endpoints of all levels, then degraded ones.
    #[default]
    HealthyFirst,
    /// Level by level, in each healthy endpoints, then degraded ones.
    LevelByLevel,
}

/// How load crosses regions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadSpread {
    /// By tiers, with rules that prefer one foreign region to others. Empty = tiers alone.
    Failover(Vec<Failover>),
    /// By percentages; the first rule whose `from` matches the caller counts.
    Distribute(Vec<Distribute>),
}

impl Default for LoadSpread {
    fn default() -> Self {
        Self::Failover(Vec::new())
    }
}

/// Callers of region `from` prefer region `to` to all other foreign ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failover {
    /// The caller's region.
    pub from: Arc<str>,
    /// The preferred foreign region.
    pub to: Arc<str>,
}

/// Callers at `from` use the localities of `to` by percentages, and no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribute {
    from: LocalityPattern,
    to: Vec<(LocalityPattern, Percent)>,
}

/// Percentages that are no distribution.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDistribute {
    /// They leave something over, or give too much.
    #[error("the percentages sum to {sum}, not to 100")]
    Sum {
        /// What they sum to.
        sum: u64,
    },
    /// One locality would belong to two of them.
    #[error("{first} and {second} overlap")]
    Overlap {
        /// The one that was given first.
        first: LocalityPattern,
        /// The one that overlaps it.
        second: LocalityPattern,
    },
}

impl Distribute {
    /// A rule that sends callers at `from` to the localities that match `to`.
    ///
    /// # Errors
    /// The percentages must sum to 100 and no two patterns may match one locality.
    pub fn new(from: LocalityPattern, to: Vec<(LocalityPattern, Percent)>) -> Result<Self, InvalidDistribute> {
        for (index, (second, _)) in to.iter().enumerate() {
            if let Some((first, _)) = to[..index].iter().find(|(first, _)| first.overlaps(second)) {
                return Err(InvalidDistribute::Overlap { first: first.clone(), second: second.clone() });
            }
        }
        let sum = to.iter().map(|(_, percent)| u64::from(percent.get())).sum();
        if sum == 100 { Ok(Self { from, to }) } else { Err(InvalidDistribute::Sum { sum }) }
    }

    /// Which callers the rule is for.
    #[must_use]
    pub fn from(&self) -> &LocalityPattern {
        &self.from
    }

    /// Where they go, by percentages that sum to 100. At most one of the patterns matches a locality.
    #[must_use]
    pub fn to(&self) -> &[(LocalityPattern, Percent)] {
        &self.to
    }
}

/// One label of `failover_priority`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RankLabel {
    /// Which label of an endpoint is looked at.
    pub name: LabelName,
    /// What it is compared with; `None` = the caller's label of that name.
    pub constant: Option<Arc<str>>,
}

/// A label that has a meaning of its own, or one of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelName {
    /// Of the locality.
    Region,
    /// Of the locality.
    Zone,
    /// Of the locality.
    SubZone,
    /// Of the locality. In first place it is under an exception: see the ranking.
    Network,
    /// The origin of an endpoint, the cluster of a caller.
    Cluster,
    /// Any other label.
    Other(Arc<str>),
}

/// A label without a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} names no label: region, zone, sub_zone, network, cluster, the label of an instance, or key=value is needed"
)]
pub struct InvalidRankLabel {
    /// The text as it was given.
    pub text: String,
}

impl FromStr for RankLabel {
    type Err = InvalidRankLabel;
    /// `name`, compared with the caller's, or `name=constant`; no blanks around either, because labels are compared without.
    fn from_str(text: &str) -> Result<Self, InvalidRankLabel> {
        let (name, constant) = text.split_once('=').map_or((text, None), |(name, constant)| (name, Some(constant)));
        let trimmed = [name, constant.unwrap_or_default()].iter().all(|part| part.trim() == *part);
        if name.is_empty() || !trimmed {
            return Err(InvalidRankLabel { text: text.into() });
        }
        Ok(Self { name: LabelName::from(name), constant: constant.map(Arc::from) })
    }
}

impl fmt::Display for RankLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_str())?;
        self.constant.iter().try_for_each(|constant| write!(f, "={constant}"))
    }
}

impl From<&str> for LabelName {
    fn from(name: &str) -> Self {
        match name {
            "region" => Self::Region,
            "zone" => Self::Zone,
            "sub_zone" => Self::SubZone,
            "network" => Self::Network,
            "cluster" => Self::Cluster,
            other => Self::Other(other.into()),
        }
    }
}

impl LabelName {
    /// The name as policies write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Region => "region",
            Self::Zone => "zone",
            Self::SubZone => "sub_zone",
            Self::Network => "network",
            Self::Cluster => "cluster",
            Self::Other(name) => name,
        }
    }
}

impl Policy {
    /// Which networks reach which, for endpoints of a gateway's view.
    #[must_use]
    pub fn reachability(&self) -> &Reachability {
        self.reachable.as_ref().unwrap_or(Reachability::ONLY_ITSELF)
    }

    /// The failover rule for callers of `region`: the first that names it.
    #[must_use]
    pub fn failover_from(&self, region: Option<&str>) -> Option<&Failover> {
        match &self.spread {
            LoadSpread::Failover(rules) => rules.iter().find(|rule| Some(&*rule.from) == region),
            LoadSpread::Distribute(_) => None,
        }
    }

    /// The distribution for a caller at `place`: the first whose `from` matches.
    #[must_use]
    pub fn distribute_from(&self, place: &Locality) -> Option<&Distribute> {
        match &self.spread {
            LoadSpread::Distribute(rules) => rules.iter().find(|rule| rule.from.matches(place)),
            LoadSpread::Failover(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribute(to: &[(&str, u8)]) -> Result<Distribute, InvalidDistribute> {
        let pattern = |text: &str| text.parse::<LocalityPattern>().unwrap();
        Distribute::new(
            pattern("*"),
            to.iter().map(|(to, percent)| (pattern(to), Percent::new(*percent).unwrap())).collect(),
        )
    }

    #[test]
    fn percentages_sum_to_a_hundred_and_do_not_overlap() {
        assert!(distribute(&[("r1/z1", 80), ("r1/z2", 20)]).is_ok());
        assert_eq!(distribute(&[("r1/z1", 80), ("r1/z2", 19)]), Err(InvalidDistribute::Sum { sum: 99 }));
        assert_eq!(distribute(&[]), Err(InvalidDistribute::Sum { sum: 0 }));
        assert!(matches!(distribute(&[("r1", 80), ("r1/z2", 20)]), Err(InvalidDistribute::Overlap { .. })));
    }

    #[test]
    fn a_label_is_a_name_or_a_name_and_a_constant() {
        let label = |text: &str| text.parse::<RankLabel>().unwrap();
        assert_eq!(label("network"), RankLabel { name: LabelName::Network, constant: None });
        assert_eq!(
            label("tier=a=b"),
            RankLabel { name: LabelName::Other("tier".into()), constant: Some("a=b".into()) }
        );
        assert_eq!(label("tier=gold").to_string(), "tier=gold");
        assert!("".parse::<RankLabel>().is_err());
        assert!("=gold".parse::<RankLabel>().is_err());
        for blanks in [" tier", "tier ", "tier =gold", "tier= gold", "tier=gold\t"] {
            assert!(blanks.parse::<RankLabel>().is_err(), "{blanks:?}");
        }
    }

    #[test]
    fn less_than_a_hundred_percent_is_no_overprovisioning() {
        assert_eq!(OverprovisioningPercent::new(99), None);
        assert_eq!(OverprovisioningPercent::default().percent(), 140);
    }
}
