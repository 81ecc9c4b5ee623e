//! `audit`: who ordered what at the gateway that is asked.

use std::time::{SystemTime, UNIX_EPOCH};

use federation_answers::audit::{AuditDocument, AuditEntry};
use serde_json::Value;

use super::age::age;
use super::args::Audit;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::table::{Table, left, right};

/// Lists what was ordered.
pub(super) async fn run(args: &Audit, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = args.since.map(|since| now.saturating_sub(since).as_millis().to_string());
    let parameters = [("sinceMs", since.as_deref()), ("who", args.who.as_deref())];
    let answer = client.get::<AuditDocument>("/v1/audit", &parameters).await?;
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    output.answer(&answer, |document| table(document, now_ms))?;
    Ok(Exit::Ok)
}

fn table(document: &AuditDocument, now_ms: u64) -> String {
    if document.records.is_empty() {
        return "nothing was ordered".to_owned();
    }
    let columns = [
        right("AGE"),
        left("WHO"),
        left("FROM"),
        left("TAKEN IN"),
        left("ACT"),
        left("OUTCOME"),
        left("CHANGE"),
        left("ORDER"),
    ];
    let mut table = Table::new(columns);
    for record in &document.records {
        let AuditEntry { at_ms, who, from, taken_in, act, order, outcome, .. } = record;
        let old = age(now_ms.saturating_sub(*at_ms));
        let (from, taken_in) =
            (from.clone().unwrap_or_default(), taken_in.clone().unwrap_or_else(|| "here".to_owned()));
        let outcome = outcome.to_string();
        table.row([old, who.clone(), from, taken_in, act.clone(), outcome, change(record), order.to_string()]);
    }
    table.render()
}

/// `0 -> 30`, `held -> released`, or why nothing changed where that is said in a word.
fn change(record: &AuditEntry) -> String {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (&record.before, &record.after) {
        (Value::Null, Value::Null) => String::new(),
        _ if record.outcome != "done" => record.answer.as_str().unwrap_or_default().to_owned(),
        (Value::Null, after) => word(after),
        (before, after) => format!("{} -> {}", word(before), word(after)),
    }
}
