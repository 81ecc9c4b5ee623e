//! Turns what the client tells into news for the engine, in its order.

use std::time::Duration;

use federation_core::input::LocalInput;
use nacos_protocol::client::{
    ClientCall, ClientEvent, ClientEvents, DisconnectCause, ListSource, ServerAbilities, ServiceName, ServiceSource,
    SubscriptionRefusal,
};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::about::About;
use super::calls::{ApiCall, Trouble};
use super::names::PUBLIC;
use super::shared::{Context, EngineGone, Link};

/// How often the engine is told at most that Nacos was heard. A word that is late by this much makes no fact look stale.
const HEARD_EVERY: Duration = Duration::from_millis(500);

/// A service that was not answered so often in a row, for about a minute, holds back no longer the word that all has answered: what it is
/// stays unknown, as with one that is refused.
const UNANSWERED_GIVEN_UP: u32 = 8;

/// The reader of the client's events.
pub(super) struct EventReader {
    pub(super) shared: Context,
    pub(super) events: ClientEvents,
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

    async fn take(&mut self, event: ClientEvent) -> Result<(), EngineGone> {
        match event {
            ClientEvent::Connected { generation, server, abilities } => {
                self.connected(generation, server, abilities).await
            }
            ClientEvent::Disconnected { reason, cause, .. } => self.disconnected(reason, cause).await,
            ClientEvent::ConnectFailed { server, reason } => {
                self.not_connected(format!("{server}: {reason}"));
                Ok(())
            }
            ClientEvent::LoginFailed { reason } => {
                self.failed(ApiCall::Login, About::Everything, Trouble::Refused(reason.clone()));
                self.not_connected(reason);
                Ok(())
            }
            ClientEvent::Service { generation, service, info, source } => {
                if source == ServiceSource::Push {
                    self.shared.metrics.pushes.inc();
                }
                let call = if source == ServiceSource::Read { ApiCall::QueryService } else { ApiCall::Subscribe };
                self.shared.calls.worked(call, About::Service(&service));
                self.shared.tell_list(generation, &service, info, ListSource::Stream).await?;
                self.answered(&service).await
            }
            ClientEvent::ConfigChanged { config } => {
                self.shared.own_item.ring(&config);
                if let Some(key) = self.shared.names.config_key(&config) {
                    self.shared.configs.push(key);
                }
                Ok(())
            }
            ClientEvent::ServiceAppeared { service } => self.appeared(service).await,
            // Existence only: what is gone is seen in the service's own list.
            ClientEvent::ServiceDisappeared { .. } => Ok(()),
            ClientEvent::RegistrationLost { .. } => Ok(()), // The gateway registers nothing of its own.
            ClientEvent::FuzzyWatchReady { namespace, .. } => {
                self.shared.calls.worked(ApiCall::FuzzyWatch, About::Namespace(&namespace));
                self.shared.change_gate(|gate| gate.fuzzy_done(&namespace));
                Ok(())
            }
            ClientEvent::FuzzyWatchLimited { namespace, message } => self.limited(namespace, message),
            ClientEvent::CallRefused { call, subject, refusal } => self.refused(call, &subject, &refusal).await,
            ClientEvent::CallAnswered { call, subject } => {
                self.call_answered(call, subject);
                Ok(())
            }
            ClientEvent::Malformed { message, reason } => {
                // What it said is lost; the sweep finds it.
                tracing::warn!(message, reason, "a message of nacos cannot be read");
                self.shared.metrics.calls_failed("read_push").inc();
                Ok(())
            }
            ClientEvent::Redone { generation } => {
                tracing::debug!(generation, "everything was asked for again");
                self.tell_if_answered().await
            }
        }
    }

    fn call_answered(&self, call: ClientCall, subject: String) {
        if call == ClientCall::FuzzyWatch {
            self.shared.note(|notes| drop(notes.limited.remove(&subject))); // It was one pattern too many.
        }
        if let Some((call, concern)) = Concern::of(call, subject) {
            self.shared.calls.worked(call, concern.about());
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
        shared.calls.worked(ApiCall::Login, About::Everything);
        if !abilities.fuzzy_watch {
            shared.calls.keep_only(ApiCall::FuzzyWatch, |_| false);
        }
        shared.connected(generation);
        shared.tell(LocalInput::Connected).await?;
        let ServerAbilities { fuzzy_watch, persistent_instances } = abilities;
        shared.link.send_replace(Some(Link { generation, server, fuzzy_watch, persistent_instances }));
        Ok(())
    }

    async fn disconnected(&mut self, reason: String, cause: DisconnectCause) -> Result<(), EngineGone> {
        tracing::warn!(reason, "connection to nacos lost");
        self.shared.metrics.connected.set(0);
        match cause {
            DisconnectCause::Ended => {}
            DisconnectCause::NoAnswer => drop(self.shared.metrics.given_up("no_answer").inc()),
            DisconnectCause::NoPushes => drop(self.shared.metrics.given_up("no_pushes").inc()),
        }
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

    async fn refused(
        &mut self,
        call: ClientCall,
        subject: &str,
        refusal: &SubscriptionRefusal,
    ) -> Result<(), EngineGone> {
        let Some((api_call, concern)) = Concern::of(call, subject.to_owned()) else {
            tracing::debug!(?call, subject, ?refusal, "a call was refused");
            return Ok(());
        };
        let outstanding = matches!(refusal, SubscriptionRefusal::Unanswered { times } if *times < UNANSWERED_GIVEN_UP);
        self.failed(api_call, concern.about(), Trouble::from(refusal));
        match (call, &concern) {
            (ClientCall::Subscribe, Concern::Service(service)) => {
                if !self.shared.is_watched(service) {
                    self.shared.calls.forget(About::Service(service));
                } else if !outstanding {
                    self.answered(service).await?;
                }
            }
            (ClientCall::FuzzyWatch, _) if !outstanding => self.shared.change_gate(|gate| gate.fuzzy_done(subject)),
            _ => {}
        }
        Ok(())
    }

    fn failed(&self, call: ApiCall, about: About<'_>, trouble: Trouble) {
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

/// What a call of the client was about.
enum Concern {
    Service(ServiceName),
    Namespace(String),
    ItemsApart,
}

impl Concern {
    /// `None` for calls that nobody is told of.
    fn of(call: ClientCall, subject: String) -> Option<(ApiCall, Self)> {
        match call {
            ClientCall::Subscribe => Some((ApiCall::Subscribe, Self::Service(service_named(&subject)?))),
            ClientCall::Read => Some((ApiCall::QueryService, Self::Service(service_named(&subject)?))),
            ClientCall::FuzzyWatch => Some((ApiCall::FuzzyWatch, Self::Namespace(subject))),
            ClientCall::Listen if subject == PUBLIC => Some((ApiCall::ListenConfigs, Self::ItemsApart)),
            ClientCall::Listen if subject.is_empty() => {
                Some((ApiCall::ListenConfigs, Self::Namespace(PUBLIC.to_owned())))
            }
            ClientCall::Listen => Some((ApiCall::ListenConfigs, Self::Namespace(subject))),
            ClientCall::Unsubscribe | ClientCall::Register => None,
        }
    }

    fn about(&self) -> About<'_> {
        match self {
            Self::Service(service) => About::Service(service),
            Self::Namespace(namespace) => About::Namespace(namespace),
            Self::ItemsApart => About::ItemsApart,
        }
    }
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
