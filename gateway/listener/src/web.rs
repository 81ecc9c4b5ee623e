//! Web pages: what a browser can be made to ask, and is not answered.
//!
//! A page of anybody can have a visitor's browser send requests to addresses that only the visitor reaches. The browser says whose page it
//! was (`Origin`, `Sec-Fetch-Site`), unless the page had its own name point to our address first (DNS rebinding): then the request looks like
//! one of our own pages, but for the name in `Host`. Programs say none of this, and are not concerned.
//!
//! - `Host` has to be an address, a name that nobody can register in the public DNS, or one of [`ServedHosts`]. Only HTTP/1 is asked: browsers
//!   speak HTTP/2 over TLS alone, where the certificate is the proof.
//! - `Origin` has to be the name and port that are asked; there is no answer for pages of others, whatever they ask.
//! - `Sec-Fetch-Site` has to be that of our own page or of a person who typed the address or followed a link.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Version};

use crate::refusal::ListenerRefusal;

/// The name that a person gave a host: `gateway.example.com`, `*.example.com` for all below it, `*` for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern(Pattern);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Any,
    Name(String),
    Below(String),
}

/// What is no [`HostPattern`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no name of a host")]
pub struct NoHostPattern;

impl FromStr for HostPattern {
    type Err = NoHostPattern;

    fn from_str(text: &str) -> Result<Self, NoHostPattern> {
        let (name, is_below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        if text == "*" {
            return Ok(Self(Pattern::Any));
        }
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if name.len() > LONGEST_NAME || !name.split('.').all(is_label) {
            return Err(NoHostPattern);
        }
        let name = name.to_ascii_lowercase();
        Ok(Self(if is_below { Pattern::Below(name) } else { Pattern::Name(name) }))
    }
}

/// Bytes of the longest name in the DNS.
const LONGEST_NAME: usize = 253;

/// Names in the public DNS by which listeners are asked for; addresses and local names always are.
#[derive(Clone, Debug, Default)]
pub struct ServedHosts(Arc<[HostPattern]>);

impl FromIterator<HostPattern> for ServedHosts {
    fn from_iter<I: IntoIterator<Item = HostPattern>>(patterns: I) -> Self {
        Self(patterns.into_iter().collect())
    }
}

impl ServedHosts {
    fn include(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        // Most requests name an address: nothing is allocated for these.
        is_address(host) || {
            let host = host.to_ascii_lowercase();
            is_local(&host) || self.0.iter().any(|pattern| pattern.0.includes(&host))
        }
    }
}

impl Pattern {
    fn includes(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Name(name) => name == host,
            Self::Below(parent) => host.strip_suffix(parent.as_str()).is_some_and(|rest| rest.ends_with('.')),
        }
    }
}

fn is_address(host: &str) -> bool {
    let v6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    host.parse::<Ipv4Addr>().is_ok() || v6.is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok())
}

/// Names that nobody can have in the public DNS: those without a dot, and below top-level domains that are kept for private use (RFC 6761,
/// `.internal` by ICANN's resolution of July 2024) or by Kubernetes.
fn is_local(host: &str) -> bool {
    !host.contains('.') || [".localhost", ".internal", ".svc", ".cluster.local"].iter().any(|end| host.ends_with(end))
}

/// Where a browser's request comes from.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether the request may be looked at.
///
/// # Errors
/// It is meant for somebody else, or it is another page's.
pub(crate) fn judge(head: &Parts, served: &ServedHosts) -> Result<(), ListenerRefusal> {
    let of_page = head.headers.contains_key(ORIGIN) || head.headers.contains_key(SITE);
    if head.version >= Version::HTTP_2 && !of_page {
        return Ok(()); // A call of a program, on the way of every answer.
    }
    let asked = asked_for(head)?;
    if head.version < Version::HTTP_2 && asked.as_ref().is_some_and(|asked| !served.include(asked.host())) {
        return Err(ListenerRefusal::Misdirected);
    }
    let is_ours = |origin: &HeaderValue| is_origin_of(origin, asked.as_ref());
    if !head.headers.get_all(ORIGIN).iter().all(is_ours) || is_fetched_by_others(head) {
        return Err(ListenerRefusal::ForeignPage);
    }
    Ok(())
}

