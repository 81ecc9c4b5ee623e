//! JSON answers and conditional requests.

use std::hash::{BuildHasher, BuildHasherDefault};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Answers may be kept, but have to be asked for again each time.
pub(super) const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// The document as JSON.
pub(super) fn json(document: &impl Serialize) -> Response {
    let body = encode(document);
    ([(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, ASK_AGAIN)], body).into_response()
}

/// The document as JSON text.
pub(super) fn encode(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("documents have text keys and nothing that can fail")
}

/// Appends the document to a text that is made of several.
pub(super) fn append(text: &mut Vec<u8>, document: &impl Serialize) {
    serde_json::to_writer(text, document).expect("documents have text keys, and writing to memory cannot fail");
}

/// Names a version of an answer. Weak: the ages in answers of one version differ.
fn version_tag(version: u64, filter: &(impl std::hash::Hash + Default + PartialEq)) -> HeaderValue {
    let tag = if *filter == Default::default() {
        format!("W/\"{version}\"")
    } else {
        let hash = BuildHasherDefault::<Xxh3Default>::default().hash_one(filter);
        format!("W/\"{version}-{hash:016x}\"")
    };
    HeaderValue::try_from(tag).expect("digits and letters are legal in a header")
}

/// Whether the client has the version that `tag` names.
pub(super) fn client_has(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    fn opaque(tag: &str) -> &str {
        tag.trim().trim_start_matches("W/")
    }
    let tag = opaque(tag.to_str().expect("tags are made here, of ASCII"));
    let listed = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|value| value.split(',')).map(opaque).any(|known| known == "*" || known == tag)
}

/// The document with its tag, or that nothing has changed.
fn tagged(response: Response, tag: HeaderValue) -> Response {
    let mut response = response;
    response.headers_mut().insert(header::ETAG, tag);
    response
}

/// Nothing has changed since the client asked last.
pub(super) fn not_modified(tag: HeaderValue) -> Response {
    let headers = [(header::ETAG, tag), (header::CACHE_CONTROL, ASK_AGAIN)];
    (StatusCode::NOT_MODIFIED, headers).into_response()
}

/// The document in this version, of what `filter` wants; or that the client has it already.
pub(super) fn json_tagged_by_version<D: Serialize>(
    headers: &HeaderMap,
    version: u64,
    filter: &(impl std::hash::Hash + Default + PartialEq),
    document: impl FnOnce() -> D,
) -> Response {
    let tag = version_tag(version, filter);
    if client_has(headers, &tag) {
        return not_modified(tag);
    }
    tagged(json(&document()), tag)
}

/// The document, tagged by the versions of its parts: for lists with ages, which differ each time.
pub(super) fn json_tagged_by_versions<D: Serialize>(
    headers: &HeaderMap,
    versions: &impl std::hash::Hash,
    document: impl FnOnce() -> D,
) -> Response {
    let hash = BuildHasherDefault::<Xxh3Default>::default().hash_one(versions);
    let tag = HeaderValue::try_from(format!("W/\"{hash:016x}\"")).expect("hexadecimal is legal in a header");
    if client_has(headers, &tag) {
        return not_modified(tag);
    }
    tagged(json(&document()), tag)
}

/// The document, tagged by its bytes: for lists, which have no version.
pub(super) fn json_tagged_by_content(headers: &HeaderMap, document: &impl Serialize) -> Response {
    let body = encode(document);
    let tag = HeaderValue::try_from(format!("\"{:016x}\"", xxh3_64(&body))).expect("hexadecimal is legal in a header");
    if client_has(headers, &tag) {
        return not_modified(tag);
    }
    tagged(([(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, ASK_AGAIN)], body).into_response(), tag)
}
