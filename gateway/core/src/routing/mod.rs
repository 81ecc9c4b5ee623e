//! Routing: which endpoints of a service a caller uses, in which order and share, and why.
//!
//! [`gather`] makes endpoints of a federated service, [`Policies`] say by which policy it is planned.
//! [`plan`] is pure and exact in integers. Endpoints pass the filter, get a rank by place, labels and freshness, ranks are
//! compacted to priorities, priorities take load by their health, localities and weights share it, drains mix plans, and
//! shares are rounded once. The trace is told by the values that decided.

mod address;
mod census;
mod damping;
mod drain;
mod endpoint;
mod filter;
mod flatten;
mod gather;
mod layout;
mod load;
mod natural;
mod pattern;
mod places;
mod plan;
mod policies;
mod policy;
mod reachability;
mod share;
mod tier;
mod trace;

pub use crate::intents::DrainGuard;
pub use crate::percent::Percent;
pub use address::{AdvertisedAddress, InvalidAddress};
pub use damping::{DampedWord, Damping, RoutingWord, WordSeverity};
pub use drain::{Drain, DrainRuling, DrainVerdict, Intents, MAX_DRAINS, RepeatedTarget};
pub use endpoint::{
    Caller, CallerLabels, Endpoint, EndpointAdmission, EndpointCounting, InvalidWeight, MilliWeight, OriginName,
};
pub use filter::{LeftOut, LeftOutReason};
pub use flatten::{FlatWeight, flatten};
pub use gather::{AdvertisedBy, InstanceOffer, PlaceRules, RoutableAddress, ZoneSource, gather};
pub use load::{LevelCounts, Load, LoadRule, LoadRules, Loads, PanicMode, loads};
pub use pattern::{InvalidPattern, LocalityPattern};
pub use plan::{LocalityShare, LocalityWeights, Plan, PlanBasis, PlannedEndpoint, Priority, plan};
pub use policies::{EffectivePolicy, InvalidPolicies, MAX_RULES, Policies, PolicyTie};
pub use policy::{
    Distribute, Failover, InvalidDistribute, InvalidRankLabel, LabelName, LevelSize, LoadOrder, LoadSpread,
    OverprovisioningPercent, PanicThreshold, Policy, RankLabel, Ranking, StaleRule,
};
pub use reachability::{NetworkReach, Reachability};
pub use tier::{Rank, RankRule};