/// The host that the request names; none does so in HTTP/1.0 only, which no browser speaks.
fn asked_for(head: &Parts) -> Result<Option<Authority>, ListenerRefusal> {
    if let Some(authority) = head.uri.authority() {
        return Ok(Some(authority.clone()));
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(None),
        (Some(host), None) => Authority::try_from(host.as_bytes()).map(Some).map_err(|_| ListenerRefusal::Misdirected),
        (Some(_), Some(_)) => Err(ListenerRefusal::Misdirected),
    }
}

fn is_origin_of(origin: &HeaderValue, asked: Option<&Authority>) -> bool {
    let scheme_and_place = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let (Some((scheme, place)), Some(asked)) = (scheme_and_place, asked) else { return false };
    let Ok(place) = Authority::from_str(place) else { return false };
    let port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let ports = [&place, asked].map(|it| it.port_u16().unwrap_or(port));
    place.host().eq_ignore_ascii_case(asked.host()) && ports[0] == ports[1]
}

/// Browsers of today say so with every request to an address that is theirs alone or comes with TLS.
fn is_fetched_by_others(head: &Parts) -> bool {
    const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
    let says = |name: HeaderName, words: &[&str]| {
        let mut values = head.headers.get_all(name).iter();
        values.any(|value| words.iter().any(|word| value.as_bytes() == word.as_bytes()))
    };
    let follows_a_link = matches!(head.method, Method::GET | Method::HEAD) && says(MODE, &["navigate"]);
    says(SITE, &["cross-site", "same-site"]) && !follows_a_link
}

