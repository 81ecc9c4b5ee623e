//! Documents compressed for those who take them so: a list is a twentieth of its size on the way.
//!
//! Only whole documents of some length, of a type that is text: an event has to be on its way at once, and a page's parts are small. Who does not
//! say that it takes `gzip` gets what it always got. A compressed answer is another one for a cache, so its tag is weak and it says by what it
//! varies; a tag that comes back names either.

use std::io::Write;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Shorter documents cost more time than they save.
const SHORTEST_BYTES: u64 = 1 << 10;
/// Longer ones are compressed away from the tasks that serve: this many take about a millisecond.
const LONGEST_IN_PASSING: usize = 64 << 10;
/// Half a percent longer than the best, at a fifth of the time.
const LEVEL: u32 = 1;

/// The layer around all routes.
pub(super) async fn compress(request: Request, next: Next) -> Response {
    let is_taken = takes_gzip(request.headers());
    let response = next.run(request).await;
    match is_taken && is_worth_it(&response) {
        true => compressed(response).await,
        false => response,
    }
}

/// Whether `gzip` is named, or everything is, and not with a weight of none.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    let mut weight_of = [None, None];
    for coding in lines.flat_map(|line| line.split(',')) {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>).unwrap_or(0.0);
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => weight_of[0] = Some(weight),
            "*" => weight_of[1] = Some(weight),
            _ => {}
        }
    }
    weight_of[0].or(weight_of[1]).is_some_and(|weight| weight > 0.0)
}

fn is_worth_it(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_text = kind.starts_with("application/json") || kind.starts_with("application/problem+json");
    let length = response.body().size_hint().exact().unwrap_or(0);
    is_text && length > SHORTEST_BYTES && !response.headers().contains_key(header::CONTENT_ENCODING)
}

async fn compressed(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    // It lies in memory already: its length was known. A body that fails on the way is passed on as what it is, an answer that breaks off.
    let Ok(plain) = to_bytes(body, usize::MAX).await else { return Response::from_parts(parts, broken()) };
    let packed = match plain.len() <= LONGEST_IN_PASSING {
        true => gzip(&plain),
        false => tokio::task::spawn_blocking(move || gzip(&plain)).await.expect("compressing does not panic"),
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(tag) = parts.headers.get(header::ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/")) {
        let weak =
            HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).expect("a tag with two letters before it");
        parts.headers.insert(header::ETAG, weak);
    }
    Response::from_parts(parts, Body::from(packed))
}

fn broken() -> Body {
    let error = std::io::Error::other("the answer broke off");
    Body::from_stream(futures::stream::once(std::future::ready(Err::<Bytes, _>(error))))
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::new(LEVEL));
    encoder.write_all(plain).and_then(|()| encoder.finish()).expect("writing to memory cannot fail")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_if_it_or_everything_is_named_and_not_refused() {
        for (lines, taken) in [
            (&[][..], false),
            (&["gzip"], true),
            (&["br, GZIP;q=0.5"], true),
            (&["gzip;q=0"], false),
            (&["gzip; q=0.0", "*"], false),
            (&["*"], true),
            (&["*;q=0"], false),
            (&["br", "deflate"], false),
            (&["br", "gzip"], true),
            (&["identity", "gzip;q=many"], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(line));
            }
            assert_eq!(takes_gzip(&headers), taken, "{lines:?}");
        }
    }
}
