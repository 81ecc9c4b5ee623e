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
