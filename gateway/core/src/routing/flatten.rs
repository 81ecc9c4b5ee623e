//! A plan for callers that know only weights: priorities, loads and drains become one weight per endpoint.

use super::plan::Plan;

/// Weight of one endpoint for a caller that picks by weight alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlatWeight {
    /// The endpoint's place in the input of the plan.
    pub index: usize,
    /// Weight in hundredths, 1 or more.
    pub hundredths: u64,
}

/// Weights in proportion to shares, so that the endpoint with the largest share keeps its registered weight; at least 0.01,
/// two decimals. Endpoints without a share are left out: many callers ignore a weight of 0.
#[must_use]
pub fn flatten(plan: &Plan) -> Vec<FlatWeight> {
    let largest = plan.endpoints.iter().rev().max_by_key(|endpoint| endpoint.share); // The first of equal ones.
    let Some(largest) = largest.filter(|endpoint| endpoint.share > 0) else { return Vec::new() };
    let (whole, weight) = (u64::from(largest.share) * 10, largest.weight.thousandths());
    let hundredths = |share: u32| ((2 * weight * u64::from(share) + whole) / (2 * whole)).max(1); // Half up.
    let used = plan.endpoints.iter().filter(|endpoint| endpoint.share > 0);
    used.map(|endpoint| FlatWeight { index: endpoint.index, hundredths: hundredths(endpoint.share) }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::endpoint::{Endpoint, MilliWeight, OriginName};
    use super::super::plan::{PlannedEndpoint, plan};
    use super::*;

    /// A plan of endpoints with these shares and weights in thousandths.
    fn planned(endpoints: &[(u32, u64)]) -> Plan {
        let endpoint = |(index, (share, weight)): (usize, &(u32, u64))| PlannedEndpoint {
            index,
            id: format!("e{index}").into(),
            origin: OriginName::new("c1"),
            priority: 0,
            locality: Arc::from(""),
            weight: MilliWeight::from_thousandths(*weight),
            distributed: None,
            share: *share,
        };
        let nothing: [Endpoint; 0] = [];
        let mut plan = plan(&nothing, &Default::default(), &Default::default(), &Default::default());
        plan.endpoints = endpoints.iter().enumerate().map(endpoint).collect();
        plan
    }

    #[test]
    fn the_largest_share_keeps_its_weight_and_the_others_follow() {
        for (name, endpoints, want) in [
            ("alike", vec![(500_000, 1000), (500_000, 1000)], vec![(0, 100), (1, 100)]),
            ("in proportion", vec![(750_000, 2000), (250_000, 9000)], vec![(0, 200), (1, 67)]),
            ("half up", vec![(800_000, 1000), (100_000, 1000)], vec![(0, 100), (1, 13)]),
            ("never below 0.01", vec![(999_999, 1000), (1, 1000)], vec![(0, 100), (1, 1)]),
            ("the first of the largest", vec![(500_000, 3000), (500_000, 1000)], vec![(0, 300), (1, 300)]),
            ("none without a share", vec![(0, 1000), (1_000_000, 1000)], vec![(1, 100)]),
            ("a weight below two decimals", vec![(1_000_000, 4)], vec![(0, 1)]),
            ("nothing", vec![(0, 1000)], vec![]),
        ] {
            let got: Vec<(usize, u64)> =
                flatten(&planned(&endpoints)).iter().map(|it| (it.index, it.hundredths)).collect();
            assert_eq!(got, want, "{name}");
        }
    }
}
