//! `adopt`: the cluster is what the gateway that is asked is configured to be.

use federation_answers::descriptor::{AdoptedDocument, DescriptorDocument, OrderBody};

use super::args::Adopt;
use super::client::Client;
use super::drain::user_and_host;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::table::{Table, left};
use federation_answers::printable::printable;

const PATH: &str = "/v1/descriptor";

/// Adopts, or shows what that would change.
pub(super) async fn run(args: &Adopt, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let order = OrderBody {
        cluster: args.cluster.clone(),
        dry_run: args.dry_run,
        reason: args.reason.clone(),
        who: Some(args.who.clone().unwrap_or_else(user_and_host)),
    };
    let answer = client.post(PATH, &[], &order).await?;
    output.answer(&answer, told)?;
    Ok(Exit::Ok)
}

fn told(adopted: &AdoptedDocument) -> String {
    let cluster = printable(&adopted.cluster);
    if !adopted.changes {
        return format!("{cluster} is what this gateway is configured to be already.\n{}", table(adopted));
    }
    let outcome = match (adopted.dry_run, !adopted.contradictions.is_empty()) {
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
fn table(adopted: &AdoptedDocument) -> String {
    let mut table = Table::new([left(""), left("WAS"), left("IS")]);
    let parts_were = adopted.was.as_ref().map(parts).unwrap_or_default();
    let names = ["region", "zone", "sub-zone", "network", "nacos servers", "partitions"];
    for ((name, was), is) in names.into_iter().zip(parts_were).zip(parts(&adopted.descriptor)) {
        if !(was.is_empty() && is.is_empty()) {
            table.row([name.to_owned(), was, is]);
        }
    }
    table.render()
}

fn parts(descriptor: &DescriptorDocument) -> [String; 6] {
    let DescriptorDocument { region, zone, sub_zone, network, nacos_servers, partitions, .. } = descriptor;
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let [region, zone, sub_zone, network] = [region, zone, sub_zone, network].map(text);
    [region, zone, sub_zone, network, nacos_servers.join(", "), partitions.to_string()]
}
