//! Three ways to ask a gateway, as three programs do: curl over HTTP, a client of gRPC, and `nacos-fed`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use federation_harness::CommandTold;
use prost::Message;
use serde_json::Value;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

use crate::gateway::AccessGateway;
use crate::stage::{PATIENCE, Stage};

/// For the first message of an answer that may have none for long: a watch.
const FIRST_WITHIN: Duration = Duration::from_secs(2);

/// What is shown to say who asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// Name of a file with a token, without its end.
    pub(crate) token: Option<String>,
    /// Name of a certificate and its key.
    pub(crate) certificate: Option<String>,
}

impl Shown {
    pub(crate) fn certificate(name: &str) -> Self {
        Self { certificate: Some(name.to_owned()), token: None }
    }

    /// The same with a certificate, for a gateway that lets nobody in without.
    pub(crate) fn with(self, certificate: &str) -> Self {
        Self { certificate: Some(certificate.to_owned()), ..self }
    }
}

/// What curl was told.
#[derive(Debug)]
pub(crate) struct CurlTold {
    /// Of curl, 0 unless there was no answer at all.
    pub(crate) exit: Option<i32>,
    /// Of HTTP; 0 without an answer.
    pub(crate) status: u16,
    /// The body, and what curl complains of.
    pub(crate) text: String,
}

impl CurlTold {
    /// The answer, if it is JSON.
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

impl Stage {
    /// What is shown with the token of this name.
    pub(crate) fn token(&self, name: &str) -> Shown {
        Shown { token: Some(name.to_owned()), certificate: None }
    }

    /// Keeps a token as a secret, in NAME.token, and shows it.
    pub(crate) fn keep_token(&self, name: &str, token: &str) -> Result<Shown> {
        self.memory.hide(&format!("the token {name}"), token);
        std::fs::write(self.path(&format!("{name}.token")), token)?;
        Ok(self.token(name))
    }

    /// Asks with curl.
    pub(crate) async fn curl(
        &self,
        gateway: &AccessGateway,
        shown: &Shown,
        arguments: &[&str],
        path: &str,
    ) -> Result<CurlTold> {
        let mut command = tokio::process::Command::new("curl");
        command.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--cacert", "ca.crt"]);
        command.args(["--write-out", "\n%{http_code}"]).args(arguments);
        if let Some(name) = &shown.certificate {
            command.args(["--cert", &format!("{name}.crt"), "--key", &format!("{name}.key")]);
        }
        if let Some(name) = &shown.token {
            // A header on the command line would be seen by everybody on the machine.
            let token = std::fs::read_to_string(self.path(&format!("{name}.token")))?;
            std::fs::write(self.path(&format!("{name}.header")), format!("authorization: Bearer {token}\n"))?;
            command.args(["--header", &format!("@{name}.header")]);
        }
        command.arg(format!("{}{path}", gateway.http())).current_dir(self.home.path()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output()).await.context("curl does not end")?;
        let output = output.context("curl cannot be started")?;
        let (text, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let (body, status) = text.rsplit_once('\n').context("curl has no last line")?;
        let told = CurlTold { exit: output.status.code(), status: status.parse()?, text: format!("{body}{complaint}") };
        if told.status != 200 {
            self.memory.said(&told.text);
        }
        Ok(told)
    }

    /// Asks, or orders something if there is a body.
    pub(crate) async fn ask(
        &self,
        gateway: &AccessGateway,
        shown: &Shown,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<CurlTold> {
        let mut arguments = vec!["--request", method];
        if !body.is_empty() {
            arguments.extend(["--header", "content-type: application/json", "--data", body]);
        }
        // Frankfurt lets nobody in without a certificate; this one stands for nobody.
        let shown = if gateway.wants_certificates() && shown.certificate.is_none() {
            shown.clone().with("unnamed")
        } else {
            shown.clone()
        };
        self.curl(gateway, &shown, &arguments, path).await
    }

    /// Asks with the command line.
    pub(crate) async fn command(
        &self,
        gateway: &AccessGateway,
        shown: &Shown,
        arguments: &[&str],
    ) -> Result<CommandTold> {
        let mut all: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        all.extend(["--server".to_owned(), gateway.http(), "--ca".to_owned(), "ca.crt".to_owned()]);
        if let Some(name) = &shown.token {
            all.extend(["--token-file".to_owned(), format!("{name}.token")]);
        }
        if let Some(name) = &shown.certificate {
            all.extend(["--cert".to_owned(), format!("{name}.crt"), "--key".to_owned(), format!("{name}.key")]);
        }
        let told = gateway.run(&all.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        if told.code != Some(0) {
            self.memory.said(&told.text);
        }
        Ok(told)
    }

    /// A connection of gRPC; made with the first call.
    pub(crate) fn channel(&self, gateway: &AccessGateway, shown: &Shown) -> Result<Channel> {
        let read = |name: PathBuf| std::fs::read(&name).with_context(|| format!("{} cannot be read", name.display()));
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(self.path("ca.crt"))?));
        if let Some(name) = &shown.certificate {
            let [certificate, key] = ["crt", "key"].map(|end| read(self.path(&format!("{name}.{end}"))));
            tls = tls.identity(Identity::from_pem(certificate?, key?));
        }
        Ok(Endpoint::from_shared(gateway.grpc())?.tls_config(tls)?.connect_timeout(PATIENCE).connect_lazy())
    }

    /// Calls over gRPC; the status, with all that is known of it.
    pub(crate) async fn call<M: Message + Default + 'static>(
        &self,
        channel: Channel,
        shown: &Shown,
        path: &str,
        message: M,
    ) -> Result<(Code, String)> {
        let mut request = tonic::Request::new(message);
        if let Some(name) = &shown.token {
            let token = std::fs::read_to_string(self.path(&format!("{name}.token")))?;
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
        }
        let called = async {
            let mut client = tonic::client::Grpc::new(channel);
            client.ready().await.map_err(|error| Status::unavailable(sources(&error)))?;
            // An answer is not looked into: what is known as nothing of it is passed over.
            let codec = ProstCodec::<M, ()>::default();
            let answer = client.server_streaming(request, path.parse().expect("a path of gRPC"), codec).await?;
            match tokio::time::timeout(FIRST_WITHIN, answer.into_inner().message()).await {
                Ok(first) => first.map(|_| ()),
                Err(_) => Ok(()),
            }
        };
        let told = match tokio::time::timeout(PATIENCE, called).await.context("a call does not end")? {
            Ok(()) => (Code::Ok, String::new()),
            Err(status) => (status.code(), format!("{}: {}", status.message(), sources(&status))),
        };
        self.memory.said(&told.1);
        Ok(told)
    }
}

/// An error with its causes.
fn sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
