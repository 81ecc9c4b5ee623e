//! Documents as those get them who take them compressed.

use std::io::Read;

use axum::http::header;
use futures::StreamExt;

use super::*;

/// A gateway with a list of some KiB.
fn crowded() -> Gateway {
    let mut gateway = Gateway::new();
    for number in 0..30 {
        gateway.put(service(key(&format!("s{number}")), 1, orders(1).origins));
    }
    gateway
}

async fn ask(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = gateway.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    (status, headers, to_bytes(response.into_body(), usize::MAX).await.unwrap().into())
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut plain).unwrap();
    plain
}

#[tokio::test]
async fn a_long_document_comes_compressed_to_whoever_takes_it_so_and_is_the_same() {
    let gateway = crowded();
    for path in ["/v1/services", "/openapi.json", "/v1/resolve?serviceName=s1"] {
        let (_, plain_headers, plain) = ask(&gateway, path, &[]).await;
        let (status, headers, packed) = ask(&gateway, path, &[("accept-encoding", "gzip, deflate, br")]).await;
        assert_eq!(
            (status, &headers["content-encoding"], &headers["vary"]),
            (StatusCode::OK, &"gzip".parse().unwrap(), &"accept-encoding".parse().unwrap())
        );
        assert!(packed.len() * 2 < plain.len(), "{path}: {} of {}", packed.len(), plain.len());
        assert_eq!(unpacked(&packed), plain, "{path}");
        assert_eq!(headers["content-type"], plain_headers["content-type"]);
        assert!(!plain_headers.contains_key("content-encoding") && !plain_headers.contains_key("vary"), "{path}");
    }
}

#[tokio::test]
async fn the_tag_of_a_compressed_document_is_worth_the_same_as_that_of_the_plain_one() {
    let gateway = crowded();
    let (_, plain, _) = ask(&gateway, "/v1/services", &[]).await;
    let (_, packed, _) = ask(&gateway, "/v1/services", &[("accept-encoding", "gzip")]).await;
    let tags = [plain, packed].map(|headers| headers[header::ETAG].to_str().unwrap().to_owned());
    assert_eq!(tags[1], format!("W/{}", tags[0]), "not the same bytes");
    for tag in &tags {
        for encoding in ["identity", "gzip"] {
            let asked = [("if-none-match", &**tag), ("accept-encoding", encoding)];
            assert_eq!(ask(&gateway, "/v1/services", &asked).await.0, StatusCode::NOT_MODIFIED, "{tag} {encoding}");
        }
    }
}

#[tokio::test]
async fn what_is_short_no_document_or_an_event_comes_as_it_is() {
    let gateway = crowded();
    for path in ["/livez", "/v1/whoami", "/metrics", "/docs/"] {
        let (_, headers, _) = ask(&gateway, path, &[("accept-encoding", "gzip")]).await;
        assert!(!headers.contains_key("content-encoding"), "{path}");
    }
    let request = Request::get("/v1/watch?serviceName=s1").header("accept-encoding", "gzip").body(Body::empty());
    let watch = gateway.router().oneshot(request.unwrap()).await.unwrap();
    assert!(!watch.headers().contains_key("content-encoding"));
    let first = watch.into_body().into_data_stream().next().await.unwrap().unwrap();
    assert!(first.starts_with(b"event: service\n"));
}
