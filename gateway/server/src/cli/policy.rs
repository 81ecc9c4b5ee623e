//! `policy`: what a document means or all of its mistakes, and what is in force.

use std::time::{SystemTime, UNIX_EPOCH};

use federation_answers::policy::{
    PolicyAnswer, PolicyAsItCame, RefusalDocument, ServicePolicy, ShownDocument, SourceDocument, StandingDocument,
};
use serde::Deserialize;
use serde_json::json;

use super::age::age;
use super::args::{Global, Name, PolicyCheck, PolicyShow};
use super::client::{Answer, Client};
use super::exit::{Exit, Failure};
use super::output::{Format, Output};
use federation_answers::printable::printable;
use federation_policy::document;

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
    let answer = client.get::<PolicyAnswer<'static>>("/v1/policy", &parameters).await?;
    match output.format {
        Format::Json => output.document(&answer.as_it_came)?,
        Format::Table => output.text(&shown(&answer, now_ms())?)?,
    }
    let refused = answer.document.about().sources.iter().any(|source| source.refused.is_some());
    Ok(if refused { Exit::Negative } else { Exit::Ok })
}

/// Comments that say where it is from, and below them the document as it came: a policy that could be published as it stands.
fn shown(answer: &Answer<PolicyAnswer<'_>>, now_ms: u64) -> Result<String, Failure> {
    let about = answer.document.about();
    let mut lines = Vec::new();
    let since = about.since_ms.map(|since| format!(" for {}", age(now_ms.saturating_sub(since))));
    lines.push(format!("version {}, from {}{}", about.version, source(&about.source), since.unwrap_or_default()));
    lines.extend(about.md5.iter().map(|md5| format!("md5 {md5}")));
    lines.extend(about.sources.iter().flat_map(|it| standing(it, now_ms)));
    if let PolicyAnswer::OfService(service) = &answer.document {
        lines.push(of_service(service));
    }
    let PolicyAsItCame { policy } = PolicyAsItCame::deserialize(&answer.as_it_came).map_err(Failure::failed)?;
    let yaml = serde_saphyr::to_string(&policy).map_err(Failure::failed)?;
    let comments: String = lines.iter().map(|line| format!("# {}\n", printable(line))).collect();
    Ok(format!("{comments}{yaml}"))
}

/// Which service it is for, and by which rule.
fn of_service(of: &ServicePolicy<'_>) -> String {
    let rule = match &of.rule {
        None => "no rule names it: the policy of all other services".to_owned(),
        Some(rule) => {
            format!("namespace {:?}, group {:?}, service {:?}", rule.namespace, rule.group, rule.service)
        }
    };
    format!("of {}/{}@@{} by: {rule}", of.namespace_id, of.group_name, of.service_name)
}

/// What is known of a source, unless it is simply there and right.
fn standing(standing: &StandingDocument, now_ms: u64) -> Vec<String> {
    let source = source(&standing.source);
    let mut lines = Vec::new();
    match &*standing.state {
        "not_heard" => lines.push(format!("{source}: not heard yet")),
        "absent" => lines.push(format!("{source}: there is none")),
        _ => {}
    }
    if let Some(RefusalDocument { at_ms, mistakes }) = &standing.refused {
        lines.push(format!("{source}: the newest document is refused, since {}:", age(now_ms.saturating_sub(*at_ms))));
        for it in mistakes {
            let field = if it.field.is_empty() { String::new() } else { format!("{}: ", it.field) };
            lines.push(format!("  line {}: {field}{} (expected: {})", it.line, it.problem, it.expected));
        }
    }
    lines
}

fn source(source: &SourceDocument) -> String {
    let kind = source.kind.replace('_', " ");
    source.name.as_ref().map_or(source.kind.to_string(), |name| format!("{kind} {name}"))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    u64::try_from(since).unwrap_or(u64::MAX)
}
