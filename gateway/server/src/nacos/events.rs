//! Turns what the client tells into news for the engine, in its order.

use std::time::Duration;

use federation_core::federation::input::LocalInput;
use nacos_protocol::client::{Call, Event, Events, Refusal, ServerAbilities, ServiceName, ServiceSource};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::calls::{ApiCall, Trouble};
use super::shared::{Context, EngineGone, Link, ListSource};

/// How often the engine is told at most that Nacos was heard. A word that is late by this much makes no fact look stale.
const HEARD_EVERY: Duration = Duration::from_millis(500);

/// The reader of the client's events.
pub(super) struct EventReader {
    pub(super) shared: Context,
    pub(super) events: Events,
}

impl EventReader {
    /// Reads until `stop`, or until the client or the engine is gone.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), EngineGone> {
        let mut heard = tokio::time::interval(HEARD_EVERY);
        heard.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shared = Context::clone(&self.shared);
        loop {
            // All arms are cancel-safe: a token, a channel, a stored wake-up, a timer.
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                event = self.events.recv() => match event {
                    Some(event) => self.take(event).await?,
                    None => return Ok(()),
                },
                () = shared.gate_changed.notified() => self.tell_if_answered().await?,
                _ = heard.tick() => {
                    if self.shared.client.silence().is_some_and(|silence| silence < HEARD_EVERY) {
                        self.shared.tell_heard()?;
                    }
                    self.tell_if_answered().await?;
                }
            }
        }
    }

    async fn take(&mut self, event: Event) -> Result<(), EngineGone> {
        match event {
            Event::Connected { generation, server, abilities } => self.connected(generation, server, abilities).await,
            Event::Disconnected { reason, .. } => self.disconnected(reason).await,
            Event::ConnectFailed { server, reason } => {
                self.not_connected(format!("{server}: {reason}"));
                Ok(())
            }
            Event::LoginFailed { reason } => {
                self.failed(ApiCall::Login, "", Trouble::Refused(reason.clone()));
                self.not_connected(reason);
                Ok(())
            }
            Event::Service { generation, service, info, source } => {
                if source == ServiceSource::Push {
                    self.shared.metrics.pushes.inc();
                }
                self.shared.calls.worked(ApiCall::Subscribe, &group_of(&service));
                self.shared.tell_list(generation, &service, info, ListSource::Stream).await?;
                self.answered(&service).await
            }
            Event::ConfigChanged { config } => {
                self.shared.own_item.ring(&config);
                if let Some(key) = self.shared.names.config_key(&config) {
                    self.shared.configs.push(key);
                }
                Ok(())
            }
            Event::ServiceAppeared { service } => self.appeared(service).await,
            // Existence only: what is gone is seen in the service's own list.
            Event::ServiceDisappeared { .. } => Ok(()),
            Event::FuzzyWatchReady { namespace, .. } => {
                self.shared.calls.worked(ApiCall::FuzzyWatch, &namespace);
                self.shared.change_gate(|gate| gate.fuzzy_done(&namespace));
                Ok(())
            }
            Event::FuzzyWatchLimited { namespace, message } => self.limited(namespace, message),
            Event::CallRefused { call, subject, refusal } => self.refused(call, &subject, &refusal).await,
            Event::Malformed { message, reason } => {
                // What it said is lost; the sweep finds it.
                tracing::warn!(message, reason, "a message of nacos cannot be read");
                self.shared.metrics.calls_failed("read_push").inc();
                Ok(())
            }
            Event::Redone { generation } => {
                tracing::debug!(generation, "everything was asked for again");
                self.tell_if_answered().await
            }
        }
    }

    async fn connected(
        &mut self,
        generation: u64,
        server: String,
        abilities: ServerAbilities,
    ) -> Result<(), EngineGone> {
        tracing::info!(server, generation, fuzzy_watch = abilities.fuzzy_watch, "connected to nacos");
        let shared = &self.shared;
        shared.metrics.connected.set(1);
        shared.metrics.connects.inc();
        shared.calls.worked(ApiCall::Login, "");
        shared.connected(generation);
        shared.tell(LocalInput::Connected).await?;
        let ServerAbilities { fuzzy_watch, persistent_instances } = abilities;
        shared.link.send_replace(Some(Link { generation, server, fuzzy_watch, persistent_instances }));
        Ok(())
    }

    async fn disconnected(&mut self, reason: String) -> Result<(), EngineGone> {
        tracing::warn!(reason, "connection to nacos lost");
        self.shared.metrics.connected.set(0);
        self.shared.disconnected(&reason);
        self.shared.tell(LocalInput::Disconnected { reason: reason.into() }).await
    }

    /// Logged when the reason changes, not at each attempt.
    fn not_connected(&self, reason: String) {
        let changed = self.shared.note(|notes| notes.disconnected.as_ref() != Some(&reason));
        if changed {
            tracing::warn!(reason, "nacos cannot be reached");
        }
        self.shared.note(|notes| notes.disconnected = Some(reason));
    }

    async fn appeared(&mut self, service: ServiceName) -> Result<(), EngineGone> {
        let Some(key) = self.shared.names.service_key(&service) else { return Ok(()) };
        for key in self.shared.expect(std::iter::once((service, key))) {
            self.shared.tell(LocalInput::Discovered(key)).await?;
        }
        Ok(())
    }

    fn limited(&self, namespace: String, message: String) -> Result<(), EngineGone> {
        let before = self.shared.note(|notes| notes.limited.insert(namespace.clone(), message.clone()));
        if before.is_none() {
            tracing::warn!(namespace, message, "fuzzy watch is over a limit, new services are found by listing");
        }
        self.shared.change_gate(|gate| gate.fuzzy_done(&namespace));
        Ok(())
    }

    async fn refused(&mut self, call: Call, subject: &str, refusal: &Refusal) -> Result<(), EngineGone> {
        let trouble = Trouble::from(refusal);
        match call {
            Call::Subscribe => {
                let Some(service) = service_named(subject) else { return Ok(()) };
                self.failed(ApiCall::Subscribe, &group_of(&service), trouble);
                self.answered(&service).await?;
            }
            Call::FuzzyWatch => {
                self.failed(ApiCall::FuzzyWatch, subject, trouble);
                self.shared.change_gate(|gate| gate.fuzzy_done(subject));
            }
            Call::Read => self.failed(ApiCall::QueryService, subject, trouble),
            Call::Listen => self.failed(ApiCall::ListenConfigs, "", trouble),
            Call::Unsubscribe | Call::Register => tracing::debug!(?call, subject, ?trouble, "a call was refused"),
        }
        Ok(())
    }

    fn failed(&self, call: ApiCall, about: &str, trouble: Trouble) {
        self.shared.calls.failed(call, about, trouble, std::time::Instant::now());
    }

    async fn answered(&self, service: &ServiceName) -> Result<(), EngineGone> {
        if self.shared.gate_opens(|gate| gate.answered(service)) {
            return self.tell_answered().await;
        }
        Ok(())
    }

    async fn tell_if_answered(&self) -> Result<(), EngineGone> {
        if self.shared.gate_opens(|_| ()) {
            return self.tell_answered().await;
        }
        Ok(())
    }

    async fn tell_answered(&self) -> Result<(), EngineGone> {
        tracing::info!(services = self.shared.watched().services, "everything watched in nacos has answered");
        self.shared.tell(LocalInput::Answered).await
    }
}

/// What calls about single services are counted under: rights are given to groups, and services are too many.
pub(super) fn group_of(service: &ServiceName) -> String {
    format!("{}/{}", service.namespace, service.group)
}

/// Reads `namespace/group@@service`.
fn service_named(subject: &str) -> Option<ServiceName> {
    let (namespace, grouped) = subject.split_once('/')?;
    let (group, service) = grouped.split_once("@@")?;
    Some(ServiceName::new(namespace, group, service))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_of_a_refusal_is_read_back() {
        for name in [ServiceName::new("", "G", "s/1"), ServiceName::new("public", "DEFAULT_GROUP", "a:b")] {
            assert_eq!(service_named(&name.to_string()), Some(name));
        }
        assert_eq!(service_named("public"), None);
    }
}
