//! `plan`: which endpoints a caller uses, in which order and share, and why.
//!
//! Pure and exact: the same inputs, in any order, give the same shares on every gateway. The steps are those of the
//! trace: filter, rank, compact, load, localities, drain, flatten.

use std::sync::Arc;

use super::census::Census;
use super::drain::{DrainVerdict, Intents, Mixture, judge};
use super::endpoint::{Caller, Endpoint, MilliWeight, OriginName};
use super::filter::{Counted, Filtered, LeftOut, filter};
use super::layout::Layout;
use super::load::{LevelCounts, Load, LoadRule, LoadRules};
use super::policy::{LevelSize, Policy, StaleRule};
use super::share::round;
use super::tier::{Rank, RankRule, Ranker};

/// What a caller is to use, and how that came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Priorities, best first: counts and loads as they are before drains, shares of localities after them.
    pub priorities: Vec<Priority>,
    /// Every endpoint that was counted, by priority, locality, origin and id.
    pub endpoints: Vec<PlannedEndpoint>,
    /// Every endpoint that was not counted, by id.
    pub left_out: Vec<LeftOut>,
    /// Every drain, in byte order of its target.
    pub drains: Vec<DrainVerdict>,
    /// What else the trace tells.
    pub basis: PlanBasis,
}

/// One priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priority {
    /// The rank behind it; none if the priority was given and is empty.
    pub rank: Option<Rank>,
    /// What it has: endpoints, or thousandths of weight if the policy says so.
    pub counts: LevelCounts,
    /// What it takes.
    pub load: Load,
    /// Its localities in byte order.
    pub localities: Vec<LocalityShare>,
}

/// What the endpoints of one locality and priority get together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalityShare {
    /// As it is printed.
    pub locality: Arc<str>,
    /// Millionths of the traffic: the sum over its endpoints.
    pub share: u32,
}

/// An endpoint that was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedEndpoint {
    /// Its place in the input.
    pub index: usize,
    /// Its id.
    pub id: Arc<str>,
    /// Where it was observed first.
    pub origin: OriginName,
    /// Its priority before drains, 0 the best: an index into [`Plan::priorities`].
    pub priority: usize,
    /// Its locality as it is printed.
    pub locality: Arc<str>,
    /// Its weight as registered.
    pub weight: MilliWeight,
    /// Its weight after the distribution, 1 to 100, if there is one.
    pub distributed: Option<u64>,
    /// Millionths of the traffic, 0 to 1,000,000.
    pub share: u32,
}

/// By which rules a plan came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanBasis {
    /// Where the caller is, as it is printed.
    pub caller: String,
    /// How endpoints were ranked.
    pub ranking: RankRule,
    /// The distribution in force: the pattern of its callers.
    pub distribute: Option<String>,
    /// Availability of all levels together in percent, at most 100.
    pub availability: u8,
    /// How load was given to levels.
    pub load: LoadRule,
    /// Whether localities shared by weights of their own.
    pub locality_weights: LocalityWeights,
    /// How many endpoints rounding gave a millionth.
    pub topped_up: u64,
    /// The factors and thresholds of the loads.
    pub load_rules: LoadRules,
    /// What stood for the size of a level.
    pub level_size: LevelSize,
    /// What became of stale and lost origins.
    pub stale: StaleRule,
}

/// What the endpoints of a priority share by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalityWeights {
    /// Their own weights alone.
    None,
    /// The weights of their localities first.
    Given,
}

/// Plans one service for one caller. Every input has an answer: what cannot be planned is left out with its reason, and
/// without any usable endpoint all shares are zero. `endpoints` are offers of a view, or endpoints of a scenario.
#[must_use]
pub fn plan(endpoints: &[impl AsRef<Endpoint>], caller: &Caller, policy: &Policy, intents: &Intents) -> Plan {
    let given = !endpoints.is_empty() && endpoints.iter().all(|endpoint| endpoint.as_ref().priority.is_some());
    let filtered = filter(endpoints, caller, policy);
    let census = Census::take(&filtered, Ranker::new(caller, policy, given), policy);
    let whole = Layout::without(&census, |_| false);
    let verdicts = judge(&census, intents);
    let mixture = Mixture::new(&census, &verdicts);
    let order = order(&filtered, &census, &whole);
    let kinds: Vec<usize> = order.iter().map(|position| census.kind_of[*position]).collect();
    let rounded = round(&census, &mixture, &kinds);
    let planned = |(position, share): (&usize, &u32)| planned(&filtered, &census, &whole, *position, *share);
    let planned: Vec<PlannedEndpoint> = order.iter().zip(&rounded.shares).map(planned).collect();
    Plan {
        priorities: priorities(&whole, &planned),
        endpoints: planned,
        left_out: filtered.left_out,
        drains: verdicts,
        basis: basis(caller, &census, &whole, rounded.topped_up),
    }
}

/// Positions of the counted endpoints by priority, locality, origin and id.
fn order(filtered: &Filtered<'_>, census: &Census<'_>, whole: &Layout) -> Vec<usize> {
    let key = |position: &usize| {
        let Counted { endpoint, locality, .. } = &filtered.counted[*position];
        (whole.level_of[census.kind_of[*position]], *locality, &endpoint.origin, &endpoint.id)
    };
    let mut order: Vec<usize> = (0..filtered.counted.len()).collect();
    order.sort_by(|a, b| key(a).cmp(&key(b)));
    order
}

fn planned(
    filtered: &Filtered<'_>,
    census: &Census<'_>,
    whole: &Layout,
    position: usize,
    share: u32,
) -> PlannedEndpoint {
    let Counted { index, endpoint, locality, .. } = &filtered.counted[position];
    let kind = census.kind_of[position];
    PlannedEndpoint {
        index: *index,
        id: Arc::clone(&endpoint.id),
        origin: endpoint.origin.clone(),
        priority: whole.level_of[kind].expect("nothing is taken away from the plan with all"),
        locality: Arc::clone(&filtered.localities[*locality]),
        weight: endpoint.weight,
        distributed: census.distribute.map(|_| whole.weights[kind] / 1000),
        share,
    }
}

/// `planned` is in the order of priorities and localities.
fn priorities(whole: &Layout, planned: &[PlannedEndpoint]) -> Vec<Priority> {
    let mut priorities: Vec<Priority> = (whole.ranks.iter().zip(&whole.counts).zip(&whole.loads.levels))
        .map(|((rank, counts), load)| Priority { rank: *rank, counts: *counts, load: *load, localities: Vec::new() })
        .collect();
    for alike in planned.chunk_by(|a, b| (a.priority, &a.locality) == (b.priority, &b.locality)) {
        let share = alike.iter().map(|endpoint| endpoint.share).sum();
        let locality = Arc::clone(&alike[0].locality);
        priorities[alike[0].priority].localities.push(LocalityShare { locality, share });
    }
    priorities
}

fn basis(caller: &Caller, census: &Census<'_>, whole: &Layout, topped_up: u64) -> PlanBasis {
    PlanBasis {
        caller: caller.locality.to_string(),
        ranking: census.rule.clone(),
        distribute: census.distribute.map(|rule| rule.from().to_string()),
        availability: whole.loads.availability,
        load: whole.loads.rule,
        locality_weights: match census.locality_weights {
            Some(_) => LocalityWeights::Given,
            None => LocalityWeights::None,
        },
        topped_up,
        load_rules: LoadRules::from(census.policy),
        level_size: census.policy.level_size,
        stale: census.policy.stale,
    }
}
