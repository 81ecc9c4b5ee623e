//! Errors as RFC 9457 problem documents.

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bounded_listener::ListenerRefusal;
use bytes::Bytes;
use federation_access::identity::CallerIdentity;
use federation_answers::comparison::ServiceNameDocument;
use federation_answers::problem::{self, ProblemDocument};
use federation_answers::reason::ReasonDocument;
use federation_core::drains::DrainInForce;
use federation_core::id::ClusterId;
use federation_core::intents::DrainTarget;
use federation_core::time::Millis;

use super::{document, plan_document};
use crate::ask::{BadField, Origins};
use crate::asker::AccessRefusal;
use crate::select::Moment;
use federation_ports::metrics::AccessRefusalKind;
use federation_view::resolve::UnusedInstance;
use federation_view::view::stuck_reason;
use federation_view::what_if::QuestionUnanswered;

/// Instances that a problem lists; how many there are is in its detail.
const LISTED: usize = 100;

/// What went wrong, as programs tell it apart. Types are for ever.
#[derive(Clone, Copy)]
enum Kind {
    BadParameter,
    UnknownParameter,
    ServiceNotFound,
    ConfigNotFound,
    ConfigSealed,
    NoSuchPath,
    NoSuchMethod,
    NotReady,
    NothingUsable,
    BadBody,
    NotJson,
    TooLarge,
    TooSlow,
    Busy,
    OtherHost,
    ForeignPage,
    DrainRefused,
    DrainOverruled,
    DrainNotOrdered,
    DrainNotInForceYet,
    NotAdopted,
    AdoptionImpossible,
    AdoptionUnsure,
    ComparisonImpossible,
    HoldNotFound,
    NoFrontDoor,
    HoldNotDecided,
    HoldNotInForceYet,
    Crowded,
    TookTooLong,
    EngineStuck,
    NotKnown,
    NotAllowed,
    NoLogins,
    LoginRefused,
    LoginBraked,
    LoginUnjudged,
    ReadOnly,
}

