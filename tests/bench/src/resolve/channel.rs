//! One HTTP/2 connection that carries calls of one gRPC method: as little of RFC 9113 as a client of our own server needs.
//!
//! Why not a library: a client of hyper's costs as much as the server, and then half of what is measured is the client. Here
//! the headers of a call are encoded once (all four values go into the table of the connection with the first call), frames
//! are written in batches, answers' headers are not read, and both windows are as wide as they can be. Invariants: a call
//! that ends without a message, a reset and a connection error are errors; messages may be split over frames.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const WIDEST_WINDOW: u32 = 0x7fff_ffff;
const FIRST_WINDOW: u32 = 65_535;
/// The connection's window is widened again after this much was read.
const CREDIT_AFTER: u32 = 1 << 28;
const FRAME_HEAD: usize = 9;
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

/// What was heard of a call. Calls are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A message of this length came to its end.
    Message { call: usize, length: usize },
    /// The call ended.
    End { call: usize },
}

/// The connection.
pub(crate) struct Channel {
    stream: TcpStream,
    input: Vec<u8>,
    filled: usize,
    output: Vec<u8>,
    path: &'static str,
    calls: Vec<Call>,
    to_credit: u32,
}

/// How far the present message of a call has come.
#[derive(Clone, Copy, Default)]
struct Call {
    prefix: [u8; 5],
    have: usize,
    messages: usize,
}

impl Channel {
    /// Connects; calls go to `path`.
    pub(crate) async fn connect(address: SocketAddr, path: &'static str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect over gRPC")?;
        stream.set_nodelay(true)?;
        let (input, output) = (vec![0; 256 << 10], PREFACE.to_vec());
        let mut channel = Self { stream, input, filled: 0, output, path, calls: Vec::new(), to_credit: 0 };
        let initial_window = [&4_u16.to_be_bytes()[..], &WIDEST_WINDOW.to_be_bytes()].concat();
        channel.frame(kind::SETTINGS, 0, 0, &initial_window);
        channel.frame(kind::WINDOW_UPDATE, 0, 0, &(WIDEST_WINDOW - FIRST_WINDOW).to_be_bytes());
        Ok(channel)
    }

    /// Begins a call with one message, with the next [`Channel::exchange`].
    pub(crate) fn begin(&mut self, message: &[u8]) -> usize {
        let call = self.calls.len();
        let stream = stream_of(call);
        let headers = if call == 0 { first_headers(self.path) } else { LATER_HEADERS.to_vec() };
        self.frame(kind::HEADERS, END_HEADERS, stream, &headers);
        let mut data = vec![0];
        data.extend(u32::try_from(message.len()).expect("messages here are short").to_be_bytes());
        data.extend(message);
        self.frame(kind::DATA, END_STREAM, stream, &data);
        self.calls.push(Call::default());
        call
    }

    /// Sends what waits, reads once, and tells what was heard. Not cancel-safe.
    pub(crate) async fn exchange(&mut self, mut heard: impl FnMut(Heard)) -> Result<()> {
        if !self.output.is_empty() {
            self.stream.write_all(&self.output).await?;
            self.output.clear();
        }
        let read = self.stream.read(&mut self.input[self.filled..]).await?;
        ensure!(read > 0, "the server closed a connection");
        self.filled += read;
        let mut at = 0;
        while let Some((head, end)) = self.next_frame(at)? {
            self.take(head, at + FRAME_HEAD..end, &mut heard)?;
            at = end;
        }
        self.input.copy_within(at..self.filled, 0);
        self.filled -= at;
        if self.to_credit > CREDIT_AFTER {
            let credit = std::mem::take(&mut self.to_credit);
            self.frame(kind::WINDOW_UPDATE, 0, 0, &credit.to_be_bytes());
        }
        Ok(())
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("frames here are short").to_be_bytes();
        self.output.extend(&length[1..]);
        self.output.extend([kind, flags]);
        self.output.extend(stream.to_be_bytes());
        self.output.extend(payload);
    }

