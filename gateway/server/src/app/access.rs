//! Accounts of the API, if its configuration has some.

use anyhow::Context;
use federation_access::authority::ListenerPlace;
use federation_access::keeper::AccessKeeper;
use federation_api::ApiState;
use federation_ports::trouble::TroubleBoard;

use crate::config::GatewayConfig;

/// Reads who is known, away from the tasks that serve, and has `api` ask for it.
pub(super) async fn attach(
    config: &GatewayConfig,
    api: &ApiState,
    troubles: &TroubleBoard,
) -> anyhow::Result<Option<AccessKeeper>> {
    let Some(settings) = config.access.clone() else {
        say_who_may_ask(config);
        return Ok(None);
    };
    let troubles = troubles.clone();
    let opened = tokio::task::spawn_blocking(move || AccessKeeper::open(settings, troubles)).await;
    let (keeper, authority) = opened.context("reading the accounts panicked")?;
    api.attach_access(authority);
    Ok(Some(keeper))
}

fn say_who_may_ask(config: &GatewayConfig) {
    for address in [config.listen.http, config.listen.grpc] {
        if ListenerPlace::of(address) == ListenerPlace::Beyond {
            tracing::warn!(%address, "nobody may ask here: the configuration has no section access");
        }
    }
}