impl Kind {
    fn urn(self) -> &'static str {
        match self {
            Self::BadParameter => "urn:federation:problem:bad-parameter",
            Self::UnknownParameter => "urn:federation:problem:unknown-parameter",
            Self::ServiceNotFound => "urn:federation:problem:service-not-found",
            Self::ConfigNotFound => "urn:federation:problem:config-not-found",
            Self::ConfigSealed => problem::CONFIG_SEALED,
            Self::NoSuchPath => "urn:federation:problem:no-such-path",
            Self::NoSuchMethod => "urn:federation:problem:no-such-method",
            Self::NotReady => "urn:federation:problem:not-ready",
            Self::NothingUsable => problem::NOTHING_USABLE,
            Self::BadBody => "urn:federation:problem:bad-body",
            Self::NotJson => "urn:federation:problem:not-json",
            Self::TooLarge => "urn:federation:problem:too-large",
            Self::TooSlow => "urn:federation:problem:too-slow",
            Self::Busy => "urn:federation:problem:busy",
            Self::OtherHost => "urn:federation:problem:other-host",
            Self::ForeignPage => "urn:federation:problem:foreign-page",
            Self::DrainRefused => "urn:federation:problem:drain-refused",
            Self::DrainOverruled => "urn:federation:problem:drain-overruled",
            Self::DrainNotOrdered => "urn:federation:problem:drain-not-ordered",
            Self::DrainNotInForceYet => "urn:federation:problem:drain-not-in-force-yet",
            Self::NotAdopted => "urn:federation:problem:not-adopted",
            Self::AdoptionImpossible => "urn:federation:problem:adoption-impossible",
            Self::AdoptionUnsure => "urn:federation:problem:adoption-unsure",
            Self::ComparisonImpossible => "urn:federation:problem:comparison-impossible",
            Self::HoldNotFound => "urn:federation:problem:hold-not-found",
            Self::NoFrontDoor => "urn:federation:problem:no-front-door",
            Self::HoldNotDecided => "urn:federation:problem:hold-not-decided",
            Self::HoldNotInForceYet => "urn:federation:problem:hold-not-in-force-yet",
            Self::Crowded => "urn:federation:problem:crowded",
            Self::TookTooLong => "urn:federation:problem:took-too-long",
            Self::EngineStuck => "urn:federation:problem:engine-stuck",
            Self::NotKnown => "urn:federation:problem:not-known",
            Self::NotAllowed => "urn:federation:problem:not-allowed",
            Self::NoLogins => "urn:federation:problem:no-logins",
            Self::LoginRefused => "urn:federation:problem:login-refused",
            Self::LoginBraked => "urn:federation:problem:login-braked",
            Self::LoginUnjudged => "urn:federation:problem:login-unjudged",
            Self::ReadOnly => "urn:federation:problem:read-only",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::BadParameter => "A parameter cannot be used",
            Self::UnknownParameter => "A parameter is not known",
            Self::ServiceNotFound => "There is no such service",
            Self::ConfigNotFound => "There is no such config item",
            Self::ConfigSealed => "The config item is sealed",
            Self::NoSuchPath => "There is no such path",
            Self::NoSuchMethod => "The path has no such method",
            Self::NotReady => "The gateway is not ready",
            Self::NothingUsable => "No instance can be used",
            Self::BadBody => "The body of the request cannot be used",
            Self::NotJson => "The body is not JSON",
            Self::TooLarge => "The body is too large",
            Self::TooSlow => "The body did not come in time",
            Self::Busy => "There is no room now",
            Self::OtherHost => "Another host was asked",
            Self::ForeignPage => "A page of somebody else asks",
            Self::DrainRefused => "Services would be left without",
            Self::DrainOverruled => "Another order came between",
            Self::DrainNotOrdered => "Nothing was ordered",
            Self::DrainNotInForceYet => "The order is not in force yet",
            Self::NotAdopted | Self::AdoptionImpossible => "Nothing was adopted",
            Self::AdoptionUnsure => "It is not in force yet",
            Self::ComparisonImpossible => "Nothing can be compared",
            Self::HoldNotFound => "Nothing is held there",
            Self::NoFrontDoor => "There is no front door",
            Self::HoldNotDecided => "Nothing was decided",
            Self::HoldNotInForceYet => "The decision is not in force yet",
            Self::Crowded => "Too many such questions wait",
            Self::TookTooLong => "It took too long",
            Self::EngineStuck => "The gateway does nothing any more",
            Self::NotKnown => "It is not known who asks",
            Self::NotAllowed => "Who asks may not",
            Self::NoLogins => "Nobody logs in here",
            Self::LoginRefused => "The login is refused",
            Self::LoginBraked => "Too many logins have failed",
            Self::LoginUnjudged => "Nobody knows whether the password is right",
            Self::ReadOnly => "Pages may only look here",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadParameter | Self::UnknownParameter | Self::BadBody => StatusCode::BAD_REQUEST,
            Self::ServiceNotFound
            | Self::ConfigNotFound
            | Self::NoSuchPath
            | Self::HoldNotFound
            | Self::NoFrontDoor
            | Self::NoLogins => StatusCode::NOT_FOUND,
            Self::ConfigSealed => StatusCode::LOCKED,
            Self::NoSuchMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotReady
            | Self::NothingUsable
            | Self::Busy
            | Self::DrainNotOrdered
            | Self::AdoptionImpossible
            | Self::ComparisonImpossible
            | Self::HoldNotDecided
            | Self::TookTooLong
            | Self::EngineStuck
            | Self::LoginUnjudged => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::OtherHost => StatusCode::MISDIRECTED_REQUEST,
            Self::ForeignPage => StatusCode::FORBIDDEN,
            Self::DrainRefused | Self::DrainOverruled | Self::NotAdopted => StatusCode::CONFLICT,
            Self::DrainNotInForceYet | Self::HoldNotInForceYet | Self::AdoptionUnsure => StatusCode::GATEWAY_TIMEOUT,
            Self::Crowded | Self::LoginBraked => StatusCode::TOO_MANY_REQUESTS,
            Self::NotKnown | Self::LoginRefused => StatusCode::UNAUTHORIZED,
            Self::NotAllowed | Self::ReadOnly => StatusCode::FORBIDDEN,
        }
    }
}

