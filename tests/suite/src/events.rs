//! Server-sent events of a gateway's watch of one service.

use anyhow::{Context, Result};
use serde_json::Value;

/// Hands over the instances of each event until the stream ends, or `told` fails.
///
/// # Errors
/// The stream breaks, has what is no document of a service, or `told` fails.
pub async fn read_service_events(
    mut answer: reqwest::Response,
    mut told: impl FnMut(&[Value]) -> Result<()>,
) -> Result<()> {
    let mut pending = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        pending.extend_from_slice(&chunk);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let Some(data) = line.strip_prefix(b"data:") else { continue };
            let document: Value = serde_json::from_slice(data).context("an event that is no document")?;
            told(document["instances"].as_array().map(Vec::as_slice).unwrap_or_default())?;
        }
    }
    Ok(())
}
