//! The certificates of this gateway's ports: read at the start, looked at again and again, and what is wrong with them told.

use std::sync::Arc;

use anyhow::Context;
use bounded_listener::{CertificateKeeper, CertificateState, ListenerTls, TlsFiles};
use federation_ports::metrics::{ConnectionMetrics, TroubleKind};
use federation_ports::trouble::TroubleBoard;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{GatewayConfig, ListenSecurity};

/// The certificates, and who keeps them.
pub(super) struct Certificates {
    /// Of the API.
    pub(super) api: Option<ListenerTls>,
    /// Of the front door.
    pub(super) front_door: Option<ListenerTls>,
    /// To be run.
    pub(super) keepers: CertificateKeepers,
}

/// All keepers of this process.
pub(super) struct CertificateKeepers {
    keepers: Vec<CertificateKeeper>,
    /// Changes when an operator wants files to be read again now.
    asked: watch::Receiver<()>,
}

/// Whose certificate one is: the section that names its files, and the listeners that show it.
struct Owner {
    section: &'static str,
    listeners: [&'static str; 2],
}

const API: Owner = Owner { section: "listen.tls", listeners: ["http", "grpc"] };
const FRONT_DOOR: Owner = Owner { section: "front_door.tls", listeners: ["front_door_http", "front_door_grpc"] };

impl Certificates {
    /// Reads what the configuration names, away from the tasks that serve.
    ///
    /// # Errors
    /// Files that cannot be used.
    pub(super) async fn open(
        config: &GatewayConfig,
        troubles: &TroubleBoard,
        metrics: &ConnectionMetrics,
    ) -> anyhow::Result<Self> {
        let mut keepers = CertificateKeepers { keepers: Vec::new(), asked: watch::channel(()).1 };
        let api = keepers.open(API, &config.listen.security, troubles, metrics).await?;
        let front_door = match &config.front_door {
            Some(door) => keepers.open(FRONT_DOOR, &door.security, troubles, metrics).await?,
            None => None,
        };
        Ok(Self { api, front_door, keepers })
    }
}

impl CertificateKeepers {
    async fn open(
        &mut self,
        owner: Owner,
        security: &ListenSecurity,
        troubles: &TroubleBoard,
        metrics: &ConnectionMetrics,
    ) -> anyhow::Result<Option<ListenerTls>> {
        let Some(files) = security.tls().cloned() else { return Ok(None) };
        let (section, told) = (owner.section, Told { owner, troubles: troubles.clone(), metrics: metrics.clone() });
        let keeper =
            tokio::task::spawn_blocking(move || open(files, told)).await.context("reading a certificate panicked")?;
        let keeper = keeper.with_context(|| format!("{section} cannot be used"))?;
        let tls = keeper.tls();
        self.keepers.push(keeper);
        Ok(Some(tls))
    }

    /// Looks at once whenever this changes.
    pub(super) fn reload_on(&mut self, asked: watch::Receiver<()>) {
        self.asked = asked;
    }

    /// Looks each second, and when asked to, until `stop`.
    ///
    /// # Errors
    /// One of them panicked: no new certificate would ever be seen.
    pub(super) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut tasks = JoinSet::new();
        for keeper in self.keepers {
            tasks.spawn(keeper.run(self.asked.clone(), stop.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            ended.and_then(|looked| looked).context("nobody looks at certificates any more")?;
        }
        stop.cancelled().await; // Also where there is nothing to keep.
        Ok(())
    }
}

fn open(files: TlsFiles, told: Told) -> Result<CertificateKeeper, bounded_listener::TlsProblem> {
    let told = Arc::new(told);
    CertificateKeeper::open(files, move |state: &CertificateState| told.looked(state))
}

/// Tells metrics and the board of troubles.
struct Told {
    owner: Owner,
    troubles: TroubleBoard,
    metrics: ConnectionMetrics,
}

impl Told {
    fn looked(&self, state: &CertificateState) {
        for listener in self.owner.listeners {
            self.metrics.certificate_expiry(listener).set(state.left_seconds);
        }
        self.troubles.set(TroubleKind::CertificateRefused, self.owner.section, state.refused.clone());
        self.troubles.set(TroubleKind::CertificateExpiring, self.owner.section, state.expiring.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_certificate_stands_on_the_board_until_it_is_well() {
        let (troubles, metrics) = (TroubleBoard::default(), ConnectionMetrics::default());
        let told = Told { owner: API, troubles: troubles.clone(), metrics: metrics.clone() };
        let bad = CertificateState {
            left_seconds: -5,
            refused: Some("it does not fit".to_owned()),
            expiring: Some("it expired".to_owned()),
        };
        told.looked(&bad);
        let all: Vec<_> = troubles.all().into_iter().map(|it| (it.kind.as_str(), it.about, it.text)).collect();
        let about = || "listen.tls".to_owned();
        assert_eq!(
            all,
            [
                ("certificate_refused", about(), "it does not fit".to_owned()),
                ("certificate_expiring", about(), "it expired".to_owned()),
            ]
        );
        assert_eq!(["http", "grpc"].map(|it| metrics.certificate_expiry(it).get()), [-5, -5]);
        told.looked(&CertificateState { left_seconds: 900_000, refused: None, expiring: None });
        assert!(troubles.all().is_empty());
        assert_eq!(metrics.certificate_expiry("grpc").get(), 900_000);
    }
}
