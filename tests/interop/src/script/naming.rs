//! Services: registrations and what others are told of them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use federation_harness::{SdkClient, SdkInstance, SdkService};

use super::{ANSWERED_WITHIN, ClientPair, HEARD_WITHIN, MAYBE_WITHIN};
use crate::outcome::{StepLog, listed};

/// The connection of a killed process closes at once.
const DROPPED_WITHIN: Duration = Duration::from_secs(10);
/// An instance that stops beating over HTTP is removed after 30 s, which is looked at every 5 s.
const EXPIRED_WITHIN: Duration = Duration::from_secs(45);
/// Choices among three instances of which one alone may be chosen.
const CHOICES: usize = 10;

fn first() -> SdkInstance {
    SdkInstance { weight: 0.5, ..SdkInstance::new("10.0.0.1", 8001) }
}

fn second() -> SdkInstance {
    SdkInstance::new("10.0.0.2", 8002)
}

fn third() -> SdkInstance {
    SdkInstance::new("10.0.0.3", 8003)
}

fn has(list: &[SdkInstance], wanted: &[SdkInstance]) -> bool {
    list.len() == wanted.len() && wanted.iter().all(|one| list.iter().any(|other| other.port == one.port))
}

impl ClientPair {
    pub(super) async fn register(&self, log: &mut StepLog) -> Result<()> {
        let service = SdkService { group: "G".into(), ..self.service("register") };
        let mut one = SdkInstance { cluster: "east".into(), ..first() };
        one.metadata.insert("k\"".into(), "väl'ue & 值=%".into());
        self.look(log, "lookup before", &service, |list| list.is_empty()).await;
        log.done("register", self.publisher.register(&service, &one).await)?;
        let own = async {
            loop {
                let list = self.publisher.list(&service).await?;
                if !list.is_empty() {
                    return anyhow::Ok(listed(&list));
                }
                tokio::time::sleep(federation_harness::process::POLL).await;
            }
        };
        let own = tokio::time::timeout(ANSWERED_WITHIN, own).await;
        log.note("own lookup", own.unwrap_or_else(|_| Ok("nothing".into()))?);
        self.look(log, "lookup by another", &service, |list| !list.is_empty()).await;
        log.done("deregister", self.publisher.deregister(&service, &one).await)?;
        self.look(log, "lookup after", &service, |list| list.is_empty()).await;
        log.done("deregister again", self.publisher.deregister(&service, &one).await)?;
        Ok(())
    }

    pub(super) async fn callbacks(&self, log: &mut StepLog) -> Result<()> {
        let service = self.service("callbacks");
        let (mut one, two) = (first(), second());
        log.done("subscribe", self.watcher.subscribe(&service).await)?;
        log.done("register", self.publisher.register(&service, &one).await)?;
        self.hear(log, "told of a registration", &service, HEARD_WITHIN, |list| has(list, &[first()])).await;
        one.metadata.insert("version".into(), "2".into());
        log.done("other metadata", self.publisher.register(&service, &one).await)?;
        let versioned = |list: &[SdkInstance]| list.iter().any(|it| it.metadata.contains_key("version"));
        self.hear(log, "told of other metadata", &service, HEARD_WITHIN, versioned).await;
        one.weight = 2.5;
        log.done("other weight", self.publisher.register(&service, &one).await)?;
        self.hear(log, "told of another weight", &service, HEARD_WITHIN, |list| list.iter().any(|it| it.weight == 2.5))
            .await;
        let other = self.publisher.connection("second");
        log.done("register another", other.register(&service, &two).await)?;
        self.hear(log, "told of another instance", &service, HEARD_WITHIN, |list| has(list, &[first(), second()]))
            .await;
        log.done("deregister", self.publisher.deregister(&service, &one).await)?;
        self.hear(log, "told of a deregistration", &service, HEARD_WITHIN, |list| has(list, &[second()])).await;
        log.done("deregister the last", other.deregister(&service, &two).await)?;
        self.until_listed(&service, |list| list.is_empty()).await;
        let patience = if self.speaks_http() { HEARD_WITHIN } else { MAYBE_WITHIN };
        self.hear(log, "told that there is none", &service, patience, |list| list.is_empty()).await;
        log.note("all callbacks in order", self.heard(&service).join(" -> "));
        Ok(())
    }

