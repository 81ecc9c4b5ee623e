//! A thin client of a gateway's HTTP API.
//!
//! Input: paths and query parameters. Output: documents as they came and as they are understood, or a [`Failure`] that says what the answer
//! means. The gateway may be older or newer than this program: what is not known of a document is skipped, and passed on as JSON.

use std::path::Path;
use std::time::Duration;

use federation_answers::problem::ProblemDocument;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use reqwest::{Certificate, ClientBuilder, Identity, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::args::{Credentials, ServerTrust};
use super::exit::{Failure, Problem};
use super::sessions::KeptSessions;
use federation_document::text_file;

/// A gateway that does not accept a connection within this is not there: it is on this machine or a round trip away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest answer is a page of a thousand services; a gateway that needs longer is as good as gone.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Items per page; the most that the API gives at once.
pub(super) const PAGE_SIZE: usize = 1000;

/// The builder with what is trusted and shown, and the address to ask for: with the name that the certificate has to bear, if one is
/// given, which then stands for the address that was. The request itself asks for that address still.
fn trusting(
    mut builder: ClientBuilder,
    headers: &mut HeaderMap,
    server: &Url,
    trust: &ServerTrust,
) -> Result<(ClientBuilder, Url), Failure> {
    if let Some(path) = &trust.ca {
        let authorities = Certificate::from_pem_bundle(&read(path)?).map_err(unusable(path))?;
        if authorities.is_empty() {
            return Err(Failure::Arguments(format!("there is no certificate in {}", path.display())));
        }
        builder = builder.tls_certs_only(authorities);
    }
    match (&trust.cert, &trust.key) {
        (Some(cert), Some(key)) => {
            let both = [read(cert)?, b"\n".to_vec(), read(key)?].concat();
            builder = builder.identity(Identity::from_pem(&both).map_err(unusable(cert))?);
        }
        (None, None) => {}
        _ => return Err(Failure::Arguments("--cert and --key belong together".to_owned())),
    }
    let Some(name) = &trust.tls_server_name else { return Ok((builder, server.clone())) };
    let nowhere = |reason: String| Failure::NotAGateway { server: server.to_string(), reason };
    let found = server.socket_addrs(|| None).map_err(|error| nowhere(error.to_string()))?;
    let address = *found.first().ok_or_else(|| nowhere("its host has no address".to_owned()))?;
    let mut named = server.clone();
    named.set_host(Some(name)).map_err(|error| Failure::Arguments(format!("--tls-server-name {name:?}: {error}")))?;
    let asked_for = HeaderValue::from_str(server.authority()).map_err(|error| nowhere(error.to_string()))?;
    headers.insert(HOST, asked_for);
    Ok((builder.resolve(name, address), named))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::Arguments(format!("{} cannot be read: {error}", path.display())))
}

fn unusable(path: &Path) -> impl Fn(reqwest::Error) -> Failure + '_ {
    |error| Failure::Arguments(format!("{} cannot be used: {error}", path.display()))
}

/// Asks one gateway.
pub(super) struct Client {
    http: reqwest::Client,
    server: Url,
}

/// What a gateway answered.
#[derive(Debug)]
pub(super) struct Answer<T> {
    /// All of it, also what this program does not know.
    pub(super) as_it_came: Value,
    /// What is known of it.
    pub(super) document: T,
}

/// Largest file of a token in bytes.
const LARGEST_TOKEN_BYTES: u64 = 16 << 10;

/// Query parameters by name; those without a value are left out.
pub(super) type Parameters<'a> = [(&'a str, Option<&'a str>)];

/// Whether what is sent there stays on this machine.
fn is_near(server: &Url) -> bool {
    match server.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// What others could read on the way is not sent unless that is asked for.
fn refuse_clear(what: &str, server: &Url, credentials: &Credentials) -> Result<(), Failure> {
    if server.scheme() == "https" || is_near(server) || credentials.plain_token {
        return Ok(());
    }
    let reason = format!("the {what} would be sent to {server} in clear: use https, or say --plain-token");
    Err(Failure::Arguments(reason))
}

/// The header that shows the token of a file.
fn bearer(file: &Path) -> Result<HeaderValue, Failure> {
    let name = file.display();
    let unusable = |reason: &str| Failure::Arguments(format!("no token in {name}: {reason}"));
    let text = text_file::read(file, LARGEST_TOKEN_BYTES).map_err(|reason| unusable(&reason))?;
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(unusable("one line with nothing else is needed"));
    }
    let header = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut header = header.map_err(|_| unusable("it has characters that no token has"))?;
    header.set_sensitive(true); // Shown nowhere.
    Ok(header)
}

impl Client {
    /// For the gateway at `server`, which is shown the token that is named, or that of the session that is kept for it.
    pub(super) fn new(server: &Url, credentials: &Credentials, trust: &ServerTrust) -> Result<Self, Failure> {
        let kept = || KeptSessions::found(credentials)?.file_of(server);
        match credentials.token_file.clone().or_else(kept) {
            Some(file) => Self::showing(server, &file, credentials, trust),
            None => Self::with(server, HeaderMap::new(), trust),
        }
    }