/// An error as an answer.
#[derive(Debug)]
pub(super) struct Problem {
    document: Box<ProblemDocument>,
    /// After how many seconds it is worth another try: the header of that name.
    retry_after_s: Option<u64>,
}

impl Problem {
    fn new(kind: Kind, detail: String) -> Self {
        let document = ProblemDocument {
            r#type: kind.urn().into(),
            title: kind.title().into(),
            status: kind.status().as_u16(),
            detail,
            ..ProblemDocument::default()
        };
        Self { document: Box::new(document), retry_after_s: None }
    }

    /// A parameter that the path does not have.
    pub(super) fn unknown_parameter(name: &str, value: &str, known: &[&str]) -> Self {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let detail = format!("{name:?} is not a parameter of this path; known are: {known}");
        Self::new(Kind::UnknownParameter, detail).about(name, Some(value.to_owned()))
    }

    /// No cluster has the service.
    pub(super) fn service_not_found(name: &str, moment: &Moment, origins: &Origins) -> Self {
        Self::not_found(Kind::ServiceNotFound, name, moment, origins)
    }

    /// No cluster has the config item.
    pub(super) fn config_not_found(name: &str, moment: &Moment, origins: &Origins) -> Self {
        Self::not_found(Kind::ConfigNotFound, name, moment, origins)
    }

    fn not_found(kind: Kind, name: &str, moment: &Moment, origins: &Origins) -> Self {
        let mut problem = Self::new(kind, moment.looked_at_sentence(&name, origins));
        problem.document.clusters = Some(document::looked_at(moment, origins));
        problem
    }

    /// The configuration has no front door.
    pub(super) fn no_front_door() -> Self {
        Self::new(Kind::NoFrontDoor, "the configuration of this gateway has no section front_door".to_owned())
    }

    /// There is nothing at `path`.
    pub(super) fn no_such_path(path: &str) -> Self {
        Self::new(Kind::NoSuchPath, format!("there is nothing at {path:?}; /docs lists what there is"))
    }

    /// Everything here is read with GET, except what can be ordered.
    pub(super) fn no_such_method(method: &Method, path: &str) -> Self {
        let usable = match path {
            "/v1/drains" | "/v1/excluded" | "/v1/guard" | "/v1/descriptor" => "GET, HEAD and POST",
            "/v1/front-door/drain" | "/v1/front-door/undrain" | "/v1/login" | "/v1/logout" => "POST",
            _ => "GET and HEAD",
        };
        Self::new(Kind::NoSuchMethod, format!("{method} cannot be used here, only {usable}"))
    }

    /// A config item that this gateway cannot read anywhere; `told` is why.
    pub(super) fn config_sealed(told: String) -> Self {
        Self::new(Kind::ConfigSealed, told)
    }

    /// A parameter, or field of a body, whose value cannot be used, or is missing.
    pub(super) fn bad_parameter(field: &str, value: Option<&str>, detail: &dyn std::fmt::Display) -> Self {
        let detail = match value {
            Some(value) => format!("{field} cannot be {value:?}: {detail}"),
            None => format!("{field}: {detail}"),
        };
        Self::new(Kind::BadParameter, detail).about(field, value.map(str::to_owned))
    }

    /// A body that is no order: not JSON, a field that is not known or missing, a value of another type.
    pub(super) fn bad_body(error: &serde_json::Error) -> Self {
        Self::new(Kind::BadBody, error.to_string())
    }

    /// A body that is not what is wanted, and is not told of.
    pub(super) fn bad_secret_body(wanted: &str) -> Self {
        Self::new(Kind::BadBody, format!("{wanted} are needed, and nothing else"))
    }

    /// A page acts, and pages may only look.
    pub(super) fn read_only() -> Self {
        let detail = "the configuration of this gateway has `dashboard: {read_only: true}`: pages may only look; \
                      the command line and other programs may act";
        Self::new(Kind::ReadOnly, detail.to_owned())
    }

    /// The configuration lets nobody log in.
    pub(super) fn no_logins() -> Self {
        Self::new(Kind::NoLogins, "the configuration of this gateway has no `access: {nacos_login: true}`".to_owned())
    }

    /// User or password are wrong, in one form.
    pub(super) fn login_refused(detail: String) -> Self {
        Self::new(Kind::LoginRefused, detail)
    }

