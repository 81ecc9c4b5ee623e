//! The server, and a client that asks it one question after the other.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use bounded_listener::ListenerGate;
use federation_api::ApiState;
use federation_api::serve::{self, ApiListeners, RoutesBeside, ServeError};
use tokio_util::sync::CancellationToken;

/// Where fixed bytes are.
pub(crate) const FIXED: &str = "/bench/fixed";

/// Serves the API and the pages that ask it, and beside them as many fixed bytes as `length` says; until `stop`.
pub(crate) async fn serve(
    state: ApiState,
    length: Arc<AtomicUsize>,
    stop: CancellationToken,
) -> Result<(SocketAddr, impl Future<Output = Result<(), ServeError>>)> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listeners = ApiListeners::bind(&ListenerGate::default(), any, any)?;
    let http = listeners.http_address();
    let fixed = move || {
        let bytes = vec![b'x'; length.load(Ordering::Relaxed)];
        std::future::ready(([(CONTENT_TYPE, "text/plain")], bytes))
    };
    let http_beside = Router::new().route(FIXED, get(fixed));
    let beside = RoutesBeside { http: http_beside, pages: federation_dashboard::page, ..RoutesBeside::default() };
    Ok((http, serve::run_beside(listeners, state, beside, stop)))
}

/// One HTTP/1.1 connection.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 1 << 20] })
    }

    /// Asks, and reads the answer to its end; returns its body.
    pub(crate) fn ask(&mut self, path: &str) -> Result<Vec<u8>> {
        self.stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").as_bytes())?;
        let mut filled = 0;
        let (head, length) = loop {
            filled += self.read(filled)?;
            if let Some(end) = self.buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") {
                break (end + 4, length(&self.buffer[..end])?);
            }
        };
        self.buffer.resize(self.buffer.len().max(head + length), 0);
        while filled < head + length {
            filled += self.read(filled)?;
        }
        Ok(self.buffer[head..head + length].to_vec())
    }

    fn read(&mut self, filled: usize) -> Result<usize> {
        let read = self.stream.read(&mut self.buffer[filled..])?;
        ensure!(read > 0, "the server closed the connection");
        Ok(read)
    }
}

fn length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head)?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "not the answer that was wanted: {head}");
    let line = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    line.context("an answer without a length")?.parse().context("a length that is none")
}
