//! `/v1/login`, `/v1/logout` and `/v1/session`: users of the local Nacos are known here for a while.
//!
//! A program gets a token to show as any other. A page asks for a cookie instead, which none of its scripts can read and no other site can have sent;
//! whatever it orders by that cookie it says by the header `x-nacos-fed-csrf` as well. The password goes to whoever judges it, and into no log
//! and no record.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bounded_listener::PeerConnection;
use federation_access::identity::CallerIdentity;
use federation_access::logins::{LONGEST_USER_BYTES, LoginRefused};
use federation_access::sessions::{LONGEST, UserSession};
use federation_answers::access::{LoginBody, SessionDocument, SessionEndedDocument};
use federation_answers::problem::ProblemDocument;
use federation_document::secret::Secret;
use serde_json::json;

use super::audit::LoginNote;
use super::body::Ordered;
use super::problem::Problem;
use super::{params, reply};
use crate::ApiState;
use crate::asker::{AccessRefusal, Asker};
use crate::cookie;

/// Logs a user of the local Nacos in, if the configuration has `access.nacos_login`. The session lasts for half an hour without use, and for eight
/// hours at most; it counts at the gateway that gave it.
#[utoipa::path(
    post,
    path = "/v1/login",
    tag = "operations",
    request_body = LoginBody,
    responses(
        (status = 200, body = SessionDocument, description = "the session; its token is told once, or set as a cookie"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "the body is wrong"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json", description = "user or password are wrong"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "nobody logs in at this gateway"),
        (status = 413, body = ProblemDocument, content_type = "application/problem+json", description = "the body is too large"),
        (status = 415, body = ProblemDocument, content_type = "application/problem+json", description = "the body is not said to be application/json"),
        (status = 429, body = ProblemDocument, content_type = "application/problem+json", description = "too many logins from this address have failed; `retry-after` says when the next one is looked at"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "Nacos does not say whether the password is right, or there is no room"),
    ),
)]
pub(super) async fn begin(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    connection: Option<Extension<Arc<PeerConnection>>>,
    body: Ordered,
) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    let desk = state.logins().ok_or_else(Problem::no_logins)?;
    let LoginBody { username, password, cookie } = body.read_secret("username and password, and cookie or not")?;
    let password = Secret::new(password);
    let peer = connection.as_ref().map(|Extension(connection)| connection.peer().ip());
    let opened = desk.log_in(peer.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)), &username, &password).await;
    let user: String = username.chars().take(LONGEST_USER_BYTES).collect();
    let order = json!({"username": user, "cookie": cookie});
    let opened = match opened {
        Ok(opened) => opened,
        Err(refused) => return Ok(noted(Problem::from(refused).into_response(), LoginNote { who: None, order })),
    };
    let (identity, _) = state.access().of_session(opened.token.expose()).map_err(AccessRefusal::Credential)?;
    let mut document = shown(&identity, &opened.session, cookie);
    if !cookie {
        document.token = Some(opened.token.expose().to_owned());
    }
    let mut response = never_kept(reply::json(&document));
    if cookie {
        let is_encrypted = connection.is_some_and(|Extension(connection)| connection.is_encrypted());
        let set = cookie::set(opened.token.expose(), LONGEST, is_encrypted);
        response.headers_mut().insert(header::SET_COOKIE, set);
    }
    Ok(noted(response, LoginNote { who: Some(identity.to_string()), order }))
}

/// Ends the session by which the caller is known, and its watches.
#[utoipa::path(
    post,
    path = "/v1/logout",
    tag = "operations",
    responses(
        (status = 200, body = SessionEndedDocument, description = "it is over"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json", description = "no session was shown"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json", description = "a cookie was shown without the header `x-nacos-fed-csrf`"),
    ),
)]
pub(super) async fn end(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    connection: Option<Extension<Arc<PeerConnection>>>,
    asker: Asker,
) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    let (identity, _) = session_of(&state, &asker)?;
    state.access().close_session(&identity);
    let mut response = reply::json(&SessionEndedDocument { identity: identity.to_string(), ended: true });
    let is_encrypted = connection.is_some_and(|Extension(connection)| connection.is_encrypted());
    response.headers_mut().insert(header::SET_COOKIE, cookie::forget(is_encrypted));
    Ok(response)
}

/// The session by which the caller is known, and what a page has to show beside its cookie when it orders something.
#[utoipa::path(
    get,
    path = "/v1/session",
    tag = "operations",
    responses(
        (status = 200, body = SessionDocument, description = "asking uses it"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json", description = "no session was shown, or it is over"),
    ),
)]
pub(super) async fn show(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    asker: Asker,
) -> Result<Response, Problem> {
    params::none(query.as_deref())?;
    let (identity, session) = session_of(&state, &asker)?;
    Ok(never_kept(reply::json(&shown(&identity, &session, true))))
}

fn session_of(state: &ApiState, asker: &Asker) -> Result<(CallerIdentity, UserSession), Problem> {
    if let Some(refused) = asker.refused {
        return Err(AccessRefusal::Credential(refused).into());
    }
    let identity = asker.identity();
    let session = state.access().session_of(identity).ok_or_else(|| Problem::no_session(identity))?;
    Ok((identity.clone(), session))
}

fn shown(identity: &CallerIdentity, session: &UserSession, with_csrf: bool) -> SessionDocument {
    SessionDocument {
        identity: identity.to_string(),
        roles: identity.grants.iter().map(ToString::to_string).collect(),
        expires_ms: session.expires.0,
        idle_ends_ms: session.idle_ends.0,
        token: None,
        csrf_token: with_csrf.then(|| session.csrf.expose().to_owned()),
    }
}

/// Nobody on the way keeps it.
fn never_kept(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn noted(mut response: Response, note: LoginNote) -> Response {
    response.extensions_mut().insert(note);
    response
}

impl From<LoginRefused> for Problem {
    fn from(refused: LoginRefused) -> Self {
        let text = refused.to_string();
        match refused {
            LoginRefused::Wrong => Self::login_refused(text),
            LoginRefused::Braked { wait } => Self::login_braked(text, wait.as_secs()),
            LoginRefused::Unjudged(_) => Self::login_unjudged(text),
            LoginRefused::Crowded | LoginRefused::Full(_) => Self::no_room(text),
        }
    }
}
