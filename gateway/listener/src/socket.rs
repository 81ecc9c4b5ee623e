//! A stream that tells its connection what goes over it: bytes of the protocol as they are read, above TLS where that is spoken, and
//! writes that wait for the peer, below it. What TLS holds back would otherwise count as written.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::connection::{PeerConnection, Spoken};

/// With what every client of HTTP/2 begins (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// After so much silence the system asks whether the peer's machine is still there, again each tenth of it. A watch over HTTP/1 has no
/// pings of its own, and a machine that lost its power says no good-bye.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A TCP stream whose writes are watched.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    connection: Arc<PeerConnection>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, connection: Arc<PeerConnection>) -> Self {
        if let Err(error) = prepare(&stream) {
            tracing::debug!(%error, "a socket does not take its options"); // It is closed already, mostly.
        }
        Self { stream, connection }
    }

    /// The first byte that comes, which stays to be read; `None` when none ever will.
    pub(crate) async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut first = [0];
        let length = self.stream.peek(&mut first).await?;
        Ok((length == 1).then_some(first[0]))
    }

    fn wrote<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.connection.wrote(result.is_pending());
        result
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 10);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.connection.is_stalled() {
            // What is left would be sent for minutes to somebody who does not read.
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What is below the protocol.
#[derive(Debug)]
pub(crate) enum Transport {
    /// Nothing.
    Plain(Wire),
    /// TLS, its handshake done. Boxed: it is ten times as large.
    Tls(Box<TlsStream<Wire>>),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Socket {
    transport: Transport,
    connection: Arc<PeerConnection>,
    /// Bytes of the preface that have come.
    preface: usize,
}

impl Socket {
    pub(crate) fn new(transport: Transport, connection: Arc<PeerConnection>) -> Self {
        Self { transport, connection, preface: 0 }
    }

    fn heard(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.connection.spoken() == Spoken::Nothing {
            let rest = &PREFACE[self.preface..];
            let compared = rest.len().min(bytes.len());
            self.preface += compared;
            if rest[..compared] != bytes[..compared] {
                self.connection.speaks(Spoken::Http1);
            } else if self.preface == PREFACE.len() {
                self.connection.speaks(Spoken::Http2);
            }
        }
        self.connection.heard();
    }
}

/// The same call of whichever transport it is.
macro_rules! of_transport {
    ($socket:expr, $call:ident $(, $argument:expr)*) => {
        match &mut $socket.get_mut().transport {
            Transport::Plain(wire) => Pin::new(wire).$call($($argument),*),
            Transport::Tls(tls) => Pin::new(&mut **tls).$call($($argument),*),
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = of_transport!(self.as_mut(), poll_read, cx, buffer);
        self.get_mut().heard(&buffer.filled()[before..]);
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        of_transport!(self, poll_write, cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        of_transport!(self, poll_write_vectored, cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(wire) => wire.is_write_vectored(),
            Transport::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_transport!(self, poll_flush, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_transport!(self, poll_shutdown, cx)
    }
}
