//! The table of rights, which the tests of the API hold for its handlers, before a running gateway: every path, method and call, for every
//! caller. A path of the gateway's own description that is in no line fails.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use federation_harness::parts::workspace;
use federation_proto::federation::v1 as pb;
use reqwest::{Client, Method};
use serde_json::Value;
use tonic::Code;

use crate::ask::Shown;
use crate::gateway::client;
use crate::provider::claims;
use crate::stage::Stage;

/// Where the table is.
const TABLE: &str = "gateway/faces/api/golden/access/rights.txt";
/// Width of its first column.
const LABEL: usize = 78;
/// What is ordered; a line shows its beginning.
const ORDERS: [(&str, &str); 11] = [
    ("/v1/drains", r#"{"cluster": "frankfurt", "percent": 30}"#),
    (
        "/v1/drains",
        r#"{"cluster": "frankfurt", "percent": 30, "services": {"namespaceId": "prod", "serviceName": "order-*"}}"#,
    ),
    (
        "/v1/drains",
        r#"{"cluster": "shanghai", "percent": 30, "services": {"namespaceId": "prod", "serviceName": "order-*"}}"#,
    ),
    ("/v1/guard", r#"{"id": "frankfurt/prod", "action": "keep"}"#),
    ("/v1/excluded", r#"{"cluster": "frankfurt", "excluded": false}"#),
    ("/v1/front-door/drain", "{}"),
    ("/v1/front-door/undrain", "{}"),
    ("/v1/descriptor", r#"{"cluster": "shanghai", "dryRun": true}"#),
    ("/v1/verify/nacos", "{}"),
    ("/v1/login", r#"{"username": "alice", "password": "x"}"#),
    ("/v1/logout", ""),
];

/// A line: what is asked for, and what comes of it for each caller.
struct Line {
    asked: String,
    cells: Vec<String>,
}

fn read() -> Result<(Vec<String>, Vec<Line>)> {
    let text = std::fs::read_to_string(workspace().join(TABLE)).with_context(|| format!("{TABLE} cannot be read"))?;
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let callers = lines.next().context("the table is empty")?.split_whitespace().map(str::to_owned).collect();
    let line = |line: &str| {
        let (asked, cells) = line.split_at_checked(LABEL).with_context(|| format!("too short: {line}"))?;
        Ok(Line { asked: asked.trim().to_owned(), cells: cells.split_whitespace().map(str::to_owned).collect() })
    };
    Ok((callers, lines.map(line).collect::<Result<_>>()?))
}

pub(crate) async fn every_path_and_call_lets_in_whom_the_table_says(stage: &mut Stage) -> Result<()> {
    let (callers, lines) = read()?;
    let nobody = stage.corp.token(&claims("https://id.example", "nobody", "none"))?;
    stage.keep_token("no-role", &nobody)?;
    let mut shown = Vec::new();
    for caller in &callers {
        shown.push(if caller == "nobody" { Shown::default() } else { stage.token(caller) });
    }
    let http = client(stage.home.path(), None)?;
    is_whole(stage, &http, &lines).await?;
    let mut differences = Vec::new();
    for Line { asked, cells } in &lines {
        ensure!(cells.len() == callers.len(), "{asked} has {} cells", cells.len());
        for ((caller, shown), want) in callers.iter().zip(&shown).zip(cells) {
            let found = match asked.split_once(' ') {
                Some((method, rest)) => over_http(stage, &http, shown, method, rest).await?,
                None => over_grpc(stage, shown, asked).await?,
            };
            if found != want {
                differences.push(format!("{asked}: {caller} got {found}, the table says {want}"));
            }
        }
    }
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

/// Every path and method that the gateway describes is in a line.
async fn is_whole(stage: &Stage, http: &Client, lines: &[Line]) -> Result<()> {
    let path = |asked: &str| asked.split([' ', '?']).take(2).collect::<Vec<_>>().join(" ");
    let known: BTreeSet<String> = lines.iter().map(|line| path(&line.asked)).collect();
    let description: Value = http.get(format!("{}/openapi.json", stage.shanghai.http())).send().await?.json().await?;
    for (path, methods) in description["paths"].as_object().context("no paths are described")? {
        for method in methods.as_object().context("a path has no methods")?.keys() {
            let asked = format!("{} {path}", method.to_uppercase());
            ensure!(known.contains(&asked), "{asked} is in no line of {TABLE}");
        }
    }
    Ok(())
}

async fn over_http(stage: &Stage, http: &Client, shown: &Shown, method: &str, rest: &str) -> Result<&'static str> {
    let (path, _) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut request = http.request(Method::from_bytes(method.as_bytes())?, format!("{}{path}", stage.shanghai.http()));
    if let Some(name) = &shown.token {
        request = request.bearer_auth(std::fs::read_to_string(stage.path(&format!("{name}.token")))?);
    }
    if method == "POST" {
        let begins = |(of, body): &&(&str, &str)| {
            let whole = format!("POST {of} {}", body.replace('"', ""));
            whole.chars().take(LABEL - 1).collect::<String>().trim_end() == format!("POST {rest}")
        };
        let (_, body) = ORDERS.iter().find(begins).with_context(|| format!("nobody knows how to order {rest}"))?;
        request = request.header("content-type", "application/json").body(*body);
    }
    let answer = request.send().await?; // Its body may not end.
    let status = answer.status().as_u16();
    if path == "/v1/login" && answer.text().await?.contains("login-refused") {
        return Ok("yes"); // Whoever likes may try: this is the answer to the password.
    }
    Ok(match status {
        401 => "401",
        403 => "403",
        500 => bail!("{method} {rest} answers 500"),
        _ => "yes",
    })
}

async fn over_grpc(stage: &Stage, shown: &Shown, asked: &str) -> Result<&'static str> {
    let (namespace_id, service_name) = (Some("prod".to_owned()), "order-a".to_owned());
    let (channel, path) = (stage.channel(&stage.shanghai, shown)?, format!("/{asked}"));
    let orders = || "orders".to_owned();
    let (code, text) = match asked {
        "federation.v1.Discovery/ListClusters" => {
            stage.call(channel, shown, &path, pb::ListClustersRequest::default()).await?
        }
        "federation.v1.Discovery/ListServices" => {
            stage.call(channel, shown, &path, pb::ListServicesRequest::default()).await?
        }
        "federation.v1.Discovery/GetService" => {
            let request = pb::GetServiceRequest { namespace_id, service_name, ..Default::default() };
            stage.call(channel, shown, &path, request).await?
        }
        "federation.v1.Discovery/WatchService" => {
            let request = pb::WatchServiceRequest { namespace_id, service_name, ..Default::default() };
            stage.call(channel, shown, &path, request).await?
        }
        "federation.v1.Discovery/ListConfigs" => {
            stage.call(channel, shown, &path, pb::ListConfigsRequest::default()).await?
        }
        "federation.v1.Discovery/GetConfig" => {
            let request =
                pb::GetConfigRequest { group_name: "g".into(), data_id: "app.yaml".into(), ..Default::default() };
            stage.call(channel, shown, &path, request).await?
        }
        "federation.v1.Routing/Resolve" => {
            let request = pb::ResolveRequest { service_name: orders(), ..Default::default() };
            stage.call(channel, shown, &path, request).await?
        }
        "federation.v1.Routing/WatchResolve" => {
            let request = pb::WatchResolveRequest { service_name: orders(), ..Default::default() };
            stage.call(channel, shown, &path, request).await?
        }
        "federation.v1.Routing/Explain" => {
            let request = pb::ExplainRequest { service_name: orders(), ..Default::default() };
            stage.call(channel, shown, &path, request).await?
        }
        other => bail!("nobody knows how to call {other}"),
    };
    Ok(match code {
        Code::Unauthenticated => "401",
        Code::PermissionDenied => "403",
        Code::Unavailable | Code::Internal | Code::Unknown => bail!("{asked}: {code:?} {text}"),
        _ => "yes",
    })
}
