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

/// Accepts for ever and connects each connection with `127.0.0.1:back`.
pub(super) async fn run(listener: TcpListener, back: u16, carried: Carried, link: watch::Receiver<Link>) {
    let mut connections = JoinSet::new();
    loop {
        // Both arms are cancel-safe.
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((front, _)) = accepted else { continue };
                connections.spawn(carry(front, back, carried, link.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(mut front: TcpStream, back: u16, carried: Carried, link: watch::Receiver<Link>) {
    let mut cut = link.clone();
    let both_ways = async {
        let mut back = TcpStream::connect(("127.0.0.1", back)).await?;
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
