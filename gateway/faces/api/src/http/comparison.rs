//! A survey as a document: what services' callers get now and would get, the same for a dry run and for what-if.

use std::collections::BTreeMap;

use federation_answers::comparison::{
    CallerDocument, ComparedCaller, ComparedService, ComparisonDocument, CountsDocument, RefusedDrain,
    ServiceNameDocument, SharesDocument,
};
use federation_core::id::ServiceKey;
use federation_core::routing::{Caller, DrainVerdict};
use federation_core::what_if::{LoadShares, ServiceOutcome};

use federation_view::what_if::{self, ServiceConcern, ServiceSurvey, SurveyedService};

pub(super) fn service_name(key: &ServiceKey) -> ServiceNameDocument {
    ServiceNameDocument {
        namespace_id: key.namespace().to_owned(),
        group_name: key.group().to_owned(),
        service_name: key.service().to_owned(),
    }
}

pub(super) fn comparison(survey: &ServiceSurvey) -> ComparisonDocument {
    let tally = survey.tally;
    ComparisonDocument {
        callers: survey.callers.iter().map(caller).collect(),
        examined: survey.examined,
        total: tally.total(),
        counts: CountsDocument {
            left_without: tally.left_without,
            refused: tally.refused,
            partly_served: tally.partly_served,
            nothing_healthy: tally.nothing_healthy,
            moved: tally.moved,
        },
        services: survey.services.iter().map(|service| compared_service(service, &survey.callers)).collect(),
    }
}

fn caller(caller: &Caller) -> CallerDocument {
    let part = |part: &Option<std::sync::Arc<str>>| part.as_deref().map(str::to_owned);
    let place = &caller.locality;
    let (region, zone, sub_zone) = (part(&place.region), part(&place.zone), part(&place.sub_zone));
    CallerDocument { cluster: name_of(caller), region, zone, sub_zone }
}

fn compared_service(surveyed: &SurveyedService, callers: &[Caller]) -> ComparedService {
    let mut refused: BTreeMap<&str, RefusedDrain> = BTreeMap::new();
    for verdict in surveyed.outcomes.iter().flat_map(|outcome| &outcome.refused) {
        refused.entry(&verdict.drain.target).or_insert_with(|| refused_drain(verdict));
    }
    ComparedService {
        namespace_id: surveyed.key.namespace().to_owned(),
        group_name: surveyed.key.group().to_owned(),
        service_name: surveyed.key.service().to_owned(),
        impact: word(Some(surveyed.concern)).into(),
        callers: (callers.iter().zip(&surveyed.outcomes)).map(|(it, found)| compared_caller(it, found)).collect(),
        refused: refused.into_values().collect(),
    }
}

fn compared_caller(caller: &Caller, outcome: &ServiceOutcome) -> ComparedCaller {
    let (before, after) = (shares(&outcome.before), shares(&outcome.after));
    ComparedCaller { caller: name_of(caller), impact: word(ServiceConcern::of_one(outcome)).into(), before, after }
}

fn shares(shares: &LoadShares) -> SharesDocument {
    SharesDocument {
        clusters: shares.by_cluster.iter().map(|(cluster, share)| (cluster.to_string(), *share)).collect(),
        regions: (shares.by_region.iter())
            .map(|(region, share)| (region.as_deref().unwrap_or("").to_owned(), *share))
            .collect(),
        served: shares.served,
        healthy: shares.healthy,
    }
}

fn refused_drain(verdict: &DrainVerdict) -> RefusedDrain {
    RefusedDrain {
        target: verdict.drain.target.to_string(),
        reason: what_if::reason(verdict.ruling).into(),
        code: verdict.ruling.as_str().into(),
    }
}

fn name_of(caller: &Caller) -> String {
    caller.cluster.as_deref().unwrap_or("").to_owned()
}

fn word(concern: Option<ServiceConcern>) -> &'static str {
    match concern {
        Some(ServiceConcern::LeftWithout) => "leftWithout",
        Some(ServiceConcern::Refused) => "refused",
        Some(ServiceConcern::PartlyServed) => "partlyServed",
        Some(ServiceConcern::NothingHealthy) => "nothingHealthy",
        Some(ServiceConcern::Moved) => "moved",
        None => "nothing",
    }
}
