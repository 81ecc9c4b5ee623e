//! HTTP requests to a cluster: its servers are tried in turn, each with its own deadline.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Method, StatusCode};

use super::passing::PassedRequest;
use super::{ClusterError, ClusterOptions, ServerAddress};

/// Largest answer taken, in bytes: a full listing of 100,000 services is about 20 MiB.
const MAX_ANSWER_BYTES: usize = 128 * 1024 * 1024;

/// No server gave an answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Connection refused, name unknown, TLS failed.
    #[error("{server} cannot be reached")]
    Unreachable {
        /// The last server that was tried.
        server: String,
        /// What happened there.
        #[source]
        source: reqwest::Error,
    },
    /// Connected, but no whole answer within the deadline.
    #[error("{server} gave no whole answer within {after:?}")]
    Timeout {
        /// The last server that was tried.
        server: String,
        /// The deadline.
        after: Duration,
    },
    /// The answer broke off.
    #[error("the answer of {server} broke off")]
    Broken {
        /// The last server that was tried.
        server: String,
        /// What happened there.
        #[source]
        source: reqwest::Error,
    },
    /// The answer is larger than this client takes.
    #[error("the answer of {server} is over {limit_bytes} bytes")]
    TooLarge {
        /// The server.
        server: String,
        /// The limit.
        limit_bytes: usize,
    },
}

impl HttpError {
    /// Whether bytes came that are no HTTP. A connection that is merely closed is what a proxy makes of a server that is away.
    pub(super) fn is_nonsense(&self) -> bool {
        let Self::Broken { source, .. } = self else { return false };
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(source);
        while let Some(error) = cause {
            if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

/// What a server said.
#[derive(Clone, Debug)]
pub struct HttpAnswer {
    /// HTTP status.
    pub status: StatusCode,
    /// Body, whole.
    pub body: Bytes,
    /// The server that answered, as `host:port`.
    pub server: String,
}

/// A request to any server of the cluster.
pub(crate) struct HttpRequest<'a> {
    /// Method.
    pub(crate) method: Method,
    /// Below the context path, without a leading slash.
    pub(crate) path: &'a str,
    /// Query parameters.
    pub(crate) query: &'a [(&'a str, &'a str)],
    /// Form fields of the body; empty is no body.
    pub(crate) form: &'a [(&'a str, &'a str)],
    /// Sent as header `accessToken`.
    pub(crate) token: Option<&'a str>,
    /// Time at each server, if that is to be less than for others.
    pub(crate) within: Option<Duration>,
}

/// The HTTP side of one cluster.
pub(crate) struct Http {
    client: reqwest::Client,
    scheme: &'static str,
    prefix: String,
    servers: Vec<ServerAddress>,
    timeout: Duration,
    /// The server that answered last: tried first.
    preferred: AtomicUsize,
}

impl Http {
    pub(super) fn new(options: &ClusterOptions) -> Result<Self, ClusterError> {
        let builder = reqwest::Client::builder()
            .connect_timeout(options.connect_timeout)
            .timeout(options.http_timeout)
            .redirect(reqwest::redirect::Policy::none())
            // A request that times out takes its connection with it. Over HTTP/2 the dead connection would stay, for all that follow.
            .http1_only()
            .pool_idle_timeout(Duration::from_secs(30))
            .no_proxy();
        let builder = match &options.http_tls {
            Some(tls) => builder.tls_backend_preconfigured(tls.configure(&[b"http/1.1"])?),
            // Without https no certificate is ever read, and none must be needed to start.
            None => builder.tls_backend_preconfigured(unused_tls()),
        };
        let path = options.context_path.trim_matches('/');
        Ok(Self {
            client: builder.build().map_err(ClusterError::Http)?,
            scheme: if options.http_tls.is_some() { "https" } else { "http" },
            prefix: if path.is_empty() { "/".to_owned() } else { format!("/{path}/") },
            servers: options.servers.clone(),
            timeout: options.http_timeout,
            preferred: AtomicUsize::new(0),
        })
    }

    /// Asks the servers in turn until one answers with anything but a failure of its own (5xx). The last such failure is returned as the answer
    /// that it is. Only for requests that may be sent twice.
    pub(crate) async fn send(&self, request: HttpRequest<'_>) -> Result<HttpAnswer, HttpError> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut last = None;
        for offset in 0..self.servers.len() {
            let index = (first + offset) % self.servers.len();
            let answer = self.send_to(&self.servers[index], &request).await;
            match &answer {
                Ok(good) if !good.status.is_server_error() || good.status == StatusCode::NOT_IMPLEMENTED => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return answer;
                }
                _ => last = Some(answer),
            }
        }
        last.expect("a cluster has at least one server")
    }

    /// Passes a request on as it is, to the next server only where none of it was sent.
    pub(super) async fn pass(&self, request: &PassedRequest) -> Result<http::Response<reqwest::Body>, HttpError> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut last = None;
        for offset in 0..self.servers.len() {
            let index = (first + offset) % self.servers.len();
            match self.pass_to(&self.servers[index], request).await {
                Ok(answer) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error @ HttpError::Unreachable { .. }) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.expect("a cluster has at least one server"))
    }

    async fn pass_to(
        &self,
        server: &ServerAddress,
        request: &PassedRequest,
    ) -> Result<http::Response<reqwest::Body>, HttpError> {
        let PassedRequest { method, path, query, headers, body, within } = request;
        let mark = if query.is_empty() { "" } else { "?" };
        let url = format!("{}://{server}{}{path}{mark}{query}", self.scheme, self.prefix);
        let sent = self.client.request(method.clone(), url).timeout(*within).headers(headers.clone());
        let answer = sent.body(body.clone()).send().await;
        Ok(answer.map_err(|source| failed(server, *within, source))?.into())
    }

    async fn send_to(&self, server: &ServerAddress, request: &HttpRequest<'_>) -> Result<HttpAnswer, HttpError> {
        let after = request.within.map_or(self.timeout, |within| within.min(self.timeout));
        let failed = |source: reqwest::Error| failed(server, after, source);
        let url = format!("{}://{server}{}{}", self.scheme, self.prefix, request.path);
        let mut builder = self.client.request(request.method.clone(), url).timeout(after).query(request.query);
        if !request.form.is_empty() {
            builder = builder.form(request.form);
        }
        if let Some(token) = request.token {
            builder = builder.header("accessToken", token);
        }
        let mut response = builder.send().await.map_err(failed)?;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(HttpError::TooLarge { server: server.to_string(), limit_bytes: MAX_ANSWER_BYTES });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpAnswer { status: response.status(), body: body.freeze(), server: server.to_string() })
    }
}

fn failed(server: &ServerAddress, after: Duration, source: reqwest::Error) -> HttpError {
    let server = server.to_string();
    match source.is_timeout() && !source.is_connect() {
        true => HttpError::Timeout { server, after },
        false if source.is_connect() => HttpError::Unreachable { server, source: source.without_url() },
        false => HttpError::Broken { server, source: source.without_url() },
    }
}

fn unused_tls() -> rustls::ClientConfig {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs has the default versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}
