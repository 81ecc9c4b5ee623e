//! `verify`: whether all gateways have what each cluster says that it has.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use federation_answers::verification::{
    ReadingDocument, VerificationDocument, VerifiedOriginDocument, VerifiedReaderDocument,
};
use tokio::time::{Instant, sleep};

use super::args;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::table::{Table, left};
use federation_answers::printable::printable;

/// A gateway tells what it has each second or each ten seconds: asked more often, nothing new is heard.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Keys of a partition that are shown.
const KEYS: usize = 10;

/// Asks until all are equal, or the time to wait is over; shows the last answer.
pub(super) async fn run(args: &args::Verify, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let until = Instant::now() + args.wait;
    let mut answer = client.get::<VerificationDocument>("/v1/verify", &[]).await?;
    while !answer.document.equal && Instant::now() + ASK_EVERY <= until {
        sleep(ASK_EVERY).await;
        answer = client.get("/v1/verify", &[]).await?;
    }
    output.answer(&answer, shown)?;
    Ok(if answer.document.equal { Exit::Ok } else { Exit::Negative })
}

/// The matrix, and of each origin what differs.
pub(super) fn shown(verification: &VerificationDocument) -> String {
    let mut text = matrix(&verification.origins);
    for origin in &verification.origins {
        text.push_str(&what_differs(origin));
    }
    text
}

/// Gateways by origins. A gateway that leaves an origin out has no word on it.
fn matrix(origins: &[VerifiedOriginDocument]) -> String {
    let mut rows: BTreeMap<(&str, &str), (&str, Vec<String>)> = BTreeMap::new();
    for (column, origin) in origins.iter().enumerate() {
        for reader in &origin.readers {
            let (_, cells) = rows
                .entry((&reader.cluster, &reader.nonce))
                .or_insert_with(|| (&reader.replica, vec![String::new(); origins.len()]));
            cells[column] = verdict(reader);
        }
    }
    let headings = ["CLUSTER", "GATEWAY"].into_iter().chain(origins.iter().map(|origin| &*origin.origin));
    let mut table = Table::new(headings.map(left));
    for ((cluster, _), (replica, cells)) in rows {
        table.row([cluster.to_owned(), replica.to_owned()].into_iter().chain(cells));
    }
    table.render()
}

fn verdict(reader: &VerifiedReaderDocument) -> String {
    match reader.records {
        Some(records) => format!("{} {records}", reader.verdict),
        None => reader.verdict.to_string(),
    }
}

/// What the origin says, who has something else, and where; nothing if all are equal.
fn what_differs(origin: &VerifiedOriginDocument) -> String {
    let unequal: Vec<_> = origin.readers.iter().filter(|reader| reader.verdict != "equal").collect();
    if unequal.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{} ", printable(&origin.origin));
    match &origin.stated {
        None => text.push_str("has not said what it has\n"),
        Some(stated) => {
            let tense = if stated.alive { "says" } else { "said before it ended" };
            let _ = writeln!(text, "{tense}: {}", reading(Some(&stated.reading)));
        }
    }
    for reader in unequal {
        let name = format!("{} {}", reader.cluster, reader.replica);
        let _ = writeln!(text, "  {}: {}, {}", printable(&name), verdict(reader), reading(reader.reading.as_ref()));
    }
    for difference in &origin.differences {
        let place = format!("{}-{}", printable(&difference.topic), difference.partition);
        let _ = writeln!(text, "  here {place} is not what was stated of it, {} records ago", difference.since);
        for key in difference.keys.iter().take(KEYS) {
            let _ = writeln!(text, "    written by no leader in office: {}", printable(key));
        }
        if difference.keys.len() > KEYS {
            let _ = writeln!(text, "    and {} more", difference.keys.len() - KEYS);
        }
    }
    text
}

fn reading(of: Option<&ReadingDocument>) -> String {
    let Some(ReadingDocument { count, digest, place }) = of else {
        return "without a word on what it has".to_owned();
    };
    let digest: String = digest.chars().take(8).collect();
    format!("{count} keys, digest {}…, up to {}", printable(&digest), printable(place))
}
