//! `/v1/policy`.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use federation_access::judge::AccessSubject;
use federation_access::right::AccessRight;
use federation_answers::policy::{
    About, MistakeDocument, PolicyAnswer, RefusalDocument, ServicePolicy, ShownPattern, SourceDocument,
    StandingDocument, WholePolicy,
};
use federation_answers::problem::ProblemDocument;
use federation_core::id::ServiceKey;

use super::problem::Problem;
use super::{params, reply};
use crate::ApiState;
use crate::asker::Asker;
use federation_document::mistakes::Mistake;
use federation_policy::{InForce, PolicyRefusal, PolicySource, PolicyStanding, PolicyWord};

/// The policy in force, its source, and which documents are refused.
#[utoipa::path(
    get,
    path = "/v1/policy",
    tag = "routing",
    params(
        ("namespaceId" = Option<String>, Query, description = "namespace of the service; `public` if it is missing"),
        ("groupName" = Option<String>, Query, description = "its group; `DEFAULT_GROUP` if it is missing"),
        ("serviceName" = Option<String>, Query, description = "its name, or `GROUP@@NAME`; without any parameter the whole document"),
    ),
    responses(
        (status = 200, body = PolicyAnswer, description = "the whole document, or what the service is planned by and why"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "a parameter cannot be used"),
    ),
)]
pub(super) async fn show(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    asker: Asker,
) -> Result<Response, Problem> {
    let service = params::policy(query.as_deref())?;
    let subject = service.as_ref().map_or(AccessSubject::Whole, AccessSubject::Service);
    asker.may(&state, AccessRight::View, subject)?;
    let (in_force, standings) = (state.policy().in_force(), state.policy().standings());
    Ok(reply::json(&answer(service.as_ref(), &in_force, &standings)))
}

/// The whole document, or what a service is planned by.
pub(crate) fn answer<'a>(
    service: Option<&'a ServiceKey>,
    in_force: &'a InForce,
    standings: &[PolicyStanding],
) -> PolicyAnswer<'a> {
    let about = about(in_force, standings);
    let Some(service) = service else {
        return PolicyAnswer::Whole(WholePolicy { about, document: (&*in_force.policies).into() });
    };
    let effective = in_force.policies.effective(service);
    PolicyAnswer::OfService(ServicePolicy {
        namespace_id: service.namespace().into(),
        group_name: service.group().into(),
        service_name: service.service().into(),
        rule: effective.rule.map(ShownPattern::from),
        policy: (&**effective.policy).into(),
        about,
    })
}

fn about(in_force: &InForce, standings: &[PolicyStanding]) -> About {
    About {
        version: in_force.version,
        source: source(&in_force.source),
        md5: in_force.md5.as_deref().map(str::to_owned),
        since_ms: in_force.since.map(|at| at.0),
        sources: standings.iter().map(standing).collect(),
    }
}

fn source(source: &PolicySource) -> SourceDocument {
    SourceDocument { kind: source.kind().into(), name: source.name() }
}

fn standing(standing: &PolicyStanding) -> StandingDocument {
    let state = match standing.word {
        PolicyWord::NotHeard => "not_heard",
        PolicyWord::Absent => "absent",
        PolicyWord::Present => "present",
    };
    let refused = standing.refusal.as_ref().map(refusal);
    StandingDocument { source: source(&standing.source), state: state.into(), refused }
}

fn refusal(refusal: &PolicyRefusal) -> RefusalDocument {
    let mistake = |it: &Mistake| MistakeDocument {
        line: it.line,
        column: it.column,
        field: it.field.clone(),
        problem: it.problem.clone(),
        expected: it.expected.clone(),
    };
    RefusalDocument { at_ms: refusal.at.0, mistakes: refusal.mistakes.iter().map(mistake).collect() }
}
