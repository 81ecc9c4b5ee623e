//! How much a peer may take and how long it may let us wait: every number of this package, with its reason.
//!
//! Nothing here is a setting of the product. Tests shorten them.

use std::time::Duration;

/// Connections of clients that one process plans for, where it may have descriptors for them. A gateway in front of 10,000 clients is
/// possible, with as many again that reconnect before the old ones are known to be gone.
pub const MOST_CONNECTIONS: usize = 20_000;

/// Connections of one process in all, where it may have descriptors for them: those of clients, and one for each that is made on behalf of a
/// client, which is what every client of a front door has once it registers.
pub const MOST_PLACES: usize = 2 * MOST_CONNECTIONS;

/// Descriptors that are not for connections of clients: sockets to brokers (four clients for each of some 30 brokers), to the local
/// Nacos and its admin API, files, and what the runtime has. Where few are allowed, half of them.
pub const RESERVED_DESCRIPTORS: usize = 256;

/// Listeners of a gateway: two of its API, two of the front door, two of the embedded registry. Each is assured a part of the connections that the others
/// cannot take, so that a flood at one leaves `/readyz` at another answering.
pub(crate) const LISTENERS: usize = 6;

/// Bytes of large requests that are being received or not yet answered, beyond the first [`REQUEST_SIZE`] of each, at all listeners
/// together: three of the largest. With what each listener has for small ones, a gateway holds at most 160 MiB of requests.
pub const LARGE_REQUEST_BYTES: usize = 96 << 20;

/// Bytes of answers that wait to be read, of all listeners together. One that is alone is taken whatever its size.
pub const ANSWER_BYTES: usize = 512 << 20;

/// Bytes of answers that wait to be read on one connection; one that is alone is taken whatever its size. Three of the largest config
/// items, or some hundred lists.
pub(crate) const CONNECTION_ANSWER_BYTES: usize = 32 << 20;

/// Answers up to this size are never refused: a hundred on a connection, which is all that it can ask for at once, are less than one
/// large one. Also the size of the pieces in which answers are handed over, which is that of a frame of HTTP/2.
pub(crate) const PIECE: usize = 16 << 10;

/// The size of a request: names, addresses and a few parameters, or an order of some texts of 1 KiB.
pub const REQUEST_SIZE: usize = 64 << 10;

/// Requests that wait at a time for others' bytes to go. Each holds one piece, and the window of its stream.
pub(crate) const WAITING: usize = 256;

/// Streams that one HTTP/2 connection may have open. Clients keep further calls back until one has ended; who watches more opens
/// another connection.
pub const STREAMS: u32 = 100;

/// Largest head of an HTTP/1 request, and what is read ahead of a body. One request at a time.
pub(crate) const HEAD_BYTES: usize = 64 << 10;

/// Largest list of headers of an HTTP/2 stream, of which there may be [`STREAMS`]. It also bounds the number of CONTINUATION frames.
pub(crate) const HEADER_LIST_BYTES: u32 = 16 << 10;

/// Largest frame of HTTP/2; the least that the protocol allows.
pub(crate) const FRAME_BYTES: u32 = 16 << 10;

/// Bytes of a stream's answer that wait in HTTP/2's own buffer, in addition to one [`PIECE`].
pub(crate) const SEND_BUFFER_BYTES: usize = 64 << 10;

/// Streams that a peer may have opened and reset before we looked at them (rapid reset): h2's own default, stated.
pub(crate) const RESET_UNSEEN: usize = 20;

/// Streams that a peer may make us reset (too many of them, broken ones) before its connection is ended. More than a client sends too
/// many before it has read that 100 are allowed.
pub(crate) const RESET_BY_US: usize = 1024;

/// Connections that the system completes for us before they are accepted: all clients of a gateway that was restarted. Beyond it
/// their first packet is lost, and they try again after a second.
pub(crate) const BACKLOG: u32 = 4096;

