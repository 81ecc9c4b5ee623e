//! Makes one call and gives its answer as text.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nacos_protocol::message::Message;
use nacos_protocol::message::internal::{
    ConnectionSetupRequest, ErrorResponse, HealthCheckRequest, ServerCheckRequest, SetupAckRequest,
};
use nacos_protocol::payload::{BiRequestStreamClient, Payload, RequestClient};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

use super::masked::{masked, named};
use super::script::{Area, Step};
use crate::subject::Subject;

/// Longer than a call takes that nothing waits for, shorter than a long poll.
const CALL_PATIENCE: Duration = Duration::from_secs(25);

/// A client of one server, by hand: it writes what no SDK writes.
pub(super) struct Asker {
    address: String,
    http: reqwest::Client,
    token: String,
    calls: RequestClient<Channel>,
    /// Answers pushes: a server stops to push to a client that does not.
    _stream: JoinSet<()>,
    run: u32,
}

impl Asker {
    pub(super) async fn of(subject: &Subject) -> Self {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let http = reqwest::Client::builder().no_proxy().timeout(CALL_PATIENCE).build().unwrap();
        let token = login(&http, &subject.address()).await;
        let grpc = format!("http://127.0.0.1:{}", subject.port() + 1000);
        let channel = Endpoint::from_shared(grpc).unwrap().connect().await.unwrap();
        let mut calls = RequestClient::new(channel.clone());
        let stream = open(&mut calls, channel).await;
        let run = std::process::id() * 16 + RUNS.fetch_add(1, Ordering::Relaxed);
        Self { address: subject.address(), http, token, calls, _stream: stream, run }
    }

    /// A name that no case and no run before used.
    pub(super) fn unique(&self, area: &Area, number: usize) -> String {
        format!("cmp-{}{number}-{}", area.name, self.run)
    }

    pub(super) async fn ask(&mut self, step: &Step, service: &str) -> String {
        let target = named(&step.target, service);
        match &*step.method {
            "GRPC" | "GRPC!" => self.ask_grpc(step, &target, service).await,
            _ => self.ask_http(step, &target, service).await,
        }
    }

    async fn ask_http(&self, step: &Step, target: &str, service: &str) -> String {
        let separator = if target.contains('?') { '&' } else { '?' };
        let url = match step.anonymous {
            true => format!("http://{}{target}", self.address),
            false => format!("http://{}{target}{separator}accessToken={}", self.address, self.token),
        };
        let method = reqwest::Method::from_bytes(step.method.as_bytes()).unwrap();
        let mut request = self.http.request(method, url);
        for (name, value) in &step.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &step.body {
            request = request.body(named(body, service));
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_timeout() => return "no answer in time".to_owned(),
            Err(_) => return "an answer that is no HTTP".to_owned(),
        };
        let status = answer.status();
        let mut head = status.as_u16().to_string();
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        // Of failures, the type of the body follows from what the body is.
        let shown = if status.is_success() { &["content-type", "config-type", "content-md5"][..] } else { &[] };
        for (name, value) in shown.iter().filter_map(|name| header(name).map(|value| (name, value))) {
            let value = value.split(';').next().unwrap_or_default();
            head.push_str(&format!(" {name}={value}"));
        }
        head.extend(header("probe-modify-response").map(|value| format!(" changed={}", value.replace(service, "$s"))));
        let body = String::from_utf8_lossy(&answer.bytes().await.unwrap_or_default()).into_owned();
        format!("{head}\n{}", masked(&body, service, step.raw)).trim_end().to_owned()
    }

    async fn ask_grpc(&mut self, step: &Step, target: &str, service: &str) -> String {
        let (message, json) = target.split_once(' ').expect("a message and its JSON");
        let token = if step.method == "GRPC!" { "wrong" } else { &*self.token };
        let payload = Payload::of_json(message, json.to_owned().into_bytes().into()).with_header("accessToken", token);
        match self.calls.request(payload).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                let json = String::from_utf8_lossy(&answer.json()).into_owned();
                format!("{}\n{}", answer.message_type(), masked(&json, service, step.raw))
            }
            Err(status) => format!("gRPC status {:?}", status.code()),
        }
    }
}

async fn login(http: &reqwest::Client, address: &str) -> String {
    for path in ["/nacos/v3/auth/user/login", "/nacos/v1/auth/users/login"] {
        let user = [("username", "nacos"), ("password", "nacos")];
        let answer = http.post(format!("http://{address}{path}")).form(&user).send().await.unwrap();
        if answer.status().is_success() {
            let login: Value = answer.json().await.unwrap();
            return login["accessToken"].as_str().unwrap().to_owned();
        }
    }
    panic!("no login at {address}");
}

/// Registers the connection, and answers what is pushed.
async fn open(calls: &mut RequestClient<Channel>, channel: Channel) -> JoinSet<()> {
    calls.request(Payload::of(&ServerCheckRequest::default())).await.unwrap();
    let (answers, outbound) = mpsc::channel(8);
    let setup = ConnectionSetupRequest {
        client_version: "Nacos-Java-Client:v2.3.2".into(),
        labels: BTreeMap::from([("source".into(), "sdk".into()), ("module".into(), "naming".into())]),
        // 3.x registers nobody without one.
        ability_table: Some(BTreeMap::new()),
        ..ConnectionSetupRequest::default()
    };
    answers.send(Payload::of(&setup)).await.unwrap();
    let mut stream = BiRequestStreamClient::new(channel);
    let mut pushes = stream.request_bi_stream(ReceiverStream::new(outbound)).await.unwrap().into_inner();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok(Some(push)) = pushes.message().await {
            if push.message_type() == SetupAckRequest::TYPE {
                continue; // Nobody waits for an answer to it.
            }
            let id = serde_json::from_slice::<Value>(&push.json()).ok();
            let id = id.and_then(|json| json["requestId"].as_str().map(str::to_owned)).unwrap_or_default();
            let json = serde_json::json!({"requestId": id, "resultCode": 200, "success": true}).to_string();
            let answer =
                Payload::of_json(&push.message_type().replace("Request", "Response"), json.into_bytes().into());
            if answers.send(answer).await.is_err() {
                return;
            }
        }
    });
    // The set-up has no answer of its own: the check is repeated until it is heard.
    let registered = async {
        while calls.request(Payload::of(&HealthCheckRequest::default())).await.unwrap().into_inner().message_type()
            == ErrorResponse::TYPE
        {
            tokio::time::sleep(super::AGAIN).await;
        }
    };
    tokio::time::timeout(CALL_PATIENCE, registered).await.expect("the connection is registered");
    tasks
}