    pub(super) async fn unsubscribe(&self, log: &mut StepLog) -> Result<()> {
        let (service, fence) = (self.service("unsubscribe"), self.service("unsubscribe-fence"));
        log.done("subscribe", self.watcher.subscribe(&service).await)?;
        log.done("register", self.publisher.register(&service, &first()).await)?;
        self.hear(log, "told", &service, HEARD_WITHIN, |list| !list.is_empty()).await;
        let before = self.heard(&service).len();
        log.done("unsubscribe", self.watcher.unsubscribe(&service).await)?;
        let changed = SdkInstance { weight: 3.0, ..first() };
        log.done("change", self.publisher.register(&service, &changed).await)?;
        self.look(log, "lookup", &service, |list| list.iter().any(|it| it.weight == 3.0)).await;
        // Told after the change, of which nothing is told any more.
        log.done("subscribe the fence", self.watcher.subscribe(&fence).await)?;
        log.done("register at the fence", self.publisher.register(&fence, &second()).await)?;
        self.hear(log, "told of the fence", &fence, HEARD_WITHIN, |list| !list.is_empty()).await;
        log.note("told after the end of the subscription", self.heard(&service)[before..].join(" -> "));
        Ok(())
    }

    pub(super) async fn batch(&self, log: &mut StepLog) -> Result<()> {
        let service = self.service("batch");
        log.done("subscribe", self.watcher.subscribe(&service).await)?;
        let set = [first(), second()];
        log.done("register two", self.publisher.batch(&service, &set).await)?;
        self.look(log, "lookup of two", &service, |list| has(list, &set)).await;
        self.hear(log, "told of two", &service, HEARD_WITHIN, |list| has(list, &set)).await;
        let set = [second(), third()];
        log.done("register two others", self.publisher.batch(&service, &set).await)?;
        self.look(log, "lookup of two others", &service, |list| has(list, &set)).await;
        self.hear(log, "told of two others", &service, HEARD_WITHIN, |list| has(list, &set)).await;
        let persistent = SdkInstance { ephemeral: false, ..third() };
        log.done("register a persistent one", self.publisher.batch(&self.service("batch-p"), &[persistent]).await)?;
        log.done("register none", self.publisher.batch(&self.service("batch-0"), &[]).await)?;
        Ok(())
    }

    pub(super) async fn health(&self, log: &mut StepLog) -> Result<()> {
        let service = self.service("health");
        let disabled = SdkInstance { enabled: false, ..second() };
        log.done("register", self.publisher.register(&service, &first()).await)?;
        log.done("register a disabled one", self.publisher.connection("second").register(&service, &disabled).await)?;
        log.done("register a third", self.publisher.connection("third").register(&service, &third()).await)?;
        self.look(log, "lookup without the disabled one", &service, |list| has(list, &[first(), third()])).await;
        let disabled = SdkInstance { enabled: false, ..third() };
        log.done("disable the third", self.publisher.connection("third").register(&service, &disabled).await)?;
        self.look(log, "lookup of the first", &service, |list| has(list, &[first()])).await;
        log.done("enable it again", self.publisher.connection("third").register(&service, &third()).await)?;
        self.look(log, "lookup of both", &service, |list| has(list, &[first(), third()])).await;
        Ok(())
    }