    /// Too many logins have failed from where this one comes.
    pub(super) fn login_braked(detail: String, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..Self::new(Kind::LoginBraked, detail) }
    }

    /// The local Nacos cannot be asked.
    pub(super) fn login_unjudged(detail: String) -> Self {
        Self::new(Kind::LoginUnjudged, detail)
    }

    /// There is no room for another one.
    pub(super) fn no_room(detail: String) -> Self {
        Self { retry_after_s: Some(1), ..Self::new(Kind::Busy, detail) }
    }

    /// Whoever asks is known by no session.
    pub(super) fn no_session(identity: &CallerIdentity) -> Self {
        Self::new(Kind::NotKnown, format!("no session was shown: who asks is {identity}"))
    }

    /// A body of another type.
    pub(super) fn not_json(content_type: &str) -> Self {
        Self::new(Kind::NotJson, format!("the header content-type has to be application/json, not {content_type:?}"))
    }

    /// A body of more bytes than an order can have.
    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(Kind::TooLarge, format!("an order has at most {limit} bytes"))
    }

    /// A request that nobody has looked at: its body did not come as it should, or there is no room for its answer.
    pub(super) fn refused(refusal: ListenerRefusal) -> Self {
        let kind = match refusal {
            ListenerRefusal::TooLarge(_) => Kind::TooLarge,
            ListenerRefusal::TooSlow(_) => Kind::TooSlow,
            ListenerRefusal::Busy | ListenerRefusal::Unread => Kind::Busy,
            ListenerRefusal::Broken => Kind::BadBody,
            ListenerRefusal::Misdirected => Kind::OtherHost,
            ListenerRefusal::ForeignPage => Kind::ForeignPage,
        };
        Self::new(kind, refusal.to_string())
    }

    /// Services would be left without a healthy instance: `services` of `total`.
    pub(super) fn drain_refused(detail: String, services: Vec<ServiceNameDocument>, total: usize) -> Self {
        let mut problem = Self::new(Kind::DrainRefused, detail);
        (problem.document.services, problem.document.total) = (Some(services), Some(total));
        problem
    }

    /// The log cannot take an order now.
    pub(super) fn not_ordered(reason: &dyn std::fmt::Display) -> Self {
        Self::new(Kind::DrainNotOrdered, format!("{reason}; another cluster's gateway may take the order"))
    }

    /// An order was written and not read back in time.
    pub(super) fn not_in_force_yet(target: &DrainTarget, waited: std::time::Duration) -> Self {
        let seconds = waited.as_secs();
        let detail = format!(
            "the order for {target} was not read back from the log within {seconds} s; it is tried for 10 s and may still \
             come into force: look at /v1/drains before it is given again"
        );
        Self::new(Kind::DrainNotInForceYet, detail)
    }

    /// Nothing is kept back under this id; `standing` are those under which something is.
    pub(super) fn hold_not_found(id: &str, standing: &[String]) -> Self {
        let others =
            if standing.is_empty() { "nothing is held".to_owned() } else { format!("held: {}", standing.join(", ")) };
        Self::new(Kind::HoldNotFound, format!("nothing is held as {id:?}; {others}")).about("id", Some(id.to_owned()))
    }

    /// The log cannot take a decision about a hold now.
    pub(super) fn hold_not_decided(reason: &dyn std::fmt::Display) -> Self {
        Self::new(Kind::HoldNotDecided, format!("{reason}; another cluster's gateway may take the decision"))
    }

    /// A decision was written and not read back in time.
    pub(super) fn hold_not_in_force_yet(id: &str, waited: std::time::Duration) -> Self {
        let seconds = waited.as_secs();
        let detail = format!(
            "the decision about {id} was not read back from the log within {seconds} s; it is tried for 10 s and may still come into \
             force: look at /v1/guard before it is given again"
        );
        Self::new(Kind::HoldNotInForceYet, detail)
    }

    /// Another order for the same target was given at the same time, or later, and counts.
    pub(super) fn overruled(drain: &DrainInForce, by: &ClusterId) -> Self {
        let (target, percent, who) = (&drain.target, drain.intent.percent, &drain.intent.who);
        let who = if who.is_empty() { String::new() } else { format!(" by {who}") };
        let detail = format!("{target} is drained by {percent}, as was ordered{who} in {by} at the same time");
        Self::new(Kind::DrainOverruled, detail)
    }

    /// Nothing was adopted: the order is not meant for this gateway, or not now.
    pub(super) fn not_adopted(reason: &dyn std::fmt::Display) -> Self {
        Self::new(Kind::NotAdopted, reason.to_string())
    }

    /// Nothing can be adopted now.
    pub(super) fn adoption_impossible(reason: &dyn std::fmt::Display) -> Self {
        Self::new(Kind::AdoptionImpossible, reason.to_string())
    }

    /// The own log cannot be compared with the own Nacos now.
    pub(super) fn comparison_impossible(reason: &dyn std::fmt::Display) -> Self {
        Self::new(Kind::ComparisonImpossible, reason.to_string())
    }

    /// A descriptor was written and not read back.
    pub(super) fn adoption_unsure(reason: &dyn std::fmt::Display) -> Self {
        Self::new(Kind::AdoptionUnsure, format!("{reason}; it may still come into force: look at /v1/descriptor"))
    }

    /// Answers cannot be relied on yet, or not any more.
    pub(super) fn not_ready(reasons: Vec<String>, codes: Vec<ReasonDocument>) -> Self {
        let detail = if reasons.is_empty() { "no reason was given".to_owned() } else { reasons.join("; ") };
        let mut problem = Self::new(Kind::NotReady, detail);
        (problem.document.reasons, problem.document.reason_codes) = (Some(reasons), Some(codes));
        problem
    }

    /// The process answers, and the part that everything else comes from has not turned for long.
    pub(super) fn engine_stuck(silence: Millis) -> Self {
        Self::new(Kind::EngineStuck, format!("{}: restart it", stuck_reason(silence)))
    }

    /// The service exists, and none of its instances can be used.
    pub(super) fn nothing_usable(detail: String, unused: Vec<UnusedInstance>) -> Self {
        let mut problem = Self::new(Kind::NothingUsable, detail);
        problem.document.left_out = Some(unused.into_iter().take(LISTED).map(plan_document::unused).collect());
        problem
    }

    /// The document as JSON text.
    pub(super) fn encode(&self) -> Bytes {
        super::reply::encode(&self.document).into()
    }

    fn about(mut self, field: &str, value: Option<String>) -> Self {
        self.document.field = Some(field.to_owned());
        self.document.value = value;
        self
    }
}

