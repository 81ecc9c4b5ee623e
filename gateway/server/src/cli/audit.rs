//! `audit`: who ordered what at the gateway that is asked.

use std::time::{SystemTime, UNIX_EPOCH};

use federation_answers::audit::{AuditDocument, AuditEntry};

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
    let columns = [right("AGE"), left("WHO"), left("FROM"), left("ACT"), left("OUTCOME"), left("ORDER")];
    let mut table = Table::new(columns);
    for record in &document.records {
        let AuditEntry { at_ms, who, from, act, order, outcome, .. } = record;
        let old = age(now_ms.saturating_sub(*at_ms));
        let from = from.clone().unwrap_or_default();
        table.row([old, who.clone(), from, act.clone(), outcome.to_string(), order.to_string()]);
    }
    table.render()
}
