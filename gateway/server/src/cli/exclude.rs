//! `exclude`, `include` and `excluded`: clusters of which nothing counts at the gateway that is asked.

use federation_answers::exclusion::{ExcludedDocument, OrderBody, TakenDocument};

use super::args::{Exclude, Include};
use super::client::{Answer, Client};
use super::drain::user_and_host;
use super::exit::{Exit, Failure, Problem};
use super::output::Output;
use super::table::{Table, left};
use federation_answers::printable::printable;

const PATH: &str = "/v1/excluded";

/// Excludes a cluster.
pub(super) async fn exclude(args: &Exclude, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let order = OrderBody {
        cluster: args.cluster.clone(),
        excluded: true,
        reason: args.reason.clone(),
        who: Some(args.who.clone().unwrap_or_else(user_and_host)),
    };
    told(&client.post(PATH, &[], &order).await?, output)
}

/// Lets a cluster count again.
pub(super) async fn include(args: &Include, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let listed = client.get::<ExcludedDocument>(PATH, &[]).await?.document;
    if !listed.excluded.iter().any(|it| it.cluster == args.cluster) {
        let detail = format!("{} is not excluded at this gateway", args.cluster);
        return Err(Problem::not_found("Nothing to include", detail));
    }
    let (cluster, who) = (args.cluster.clone(), Some(user_and_host()));
    let order = OrderBody { cluster, excluded: false, reason: None, who };
    told(&client.post(PATH, &[], &order).await?, output)
}

fn told(answer: &Answer<TakenDocument>, output: &mut Output<'_>) -> Result<Exit, Failure> {
    output.answer(answer, |taken| {
        let cluster = printable(&taken.cluster);
        let what = match taken.excluded {
            true => format!("Nothing of {cluster} counts at this gateway any more. Undo: nacos-fed include {cluster}"),
            false => format!("{cluster} counts at this gateway again."),
        };
        let restart = if taken.kept { "" } else { "\nIt is NOT kept over a restart: see nacos-fed status." };
        format!("{what}{restart}")
    })?;
    Ok(if answer.document.kept { Exit::Ok } else { Exit::Negative })
}

/// Lists excluded clusters.
pub(super) async fn list(client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let answer = client.get(PATH, &[]).await?;
    output.answer(&answer, |document: &ExcludedDocument| {
        if document.excluded.is_empty() {
            return "no cluster is excluded".to_owned();
        }
        let mut table = Table::new([left("CLUSTER"), left("WHO"), left("WHY")]);
        document.excluded.iter().for_each(|it| table.row([it.cluster.clone(), it.who.clone(), it.reason.clone()]));
        table.render()
    })?;
    Ok(Exit::Ok)
}
