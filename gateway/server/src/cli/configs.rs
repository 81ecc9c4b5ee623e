//! `configs` and `config`: config items, all of them or one as every cluster has it.

use federation_answers::discovery::{ConfigDocument, ConfigsDocument, ContentSummary, SealedDocument};

use super::args::{ConfigItem, ConfigsFilter, Global, Name};
use super::client::Client;
use super::clusters::{age_of, freshness};
use super::exit::{Exit, Failure, Problem};
use super::output::Output;
use super::services::{filtered, namespace};
use super::table::{Table, left, right};
use federation_answers::printable::printable;

/// Lists all config items, whatever the number of pages.
pub(super) async fn list(
    wanted: &ConfigsFilter,
    global: &Global,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let parameters = [
        ("namespaceId", global.namespace.as_deref()),
        ("groupName", global.group.as_deref()),
        ("origin", wanted.filter.origin.as_deref()),
        ("drift", wanted.drift.then_some("true")),
    ];
    let answer = client.get_all::<ConfigsDocument<'static>>("/v1/configs", &parameters, "configs").await?;
    output.answer(&answer, list_table)?;
    Ok(Exit::Ok)
}

fn list_table(document: &ConfigsDocument<'_>) -> String {
    let mut table = Table::new([left("NAMESPACE"), left("GROUP"), left("DATA ID"), left("CLUSTERS")]);
    for config in &document.configs {
        let cluster = |(cluster, content): (_, &ContentSummary<'_>)| match content.sealed {
            Some(_) => format!("{cluster} (sealed)"),
            None if config.drift => format!("{cluster} {}", content.md5.get(..8).unwrap_or(&content.md5)),
            None => format!("{cluster}"),
        };
        let clusters: Vec<String> = config.clusters.iter().map(cluster).collect();
        table.row([
            namespace(&config.namespace_id),
            config.group_name.to_string(),
            config.data_id.to_string(),
            clusters.join(", "),
        ]);
    }
    format!("{}{} config items{}\n", table.render(), document.configs.len(), filtered(document.filtered))
}

/// Shows one config item.
pub(super) async fn show(
    item: &ConfigItem,
    global: &Global,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let name = Name::parse(&item.data_id, global.group.as_deref())?;
    let parameters = [
        ("namespaceId", global.namespace.as_deref()),
        ("groupName", name.group.as_deref()),
        ("dataId", Some(name.name.as_str())),
        ("origin", item.origin.as_deref()),
    ];
    let mut answer = client.get::<ConfigDocument<'static>>("/v1/config", &parameters).await?;
    if let Some(origin) = &item.origin {
        keep_origin(&mut answer.document, origin)?;
    }
    if item.content {
        output.content(content(&answer.document)?)?;
    } else {
        output.answer(&answer, item_text)?;
    }
    Ok(Exit::Ok)
}

/// Leaves only what `origin` has; nothing is as good as not found.
fn keep_origin(document: &mut ConfigDocument<'_>, origin: &str) -> Result<(), Failure> {
    document.items.retain(|item| item.origin == origin);
    match document.items.is_empty() {
        true => Err(Problem::not_found("There is no such config item", format!("{origin} does not have it"))),
        false => Ok(()),
    }
}

/// The one content. Where clusters differ, which is meant has to be said.
fn content<'a>(document: &'a ConfigDocument<'_>) -> Result<&'a str, Failure> {
    let readable = document.items.iter().filter_map(|item| item.content.as_deref());
    let sealed: Vec<&str> = document.items.iter().filter(|it| it.content.is_none()).map(|it| &*it.origin).collect();
    if !sealed.is_empty() {
        let others = "the contents of some clusters are sealed for this gateway";
        let origins: Vec<&str> = document.items.iter().map(|item| &*item.origin).collect();
        let (sealed, origins) = (sealed.join(", "), origins.join(", "));
        return Err(Failure::Arguments(format!("{others} ({sealed}): name one with --origin, of {origins}")));
    }
    let first = readable.clone().next().unwrap_or_default();
    if readable.clone().all(|content| content == first) {
        return Ok(first);
    }
    let origins: Vec<&str> = document.items.iter().map(|item| &*item.origin).collect();
    Err(Failure::Arguments(format!("the contents differ: name one with --origin, of {}", origins.join(", "))))
}

fn item_text(document: &ConfigDocument<'_>) -> String {
    let mut table =
        Table::new([left("ORIGIN"), left("TYPE"), right("BYTES"), left("MD5"), left("FRESHNESS"), right("AGE")]);
    for item in &document.items {
        let bytes = item.content.as_ref().map_or_else(|| "sealed".to_owned(), |content| content.len().to_string());
        table.row([
            item.origin.to_string(),
            item.r#type.to_string(),
            bytes,
            item.md5.to_string(),
            freshness(&item.freshness, &item.freshness_reason),
            age_of(item.age_ms),
        ]);
    }
    let ConfigDocument { group_name, data_id, namespace_id, .. } = document;
    let name = format!("{group_name}@@{data_id} in namespace {}", namespace(namespace_id));
    let mut shown = format!("{}\n{}", printable(&name), table.render());
    for item in &document.items {
        let sealed = item.sealed.as_ref().map(|SealedDocument { key_id, reason }| match &**reason {
            "cannot_be_opened" => format!("(sealed: cannot be opened by key {key_id})"),
            _ => format!("(sealed under key {key_id}, which the gateway does not have)"),
        });
        let text = sealed.as_deref().or(item.content.as_deref()).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(printable).collect();
        shown.push_str(&format!("\n--- {}\n{}\n", printable(&item.origin), lines.join("\n")));
    }
    shown
}
