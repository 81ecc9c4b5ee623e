//! One HTTP/2 connection of a client: as little of RFC 9113 as calls and one open stream of gRPC need.
//!
//! Why not a library: 10,000 clients run beside the servers that are measured, on the same machine, and a client that costs as much as the
//! server would be half of each figure. Headers are encoded once for each path and never put into the connection's table, frames are written in
//! batches, answers' headers are not read, windows are as wide as they can be. Invariants: a call that ends without a message, a
//! reset and a connection error are errors; messages may be split over frames.

use std::collections::HashMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const WIDEST_WINDOW: u32 = 0x7fff_ffff;
const FIRST_WINDOW: u32 = 65_535;
/// The connection's window is widened again after this much was read.
const CREDIT_AFTER: u32 = 1 << 28;
/// Bytes that are asked of the socket at once; most connections here are idle and hold as much.
const READ: usize = 2 << 10;
const FRAME_HEAD: usize = 9;
const MESSAGE_HEAD: usize = 5;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RESET: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PING: u8 = 6;
    pub(super) const GO_AWAY: u8 = 7;
    pub(super) const WINDOW_UPDATE: u8 = 8;
}

/// A call of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// One request, one answer.
    Request,
    /// The stream of pushes.
    Stream,
}

/// The number that HTTP/2 gives a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CallId(u32);

/// What was heard of a call.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message, without its length.
    Message(CallId, Bytes),
    /// The call ended.
    End(CallId),
}

/// See the module.
pub(crate) struct Wire {
    stream: TcpStream,
    input: BytesMut,
    output: Vec<u8>,
    /// What has come of the present message of each open call, and whether there was one before.
    calls: HashMap<u32, (BytesMut, bool)>,
    next: u32,
    to_credit: u32,
}