impl From<BadField> for Problem {
    fn from(bad: BadField) -> Self {
        let field = bad.field.parameter();
        let detail = match &bad.value {
            Some(value) => format!("{field} cannot be {value:?}: {}", bad.detail),
            None => format!("{field} is missing: {}", bad.detail),
        };
        Self::new(Kind::BadParameter, detail).about(field, bad.value)
    }
}

impl From<QuestionUnanswered> for Problem {
    fn from(unanswered: QuestionUnanswered) -> Self {
        match unanswered {
            QuestionUnanswered::Crowded { retry_after_s } => {
                let mut problem = Self::new(Kind::Crowded, unanswered.to_string());
                problem.retry_after_s = Some(retry_after_s);
                problem
            }
            QuestionUnanswered::TooLong => Self::new(
                Kind::TookTooLong,
                format!("{unanswered}: suppose less, or ask a gateway that has less to do"),
            ),
        }
    }
}

impl From<AccessRefusal> for Problem {
    fn from(refusal: AccessRefusal) -> Self {
        let kind = match refusal.kind() {
            AccessRefusalKind::Unauthenticated => Kind::NotKnown,
            AccessRefusalKind::Forbidden => Kind::NotAllowed,
        };
        let mut problem = Self::new(kind, refusal.to_string());
        problem.document.missing_right = refusal.right().map(|right| right.as_str().into());
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let unknown = self.document.status == StatusCode::UNAUTHORIZED.as_u16();
        let retry_after = self.retry_after_s.map(HeaderValue::from);
        let status = StatusCode::from_u16(self.document.status).expect("the status comes from a constant");
        let mut response = (status, Json(self.document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if unknown {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"nacos-fed\""));
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}
