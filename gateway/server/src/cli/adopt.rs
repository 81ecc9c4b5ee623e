//! `adopt`: the cluster is what the gateway that is asked is configured to be.

use serde_json::{Value, json};

use super::args::Adopt;
use super::client::Client;
use super::clusters::{items, text};
use super::drain::user_and_host;
use super::exit::{Exit, Failure};
use super::output::{Format, Output};
use super::printable::printable;
use super::table::{Table, left};

const PATH: &str = "/v1/descriptor";

/// Adopts, or shows what that would change.
pub(super) async fn run(args: &Adopt, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let body = json!({
        "cluster": args.cluster,
        "dryRun": args.dry_run,
        "reason": args.reason.clone().unwrap_or_default(),
        "who": args.who.clone().unwrap_or_else(user_and_host),
    });
    let adopted = client.post(PATH, &[], &body).await?;
    match output.format {
        Format::Json => output.document(&adopted)?,
        Format::Table => output.text(&told(&adopted))?,
    }
    Ok(Exit::Ok)
}

fn told(adopted: &Value) -> String {
    let cluster = printable(&text(adopted, "cluster"));
    if adopted["changes"] != true {
        return format!("{cluster} is what this gateway is configured to be already.\n{}", table(adopted));
    }
    let contradicts = !items(adopted, "contradictions").is_empty();
    let outcome = match (adopted["dryRun"] == true, contradicts) {
        (true, true) => format!(
            "It would be adopted: gateways that are as {cluster} was become strangers and lead no more, and its instances follow the nacos \
             of this gateway: those that it does not have are removed."
        ),
        (true, false) => "It would be adopted; nobody becomes a stranger by it.".to_owned(),
        (false, true) => format!(
            "It is adopted: gateways that are as {cluster} was are strangers now and lead no more. To undo it, adopt what was at one of them."
        ),
        (false, false) => "It is adopted; nobody becomes a stranger by it.".to_owned(),
    };
    format!("{}\n{outcome}", table(adopted))
}

/// What was and what is, a line for each part that either has.
fn table(adopted: &Value) -> String {
    let mut table = Table::new([left(""), left("WAS"), left("IS")]);
    let parts = [
        ("region", "region"),
        ("zone", "zone"),
        ("sub-zone", "subZone"),
        ("network", "network"),
        ("nacos servers", "nacosServers"),
        ("partitions", "partitions"),
    ];
    for (name, member) in parts {
        let [was, is] = ["was", "descriptor"].map(|of| plain(&adopted[of][member]));
        if !(was.is_empty() && is.is_empty()) {
            table.row([name.to_owned(), was, is]);
        }
    }
    table.render()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
