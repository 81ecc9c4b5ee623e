//! Puts a gateway together.
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// Runs a gateway.
///
/// # Errors
/// None yet.
pub async fn serve(_config: Config, _stop: CancellationToken) -> anyhow::Result<()> {
    Ok(())
}
