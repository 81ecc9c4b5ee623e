//! Many HTTP/1.1 connections that are kept, each with one request under way: the next one is sent when the answer is there.
//!
//! As little as a client can do, so that the server is what is measured: requests are encoded already, of answers only the
//! status and the length are read. Invariant: an answer other than 200, or one without a length, is an error.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::requests::Requests;

/// Whoever asks for everything once does so in pieces that last so long.
pub(crate) const PIECE: Duration = Duration::from_millis(200);

/// The connections.
pub(crate) struct HttpLoad(Vec<Connection>);

impl HttpLoad {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr, connections: usize) -> Result<Self> {
        let mut load = Self(Vec::new());
        for _ in 0..connections {
            load.0.push(Connection::new(Wire::Plain(dial(address).await?)));
        }
        Ok(load)
    }

    /// Connects over TLS.
    pub(crate) async fn connect_over(address: SocketAddr, connections: usize, tls: &TlsConnector) -> Result<Self> {
        let mut load = Self(Vec::new());
        for _ in 0..connections {
            let stream = tls.connect(address.ip().into(), dial(address).await?).await.context("no TLS")?;
            load.0.push(Connection::new(Wire::Tls(Box::new(stream))));
        }
        Ok(load)
    }

    /// Asks on all connections for this long; returns how long each answer took, in seconds.
    pub(crate) async fn round(&mut self, requests: &Arc<Requests>, lasts: Duration) -> Result<Vec<f64>> {
        let mut tasks = JoinSet::new();
        let end = Instant::now() + lasts;
        for mut connection in self.0.drain(..) {
            let requests = Arc::clone(requests);
            tasks.spawn(async move {
                let took = connection.until(end, &requests).await?;
                anyhow::Ok((connection, took))
            });
        }
        let mut all = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            let (connection, took) = ended.context("a connection's task ended")??;
            self.0.push(connection);
            all.extend(took);
        }
        Ok(all)
    }

    /// Asks until each of these was asked once.
    pub(crate) async fn ask_all(&mut self, requests: &Arc<Requests>) -> Result<()> {
        while requests.progress().0 < requests.progress().1 {
            self.round(requests, PIECE).await?;
        }
        Ok(())
    }

    /// Asks these one after the other; returns the mean length of the answers' bodies in bytes.
    pub(crate) async fn mean_length(&mut self, requests: impl Iterator<Item = &[u8]>) -> Result<usize> {
        let (mut bytes, mut answers) = (0, 0);
        for request in requests {
            bytes += self.0[0].ask(request).await?;
            answers += 1;
        }
        bytes.checked_div(answers).context("nothing was asked")
    }
}

struct Connection {
    wire: Wire,
    buffer: Vec<u8>,
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

async fn dial(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await.context("cannot connect over HTTP")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Wire {
    async fn send(&mut self, request: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(request).await,
            Self::Tls(stream) => {
                stream.write_all(request).await?;
                stream.flush().await
            }
        }
    }

    async fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into).await,
            Self::Tls(stream) => stream.read(into).await,
        }
    }
}

impl Connection {
    fn new(wire: Wire) -> Self {
        Self { wire, buffer: vec![0; 64 << 10] }
    }

    async fn until(&mut self, end: Instant, requests: &Requests) -> Result<Vec<f64>> {
        let mut took = Vec::new();
        let mut begun = Instant::now();
        while begun < end {
            self.ask(requests.next()).await?;
            let now = Instant::now();
            took.push((now - begun).as_secs_f64());
            begun = now;
        }
        Ok(took)
    }

    /// Sends a request and reads the answer to its end; returns the length of its body.
    async fn ask(&mut self, request: &[u8]) -> Result<usize> {
        self.wire.send(request).await?;
        let mut filled = 0;
        let (head, body) = loop {
            ensure!(filled < self.buffer.len(), "the head of an answer is too long");
            filled += self.read(filled).await?;
            if let Some(head) = find(&self.buffer[..filled], b"\r\n\r\n") {
                break (head + 4, length(&self.buffer[..head])?);
            }
        };
        if head + body > self.buffer.len() {
            self.buffer.resize(head + body, 0);
        }
        while filled < head + body {
            filled += self.read(filled).await?;
        }
        ensure!(filled == head + body, "more than one answer to one request");
        Ok(body)
    }

    async fn read(&mut self, filled: usize) -> Result<usize> {
        match self.wire.read(&mut self.buffer[filled..]).await? {
            0 => bail!("the server closed a connection"),
            read => Ok(read),
        }
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// The value of `content-length`, which hyper writes in lower case.
fn length(head: &[u8]) -> Result<usize> {
    const NAME: &[u8] = b"\r\ncontent-length: ";
    if !head.starts_with(b"HTTP/1.1 200 ") {
        bail!("not the answer that was wanted: {}", String::from_utf8_lossy(head));
    }
    let at = find(head, NAME).context("an answer without a length")? + NAME.len();
    let digits = head[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Ok(digits.fold(0, |value, digit| value * 10 + usize::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_answer_is_read_from_its_head() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4096\r\ndate: x";
        assert_eq!(length(head).unwrap(), 4096);
        assert!(length(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 1").is_err());
        assert!(length(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked").is_err());
    }
}
