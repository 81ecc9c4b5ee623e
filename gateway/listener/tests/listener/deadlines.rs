//! Nothing waits for a peer without a deadline, but a watch.

use std::time::Instant;

use bounded_listener::{PeerPatience, TurnedAway};

use crate::stage::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

fn hasty() -> PeerPatience {
    PeerPatience { greeting: SOON, head: SOON, body_part: SOON, body: SOON * 2, large_body: SOON * 2, ..calm() }
}

#[tokio::test]
async fn who_connects_and_says_nothing_or_half_of_it_is_ended() {
    let running = Running::start(hasty()).await;
    for (name, bytes) in [
        ("nothing", &b""[..]),
        ("one byte", b"G"),
        ("half a preface", &PREFACE[..12]),
        ("a preface but for its last byte", &PREFACE[..23]),
        ("half a head", b"GET / HTTP/1.1\r\nhost"),
        ("an empty line", b"\r\n"),
    ] {
        let mut raw = running.connect().await;
        raw.send(bytes).await;
        let rest = raw.rest().await;
        assert!(rest.is_empty(), "{name}: {:?}", String::from_utf8_lossy(&rest));
    }
    assert_eq!(running.heard.count(TurnedAway::Impatience), 6);
    running.answers().await;
    running.stop().await;
}

#[tokio::test]
async fn a_head_that_trickles_is_ended_although_a_byte_comes_all_the_time() {
    let running = Running::start(hasty()).await;
    for begin in [&b"GET / HTTP/1.1\r\nx: "[..], b"POST /echo HTTP/1.1\r\n"] {
        let mut raw = running.connect().await;
        raw.send(begin).await;
        let trickle = async {
            while raw.0.try_write(b"a").is_ok() {
                tokio::time::sleep(SOON / 20).await
            }
        };
        tokio::time::timeout(PATIENCE, trickle).await.expect("it is ended");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_body_that_never_comes_or_trickles_is_refused_and_ended() {
    let running = Running::start(hasty()).await;
    for (name, head, part) in [
        ("never", "content-length: 10\r\n\r\n", ""),
        ("never, chunked", "transfer-encoding: chunked\r\n\r\n", ""),
        ("half", "content-length: 10\r\n\r\n12345", ""),
        ("never, although it is waited for", "content-length: 10\r\nexpect: 100-continue\r\n\r\n", ""),
        ("trickles", "content-length: 100000\r\n\r\n", "a"),
        ("trickles, chunked", "transfer-encoding: chunked\r\n\r\n", "1\r\na\r\n"),
        ("an endless size of a chunk", "transfer-encoding: chunked\r\n\r\n", "0"),
    ] {
        let mut raw = running.connect().await;
        raw.send(format!("POST /large HTTP/1.1\r\nhost: x\r\n{head}")).await;
        let began = Instant::now();
        while !part.is_empty() && began.elapsed() < SOON * 3 && raw.0.try_write(part.as_bytes()).is_ok() {
            tokio::time::sleep(SOON / 20).await;
        }
        let rest = String::from_utf8(raw.rest().await).unwrap();
        let rest = rest.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n");
        let refused = rest.starts_with("HTTP/1.1 408") || rest.starts_with("HTTP/1.1 400");
        assert!(refused || rest.is_empty(), "{name}: {rest:?}");
    }
    assert_eq!(running.gate.request_bytes(), 0);
    running.answers().await;
    running.stop().await;
}

#[tokio::test]
async fn over_http2_too_a_body_that_stays_away_is_refused_and_the_connection_lives_on() {
    let running = Running::start(hasty()).await;
    let mut client = running.http2().await;
    let request = || http::Request::post("http://x/echo").body(()).unwrap();
    let (refused, _open) = client.send_request(request(), false).unwrap();
    let answer = tokio::time::timeout(PATIENCE, refused).await.expect("an answer").unwrap();
    assert_eq!(answer.status(), 408);
    let (answered, mut body) = client.clone().ready().await.unwrap().send_request(request(), false).unwrap();
    body.send_data("abc".into(), true).unwrap();
    assert_eq!(answered.await.unwrap().status(), 200);
    running.stop().await;
}

#[tokio::test]
async fn a_message_of_a_stream_has_to_end_and_the_stream_itself_need_not() {
    let running = Running::start(hasty()).await;
    let mut client = running.http2().await;
    let request = || http::Request::post("http://x/messages").body(()).unwrap();
    let (open, mut lasting) = client.send_request(request(), false).unwrap();
    lasting.send_data(bytes::Bytes::from_static(&[0, 0, 0, 0, 1, 7]), false).unwrap();
    let (broken, mut half) = client.clone().ready().await.unwrap().send_request(request(), false).unwrap();
    half.send_data(bytes::Bytes::from_static(&[0, 0, 0, 0, 9, 7]), false).unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, broken).await.expect("an answer").unwrap().status(), 408);
    let (large, mut too_large) = client.clone().ready().await.unwrap().send_request(request(), false).unwrap();
    too_large.send_data(bytes::Bytes::from_static(&[0, 0, 0, 4, 1]), false).unwrap();
    assert_eq!(large.await.unwrap().status(), 413, "its length is known before it comes");
    lasting.send_data(bytes::Bytes::from_static(&[0, 0, 0, 0, 1, 7]), true).unwrap();
    let mut answer = open.await.unwrap();
    assert_eq!(answer.body_mut().data().await.unwrap().unwrap(), "12");
    running.stop().await;
}

