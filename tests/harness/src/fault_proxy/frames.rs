//! HTTP/2 frames of one connection, as far as telling streams that stay open from calls that end needs it.
//!
//! A client ends its half of a call with its request, and keeps that of a stream open. What a server pushes comes as data on the latter.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

/// What a client sends before its first frame: `PRI * HTTP/2.0`, and so on.
const PREFACE_BYTES: usize = 24;
/// Length, type, flags, stream.
const HEAD_BYTES: usize = 9;
const DATA: u8 = 0;
const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 1;

/// Streams that the client keeps open; shared by the two ways of a connection. Critical section: one look or change.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenStreams(Arc<Mutex<HashSet<u32>>>);

/// Where in its frames one way of a connection is.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes to come that belong to no frame.
    preface: usize,
    head: Vec<u8>,
    /// How many bytes of the head have been passed on.
    head_passed: usize,
    /// Bytes of the frame to come.
    payload: usize,
    dropping: bool,
    streams: OpenStreams,
}

/// Whether pushes are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushes {
    Pass,
    Drop,
}

impl Frames {
    /// From the client to the server.
    pub(super) fn of_client(streams: OpenStreams) -> Self {
        Self { preface: PREFACE_BYTES, ..Self::of_server(streams) }
    }

    /// From the server to the client.
    pub(super) fn of_server(streams: OpenStreams) -> Self {
        Self { preface: 0, head: Vec::new(), head_passed: 0, payload: 0, dropping: false, streams }
    }

    /// Takes in bytes of the client. They are passed on as they are.
    pub(super) fn note(&mut self, mut bytes: &[u8]) {
        while let Some((kind, flags, stream)) = self.next_head(&mut bytes) {
            let mut open = self.streams.0.lock().expect("no holder panics");
            match (kind, flags & END_STREAM) {
                (DATA, 0) => drop(open.insert(stream)),
                (DATA, _) | (RST_STREAM, _) => drop(open.remove(&stream)),
                _ => {}
            }
        }
    }

    /// Takes in bytes of the server, and returns those to pass on. While pushes pass, each byte does at once.
    pub(super) fn without_pushes(&mut self, mut bytes: &[u8], pushes: Pushes) -> Vec<u8> {
        let mut passed = Vec::with_capacity(bytes.len());
        while !bytes.is_empty() {
            let before = bytes;
            let in_payload = self.payload.min(bytes.len());
            if in_payload > 0 {
                let (payload, rest) = bytes.split_at(in_payload);
                if !self.dropping {
                    passed.extend_from_slice(payload);
                }
                (self.payload, bytes) = (self.payload - in_payload, rest);
                continue;
            }
            let head = self.next_head(&mut bytes);
            let whole = head.is_some();
            if let Some((kind, _, stream)) = head {
                let is_push = kind == DATA && self.streams.0.lock().expect("no holder panics").contains(&stream);
                // What has begun to pass has to end.
                self.dropping = is_push && pushes == Pushes::Drop && self.head_passed == 0;
            }
            if whole && !self.dropping || !whole && pushes == Pushes::Pass {
                passed.extend_from_slice(&self.head[self.head_passed..]);
                self.head_passed = self.head.len();
            }
            if whole {
                self.head.clear();
                self.head_passed = 0;
            }
            debug_assert_ne!(before.len(), bytes.len(), "each turn takes something");
        }
        passed
    }

    /// Takes bytes up to the end of the next head: its kind, flags and stream. `None` when they end before.
    fn next_head(&mut self, bytes: &mut &[u8]) -> Option<(u8, u8, u32)> {
        let skipped = (self.preface + self.payload).min(bytes.len());
        let of_preface = skipped.min(self.preface);
        (self.preface, self.payload) = (self.preface - of_preface, self.payload - (skipped - of_preface));
        *bytes = &bytes[skipped..];
        if self.head.len() == HEAD_BYTES {
            self.head.clear();
        }
        let (head, rest) = bytes.split_at((HEAD_BYTES - self.head.len()).min(bytes.len()));
        self.head.extend_from_slice(head);
        *bytes = rest;
        let head: [u8; HEAD_BYTES] = self.head.as_slice().try_into().ok()?;
        self.payload = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        Some((head[3], head[4], u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    }

    #[test]
    fn what_is_pushed_on_a_stream_is_left_out_and_answers_pass_in_whatever_pieces_they_come() {
        let streams = OpenStreams::default();
        let (mut client, mut server) = (Frames::of_client(streams.clone()), Frames::of_server(streams));
        let calls = [frame(DATA, 0, 3, b"set-up"), frame(DATA, END_STREAM, 5, b"call")].concat();
        let sent = [&[0; PREFACE_BYTES][..], &calls].concat();
        sent.chunks(7).for_each(|piece| client.note(piece));
        let answer = frame(DATA, 0, 5, b"answer");
        let pushed = frame(DATA, 0, 3, b"push");
        let both = [&*pushed, &*answer].concat();
        for (pushes, want) in [(Pushes::Pass, &both), (Pushes::Drop, &answer)] {
            let passed: Vec<u8> = both.chunks(4).flat_map(|piece| server.without_pushes(piece, pushes)).collect();
            assert_eq!(passed, *want, "{pushes:?}");
        }
        let begun = server.without_pushes(&pushed[..5], Pushes::Pass);
        assert_eq!([begun, server.without_pushes(&pushed[5..], Pushes::Drop)].concat(), pushed);
    }
}
