//! `verify`: whether all gateways have what each cluster says that it has.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::args;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::{Format, Output};
use super::printable::printable;
use super::table::{Table, left};

/// A gateway tells what it has each second or each ten seconds: asked more often, nothing new is heard.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Keys of a partition that are shown.
const KEYS: usize = 10;

/// Asks until all are equal, or the time to wait is over; shows the last answer.
pub(super) async fn run(args: &args::Verify, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let until = Instant::now() + args.wait;
    let mut answer = client.get("/v1/verify", &[]).await?;
    while !is_equal(&answer) && Instant::now() + ASK_EVERY <= until {
        sleep(ASK_EVERY).await;
        answer = client.get("/v1/verify", &[]).await?;
    }
    match output.format {
        Format::Json => output.document(&answer)?,
        Format::Table => output.text(&shown(&answer))?,
    }
    Ok(if is_equal(&answer) { Exit::Ok } else { Exit::Negative })
}

fn is_equal(answer: &Value) -> bool {
    answer["equal"].as_bool() == Some(true)
}

fn shown(answer: &Value) -> String {
    let origins = items(&answer["origins"]);
    let mut text = matrix(origins);
    for origin in origins {
        text.push_str(&what_differs(origin));
    }
    text
}

/// Gateways by origins. A gateway that leaves an origin out has no word on it.
fn matrix(origins: &[Value]) -> String {
    let mut rows: BTreeMap<(&str, &str), (&str, Vec<String>)> = BTreeMap::new();
    for (column, origin) in origins.iter().enumerate() {
        for reader in items(&origin["readers"]) {
            let place = (word(reader, "cluster"), word(reader, "nonce"));
            let (_, cells) =
                rows.entry(place).or_insert_with(|| (word(reader, "replica"), vec![String::new(); origins.len()]));
            cells[column] = verdict(reader);
        }
    }
    let headings = ["CLUSTER", "GATEWAY"].into_iter().chain(origins.iter().map(|origin| word(origin, "origin")));
    let mut table = Table::new(headings.map(left));
    for ((cluster, _), (replica, cells)) in rows {
        table.row([cluster.to_owned(), replica.to_owned()].into_iter().chain(cells));
    }
    table.render()
}

fn verdict(reader: &Value) -> String {
    match reader["records"].as_u64() {
        Some(records) => format!("{} {records}", word(reader, "verdict")),
        None => word(reader, "verdict").to_owned(),
    }
}

/// What the origin says, who has something else, and where; nothing if all are equal.
fn what_differs(origin: &Value) -> String {
    let readers = items(&origin["readers"]).iter();
    let unequal: Vec<&Value> = readers.filter(|reader| word(reader, "verdict") != "equal").collect();
    if unequal.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{} ", printable(word(origin, "origin")));
    match &origin["stated"] {
        Value::Null => text.push_str("has not said what it has\n"),
        stated => {
            let tense = if stated["alive"] == true { "says" } else { "said before it ended" };
            let _ = writeln!(text, "{tense}: {}", reading(stated));
        }
    }
    for reader in unequal {
        let name = format!("{} {}", word(reader, "cluster"), word(reader, "replica"));
        let _ = writeln!(text, "  {}: {}, {}", printable(&name), verdict(reader), reading(reader));
    }
    for difference in items(&origin["differences"]) {
        let keys = items(&difference["keys"]);
        let (topic, partition, since) = (word(difference, "topic"), &difference["partition"], &difference["since"]);
        let _ = writeln!(text, "  here {topic}-{partition} is not what was stated of it, {since} records ago");
        for key in keys.iter().take(KEYS).filter_map(Value::as_str) {
            let _ = writeln!(text, "    written by no leader in office: {}", printable(key));
        }
        if keys.len() > KEYS {
            let _ = writeln!(text, "    and {} more", keys.len() - KEYS);
        }
    }
    text
}

fn reading(of: &Value) -> String {
    let digest: String = word(of, "digest").chars().take(8).collect();
    match of["count"].as_u64() {
        Some(count) => format!("{count} keys, digest {}…, up to {}", printable(&digest), printable(word(of, "place"))),
        None => "without a word on what it has".to_owned(),
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or("")
}
