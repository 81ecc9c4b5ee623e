//! What one connection can make us hold: bodies of requests, and answers that it does not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bounded_listener::{ListenerLimits, PeerPatience, TurnedAway};
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::stage::*;

/// Sends a body as far as it is taken, and returns the answer's status; 0 when the stream was reset.
async fn post(mut client: h2::client::SendRequest<Bytes>, path: &str, bytes: usize) -> u16 {
    let request = http::Request::post(format!("http://x{path}")).body(()).unwrap();
    let (answer, mut body) = client.send_request(request, false).unwrap();
    let sending = async {
        let mut left = bytes;
        while left > 0 {
            body.reserve_capacity(left.min(16 << 10));
            let Some(Ok(room)) = std::future::poll_fn(|cx| body.poll_capacity(cx)).await else { return };
            let part = room.min(left);
            left -= part;
            if body.send_data(vec![0; part].into(), left == 0).is_err() {
                return;
            }
        }
    };
    tokio::pin!(sending, answer);
    let answer = tokio::select! { // Whichever is first; an early answer ends the sending.
        answer = &mut answer => answer,
        () = &mut sending => answer.await,
    };
    answer.map_or(0, |answer| answer.status().as_u16())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hundred_streams_of_four_mebibytes_hold_what_one_connection_may() {
    let patience = PeerPatience { room: Duration::from_millis(100), ..calm() };
    let running = Running::start(patience).await;
    let limits = ListenerLimits::with_large(LARGE);
    let (most, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate, seen, ended) = (running.gate.clone(), Arc::clone(&most), Arc::clone(&done));
    in_background(async move {
        while ended.load(Ordering::Relaxed) < 400 {
            seen.fetch_max(gate.request_bytes(), Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let client = running.http2().await;
    let mut streams = JoinSet::new();
    for _ in 0..400 {
        let (client, done) = (client.clone(), Arc::clone(&done));
        streams.spawn(async move {
            let status = post(client.ready().await.unwrap(), "/large", 4 << 20).await;
            done.fetch_add(1, Ordering::Relaxed);
            status
        });
    }
    running.answers().await; // While all of it is under way.
    let statuses = tokio::time::timeout(PATIENCE, streams.join_all()).await.expect("every stream is answered");
    let of = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    let most = most.load(Ordering::Relaxed);
    assert!(most > 1 << 20 && most <= limits.connection_bytes, "{most} bytes were held");
    // The first ones come before the client knows how many streams there may be: some are refused as streams, to be tried again.
    assert!(of(503) > 0 && of(200) > 0 && of(503) + of(200) + of(0) == 400, "{statuses:?}");
    until("nothing is held", || running.gate.request_bytes() == 0).await;
    assert_eq!(running.heard.count(TurnedAway::NoRoom), of(503));
    assert_eq!(post(client.ready().await.unwrap(), "/large", 4 << 20).await, 200, "there is room again");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_hold_together_what_the_listener_may_and_small_requests_pass() {
    let limits = ListenerLimits { large_bytes: 8 << 20, ..ListenerLimits::with_large(LARGE) };
    let running = Running::with(capacity(1000), limits, PeerPatience { room: SOON, ..calm() }).await;
    let mut raws = Vec::new();
    for _ in 0..40 {
        let mut raw = running.connect().await;
        raw.send(format!("POST /large HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", 1 << 20)).await;
        raw.send(vec![0; (1 << 20) - 1]).await; // All but the last byte.
        raws.push(raw);
    }
    until("some are refused", || running.heard.count(TurnedAway::NoRoom) >= 30).await;
    assert!(running.gate.request_bytes() <= (8 << 20) + 40 * (64 << 10), "{}", running.gate.request_bytes());
    let mut small = running.connect().await;
    small
        .send(format!("POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", 60_000))
        .await;
    small.send(vec![0; 60_000]).await;
    assert!(small.rest().await.starts_with(b"HTTP/1.1 200"));
    assert!(running.heard.first_trouble().expect("it is said").contains("too many bytes"));
    drop(raws);
    until("nothing is held, and it is said", || running.gate.request_bytes() == 0 && running.heard.trouble().is_none())
        .await;
    running.stop().await;
}

#[tokio::test]
async fn a_body_beyond_its_size_is_refused_by_its_length_or_once_it_is_seen() {
    let running = Running::start(calm()).await;
    let over = (64 << 10) + 1;
    for (name, head, body) in [
        ("by its length", format!("content-length: {over}\r\n\r\n"), Vec::new()),
        ("by an absurd length", format!("content-length: {}\r\n\r\n", u64::MAX - 9), Vec::new()),
        (
            "seen",
            "transfer-encoding: chunked\r\n\r\n".to_owned(),
            format!("{over:x}\r\n{}\r\n0\r\n\r\n", "a".repeat(over)).into(),
        ),
        ("in small parts", "transfer-encoding: chunked\r\n\r\n".to_owned(), "1\r\na\r\n".repeat(over).into()),
    ] {
        let mut raw = running.connect().await;
        raw.send(format!("POST /echo HTTP/1.1\r\nhost: x\r\n{head}")).await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut raw.0, &body).await; // It may be ended before.
        let rest = raw.rest().await;
        // A reset may overtake the answer.
        assert!(rest.starts_with(b"HTTP/1.1 413") || rest.is_empty() && !body.is_empty(), "{name}: {rest:?}");
    }
    let client = running.http2().await;
    assert_eq!(post(client, "/echo", 4 << 20).await, 413);
    assert_eq!(running.heard.count(TurnedAway::TooLarge), 5);
    running.stop().await;
}

#[tokio::test]
async fn a_whole_body_arrives_however_it_is_cut() {
    let running = Running::start(calm()).await;
    let client = running.http2().await;
    for bytes in [0, 1, 16 << 10, (16 << 10) + 1, 64 << 10] {
        assert_eq!(post(client.clone().ready().await.unwrap(), "/echo", bytes.max(1)).await, 200, "{bytes}");
        let mut raw = running.connect().await;
        let body = "a".repeat(bytes);
        raw.send(format!(
            "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {bytes}\r\n\r\n{body}"
        ))
        .await;
        let answer = String::from_utf8(raw.rest().await).unwrap();
        assert!(answer.ends_with(&format!("\r\n\r\n{bytes}")), "{answer}");
    }
    running.stop().await;
}

#[tokio::test]
async fn answers_come_whole_and_with_their_length() {
    let running = Running::start(calm()).await;
    for bytes in [0, 1, 16 << 10, (16 << 10) + 1, 1 << 20] {
        let answer = running.ask(&format!("/answer/{bytes}")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.len(), bytes);
        assert!(head.contains(&format!("content-length: {bytes}")), "{head}");
    }
    assert_eq!(running.gate.answer_bytes(), 0);
    running.stop().await;
}

#[tokio::test]
async fn answers_that_one_connection_does_not_read_are_bounded_and_given_up() {
    let running = Running::start(PeerPatience { answer: SOON * 3, answer_rate: usize::MAX, ..calm() }).await;
    let client = running.http2_with(h2::client::Builder::new().initial_window_size(0)).await;
    let mut unread = Vec::new();
    let mut refused = 0;
    for _ in 0..90 {
        let get = http::Request::get(format!("http://x/answer/{}", 1 << 20)).body(()).unwrap();
        let (answer, _) = client.clone().ready().await.unwrap().send_request(get, true).unwrap();
        let answer = answer.await.unwrap();
        refused += usize::from(answer.status() == 503);
        unread.push(answer);
    }
    assert!((57..=58).contains(&refused), "{refused} of 90 were refused, 32 MiB wait");
    assert!(running.gate.answer_bytes() <= (32 << 20) + 90 * 100, "{}", running.gate.answer_bytes());
    running.answers().await;
    until("the connection is given up", || running.gate.answer_bytes() == 0).await;
    running.stop().await;
}
