//! Which endpoints are counted at all, and why the others are not.
//!
//! The reasons are tried in the order of [`LeftOutReason`]; what an earlier one takes away, a later one does not see.

use std::fmt;
use std::sync::Arc;

use super::endpoint::{Caller, Endpoint, EndpointAdmission, MilliWeight, OriginName};
use super::policy::{Distribute, Policy};

/// Why an endpoint is not counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LeftOutReason {
    /// Its registrant switched it off.
    Disabled,
    /// A rule keeps it out.
    Barred(Arc<str>),
    /// Its own weight is zero, or its locality's percentage in the distribution.
    Weight,
    /// The policy gives its locality no weight.
    LocalityWeight,
    /// No pattern of the distribution matches it.
    NotInDistribute,
}

impl LeftOutReason {
    /// For programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Barred(_) => "barred",
            Self::Weight => "weight",
            Self::LocalityWeight => "locality_weight",
            Self::NotInDistribute => "not_in_distribute",
        }
    }
}

impl fmt::Display for LeftOutReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "disabled",
            Self::Barred(reason) => reason,
            Self::Weight => "weight 0",
            Self::LocalityWeight => "locality weight 0",
            Self::NotInDistribute => "not in distribute",
        })
    }
}

/// An endpoint that is not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its place in the input.
    pub index: usize,
    /// Its id.
    pub id: Arc<str>,
    /// Where it was observed first.
    pub origin: OriginName,
    /// Why it is not counted.
    pub reason: LeftOutReason,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.id, self.reason)
    }
}

/// An endpoint that is counted.
pub(super) struct Counted<'a> {
    /// Its place in the input.
    pub(super) index: usize,
    pub(super) endpoint: &'a Endpoint,
    /// Its locality as it is printed: an index into [`Filtered::localities`].
    pub(super) locality: usize,
    /// Which percentage of the distribution it belongs to; 0 where there is none.
    pub(super) slot: usize,
}

/// The outcome.
pub(super) struct Filtered<'a> {
    pub(super) counted: Vec<Counted<'a>>,
    /// In the order of ids.
    pub(super) left_out: Vec<LeftOut>,
    /// All localities of the input as they are printed, in byte order.
    pub(super) localities: Vec<Arc<str>>,
    pub(super) distribute: Option<&'a Distribute>,
}

pub(super) fn filter<'a>(endpoints: &'a [impl AsRef<Endpoint>], caller: &Caller, policy: &'a Policy) -> Filtered<'a> {
    let distribute = policy.distribute_from(&caller.locality);
    let (localities, places) = super::places::printed(endpoints);
    let weightless = |place: usize| policy.locality_weights.get(&localities[place]) == Some(&0);
    let judge = |endpoint: &Endpoint, place: usize| match &endpoint.admission {
        EndpointAdmission::Disabled => Err(LeftOutReason::Disabled),
        EndpointAdmission::Barred(reason) => Err(LeftOutReason::Barred(Arc::clone(reason))),
        EndpointAdmission::Admitted if endpoint.weight == MilliWeight::ZERO => Err(LeftOutReason::Weight),
        EndpointAdmission::Admitted if weightless(place) => Err(LeftOutReason::LocalityWeight),
        EndpointAdmission::Admitted => distribute.map_or(Ok(0), |rule| slot(rule, endpoint)),
    };
    let (mut counted, mut left_out) = (Vec::with_capacity(endpoints.len()), Vec::new());
    for (index, (endpoint, locality)) in endpoints.iter().map(AsRef::as_ref).zip(places).enumerate() {
        match judge(endpoint, locality) {
            Ok(slot) => counted.push(Counted { index, endpoint, locality, slot }),
            Err(reason) => {
                let (id, origin) = (Arc::clone(&endpoint.id), endpoint.origin.clone());
                left_out.push(LeftOut { index, id, origin, reason });
            }
        }
    }
    left_out.sort_by(|a, b| (&a.id, &a.origin).cmp(&(&b.id, &b.origin)));
    Filtered { counted, left_out, localities, distribute }
}

/// Which percentage of `rule` an endpoint belongs to.
fn slot(rule: &Distribute, endpoint: &Endpoint) -> Result<usize, LeftOutReason> {
    let slot = rule.to().iter().position(|(pattern, _)| pattern.matches(&endpoint.locality));
    match slot {
        None => Err(LeftOutReason::NotInDistribute),
        Some(slot) if rule.to()[slot].1.get() == 0 => Err(LeftOutReason::Weight),
        Some(slot) => Ok(slot),
    }
}
