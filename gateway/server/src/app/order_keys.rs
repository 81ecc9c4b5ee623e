//! The keys of orders: the own cluster's, and those that the configuration pins for others.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use federation_codec::signature::{OrderPublicKey, OrderSigningKey, RecordSigner, SignatureVerifier};

use crate::config::GatewayConfig;

/// Largest file of a private key in bytes; one has some 120.
const LARGEST_KEY_FILE_BYTES: u64 = 16 << 10;

/// What signs the own cluster's orders, and what verifies all clusters'.
#[derive(Default)]
pub(super) struct OrderKeys {
    pub(super) signer: Option<RecordSigner>,
    pub(super) verifier: Option<Arc<SignatureVerifier>>,
    /// Told by the descriptor.
    pub(super) public: Option<OrderPublicKey>,
}

impl OrderKeys {
    /// Reads the own key, if the configuration names one.
    ///
    /// # Errors
    /// It cannot be read, or is not one of those that the configuration pins for the own cluster: its orders would not count here.
    pub(super) async fn open(config: &GatewayConfig) -> anyhow::Result<Self> {
        let key = match config.intents.key_file.clone() {
            Some(path) => {
                let read = tokio::task::spawn_blocking(move || read_key(&path)).await;
                Some(read.context("reading the key of orders panicked")??)
            }
            None => None,
        };
        let (public, mut keys) = (key.as_ref().map(OrderSigningKey::public), config.intents.keys.clone());
        if let Some(pinned) = keys.get(&config.cluster)
            && !public.is_some_and(|public| pinned.contains(&public))
        {
            bail!(
                "intents.keys pins keys of {}, the own cluster, and intents.signing.key_file is none of them: no order that is given here \
                 would count",
                config.cluster
            );
        }
        if let Some(public) = public {
            let own = keys.entry(config.cluster.clone()).or_default();
            if !own.contains(&public) {
                own.push(public);
            }
        }
        let (federation, cluster) = (config.federation.clone(), config.cluster.clone());
        let verifier = (!keys.is_empty()).then(|| Arc::new(SignatureVerifier::new(federation.clone(), keys)));
        Ok(Self { signer: key.map(|key| RecordSigner::new(federation, cluster, key)), verifier, public })
    }
}

/// Reads a private key.
pub(crate) fn read_key(path: &Path) -> anyhow::Result<OrderSigningKey> {
    let text = federation_document::text_file::read(path, LARGEST_KEY_FILE_BYTES)
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("the key of orders in {}", path.display()))?;
    OrderSigningKey::from_pem(&text).with_context(|| format!("the key of orders in {}", path.display()))
}
