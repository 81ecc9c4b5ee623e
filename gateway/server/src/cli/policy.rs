//! `policy`: what a document means or all of its mistakes, and what is in force.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::age::age;
use super::args::{Global, Name, PolicyCheck, PolicyShow};
use super::client::Client;
use super::clusters::{items, text};
use super::exit::{Exit, Failure};
use super::output::{Format, Output};
use super::printable::printable;
use federation_policy::document;
use federation_policy::shown::ShownDocument;

/// Checks a document.
pub(super) fn check(args: &PolicyCheck, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match (document::load(&args.file), output.format) {
        (Ok(policies), Format::Json) => {
            output.document(&json!({"ok": true, "policy": ShownDocument::from(&policies)}))?;
        }
        (Ok(policies), Format::Table) => {
            let yaml = serde_saphyr::to_string(&ShownDocument::from(&policies)).map_err(Failure::failed)?;
            output.text(&format!("# {}: ok; this is what it means:\n{yaml}", args.file))?;
        }
        (Err(mistakes), Format::Json) => {
            output.document(&json!({"ok": false, "mistakes": mistakes.sorted()}))?;
            return Ok(Exit::WrongInput);
        }
        (Err(mistakes), Format::Table) => return Err(mistakes.into()),
    }
    Ok(Exit::Ok)
}

/// Shows what is in force; a newer document that is refused is a negative finding.
pub(super) async fn show(
    args: &PolicyShow,
    global: &Global,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let name = args.service.as_deref().map(|service| Name::parse(service, global.group.as_deref())).transpose()?;
    if name.is_none() && (global.group.is_some() || global.namespace.is_some()) {
        return Err(Failure::Arguments("a namespace or group alone has no policy: name a service".to_owned()));
    }
    let parameters = [
        ("namespaceId", global.namespace.as_deref()),
        ("groupName", name.as_ref().and_then(|name| name.group.as_deref())),
        ("serviceName", name.as_ref().map(|name| name.name.as_str())),
    ];
    let answer = client.get("/v1/policy", &parameters).await?;
    match output.format {
        Format::Json => output.document(&answer)?,
        Format::Table => output.text(&shown(&answer, now_ms())?)?,
    }
    let refused = items(&answer, "sources").iter().any(|source| source["refused"].is_object());
    Ok(if refused { Exit::Negative } else { Exit::Ok })
}

/// Comments that say where it is from, and below them the document: a policy that could be published as it stands.
fn shown(answer: &Value, now_ms: u64) -> Result<String, Failure> {
    let mut lines = Vec::new();
    let since = answer["sinceMs"].as_u64().map(|since| format!(" for {}", age(now_ms.saturating_sub(since))));
    let source = source(&answer["source"]);
    lines.push(format!("version {}, from {source}{}", text(answer, "version"), since.unwrap_or_default()));
    if let Some(md5) = answer["md5"].as_str() {
        lines.push(format!("md5 {md5}"));
    }
    lines.extend(items(answer, "sources").iter().flat_map(|it| standing(it, now_ms)));
    if let Some(name) = answer["serviceName"].as_str() {
        let rule = match &answer["rule"] {
            Value::Null => "no rule names it: the policy of all other services".to_owned(),
            rule => ["namespace", "group", "service"].map(|part| format!("{part} {:?}", text(rule, part))).join(", "),
        };
        let (namespace, group) = (text(answer, "namespaceId"), text(answer, "groupName"));
        lines.push(format!("of {namespace}/{group}@@{name} by: {rule}"));
    }
    let policy = answer.get("policy").or_else(|| answer.get("document")).unwrap_or(&Value::Null);
    let yaml = serde_saphyr::to_string(policy).map_err(Failure::failed)?;
    let comments: String = lines.iter().map(|line| format!("# {}\n", printable(line))).collect();
    Ok(format!("{comments}{yaml}"))
}

/// What is known of a source, unless it is simply there and right.
fn standing(standing: &Value, now_ms: u64) -> Vec<String> {
    let source = source(standing);
    let mut lines = Vec::new();
    match standing["state"].as_str() {
        Some("not_heard") => lines.push(format!("{source}: not heard yet")),
        Some("absent") => lines.push(format!("{source}: there is none")),
        _ => {}
    }
    let refused = &standing["refused"];
    if let Some(at) = refused["atMs"].as_u64() {
        lines.push(format!("{source}: the newest document is refused, since {}:", age(now_ms.saturating_sub(at))));
        for it in items(refused, "mistakes") {
            let field = it["field"].as_str().filter(|field| !field.is_empty()).map(|field| format!("{field}: "));
            let (line, field) = (text(it, "line"), field.unwrap_or_default());
            lines.push(format!("  line {line}: {field}{} (expected: {})", text(it, "problem"), text(it, "expected")));
        }
    }
    lines
}

fn source(source: &Value) -> String {
    match (source["kind"].as_str().unwrap_or_default(), source["name"].as_str()) {
        (kind, Some(name)) => format!("{} {name}", kind.replace('_', " ")),
        (kind, None) => kind.to_owned(),
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    u64::try_from(since).unwrap_or(u64::MAX)
}
