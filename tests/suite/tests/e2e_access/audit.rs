//! What was ordered and refused: in the gateway's memory, and in its file.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::ask::Shown;
use crate::stage::Stage;

/// Who does what with which outcome, at which status.
fn acts(stage: &Stage) -> [(Shown, &'static str, &'static str, u64); 5] {
    [
        (Shown::certificate("ops"), "certificate:ops", "done", 200),
        (stage.token("alice"), "jwt:corp/alice", "done", 200),
        (stage.token("viewer"), "token:viewer", "refused", 403),
        (Shown::default(), "anonymous", "refused", 401),
        (stage.token("forged"), "unknown", "refused", 401),
    ]
}

pub(crate) async fn each_act_and_each_refused_one_is_shown_with_who_and_from_where(stage: &mut Stage) -> Result<()> {
    let gateway = &stage.shanghai;
    // Alone it has no such tokens yet.
    let claims = crate::provider::claims("https://id.example", "alice", "sre");
    let forger = crate::provider::SigningKey::edwards(stage.corp.id)?;
    stage.keep_token("alice", &stage.corp.token(&claims)?)?;
    stage.keep_token("forged", &forger.token(&claims)?)?;
    for (number, (shown, _, _, status)) in acts(stage).into_iter().enumerate() {
        let order =
            format!(r#"{{"cluster": "frankfurt", "excluded": false, "reason": "audited {number}", "who": "root"}}"#);
        let told = stage.ask(gateway, &shown, "POST", "/v1/excluded", &order).await?;
        ensure!(u64::from(told.status) == status, "{shown:?}: {told:?}");
    }
    let told = stage.command(gateway, &stage.token("alice"), &["audit", "--since", "1h", "--format", "json"]).await?;
    ensure!(told.code == Some(0), "{told:?}");
    let document: Value = serde_json::from_str(&told.text)?;
    let records = document["records"].as_array().context("no records")?;
    let file = std::fs::read_to_string(gateway.folder().join("audit.jsonl"))?;
    let lines: Vec<Value> = file.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    for (number, (_, who, outcome, status)) in acts(stage).into_iter().enumerate() {
        let mine = |record: &&Value| record["order"]["reason"] == format!("audited {number}").as_str();
        for (place, found) in [("memory", records.iter().find(mine)), ("the file", lines.iter().find(mine))] {
            let record = found.with_context(|| format!("{number} by {who} is not in {place}"))?;
            let from = record["from"].as_str().unwrap_or_default();
            let as_wanted = record["who"] == who
                && record["outcome"] == outcome
                && record["status"] == status
                && record["act"] == "POST /v1/excluded"
                && from.starts_with(&format!("{}:", stage.network.address()));
            ensure!(as_wanted, "{place} has of {number}, by {who}: {record}");
        }
    }
    let told = stage.command(gateway, &stage.token("alice"), &["audit", "--who", "certificate:ops"]).await?;
    ensure!(told.text.contains("POST /v1/excluded") && !told.text.contains("token:viewer"), "{told:?}");
    let told = stage.command(gateway, &stage.token("operator"), &["audit"]).await?;
    ensure!(told.code == Some(5) && told.text.contains("administer"), "{told:?}");
    Ok(())
}