    pub(super) async fn select_one(&self, log: &mut StepLog) -> Result<()> {
        let service = self.service("select");
        let outcome = self.watcher.select_one(&self.service("select-nobody")).await;
        if let Some(chosen) = log.done("choose among none", outcome)? {
            log.note("chosen among none", chosen.map_or("none".into(), |one| listed(&[one])));
        }
        let (weightless, sick) = (SdkInstance { weight: 0.0, ..second() }, SdkInstance { healthy: false, ..third() });
        let good = SdkInstance { weight: 1.0, ..first() }; // Go takes weights for whole numbers, and ends itself if all are 0.
        for (connection, instance) in [("", good), ("second", weightless), ("third", sick)] {
            log.done("register", self.publisher.connection(connection).register(&service, &instance).await)?;
        }
        self.look(log, "lookup", &service, |list| list.len() == 3).await;
        let mut chosen = BTreeSet::new();
        for _ in 0..CHOICES {
            let one = self.watcher.select_one(&service).await?;
            chosen.insert(one.map_or("none".into(), |one| listed(&[one])));
        }
        log.note("chosen", chosen.into_iter().collect::<Vec<_>>().join(" or "));
        Ok(())
    }

    pub(super) async fn service_list(&self, log: &mut StepLog) -> Result<()> {
        let group = format!("L-{}-{:?}", self.tag, self.sdk);
        let service = |name: &str| SdkService { group: group.clone(), ..SdkService::public(name) };
        let names = |list: federation_harness::SdkServiceList| {
            let mut names = list.names;
            names.sort();
            format!("{}: {}", list.count, names.join(", "))
        };
        log.note("before", names(self.watcher.service_list("public", &group).await?));
        for name in ["alpha", "beta", "gamma"] {
            log.done("register", self.publisher.register(&service(name), &first()).await)?;
            self.until_listed(&service(name), |list| !list.is_empty()).await;
        }
        log.note("three", names(self.watcher.service_list("public", &group).await?));
        log.done("deregister", self.publisher.deregister(&service("beta"), &first()).await)?;
        self.until_listed(&service("beta"), |list| list.is_empty()).await;
        log.note("one of them empty", names(self.watcher.service_list("public", &group).await?));
        log.note("another group", names(self.watcher.service_list("public", &format!("{group}x")).await?));
        Ok(())
    }

    pub(super) async fn persistent(&self, log: &mut StepLog) -> Result<()> {
        let service = self.service("persistent");
        let lasting = SdkInstance { ephemeral: false, ..first() };
        log.done("register", self.publisher.register(&service, &lasting).await)?;
        self.look(log, "lookup", &service, |list| !list.is_empty()).await;
        let fleeting = SdkInstance { ephemeral: true, ..second() };
        log.done("register an ephemeral one beside", self.publisher.register(&service, &fleeting).await)?;
        log.done("deregister", self.publisher.deregister(&service, &lasting).await)?;
        self.look(log, "lookup after", &service, |list| list.is_empty()).await;
        Ok(())
    }

    /// A process that is killed: what it registered goes, but for what is persistent.
    pub(super) async fn killed(&self, log: &mut StepLog) -> Result<()> {
        let (service, lasting) = (self.service("killed"), self.service("killed-lasting"));
        let persistent = SdkInstance { ephemeral: false, ..second() };
        let victim = SdkClient::start(&self.parts, self.sdk, &self.server, None).await?;
        log.done("subscribe", self.watcher.subscribe(&service).await)?;
        log.done("register", victim.register(&service, &first()).await)?;
        log.done("register a persistent one", victim.register(&lasting, &persistent).await)?;
        self.hear(log, "told", &service, HEARD_WITHIN, |list| !list.is_empty()).await;
        victim.kill().await?;
        let patience = if self.speaks_http() { EXPIRED_WITHIN } else { DROPPED_WITHIN };
        self.look_within(log, "lookup after the end", &service, patience, |list| list.is_empty()).await;
        let kept = self.watcher.list(&lasting).await?.len();
        log.note("persistent instances after the end", kept.to_string());
        Ok(())
    }
}