#[tokio::test]
async fn idle_connections_end_and_used_ones_do_not() {
    let patience = PeerPatience { idle_http1: SOON * 2, idle_http2: SOON * 2, ..calm() };
    let running = Running::start(patience).await;
    let client = running.http2().await;
    let mut raw = running.connect().await;
    for _ in 0..6 {
        raw.send("GET /answer/1 HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut answer = [0; 4096];
        let length = tokio::io::AsyncReadExt::read(&mut raw.0, &mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
        let get = http::Request::get("http://x/answer/1").body(()).unwrap();
        let (answer, _) = client.clone().ready().await.unwrap().send_request(get, true).unwrap();
        assert_eq!(answer.await.unwrap().status(), 200);
        tokio::time::sleep(SOON / 2).await; // Used more often than it may be idle.
    }
    assert!(raw.rest().await.is_empty());
    let ended = async {
        while client.clone().ready().await.is_ok() {
            tokio::time::sleep(SOON / 20).await
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("told to go");
    running.stop().await;
}

#[tokio::test]
async fn a_peer_of_http2_that_answers_no_ping_is_ended_and_one_that_does_is_kept() {
    let patience = PeerPatience { ping_every: SOON / 3, pong_within: SOON / 3, greeting: SOON, ..calm() };
    let running = Running::start(patience).await;
    let mut silent = running.connect().await;
    silent.send([PREFACE, SETTINGS].concat()).await;
    let client = running.http2().await;
    let rest = silent.rest().await;
    assert!(rest.windows(9).any(|frame| frame.starts_with(&[0, 0, 8, 6, 0])), "it was asked");
    until("it is gone", || running.heard.0.lock().unwrap().open == 1).await;
    client.ready().await.expect("the library answers pings, with no stream open");
    running.stop().await;
}

#[tokio::test]
async fn a_watch_is_kept_however_long_nothing_happens() {
    let patience =
        PeerPatience { idle_http1: SOON, idle_http2: SOON, body: SOON, body_part: SOON, answer: SOON, ..hasty() };
    let running = Running::start(patience).await;
    let mut client = running.http2().await;
    let (watch, _) = client.send_request(http::Request::get("http://x/watch").body(()).unwrap(), true).unwrap();
    let mut watch = watch.await.unwrap().into_body();
    assert_eq!(watch.data().await.unwrap().unwrap(), "first");
    let mut raw = running.connect().await;
    raw.send("GET /watch HTTP/1.1\r\nhost: x\r\n\r\n").await;
    read_to(&mut raw, b"first").await;
    tokio::time::sleep(SOON * 4).await; // Longer than each of the times.
    running.newest.send_replace("second".into());
    assert_eq!(watch.data().await.unwrap().unwrap(), "second");
    read_to(&mut raw, b"second").await;
    running.stop().await;
}

async fn read_to(raw: &mut Raw, text: &[u8]) {
    let reading = async {
        let mut read = Vec::new();
        while !read.ends_with(&[text, b"\r\n"].concat()) {
            read.push(tokio::io::AsyncReadExt::read_u8(&mut raw.0).await.unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("it is told");
}

#[tokio::test]
async fn who_does_not_read_an_answer_is_ended() {
    let patience = PeerPatience { stalled: SOON, ..calm() };
    let running = Running::start(patience).await;
    let mut slow = running.connect().await;
    slow.send(format!("GET /answer/{} HTTP/1.1\r\nhost: x\r\n\r\n", 64 << 20)).await;
    until("it waits", || running.gate.answer_bytes() > 32 << 20).await;
    until("it is given up", || running.gate.answer_bytes() == 0 && running.heard.count(TurnedAway::Impatience) == 1)
        .await;
    running.answers().await;
    running.stop().await;
}
