//! A TCP connection with an identity: in this protocol the connection is the client.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// Name of a TCP connection: `<wall ms>_<remote ip>_<remote port>`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(Arc<str>);

impl ConnectionId {
    pub(super) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The name, shared.
    pub fn text(&self) -> &Arc<str> {
        &self.0
    }
}

impl From<Arc<str>> for ConnectionId {
    fn from(text: Arc<str>) -> Self {
        Self(text)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What all calls on one TCP connection share.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) id: ConnectionId,
    pub(super) remote: SocketAddr,
    /// Cancelled when the TCP connection is gone.
    pub(super) closed: CancellationToken,
    /// Cancel to cut the TCP connection.
    pub(super) cut: CancellationToken,
}

/// A TCP stream that tells its end, and that can be cut.
pub(super) struct Tracked {
    io: TcpStream,
    identity: Arc<Identity>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Tracked {
    /// Gives an accepted stream its identity. It is cut when `cut_all` is cancelled, or by its identity alone.
    pub(super) fn new(io: TcpStream, cut_all: &CancellationToken) -> io::Result<Self> {
        io.set_nodelay(true)?;
        let remote = io.peer_addr()?;
        // A wall clock before 1970 still gives unique names: address and port tell open connections apart.
        let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let id = ConnectionId::new(&format!("{ms}_{}_{}", remote.ip(), remote.port()));
        let cut = cut_all.child_token();
        let identity = Arc::new(Identity { id, remote, closed: CancellationToken::new(), cut: cut.clone() });
        Ok(Self { io, identity, cut: Box::pin(cut.cancelled_owned()) })
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.identity.closed.cancel();
    }
}

impl Connected for Tracked {
    type ConnectInfo = Arc<Identity>;

    fn connect_info(&self) -> Arc<Identity> {
        self.identity.clone()
    }
}

impl AsyncRead for Tracked {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Tracked {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, buffers)
    }
}
