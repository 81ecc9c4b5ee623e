//! Gateways in federations of their own, for faults that would disturb the shared ones.

use anyhow::{Context, Result, ensure};
use federation_harness::process::tail;
use federation_harness::{Gateway, GatewayOptions};

/// A gateway whose configuration is changed before its first start: each `from`, which must occur, becomes `to`.
pub(crate) async fn prepare(options: &GatewayOptions, edits: &[(&str, &str)]) -> Result<Gateway> {
    let gateway = Gateway::prepare(options).await?;
    edit(&gateway, edits)?;
    Ok(gateway)
}

/// Changes the configuration that the gateway reads at its next start.
pub(crate) fn edit(gateway: &Gateway, edits: &[(&str, &str)]) -> Result<()> {
    let path = gateway.log().with_file_name("gateway.yaml");
    let mut text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    for (from, to) in edits {
        ensure!(text.contains(from), "{from:?} is not in {text}");
        text = text.replace(from, to);
    }
    Ok(std::fs::write(&path, text)?)
}

/// The outcome, with the end of the gateway's log where it is an error: its folder goes with it.
pub(crate) fn with_log<T>(gateway: &Gateway, outcome: Result<T>) -> Result<T> {
    outcome.map_err(|error| {
        let log = std::fs::read_to_string(gateway.log()).unwrap_or_default();
        error.context(format!("the log of this {}:\n{}", gateway.cluster(), tail(&log)))
    })
}
