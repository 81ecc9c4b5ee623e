//! `/v1/policy`.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use federation_core::id::ServiceKey;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Problem, ProblemDocument};
use super::{params, reply};
use crate::ApiState;
use federation_document::mistakes::Mistake;
use federation_policy::shown::{ShownDocument, ShownPattern, ShownPolicy};
use federation_policy::{InForce, PolicySource, Refusal, Standing, Word};

/// The policy in force: the whole document, or what one service is planned by.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = PolicyAnswer)]
pub(super) enum PolicyAnswer<'a> {
    /// Without parameters.
    Whole(WholePolicy<'a>),
    /// For a service, which need not exist.
    OfService(ServicePolicy<'a>),
}

/// The whole document in force.
#[derive(Serialize, ToSchema)]
pub(super) struct WholePolicy<'a> {
    #[serde(flatten)]
    about: About,
    /// In the schema in which it is written, defaults filled in.
    document: ShownDocument<'a>,
}

/// What one service is planned by.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServicePolicy<'a> {
    namespace_id: &'a str,
    group_name: &'a str,
    service_name: &'a str,
    /// The rule that names it; null for the policy of all others.
    rule: Option<ShownPattern<'a>>,
    /// In the schema in which it is written, defaults filled in.
    policy: ShownPolicy<'a>,
    #[serde(flatten)]
    about: About,
}

/// Where the document in force is from, and what is known of all sources.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct About {
    /// Grows with every change in the life of the process; begins anew with it.
    version: u64,
    source: SourceDocument,
    /// Of the document in force, as Nacos shows it; equal in all gateways that have the same. Null for the defaults.
    md5: Option<String>,
    /// When it came into force, unix milliseconds; null for the defaults of a process that never had others.
    since_ms: Option<u64>,
    /// Every source that is configured, the one that counts first first.
    sources: Vec<StandingDocument>,
}

/// A source of policies.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicySource)]
pub(super) struct SourceDocument {
    /// `defaults`, `file` or `config_item`.
    kind: &'static str,
    /// Path of the file, or `namespace/group/data_id`; null for the defaults.
    name: Option<String>,
}

/// What is known of a source.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicySourceStanding)]
pub(super) struct StandingDocument {
    #[serde(flatten)]
    source: SourceDocument,
    /// `present`, `absent` or `not_heard`: then what was kept from the last run counts.
    state: &'static str,
    /// Set while its newest document is refused; the one before stays in force.
    refused: Option<RefusalDocument>,
}

/// A document that was refused.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PolicyRefusal)]
pub(super) struct RefusalDocument {
    /// When it was met first, unix milliseconds.
    at_ms: u64,
    /// In the order of its lines.
    mistakes: Vec<MistakeDocument>,
}

/// One thing that is wrong.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicyMistake)]
pub(super) struct MistakeDocument {
    /// From 1; 0 where no line is at fault.
    line: usize,
    /// In characters, from 1.
    column: usize,
    /// Path of the field; empty for the document as a whole.
    field: String,
    problem: String,
    /// What would be right.
    expected: String,
}

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
pub(super) async fn show(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let service = params::policy(query.as_deref())?;
    let (in_force, standings) = (state.policy().in_force(), state.policy().standings());
    let about = About::new(&in_force, &standings);
    Ok(reply::json(&match &service {
        None => PolicyAnswer::Whole(WholePolicy { about, document: (&*in_force.policies).into() }),
        Some(service) => PolicyAnswer::OfService(ServicePolicy::new(service, &in_force, about)),
    }))
}

impl<'a> ServicePolicy<'a> {
    fn new(service: &'a ServiceKey, in_force: &'a InForce, about: About) -> Self {
        let effective = in_force.policies.effective(service);
        Self {
            namespace_id: service.namespace(),
            group_name: service.group(),
            service_name: service.service(),
            rule: effective.rule.map(ShownPattern::from),
            policy: (&**effective.policy).into(),
            about,
        }
    }
}

impl About {
    fn new(in_force: &InForce, standings: &[Standing]) -> Self {
        Self {
            version: in_force.version,
            source: (&in_force.source).into(),
            md5: in_force.md5.as_deref().map(str::to_owned),
            since_ms: in_force.since.map(|at| at.0),
            sources: standings.iter().map(StandingDocument::from).collect(),
        }
    }
}

impl From<&PolicySource> for SourceDocument {
    fn from(source: &PolicySource) -> Self {
        Self { kind: source.kind(), name: source.name() }
    }
}

impl From<&Standing> for StandingDocument {
    fn from(standing: &Standing) -> Self {
        let state = match standing.word {
            Word::NotHeard => "not_heard",
            Word::Absent => "absent",
            Word::Present => "present",
        };
        let refused = standing.refusal.as_ref().map(RefusalDocument::from);
        Self { source: (&standing.source).into(), state, refused }
    }
}

impl From<&Refusal> for RefusalDocument {
    fn from(refusal: &Refusal) -> Self {
        let mistake = |it: &Mistake| MistakeDocument {
            line: it.line,
            column: it.column,
            field: it.field.clone(),
            problem: it.problem.clone(),
            expected: it.expected.clone(),
        };
        Self { at_ms: refusal.at.0, mistakes: refusal.mistakes.iter().map(mistake).collect() }
    }
}
