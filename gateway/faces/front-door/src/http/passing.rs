//! What goes to the local Nacos as it came, and its answer back as it comes.
//!
//! Nothing is read but what says that a call is not one of a client: some paths of version 1 are also the console's, told apart by a parameter.
//! Nothing is changed but headers of one hop, `X-Forwarded-For`, by which Nacos chooses variants of config items, and how long a long poll may
//! last. Bounds: a request is received whole before (see `rule`); an answer is handed on piece by piece; both have the time of
//! [`CALL`] or of the poll. A client that hangs up ends its call.

use std::net::IpAddr;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use nacos_protocol::cluster::{HttpError, PassedRequest};
use nacos_protocol::web::{RequestParams, is_form};

use super::answer::{Passed, WebFailure, bare, version_of};
use super::copies::ReadKey;
use super::{MAX_REQUEST_BYTES, PeerAddress, Web};
use crate::upstream::NO_PLACE;

/// How long Nacos may take for a call: longer than clients wait, and it ends when they hang up.
const CALL: Duration = Duration::from_secs(30);

/// How long Nacos may take for a read of which there is a copy: clients wait for 3 s.
const COPY_AFTER: Duration = Duration::from_secs(2);

/// How long the client of a long poll waits, in ms.
const POLL_TIMEOUT: HeaderName = HeaderName::from_static("long-pulling-timeout");
/// The longest poll, in ms: Nacos answers it half a second before. A client that would wait for longer asks again.
const LONGEST_POLL_MS: u32 = 60_000;
/// Nacos waits for no less, whatever is said.
const SHORTEST_POLL_MS: u32 = 10_000;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Parameters by which the console imports, exports, copies and removes config items in bulk on a client's path.
const OF_CONSOLE: [&str; 5] = ["import", "export", "exportV2", "clone", "delType"];

/// A call that is answered at once.
pub(super) async fn pass(
    State(web): State<Web>,
    Extension(PeerAddress(peer)): Extension<PeerAddress>,
    request: Request,
) -> Response {
    match received(request, peer.ip()).await {
        Ok(request) => passed_on(&web, request).await,
        Err(refused) => refused,
    }
}

/// A long poll. When this door stops, it is answered that nothing has changed: its client asks again, elsewhere.
pub(super) async fn pass_poll(
    State(web): State<Web>,
    Extension(PeerAddress(peer)): Extension<PeerAddress>,
    request: Request,
) -> Response {
    let mut request = match received(request, peer.ip()).await {
        Ok(request) => request,
        Err(refused) => return refused,
    };
    request.within = bound_poll(&mut request.headers);
    tokio::select! { // A call that is dropped is ended.
        answer = passed_on(&web, request) => answer,
        () = web.stopping.cancelled() => StatusCode::OK.into_response(),
    }
}

pub(super) async fn received(request: Request, peer: IpAddr) -> Result<PassedRequest, Response> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, MAX_REQUEST_BYTES).await.map_err(|_| bare(StatusCode::BAD_REQUEST))?;
    if is_of_console(&head, &body) {
        return Err(bare(StatusCode::FORBIDDEN));
    }
    let mut headers = head.headers;
    forward_for(&mut headers, peer);
    let path = head.uri.path().trim_start_matches('/').to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    Ok(PassedRequest { method: head.method, path, query, headers, body, within: CALL })
}

fn is_of_console(head: &Parts, body: &Bytes) -> bool {
    let kind = head.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    if kind.to_ascii_lowercase().starts_with(b"multipart/") {
        return true; // Files; no client sends any.
    }
    let form: &[u8] = if is_form(&head.headers) { body } else { b"" };
    let params = RequestParams::of(form, head.uri.query().unwrap_or_default().as_bytes());
    OF_CONSOLE.iter().any(|name| params.given(name).is_some())
}

/// Adds the client's address to those that proxies on the way named.
fn forward_for(headers: &mut HeaderMap, peer: IpAddr) {
    let peer = peer.to_canonical().to_string();
    let named = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let all = named.chain([peer.as_str()]).collect::<Vec<_>>().join(", ");
    if let Ok(value) = HeaderValue::from_str(&all) {
        headers.insert(FORWARDED_FOR, value);
    }
}

/// Bounds how long Nacos keeps a poll, and says how long its answer may take then.
fn bound_poll(headers: &mut HeaderMap) -> Duration {
    let asked = headers.get(&POLL_TIMEOUT).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let Some(asked) = asked else { return CALL };
    let ms = u32::try_from(asked).unwrap_or(u32::MAX).min(LONGEST_POLL_MS);
    if u64::from(ms) != asked {
        headers.insert(POLL_TIMEOUT, ms.into());
    }
    Duration::from_millis(ms.max(SHORTEST_POLL_MS).into()) + CALL
}

pub(super) async fn passed_on(web: &Web, request: PassedRequest) -> Response {
    let version = version_of(&format!("/{}", request.path));
    let read = ReadKey::of(&request);
    let Some(_outward) = web.gate.outward() else {
        return WebFailure::Unreached(NO_PLACE.to_owned()).told(version);
    };
    let passing = web.upstream.pass(request);
    let passed = match read.is_some_and(|read| web.answers.has(&read)) {
        true => tokio::time::timeout(COPY_AFTER, passing).await.unwrap_or_else(|_| Err(silent())),
        false => passing.await,
    };
    let mut answer = match passed {
        Ok(answer) => match read {
            Some(read) => {
                web.door.configs.answered_over_http();
                web.answers.note(read, answer.map(Body::new)).await
            }
            None => answer.map(Body::new),
        },
        Err(error) => match read.and_then(|read| web.answers.get(&read)) {
            Some(copy) => {
                web.door.configs.copied_over_http(&error);
                copy
            }
            None => {
                tracing::debug!(%error, "a call over http is not passed on");
                WebFailure::Unreached(words(&error).to_owned()).told(version)
            }
        },
    };
    answer.extensions_mut().insert(Passed);
    answer
}

/// What is said of a Nacos that does not answer a read of which there is a copy.
fn silent() -> HttpError {
    HttpError::Timeout { server: "the local nacos".to_owned(), after: COPY_AFTER }
}

/// What a client is told; where the local Nacos is, is not its business.
fn words(error: &HttpError) -> &'static str {
    match error {
        HttpError::Unreachable { .. } => "the local nacos is not reached, please try later",
        HttpError::Timeout { .. } => "the local nacos does not answer, please try later",
        HttpError::Broken { .. } | HttpError::TooLarge { .. } => "the local nacos gave no answer that can be read",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_clients_address_stands_behind_those_that_were_named_before() {
        for (before, want) in [(&[][..], "10.0.0.9"), (&[("x-forwarded-for", "1.2.3.4")], "1.2.3.4, 10.0.0.9")] {
            let mut headers = headers(before);
            forward_for(&mut headers, "::ffff:10.0.0.9".parse().unwrap());
            assert_eq!(headers.get_all(FORWARDED_FOR).iter().collect::<Vec<_>>(), [want]);
        }
    }

    #[test]
    fn a_poll_lasts_as_long_as_its_client_says_but_no_longer_than_a_minute() {
        for (said, passed, seconds) in [
            ("30000", "30000", 60),
            ("5", "5", 40),
            ("86400000", "60000", 90),
            ("99999999999", "60000", 90),
            ("x", "x", 30),
        ] {
            let mut headers: HeaderMap = [(POLL_TIMEOUT, said.parse().unwrap())].into_iter().collect();
            assert_eq!(bound_poll(&mut headers), Duration::from_secs(seconds), "{said}");
            assert_eq!(headers[&POLL_TIMEOUT], passed);
        }
    }
}
