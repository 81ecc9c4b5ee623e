//! `verify --nacos`: whether the log of a gateway's own cluster has what its Nacos answers when it is asked anew.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use federation_answers::nacos_comparison::{
    NacosComparisonBegunDocument, NacosComparisonBody, NacosComparisonDocument, NacosDifferenceDocument,
};
use tokio::time::sleep;

use super::client::{Answer, Client};
use super::exit::{Exit, Failure};
use super::output::Output;
use super::table::{Table, left};
use federation_answers::printable::printable;

const PATH: &str = "/v1/verify/nacos";
/// A gateway tells how far it is twice a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// So many looks that know nothing of the comparison are those of a gateway that has forgotten it.
const UNSEEN: u32 = 20;
/// Names without an answer that are shown.
const UNREAD: usize = 10;

/// Has the gateway compare, waits until it has, and shows what it found.
pub(super) async fn run(client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let begun = client.post::<NacosComparisonBegunDocument>(PATH, &[], &NacosComparisonBody {}).await?.document;
    let answer = ended(begun.round, client).await?;
    output.answer(&answer, shown)?;
    Ok(if answer.document.equal { Exit::Ok } else { Exit::Negative })
}

/// The comparison of that number, or a later one, once it has ended. A gateway that was restarted meanwhile has forgotten it.
async fn ended(round: u64, client: &Client) -> Result<Answer<NacosComparisonDocument>, Failure> {
    let mut unseen = 0_u32;
    loop {
        let answer = client.get::<NacosComparisonDocument>(PATH, &[]).await?;
        let document = &answer.document;
        unseen += u32::from(document.round < round);
        if unseen > UNSEEN {
            return Err(Failure::failed(anyhow::anyhow!("the gateway was restarted while it compared; ask again")));
        }
        if document.round >= round && document.ended {
            tell(None);
            return Ok(answer);
        }
        tell(Some(document));
        sleep(LOOK_EVERY).await;
    }
}

/// How far it is, on one line of a terminal that is written over; nothing elsewhere. A terminal that is gone is no failure.
fn tell(document: Option<&NacosComparisonDocument>) {
    let mut terminal = std::io::stderr();
    if !terminal.is_terminal() {
        return;
    }
    let line = document.map_or_else(String::new, |document| {
        format!("{} of {} services and config items have answered", document.answered, document.of)
    });
    let _ = write!(terminal, "\r\x1b[K{line}").and_then(|()| terminal.flush());
}

/// What was compared, and what differs.
pub(super) fn shown(document: &NacosComparisonDocument) -> String {
    let NacosComparisonDocument { cluster, of, answered, facts, different, silent, .. } = document;
    let cluster = printable(cluster);
    let mut text = format!(
        "{answered} of {of} services and config items of {cluster} were read from its nacos, with {facts} instances and items.\n"
    );
    match different {
        0 => text.push_str("The log has the same of them.\n"),
        _ => {
            text.push_str(&format!("The log has something else of {different}:\n\n"));
            text.push_str(&table(&document.differences));
            let more = different.saturating_sub(document.differences.len() as u64);
            if more > 0 {
                text.push_str(&format!("and {more} more\n"));
            }
        }
    }
    if *silent > 0 {
        let names: Vec<String> = document.unread.iter().take(UNREAD).map(|name| printable(name)).collect();
        text.push_str(&format!("No answer came for {silent}: {}\n", names.join(", ")));
    }
    if document.partly > 0 {
        text.push_str(&format!(
            "Of {} services this account may not read the disabled instances: those were not compared.\n",
            document.partly
        ));
    }
    text
}

fn table(differences: &[NacosDifferenceDocument]) -> String {
    let mut table = Table::new([left("KEY"), left("DIFFERENCE")]);
    for difference in differences {
        table.row([printable(&difference.key), in_words(difference)]);
    }
    table.render()
}

fn in_words(difference: &NacosDifferenceDocument) -> String {
    match &*difference.kind {
        "notInLog" => "nacos has it, the log does not".to_owned(),
        "notInNacos" => "the log has it, nacos does not".to_owned(),
        "held" => {
            let reason = difference.reason.as_deref().unwrap_or_default();
            format!("the log has it, nacos does not; its removal is held: {}", printable(reason))
        }
        "values" => format!("other values: {}", difference.fields.join(", ")),
        "unreadable" => "the log's value cannot be read".to_owned(),
        other => printable(other),
    }
}