    /// For a gateway that is shown the token of this file.
    pub(super) fn showing(
        server: &Url,
        file: &Path,
        credentials: &Credentials,
        trust: &ServerTrust,
    ) -> Result<Self, Failure> {
        refuse_clear("token", server, credentials)?;
        Self::with(server, HeaderMap::from_iter([(AUTHORIZATION, bearer(file)?)]), trust)
    }

    /// For a gateway that is shown nothing, and told a password.
    pub(super) fn unknown(server: &Url, credentials: &Credentials, trust: &ServerTrust) -> Result<Self, Failure> {
        refuse_clear("password", server, credentials)?;
        Self::with(server, HeaderMap::new(), trust)
    }

    /// Proxies of the environment are not used: a gateway is a part of one's own network.
    fn with(server: &Url, mut headers: HeaderMap, trust: &ServerTrust) -> Result<Self, Failure> {
        let builder = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).no_proxy();
        let (builder, server) = trusting(builder, &mut headers, server, trust)?;
        Ok(Self { http: builder.default_headers(headers).build().map_err(Failure::failed)?, server })
    }

    /// The document at `path`.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &Parameters<'_>,
    ) -> Result<Answer<T>, Failure> {
        self.answer(path, self.http.get(self.url(path, parameters))).await
    }

    /// What `path` answers to a document.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &Parameters<'_>,
        body: &impl Serialize,
    ) -> Result<Answer<T>, Failure> {
        self.answer(path, self.http.post(self.url(path, parameters)).json(body)).await
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        path: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<Answer<T>, Failure> {
        let request = request.timeout(ANSWER_TIMEOUT);
        let answer = self.succeed(request.send().await).await?;
        let bytes = answer.bytes().await.map_err(|error| self.unreachable(error))?;
        let as_it_came = serde_json::from_slice(&bytes)
            .map_err(|error| self.not_a_gateway(format!("no JSON at {path}: {error}")))?;
        // Of the text, not of the value, which has lost the order of fields.
        let document = serde_json::from_slice(&bytes).map_err(|error| self.not_understood(path, &error))?;
        Ok(Answer { as_it_came, document })
    }

    /// Every item of the paged list at `path`, as one document: that of the first page with all items in `list`.
    pub(super) async fn get_all<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &Parameters<'_>,
        list: &str,
    ) -> Result<Answer<T>, Failure> {
        let page_size = PAGE_SIZE.to_string();
        let mut items = Vec::new();
        let mut page_number = 1_usize;
        loop {
            let number = page_number.to_string();
            let mut with_page = parameters.to_vec();
            with_page.extend([("pageNo", Some(number.as_str())), ("pageSize", Some(page_size.as_str()))]);
            let mut page = self.get::<Value>(path, &with_page).await?.document;
            let Some(Value::Array(found)) = page.get_mut(list).map(Value::take) else {
                return Err(self.not_a_gateway(format!("no `{list}` at {path}")));
            };
            let total = page.get("total").and_then(Value::as_u64).unwrap_or(0);
            let last = found.len() < PAGE_SIZE;
            items.extend(found);
            if last || items.len() as u64 >= total {
                page["pageNo"] = 1.into();
                page["pageSize"] = items.len().into();
                page[list] = Value::Array(items);
                let document = T::deserialize(&page).map_err(|error| self.not_understood(path, &error))?;
                return Ok(Answer { as_it_came: page, document });
            }
            page_number += 1;
        }
    }

    /// A stream of server-sent events.
    pub(super) async fn stream(&self, path: &str, parameters: &Parameters<'_>) -> Result<Response, Failure> {
        let request = self.http.get(self.url(path, parameters)).header(ACCEPT, "text/event-stream");
        self.succeed(request.send().await).await
    }

    /// A connection that broke or never was.
    pub(super) fn unreachable(&self, source: reqwest::Error) -> Failure {
        Failure::Unreachable { server: self.server.to_string(), source: source.without_url() }
    }

    /// An answer that no gateway gives.
    pub(super) fn not_a_gateway(&self, reason: String) -> Failure {
        Failure::NotAGateway { server: self.server.to_string(), reason }
    }

    fn not_understood(&self, path: &str, error: &serde_json::Error) -> Failure {
        self.not_a_gateway(format!("no such document as expected at {path}: {error}"))
    }

    fn url(&self, path: &str, parameters: &Parameters<'_>) -> Url {
        let mut url = self.server.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{path}"));
        url.set_query(None);
        for (name, value) in parameters {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url
    }

    async fn succeed(&self, answer: Result<Response, reqwest::Error>) -> Result<Response, Failure> {
        let answer = answer.map_err(|error| self.unreachable(error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        let is_problem = answer
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/problem+json"));
        if !is_problem {
            return Err(self.not_a_gateway(format!("HTTP status {status} without a problem document")));
        }
        let bytes = answer.bytes().await.map_err(|error| self.unreachable(error))?;
        let document: ProblemDocument = serde_json::from_slice(&bytes).map_err(|error| {
            self.not_a_gateway(format!("HTTP status {status} with a broken problem document: {error}"))
        })?;
        Err(Failure::Problem(Box::new(Problem { status, document })))
    }
}
