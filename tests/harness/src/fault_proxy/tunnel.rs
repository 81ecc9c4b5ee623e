//! Passes the bytes of TCP connections on, as long as the link says so.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::frames::{Frames, OpenStreams, Pushes};

/// What happens to bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// They pass.
    Open,
    /// Connections are closed, and new ones at once.
    Cut,
    /// Connections stay, new ones are accepted, and nothing passes: what has been read waits for the link to open.
    Silent,
    /// All passes but what the server pushes on gRPC streams, which is lost.
    Mute,
}

/// What a connection carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    /// Bytes that are not looked at.
    Http,
    /// HTTP/2 without TLS.
    Grpc,
}

impl Link {
    fn passes(self) -> bool {
        matches!(self, Self::Open | Self::Mute)
    }
}

/// Where connections go, on loopback.
#[derive(Clone, Debug)]
pub(super) enum Back {
    /// Always there.
    Fixed(u16),
    /// The gRPC port, 1000 above this one; when it changes, connections are closed.
    GrpcOf(watch::Receiver<u16>),
}

impl Back {
    fn port(&mut self) -> u16 {
        match self {
            Self::Fixed(port) => *port,
            Self::GrpcOf(http) => *http.borrow_and_update() + 1000,
        }
    }

    /// Ends when connections to the last port that was asked for have to be closed.
    async fn changed(self) {
        if let Self::GrpcOf(mut http) = self
            && http.changed().await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}

/// Accepts for ever and connects each connection with what is behind.
pub(super) async fn run(listener: TcpListener, back: Back, carried: Carried, link: watch::Receiver<Link>) {
    let mut connections = JoinSet::new();
    loop {
        // Both arms are cancel-safe.
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((front, _)) = accepted else { continue };
                connections.spawn(carry(front, back.clone(), carried, link.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(mut front: TcpStream, mut back: Back, carried: Carried, link: watch::Receiver<Link>) {
    let (mut cut, port) = (link.clone(), back.port());
    let both_ways = async {
        let mut back = TcpStream::connect(("127.0.0.1", port)).await?;
        front.set_nodelay(true)?;
        back.set_nodelay(true)?;
        let (front_read, front_write) = front.split();
        let (back_read, back_write) = back.split();
        let streams = OpenStreams::default();
        let (mut of_client, mut of_server) = (Frames::of_client(streams.clone()), Frames::of_server(streams));
        let there = pump(front_read, back_write, link.clone(), |bytes, _| {
            if carried == Carried::Grpc {
                of_client.note(bytes);
            }
            bytes.to_vec()
        });
        let back_again = pump(back_read, front_write, link.clone(), |bytes, link| match carried {
            Carried::Http => bytes.to_vec(),
            Carried::Grpc if link == Link::Mute => of_server.without_pushes(bytes, Pushes::Drop),
            Carried::Grpc => of_server.without_pushes(bytes, Pushes::Pass),
        });
        tokio::try_join!(there, back_again).map(|_| ())
    };
    // Cancelling closes both sockets, which is the point.
    tokio::select! {
        _ = both_ways => {}
        _ = cut.wait_for(|link| *link == Link::Cut) => {}
        () = back.changed() => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut link: watch::Receiver<Link>,
    mut passed: impl FnMut(&[u8], Link) -> Vec<u8>,
) -> io::Result<()> {
    let mut chunk = vec![0; 16 << 10];
    loop {
        let length = from.read(&mut chunk).await?;
        let open = link.wait_for(|link| link.passes()).await.map(|link| *link);
        let open = open.map_err(|_| io::Error::from(io::ErrorKind::ConnectionAborted))?;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&passed(&chunk[..length], open)).await?;
    }
}