    /// Head and end of the frame at `at`, if all of it is there.
    fn next_frame(&self, at: usize) -> Result<Option<(Head, usize)>> {
        let Some(head) = self.input[at..self.filled].first_chunk::<FRAME_HEAD>() else { return Ok(None) };
        let [a, b, c, kind, flags, stream @ ..] = *head;
        let end = at + FRAME_HEAD + usize::from(a) * 65_536 + usize::from(b) * 256 + usize::from(c);
        ensure!(end - at <= self.input.len(), "a frame of {} bytes", end - at);
        let head = Head { kind, flags, stream: u32::from_be_bytes(stream) };
        Ok((end <= self.filled).then_some((head, end)))
    }

    fn take(&mut self, head: Head, payload: std::ops::Range<usize>, heard: &mut impl FnMut(Heard)) -> Result<()> {
        match head.kind {
            kind::DATA => {
                self.to_credit += u32::try_from(payload.len())?;
                let call = call_of(head.stream);
                let state = self.calls.get_mut(call).context("an answer to nothing")?;
                state.take(&self.input[payload], |length| heard(Heard::Message { call, length }));
                ensure!(head.flags & END_STREAM == 0, "a call ended without a status");
            }
            kind::HEADERS if head.flags & END_STREAM != 0 => {
                let call = call_of(head.stream);
                let messages = self.calls.get(call).context("an end of nothing")?.messages;
                ensure!(messages > 0, "a call ended without an answer");
                heard(Heard::End { call });
            }
            kind::SETTINGS if head.flags & ACK == 0 => self.frame(kind::SETTINGS, ACK, 0, &[]),
            kind::PING if head.flags & ACK == 0 => {
                let echo = self.input[payload].to_vec();
                self.frame(kind::PING, ACK, 0, &echo);
            }
            kind::RESET => bail!("call {} was reset", call_of(head.stream)),
            kind::GO_AWAY => bail!("the server ends the connection: {}", String::from_utf8_lossy(&self.input[payload])),
            _ => {}
        }
        Ok(())
    }
}

impl Call {
    fn take(&mut self, mut data: &[u8], mut message: impl FnMut(usize)) {
        while !data.is_empty() {
            if self.have < self.prefix.len() {
                self.prefix[self.have] = data[0];
                (self.have, data) = (self.have + 1, &data[1..]);
            }
            if self.have < self.prefix.len() {
                continue;
            }
            let [_, length @ ..] = self.prefix;
            let length = u32::from_be_bytes(length) as usize;
            let part = data.len().min(self.prefix.len() + length - self.have);
            (self.have, data) = (self.have + part, &data[part..]);
            if self.have == self.prefix.len() + length {
                (self.have, self.messages) = (0, self.messages + 1);
                message(length);
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Head {
    kind: u8,
    flags: u8,
    stream: u32,
}

fn stream_of(call: usize) -> u32 {
    u32::try_from(call * 2 + 1).expect("a run has fewer calls than HTTP/2 has streams")
}

fn call_of(stream: u32) -> usize {
    stream as usize / 2
}

/// `:method: POST` and `:scheme: http` of the static table (RFC 7541, appendix A).
const METHOD_AND_SCHEME: [u8; 2] = [0x83, 0x86];
/// The same, then the four values that the first call put into the table.
const LATER_HEADERS: [u8; 6] = [0x83, 0x86, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62];

/// Path, authority, content type and `te`, each literal and into the table (RFC 7541, section 6.2.1).
fn first_headers(path: &str) -> Vec<u8> {
    let mut block = METHOD_AND_SCHEME.to_vec();
    let mut value = |name: &[u8], value: &str| {
        block.extend(name);
        block.push(u8::try_from(value.len()).expect("values here are short"));
        block.extend(value.as_bytes());
    };
    value(&[0x40 | 4], path); // `:path` is the fourth of the static table, and so on.
    value(&[0x40 | 1], "gateway");
    value(&[0x40 | 31], "application/grpc");
    value(&[0x40, 2, b't', b'e'], "trailers");
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_put_together_however_frames_cut_them() {
        let sent = [&[0, 0, 0, 0, 3, 1, 2, 3][..], &[0, 0, 0, 0, 0], &[0, 0, 0, 0, 1, 9]].concat();
        for size in 1..=sent.len() {
            let (mut call, mut found) = (Call::default(), Vec::new());
            sent.chunks(size).for_each(|data| call.take(data, |length| found.push(length)));
            assert_eq!((found, call.messages), (vec![3, 0, 1], 3), "frames of {size}");
        }
    }
}
