//! The local Nacos of these tests: an embedded registry.

use std::net::SocketAddr;

use federation_registry::{EmbeddedError, EmbeddedOptions, EmbeddedRegistry, RegistryCredentials};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::PATIENCE;

/// An embedded registry, while it runs.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), EmbeddedError>>,
}

impl Upstream {
    pub(super) async fn start(credentials: Option<RegistryCredentials>) -> Self {
        // A free HTTP port says nothing of the port 1000 above it.
        let registry = loop {
            let options = EmbeddedOptions::at("127.0.0.1:0".parse().unwrap());
            match EmbeddedRegistry::start(EmbeddedOptions { credentials: credentials.clone(), ..options }).await {
                Ok(registry) => break registry,
                Err(EmbeddedError::Bind { .. } | EmbeddedError::NoGrpcPort(_)) => {}
                Err(error) => panic!("{error}"),
            }
        };
        let (address, stop, mut tasks) = (registry.http_addr(), CancellationToken::new(), JoinSet::new());
        tasks.spawn(registry.run(stop.clone()));
        Self { address, stop, tasks }
    }

    pub(super) async fn end(mut self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.tasks.join_next()).await.unwrap();
    }
}