/// Largest pause after a failed accept; the first is a hundredth. Only others can free descriptors.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How much a listener takes.
#[derive(Clone, Copy, Debug)]
pub struct ListenerLimits {
    /// Bytes of the first [`REQUEST_SIZE`] of each request, by all connections of the listener. Large requests cannot take this room.
    pub small_bytes: usize,
    /// Bytes beyond these; what the listener may take of [`LARGE_REQUEST_BYTES`].
    pub large_bytes: usize,
    /// Bytes of the requests of one connection; not less than the largest request.
    pub connection_bytes: usize,
    /// Bytes of one HTTP/2 stream that may be on their way or in HTTP/2's own buffer.
    pub stream_window: u32,
    /// The same for all streams of a connection.
    pub connection_window: u32,
    /// Connections of the listener, where the process may have as many.
    pub connections: usize,
}

impl ListenerLimits {
    /// For requests of at most [`REQUEST_SIZE`].
    #[must_use]
    pub const fn small() -> Self {
        Self {
            small_bytes: 16 << 20,
            large_bytes: 0,
            connection_bytes: 1 << 20,
            stream_window: 64 << 10,
            connection_window: 128 << 10,
            connections: usize::MAX,
        }
    }

    /// For requests of which some may have `largest` bytes.
    #[must_use]
    pub const fn with_large(largest: usize) -> Self {
        Self {
            small_bytes: 16 << 20,
            large_bytes: 64 << 20,
            connection_bytes: largest + (1 << 20),
            // Ten times as fast as the least window where a round trip takes some milliseconds.
            stream_window: 256 << 10,
            connection_window: 512 << 10,
            connections: usize::MAX,
        }
    }
}

/// How long a peer may let us wait.
#[derive(Clone, Copy, Debug)]
pub struct PeerPatience {
    /// From the connection to its first request (HTTP/1), or to the whole preface of HTTP/2.
    pub greeting: Duration,
    /// From the first byte of a later request of HTTP/1 to the end of its head. Dead peers in the middle of a head of HTTP/2 do not
    /// answer pings.
    pub head: Duration,
    /// Between two parts of a body, or of one message of a stream.
    pub body_part: Duration,
    /// For a whole body of at most [`REQUEST_SIZE`] and for each message of a stream.
    pub body: Duration,
    /// For a larger one: 10 MiB at 1 Mbit/s.
    pub large_body: Duration,
    /// Without a request on a connection of HTTP/1. Longer than clients keep connections (60 to 90 s), so that they close first.
    pub idle_http1: Duration,
    /// Without a stream on a connection of HTTP/2; then it is ended in order, and clients connect again with their next call.
    pub idle_http2: Duration,
    /// For the last streams of a connection that was told to end.
    pub ending: Duration,
    /// Without a byte taken by a peer for which some wait. Longer than a client that is paused (garbage collection, a frozen machine)
    /// takes to come back.
    pub stalled: Duration,
    /// For an answer that has an end to be read, in addition to a second for each `answer_rate`.
    pub answer: Duration,
    /// Bytes a second of the slowest reader of large answers: slower ones hold memory for too long.
    pub answer_rate: usize,
    /// How often an HTTP/2 peer is asked whether it is still there, and then how long it may take to answer. Watches are kept open by
    /// this however long they are silent.
    pub ping_every: Duration,
    /// See there.
    pub pong_within: Duration,
    /// How long a request may wait for the bytes of others to go.
    pub room: Duration,
    /// How often all connections are looked at; the precision of what is above.
    pub look_every: Duration,
    /// How long nothing may be turned away until that trouble counts as over.
    pub calm: Duration,
}

impl Default for PeerPatience {
    fn default() -> Self {
        Self {
            greeting: Duration::from_secs(10),
            head: Duration::from_secs(10),
            body_part: Duration::from_secs(10),
            body: Duration::from_secs(30),
            large_body: Duration::from_secs(90),
            idle_http1: Duration::from_secs(120),
            idle_http2: Duration::from_secs(300),
            ending: Duration::from_secs(30),
            stalled: Duration::from_secs(60),
            answer: Duration::from_secs(60),
            answer_rate: 64 << 10,
            ping_every: Duration::from_secs(20),
            pong_within: Duration::from_secs(20),
            room: Duration::from_secs(2),
            look_every: Duration::from_secs(1),
            calm: Duration::from_secs(10),
        }
    }
}
