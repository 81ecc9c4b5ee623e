//! `exclude`, `include` and `excluded`: clusters of which nothing counts at the gateway that is asked.

use serde_json::{Map, Value, json};

use super::args::{Exclude, Include};
use super::client::Client;
use super::clusters::{items, text};
use super::drain::user_and_host;
use super::exit::{Exit, Failure, Problem};
use super::output::{Format, Output};
use super::printable::printable;
use super::table::{Table, left};

const PATH: &str = "/v1/excluded";

/// Excludes a cluster.
pub(super) async fn exclude(args: &Exclude, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let body = json!({
        "cluster": args.cluster,
        "excluded": true,
        "reason": args.reason.clone().unwrap_or_default(),
        "who": args.who.clone().unwrap_or_else(user_and_host),
    });
    told(&client.post(PATH, &[], &body).await?, output)
}

/// Lets a cluster count again.
pub(super) async fn include(args: &Include, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let excluded = client.get(PATH, &[]).await?;
    if !items(&excluded, "excluded").iter().any(|it| it["cluster"] == args.cluster.as_str()) {
        let detail = format!("{} is not excluded at this gateway", args.cluster);
        let members =
            Map::from_iter([("title".to_owned(), "Nothing to include".into()), ("detail".to_owned(), detail.into())]);
        return Err(Failure::Problem(Problem { status: 404, members }));
    }
    let body = json!({"cluster": args.cluster, "excluded": false, "who": user_and_host()});
    told(&client.post(PATH, &[], &body).await?, output)
}

fn told(taken: &Value, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let kept = taken["kept"] == true;
    match output.format {
        Format::Json => output.document(taken)?,
        Format::Table => {
            let cluster = printable(&text(taken, "cluster"));
            let what = match taken["excluded"] == true {
                true => {
                    format!("Nothing of {cluster} counts at this gateway any more. Undo: nacos-fed include {cluster}")
                }
                false => format!("{cluster} counts at this gateway again."),
            };
            let restart = if kept { "" } else { "\nIt is NOT kept over a restart: see nacos-fed status." };
            output.text(&format!("{what}{restart}"))?;
        }
    }
    Ok(if kept { Exit::Ok } else { Exit::Negative })
}

/// Lists excluded clusters.
pub(super) async fn list(client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let document = client.get(PATH, &[]).await?;
    match output.format {
        Format::Json => output.document(&document)?,
        Format::Table => {
            let mut table = Table::new([left("CLUSTER"), left("WHO"), left("WHY")]);
            let excluded = items(&document, "excluded");
            excluded.iter().for_each(|it| table.row([text(it, "cluster"), text(it, "who"), text(it, "reason")]));
            output.text(&if excluded.is_empty() { "no cluster is excluded".to_owned() } else { table.render() })?;
        }
    }
    Ok(Exit::Ok)
}
