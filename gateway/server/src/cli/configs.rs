//! `configs` and `config`: config items, all of them or one as every cluster has it.

use serde_json::Value;

use super::args::{ConfigItem, Filter, Global, Name};
use super::client::Client;
use super::clusters::{age_of, freshness, items, text};
use super::exit::{Exit, Failure, Problem};
use super::output::{Format, Output};
use super::printable::printable;
use super::services::namespace;
use super::table::{Table, left, right};

/// Lists all config items, whatever the number of pages.
pub(super) async fn list(
    filter: &Filter,
    global: &Global,
    client: &Client,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let parameters = [
        ("namespaceId", global.namespace.as_deref()),
        ("groupName", global.group.as_deref()),
        ("origin", filter.origin.as_deref()),
    ];
    let document = client.get_all("/v1/configs", &parameters, "configs").await?;
    match output.format {
        Format::Json => output.document(&document)?,
        Format::Table => output.text(&list_table(&document))?,
    }
    Ok(Exit::Ok)
}

fn list_table(document: &Value) -> String {
    let mut table = Table::new([left("NAMESPACE"), left("GROUP"), left("DATA ID"), left("CLUSTERS")]);
    let configs = items(document, "configs");
    for config in configs {
        table.row([
            namespace(config),
            text(config, "groupName"),
            text(config, "dataId"),
            clusters(&config["clusters"]),
        ]);
    }
    format!("{}{} config items\n", table.render(), configs.len())
}

/// Names of clusters, from a list of names or of documents, or from a map by name.
fn clusters(clusters: &Value) -> String {
    let names: Vec<String> = match clusters {
        Value::Object(by_name) => by_name.keys().cloned().collect(),
        Value::Array(list) => {
            list.iter().map(|item| item.as_str().map_or_else(|| text(item, "origin"), str::to_owned)).collect()
        }
        _ => Vec::new(),
    };
    names.join(", ")
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
    let mut document = client.get("/v1/config", &parameters).await?;
    if let Some(origin) = &item.origin {
        keep_origin(&mut document, origin)?;
    }
    match output.format {
        _ if item.content => output.raw(content(&document)?.as_bytes())?,
        Format::Json => output.document(&document)?,
        Format::Table => output.text(&item_text(&document))?,
    }
    Ok(Exit::Ok)
}

/// Leaves only the items of `origin`; none is as good as not found.
fn keep_origin(document: &mut Value, origin: &str) -> Result<(), Failure> {
    let Some(Value::Array(found)) = document.get_mut("items") else { return Ok(()) };
    let others: Vec<String> = found.iter().map(|item| text(item, "origin")).collect();
    found.retain(|item| item["origin"] == origin);
    if !found.is_empty() {
        return Ok(());
    }
    let members = serde_json::json!({
        "title": "not found",
        "detail": format!("{origin} does not have this config item"),
        "clusters": others,
    });
    let Value::Object(members) = members else { unreachable!("written as an object above") };
    Err(Failure::Problem(Problem { status: 404, members }))
}

/// The one content. Where clusters differ, which is meant has to be said.
fn content(document: &Value) -> Result<&str, Failure> {
    let items = items(document, "items");
    let first = items.first().and_then(|item| item["content"].as_str()).unwrap_or_default();
    if items.iter().all(|item| item["content"] == first) {
        return Ok(first);
    }
    let origins: Vec<String> = items.iter().map(|item| text(item, "origin")).collect();
    Err(Failure::Arguments(format!("the contents differ: name one with --origin, of {}", origins.join(", "))))
}

fn item_text(document: &Value) -> String {
    let mut table =
        Table::new([left("ORIGIN"), left("TYPE"), right("BYTES"), left("MD5"), left("FRESHNESS"), right("AGE")]);
    let items = items(document, "items");
    for item in items {
        let bytes = item["content"].as_str().map(|content| content.len().to_string()).unwrap_or_default();
        table.row([text(item, "origin"), text(item, "type"), bytes, text(item, "md5"), freshness(item), age_of(item)]);
    }
    let name =
        format!("{}@@{} in namespace {}", text(document, "groupName"), text(document, "dataId"), namespace(document));
    let mut shown = format!("{}\n{}", printable(&name), table.render());
    for item in items {
        let lines: Vec<String> = item["content"].as_str().unwrap_or_default().lines().map(printable).collect();
        shown.push_str(&format!("\n--- {}\n{}\n", printable(&text(item, "origin")), lines.join("\n")));
    }
    shown
}
