//! A server that is killed and comes back on the same data while clients are connected.

use std::time::Duration;

use anyhow::Result;
use federation_harness::process::POLL;
use federation_harness::{SdkConfig, SdkInstance, SdkService};

use super::ClientPair;
use crate::outcome::{BehaviourOutcome, StepLog};

/// Clients come back 1 to 5 s after the server, those over HTTP with their next beat or question.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// After a client's registration is back and changed: some ask every ten seconds, and one asks no more.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

/// A client with a registration, a subscription, a configuration item and a listener, all of which should outlive a restart.
pub(crate) struct RestartCrew {
    pair: ClientPair,
    log: StepLog,
    service: SdkService,
    item: SdkConfig,
    ready: Result<()>,
}

impl RestartCrew {
    /// What is done before the restart, by processes of the same kind as `pair`'s.
    pub(crate) async fn muster(pair: &ClientPair) -> Result<Self> {
        let pair = pair.anew().await?;
        let log = StepLog::new(pair.mask.clone());
        let (service, item) = (pair.service("restart"), pair.item("restart.yaml"));
        let mut crew = Self { pair, log, service, item, ready: Ok(()) };
        crew.ready = crew.begin().await;
        Ok(crew)
    }

    async fn begin(&mut self) -> Result<()> {
        let Self { pair, log, service, item, .. } = self;
        let instance = SdkInstance::new("10.0.0.1", 80);
        log.done("subscribe", pair.watcher.subscribe(service).await)?;
        log.done("register", pair.publisher.register(service, &instance).await)?;
        pair.hear(log, "told", service, super::HEARD_WITHIN, |list| !list.is_empty()).await;
        pair.listen(log, item).await?;
        log.done("publish", pair.publisher.publish_config(item, "before").await)?;
        pair.hear_content(log, "told of the content", item, super::HEARD_WITHIN, Some("before")).await;
        Ok(())
    }

    /// What is seen after it.
    pub(crate) async fn judge(mut self) -> BehaviourOutcome {
        let ended = match std::mem::replace(&mut self.ready, Ok(())) {
            Ok(()) => self.after().await,
            failed => failed,
        };
        self.log.end(ended)
    }

    async fn after(&mut self) -> Result<()> {
        let Self { pair, log, service, item, .. } = self;
        pair.look_within(log, "registration is back", service, BACK_WITHIN, |list| !list.is_empty()).await;
        let changed = SdkInstance { weight: 4.0, ..SdkInstance::new("10.0.0.1", 80) };
        // A client that is not connected again refuses by itself, for as long as its own patience says.
        let changing = async {
            while pair.publisher.register(service, &changed).await.is_err() {
                tokio::time::sleep(POLL).await;
            }
        };
        let is_done = tokio::time::timeout(BACK_WITHIN, changing).await.is_ok();
        log.note("change", if is_done { "done" } else { "refused all the time" });
        let is_changed = |list: &[SdkInstance]| list.iter().any(|it| it.weight == 4.0);
        pair.hear(log, "told of the change", service, TOLD_WITHIN, is_changed).await;
        pair.read(log, "content is kept", item, Some("before")).await;
        log.done("publish again", pair.publisher.publish_config(item, "after").await)?;
        pair.hear_content(log, "told of the new content", item, BACK_WITHIN, Some("after")).await;
        Ok(())
    }
}
