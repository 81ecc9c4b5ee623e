//! Which paths are pages, and what a browser is told with them.

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName,
    IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::file::{self, WebFile};

/// The document that all pages are made in.
const DOCUMENT: &str = "index.html";

/// First parts of the paths of pages. Which page it is, and whether what it names exists, the document finds out itself.
const PAGES: [&str; 11] = [
    "about", "clusters", "configs", "drains", "drills", "guard", "policy", "services", "sign-in", "timeline", "what-if",
];

/// A page loads and runs what its own gateway serves, asks that gateway alone, writes no text as markup (the one policy of trusted
/// types that it may make is for the address of its worker), sends no form elsewhere and stands in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types nacos-fed";
/// Nothing that a page could be made to do needs these.
const PERMISSIONS: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";

/// The answer to a `GET` of `path`, which begins with a slash, if that is a page or a part of one.
#[must_use]
pub fn page(path: &str, asked: &HeaderMap) -> Option<Response<Bytes>> {
    let name = path.strip_prefix('/')?;
    let is_page = name.is_empty() || PAGES.contains(&name.split('/').next().unwrap_or_default());
    let file = if is_page { file::find(DOCUMENT)? } else { file::find(name)? };
    Some(answer(file, asked))
}

fn answer(file: &WebFile, asked: &HeaderMap) -> Response<Bytes> {
    let known = asked.get_all(IF_NONE_MATCH).iter().any(|tags| names(tags, &file.tag));
    let gzip = file.gzip.as_ref().filter(|_| takes_gzip(asked));
    let mut response = Response::new(match (known, gzip) {
        (true, _) => Bytes::new(),
        (false, Some(gzip)) => gzip.clone(),
        (false, None) => file.plain.clone(),
    });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.media_type));
    // Names stay the same over versions: a browser asks each time, and is told "not modified" unless the gateway is another.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(HeaderName::from_static("permissions-policy"), HeaderValue::from_static(PERMISSIONS));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    if let Ok(tag) = HeaderValue::from_str(&file.tag) {
        headers.insert(ETAG, tag);
    }
    if gzip.is_some() && !known {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Whether a list of tags has this one, or is `*`. Proxies that compress make weak ones of it.
fn names(tags: &HeaderValue, tag: &str) -> bool {
    let mut tags = tags.to_str().unwrap_or_default().split(',').map(str::trim);
    tags.any(|it| it == "*" || it.strip_prefix("W/").unwrap_or(it) == tag)
}

/// Whether gzip is named and not refused by `q=0`.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let values = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let worth = parts.find_map(|part| part.strip_prefix("q=")).and_then(|worth| worth.trim().parse::<f32>().ok());
        is_gzip && worth.is_none_or(|worth| worth > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn every_page_is_the_document_and_nothing_else_is() {
        let document = page("/", &HeaderMap::new()).unwrap();
        assert!(document.headers()[CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
        for path in ["/services", "/services/public/DEFAULT_GROUP/orders", "/sign-in", "/drains/new", "/index.html"] {
            assert_eq!(page(path, &HeaderMap::new()).unwrap().body(), document.body(), "{path}");
        }
        for path in [
            "/v1/service",
            "/service",
            "/v2",
            "/servicesx",
            "/nothing.js",
            "/../Cargo.toml",
            "//",
            "/dist/index.html",
            "",
        ] {
            assert!(page(path, &HeaderMap::new()).is_none(), "{path}");
        }
    }

    #[test]
    fn a_browser_that_has_it_is_told_so() {
        let tag = page("/", &HeaderMap::new()).unwrap().headers()[ETAG].to_str().unwrap().to_owned();
        for known in [tag.clone(), format!("\"other\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            let told = page("/", &asked(IF_NONE_MATCH, &known)).unwrap();
            assert_eq!((told.status(), told.body().len()), (StatusCode::NOT_MODIFIED, 0), "{known}");
        }
        assert_eq!(page("/", &asked(IF_NONE_MATCH, "\"other\"")).unwrap().status(), StatusCode::OK);
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (value, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("deflate, gzip ;q=1", true),
            ("gzip;q=0", false),
            ("br", false),
            ("x-gzip2", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(&asked(ACCEPT_ENCODING, value)), takes, "{value}");
        }
    }

    #[test]
    fn a_page_may_run_its_own_parts_only() {
        let policy =
            page("/", &HeaderMap::new()).unwrap().headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        for part in
            ["default-src 'none'", "script-src 'self';", "require-trusted-types-for 'script'", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(part), "{part}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}
