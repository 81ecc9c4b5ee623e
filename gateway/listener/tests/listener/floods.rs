//! Frames of HTTP/2 that cost the sender nothing. Each flood ends, or stands still, and others are answered meanwhile.

use bounded_listener::{PeerPatience, TurnedAway};

use crate::stage::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// GET, http, "/answer/1", "x".
const HEAD: &[u8] = b"\x82\x86\x04\x09/answer/1\x01\x01x";

mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const PRIORITY: u8 = 2;
    pub(super) const RESET: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PING: u8 = 6;
    pub(super) const WINDOW_UPDATE: u8 = 8;
    pub(super) const CONTINUATION: u8 = 9;
}
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

async fn begin(running: &Running) -> Raw {
    let mut raw = running.connect().await;
    raw.send([PREFACE, &frame(kind::SETTINGS, 0, 0, &[])].concat()).await;
    raw
}

fn hasty() -> PeerPatience {
    PeerPatience { stalled: SOON, ping_every: SOON, pong_within: SOON, ..calm() }
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_at_once_end_their_connection_or_nothing() {
    let running = Running::start(calm()).await;
    let mut raw = begin(&running).await;
    let streams = (0..20_000).map(|n| n * 2 + 1);
    let pairs = streams.flat_map(|stream| {
        [frame(kind::HEADERS, END_HEADERS | END_STREAM, stream, HEAD), frame(kind::RESET, 0, stream, &[0, 0, 0, 8])]
            .concat()
    });
    let flood: Vec<u8> = pairs.collect();
    let _ = raw.flood(&flood, 1).await; // It may be ended before its end.
    running.answers().await;
    drop(raw);
    until("nothing is left", || running.heard.0.lock().unwrap().open == 0).await;
    assert_eq!((running.gate.request_bytes(), running.gate.answer_bytes()), (0, 0));
    running.stop().await;
}

#[tokio::test]
async fn headers_without_an_end_end_their_connection() {
    let running = Running::start(calm()).await;
    for (name, part) in [
        ("full", [b"\x00\x01a\x7f\x80\x7e".as_slice(), &vec![b'x'; 253]].concat().repeat(60)),
        ("empty", Vec::new()),
        ("one byte each", vec![0x82]),
    ] {
        let mut raw = begin(&running).await;
        raw.send(frame(kind::HEADERS, 0, 1, HEAD)).await;
        let flooded = raw.flood(&frame(kind::CONTINUATION, 0, 1, &part), 200_000).await;
        if flooded.is_ok() {
            raw.rest().await; // The last frames went into the socket's buffer.
        }
        running.answers().await;
        assert_eq!(running.gate.request_bytes(), 0, "{name}");
    }
    running.stop().await;
}

#[tokio::test]
async fn who_floods_and_does_not_read_is_ended_for_not_reading() {
    let running = Running::start(hasty()).await;
    for (name, flood) in [
        ("settings", frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255])),
        ("pings", frame(kind::PING, 0, 0, &[7; 8])),
    ] {
        let mut raw = begin(&running).await;
        let flood = flood.repeat(1000);
        let before = running.heard.count(TurnedAway::Impatience);
        // The answers fill the buffers on the way back, then nothing more is read.
        let flooding = async { while raw.flood(&flood, 1000).await.is_ok() {} };
        tokio::time::timeout(PATIENCE, flooding).await.unwrap_or_else(|_| panic!("{name} are taken for ever"));
        running.answers().await;
        assert!(running.heard.count(TurnedAway::Impatience) >= before);
    }
    running.stop().await;
}

#[tokio::test]
async fn who_pings_and_reads_is_answered_however_often_and_without_a_stream() {
    let running = Running::start(calm()).await; // SDKs of Nacos ping each minute, some gRPC servers end them for it.
    let mut raw = begin(&running).await;
    raw.send(frame(kind::PING, 0, 0, &[7; 8]).repeat(2000)).await;
    let ack = frame(kind::PING, 1, 0, &[7; 8]);
    let (mut read, mut chunk) = (Vec::new(), [0; 4096]);
    let reading = async {
        while read.windows(ack.len()).filter(|seen| *seen == ack).count() < 2000 {
            let length = tokio::io::AsyncReadExt::read(&mut raw.0, &mut chunk).await.unwrap();
            assert_ne!(length, 0, "the connection lives");
            read.extend_from_slice(&chunk[..length]);
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("each is answered");
    running.stop().await;
}

#[tokio::test]
async fn nonsense_ends_its_own_connection_only() {
    let running = Running::start(hasty()).await;
    let data = frame(kind::DATA, 0, 1, &[]);
    for (name, frames) in [
        ("data on no stream", data.clone()),
        (
            "empty data without an end",
            [frame(kind::HEADERS, END_HEADERS, 1, b"\x83\x86\x04\x05/echo\x01\x01x"), data.repeat(50_000)].concat(),
        ),
        ("a frame of 16 MiB", [0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1].to_vec()),
        ("settings that are none", frame(kind::SETTINGS, 0, 0, &[0; 5])),
        ("a window that overflows", frame(kind::WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]).repeat(2)),
        ("a window of nothing", frame(kind::WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("headers that are none", frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 100])),
        ("an even stream", frame(kind::HEADERS, END_HEADERS | END_STREAM, 2, HEAD)),
        ("a stream that depends on itself", frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 1, 16])),
        ("a head cut off", frame(kind::HEADERS, 0, 1, HEAD)),
    ] {
        let mut raw = begin(&running).await;
        let _ = raw.flood(&frames, 1).await;
        raw.rest().await; // By an error, or for answering no ping.
        running.answers().await;
        assert_eq!(running.gate.request_bytes(), 0, "{name}");
    }
    running.stop().await;
}

#[tokio::test]
async fn more_streams_than_a_hundred_are_refused_one_by_one() {
    let running = Running::start(calm()).await;
    let mut raw = begin(&running).await;
    let watch = b"\x82\x86\x04\x06/watch\x01\x01x";
    let streams = (0..150).map(|n| frame(kind::HEADERS, END_HEADERS | END_STREAM, n * 2 + 1, watch));
    raw.send(frame(kind::SETTINGS, 1, 0, &[])).await; // From here on the limit is known to be known.
    raw.send(streams.collect::<Vec<_>>().concat()).await;
    let (mut refused, mut opened, mut seen) = (0, 0, Vec::new());
    let reading = async {
        while refused + opened < 150 {
            let mut chunk = [0; 4096];
            let length = tokio::io::AsyncReadExt::read(&mut raw.0, &mut chunk).await.unwrap();
            assert_ne!(length, 0, "the connection lives");
            seen.extend_from_slice(&chunk[..length]);
            while seen.len() >= 9 {
                let end = 9 + usize::from(seen[1]) * 256 + usize::from(seen[2]);
                if seen.len() < end {
                    break;
                }
                match seen[3] {
                    kind::RESET => refused += 1,
                    kind::HEADERS => opened += 1,
                    _ => {}
                }
                seen.drain(..end);
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("each stream is answered or refused");
    assert_eq!((opened, refused), (100, 50));
    running.answers().await;
    running.stop().await;
}