impl Wire {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        let (input, output, calls) = (BytesMut::new(), PREFACE.to_vec(), HashMap::new());
        let mut wire = Self { stream, input, output, calls, next: 1, to_credit: 0 };
        let initial_window = [&4_u16.to_be_bytes()[..], &WIDEST_WINDOW.to_be_bytes()].concat();
        wire.frame(kind::SETTINGS, 0, 0, &initial_window);
        wire.frame(kind::WINDOW_UPDATE, 0, 0, &(WIDEST_WINDOW - FIRST_WINDOW).to_be_bytes());
        Ok(wire)
    }

    /// Begins a call with a message, with the next [`Wire::flush`]. One of [`Method::Stream`] stays open for more.
    pub(crate) fn begin(&mut self, method: Method, message: &[u8]) -> CallId {
        let stream = self.next;
        self.next += 2;
        self.calls.insert(stream, (BytesMut::new(), false));
        self.frame(kind::HEADERS, END_HEADERS, stream, headers(method));
        let flags = if method == Method::Request { END_STREAM } else { 0 };
        self.message(flags, stream, message);
        CallId(stream)
    }

    /// Sends another message on an open call.
    pub(crate) fn send(&mut self, CallId(stream): CallId, message: &[u8]) {
        self.message(0, stream, message);
    }

    /// Sends what waits. Not cancel-safe.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        if !self.output.is_empty() {
            self.stream.write_all(&self.output).await?;
            self.output.clear();
        }
        Ok(())
    }

    /// Reads once, and tells what was heard. Cancel-safe: what was read is kept.
    pub(crate) async fn hear(&mut self, mut heard: impl FnMut(Heard)) -> Result<()> {
        self.input.reserve(READ);
        let read = self.stream.read_buf(&mut self.input).await?;
        ensure!(read > 0, "the server closed a connection");
        while let Some((head, payload)) = self.next_frame() {
            self.take(head, payload, &mut heard)?;
        }
        if self.to_credit > CREDIT_AFTER {
            let credit = std::mem::take(&mut self.to_credit);
            self.frame(kind::WINDOW_UPDATE, 0, 0, &credit.to_be_bytes());
        }
        Ok(())
    }

    fn message(&mut self, flags: u8, stream: u32, message: &[u8]) {
        let length = u32::try_from(message.len()).expect("messages here are short").to_be_bytes();
        let data = [&[0][..], &length, message].concat();
        self.frame(kind::DATA, flags, stream, &data);
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("frames here are short").to_be_bytes();
        self.output.extend(&length[1..]);
        self.output.extend([kind, flags]);
        self.output.extend(stream.to_be_bytes());
        self.output.extend(payload);
    }

    /// The next frame that has come whole.
    fn next_frame(&mut self) -> Option<(FrameHead, BytesMut)> {
        let [a, b, c, kind, flags, stream @ ..] = *self.input.first_chunk::<FRAME_HEAD>()?;
        let length = usize::from(a) * 65_536 + usize::from(b) * 256 + usize::from(c);
        if self.input.len() < FRAME_HEAD + length {
            return None;
        }
        self.input.advance(FRAME_HEAD);
        let head = FrameHead { kind, flags, stream: u32::from_be_bytes(stream) & WIDEST_WINDOW };
        Some((head, self.input.split_to(length)))
    }

    fn take(&mut self, head: FrameHead, payload: BytesMut, heard: &mut impl FnMut(Heard)) -> Result<()> {
        let ends = head.flags & END_STREAM != 0;
        match head.kind {
            kind::DATA => {
                self.to_credit += u32::try_from(payload.len())?;
                let (data, answered) = self.calls.get_mut(&head.stream).context("an answer to nothing")?;
                data.extend_from_slice(&payload);
                while let Some(message) = next_message(data) {
                    *answered = true;
                    heard(Heard::Message(CallId(head.stream), message));
                }
                ensure!(!ends, "a call ended without a status");
            }
            kind::HEADERS if ends => {
                let (_, answered) = self.calls.remove(&head.stream).context("an end of nothing")?;
                ensure!(answered, "a call ended without an answer: {}", String::from_utf8_lossy(&payload));
                heard(Heard::End(CallId(head.stream)));
            }
            kind::SETTINGS if head.flags & ACK == 0 => self.frame(kind::SETTINGS, ACK, 0, &[]),
            kind::PING if head.flags & ACK == 0 => self.frame(kind::PING, ACK, 0, &payload),
            kind::RESET => bail!("call {} was reset", head.stream),
            kind::GO_AWAY => bail!("the server ends the connection: {}", String::from_utf8_lossy(&payload)),
            _ => {}
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct FrameHead {
    kind: u8,
    flags: u8,
    stream: u32,
}

/// The next message that has come whole.
fn next_message(data: &mut BytesMut) -> Option<Bytes> {
    let [_, length @ ..] = *data.first_chunk::<MESSAGE_HEAD>()?;
    let length = u32::from_be_bytes(length) as usize;
    if data.len() < MESSAGE_HEAD + length {
        return None;
    }
    data.advance(MESSAGE_HEAD);
    Some(data.split_to(length).freeze())
}

/// All headers of a call, none of which is put into the table (RFC 7541, section 6.2.2).
fn headers(method: Method) -> &'static [u8] {
    match method {
        Method::Request => {
            b"\x83\x86\x04\x10/Request/request\x01\x05bench\x0f\x10\x10application/grpc\x00\x02te\x08trailers"
        }
        Method::Stream => {
            b"\x83\x86\x04\x20/BiRequestStream/requestBiStream\x01\x05bench\x0f\x10\x10application/grpc\x00\x02te\x08trailers"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_put_together_however_frames_cut_them() {
        let sent = [&[0, 0, 0, 0, 3, 1, 2, 3][..], &[0, 0, 0, 0, 0], &[0, 0, 0, 0, 1, 9]].concat();
        for size in 1..=sent.len() {
            let (mut data, mut found) = (BytesMut::new(), Vec::new());
            for part in sent.chunks(size) {
                data.extend_from_slice(part);
                found.extend(std::iter::from_fn(|| next_message(&mut data)).map(|message| message.to_vec()));
            }
            assert_eq!(found, [vec![1, 2, 3], vec![], vec![9]], "frames of {size}");
        }
    }

    #[test]
    fn the_length_of_each_path_is_the_one_before_it() {
        for (method, path) in
            [(Method::Request, "/Request/request"), (Method::Stream, "/BiRequestStream/requestBiStream")]
        {
            let block = headers(method);
            assert_eq!((usize::from(block[3]), &block[4..4 + path.len()]), (path.len(), path.as_bytes()));
        }
    }
}