/// Tells browsers to take an answer for what it says it is, to show it in no frame, to tell nobody where its reader comes from and, if it does
/// not say itself what it loads, to load and run nothing. What is gRPC no browser shows; everything else one can be led to.
pub(crate) fn guard_answer(headers: &mut HeaderMap) {
    const GRPC: &[u8] = b"application/grpc";
    if headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(GRPC)) {
        return;
    }
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(nothing);
    headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    headers.entry(X_FRAME_OPTIONS).or_insert(HeaderValue::from_static("DENY"));
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(version: Version, method: Method, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().version(version).method(method).uri("/v1/drains");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn judged(method: Method, headers: &[(&str, &str)]) -> Result<(), ListenerRefusal> {
        judge(&head(Version::HTTP_11, method, headers), &served(&["gateway.example.com", "*.shop.example.org"]))
    }

    fn served(patterns: &[&str]) -> ServedHosts {
        patterns.iter().map(|pattern| pattern.parse::<HostPattern>().unwrap()).collect()
    }

    #[test]
    fn addresses_local_names_and_served_names_are_ours() {
        for host in [
            "127.0.0.1:7070",
            "10.1.2.3",
            "[::1]:7070",
            "localhost",
            "LOCALHOST.:7070",
            "gateway-shanghai:8848",
            "nacos-fed.prod.svc",
            "nacos-fed.prod.svc.cluster.local:7070",
            "gateway.example.com",
            "Gateway.Example.COM:7070",
            "a.b.shop.example.org",
        ] {
            assert_eq!(judged(Method::GET, &[("host", host)]), Ok(()), "{host}");
        }
    }

    #[test]
    fn a_name_that_anybody_can_register_is_not_ours() {
        for host in [
            "evil.example",
            "127.0.0.1.evil.example:7070",
            "gateway.example.com.evil.example",
            "othergateway.example.com",
            "shop.example.org",
            "notshop.example.org",
            "",
            "a b",
            "user@evil.example",
            "1.2.3",
        ] {
            assert_eq!(judged(Method::GET, &[("host", host)]), Err(ListenerRefusal::Misdirected), "{host:?}");
        }
        let two = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(judged(Method::GET, &two), Err(ListenerRefusal::Misdirected));
    }

    #[test]
    fn any_name_is_served_where_that_is_wanted() {
        let head = head(Version::HTTP_11, Method::GET, &[("host", "anything.example")]);
        assert_eq!(judge(&head, &served(&["*"])), Ok(()));
    }

    #[test]
    fn programs_that_name_no_host_and_those_on_http_2_are_let_in() {
        assert_eq!(judge(&head(Version::HTTP_10, Method::GET, &[]), &ServedHosts::default()), Ok(()));
        let head = head(Version::HTTP_2, Method::POST, &[("host", "gateway.example.net")]);
        assert_eq!(judge(&head, &ServedHosts::default()), Ok(()));
    }

    #[test]
    fn pages_of_our_own_origin_may_ask() {
        for (host, origin) in [
            ("localhost:7070", "http://localhost:7070"),
            ("gateway.example.com", "https://gateway.example.com"),
            ("gateway.example.com:443", "https://gateway.example.com"),
            ("127.0.0.1", "http://127.0.0.1:80"),
        ] {
            let headers = [("host", host), ("origin", origin), ("sec-fetch-site", "same-origin")];
            assert_eq!(judged(Method::POST, &headers), Ok(()), "{host} {origin}");
        }
    }

    #[test]
    fn pages_of_other_origins_may_not() {
        for origin in [
            "https://evil.example",
            "http://localhost:3000",
            "http://localhost",
            "null",
            "",
            "file://",
            "ftp://localhost:7070",
            "http://localhost:7070@evil.example",
        ] {
            let headers = [("host", "localhost:7070"), ("origin", origin)];
            for method in [Method::GET, Method::POST] {
                assert_eq!(judged(method, &headers), Err(ListenerRefusal::ForeignPage), "{origin:?}");
            }
        }
        let two = [("host", "localhost"), ("origin", "http://localhost"), ("origin", "http://evil.example")];
        assert_eq!(judged(Method::POST, &two), Err(ListenerRefusal::ForeignPage));
    }

    #[test]
    fn what_a_browser_fetches_for_others_is_refused_and_a_link_is_followed() {
        let with = |site, mode| [("host", "localhost"), ("sec-fetch-site", site), ("sec-fetch-mode", mode)];
        for site in ["cross-site", "same-site"] {
            assert_eq!(judged(Method::GET, &with(site, "no-cors")), Err(ListenerRefusal::ForeignPage));
            assert_eq!(judged(Method::POST, &with(site, "navigate")), Err(ListenerRefusal::ForeignPage));
            assert_eq!(judged(Method::GET, &with(site, "navigate")), Ok(()));
        }
        assert_eq!(judged(Method::POST, &with("none", "navigate")), Ok(()));
        assert_eq!(judged(Method::POST, &with("same-origin", "cors")), Ok(()));
    }

    #[test]
    fn patterns_are_names_of_hosts() {
        for wrong in ["", "*.", "a b", "https://a.example", "a.example:70", "a..b", "*.*.a", "a.*", "[::1]"] {
            assert_eq!(wrong.parse::<HostPattern>(), Err(NoHostPattern), "{wrong:?}");
        }
    }

    #[test]
    fn answers_are_what_they_say_in_no_frame_and_load_nothing() {
        let guarded = |kind: &'static str| {
            let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            guard_answer(&mut headers);
            headers
        };
        for kind in ["application/json", "application/problem+json", "text/HTML; charset=utf-8", ""] {
            let found = guarded(kind);
            let found = [X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, REFERRER_POLICY, CONTENT_SECURITY_POLICY]
                .map(|it| found[it].clone());
            assert_eq!(
                found,
                ["nosniff", "DENY", "no-referrer", "default-src 'none'; frame-ancestors 'none'; sandbox"]
            );
        }
        assert_eq!(guarded("application/grpc+proto").len(), 1, "no browser shows it");
        let mut own = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/html"))]);
        own.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'"));
        guard_answer(&mut own);
        assert_eq!(own[CONTENT_SECURITY_POLICY], "default-src 'self'");
    }
}
