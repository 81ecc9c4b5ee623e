//! The Nacos protocol's calls, carried out on the store.

use std::sync::Arc;

use federation_core::id::ServiceKey;
use nacos_protocol::message::config::{ConfigQueryResponse, addition};
use nacos_protocol::message::error_code;
use nacos_protocol::message::naming::{Instance as WireInstance, ServiceInfo};
use nacos_protocol::server::{
    Backend, Caller, ConfigChange, ConfigName, ConfigPublication, ConnectionId, FuzzyWatch, ListenContext, Page, Peer,
    Publication, Refusal, ServiceName, Sessions, Watching,
};

use super::access::Access;
use super::check::{Illegal, check_config, check_service_chars};
use super::configs::{PublishError, Unreadable, config_key};
use super::fuzzy::{Name, WatchError};
use super::instance::Instance;
use super::keeping::Order;
use super::naming::{Publisher, Selection};
use super::owner::{Handle, Stopped};
use super::store::Store;
use super::wire;

/// See the module.
pub(super) struct Protocol {
    handle: Handle,
    access: Arc<Access>,
    sessions: Sessions,
}

impl Protocol {
    pub(super) fn new(handle: Handle, access: Arc<Access>, sessions: Sessions) -> Self {
        Self { handle, access, sessions }
    }

    /// Runs `change` on the store if the caller's connection is still there.
    async fn for_client<T: Send + 'static>(
        &self,
        caller: &Caller<'_>,
        change: impl FnOnce(&mut Store, super::naming::Now, &Arc<str>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let connection = caller.connection().text().clone();
        let asked = self.handle.ask(move |store, now| {
            if store.is_connected(&connection) { change(store, now, &connection) } else { Err(Refusal::unregistered()) }
        });
        asked.await?
    }
}

impl Backend for Protocol {
    fn has_fuzzy_watch(&self) -> bool {
        true
    }

    async fn authorize(&self, caller: &Caller<'_>, _message_type: &str) -> Result<(), Refusal> {
        let admitted = self.access.admits(caller.header("accessToken"));
        if admitted { Ok(()) } else { Err(Refusal::no_right("token invalid or missing")) }
    }

    async fn connected(&self, peer: &Peer) {
        let connection = peer.connection.text().clone();
        // Without an owner every later call is refused anyway.
        let _ = self.handle.ask(move |store, _| store.connect(connection)).await;
    }

    async fn disconnected(&self, connection: &ConnectionId) {
        let connection = connection.text().clone();
        // Without an owner there is nothing left to clean up.
        let _ = self.handle.ask(move |store, now| store.disconnect(&connection, now)).await;
    }

    async fn publish(
        &self,
        caller: &Caller<'_>,
        service: ServiceName,
        publication: Publication,
    ) -> Result<(), Refusal> {
        let key = wire::service_key(&service);
        let intent = Intent::decode(publication)?;
        self.for_client(caller, move |store, now, connection| {
            let publisher = |durable: Option<&Instance>| match durable {
                Some(instance) => Publisher::Durable(instance.id.ip.clone(), instance.id.port),
                None => Publisher::Connection(connection.clone()),
            };
            match intent {
                Intent::Ephemeral(set) if set.is_empty() => store.naming.withdraw(&key, &publisher(None), now),
                Intent::Ephemeral(set) => store.naming.register(&key, publisher(None), set, now)?,
                Intent::Withdraw => store.naming.withdraw(&key, &publisher(None), now),
                Intent::Persistent(one) => store.naming.register(&key, publisher(Some(&one)), vec![one], now)?,
                Intent::WithdrawPersistent(one) => store.naming.withdraw(&key, &publisher(Some(&one)), now),
            }
            Ok(())
        })
        .await
    }

    async fn query(
        &self,
        _caller: &Caller<'_>,
        service: ServiceName,
        clusters: String,
        healthy_only: bool,
    ) -> Result<ServiceInfo, Refusal> {
        let key = checked_key(&service)?;
        let selection = if healthy_only { Selection::Healthy } else { Selection::Enabled };
        let asked = self.handle.ask(move |store, now| {
            let snapshot = store.naming.query(&key, &clusters, selection, now);
            wire::encode_service(&key, &clusters, snapshot)
        });
        Ok(asked.await?)
    }

    async fn list(
        &self,
        _caller: &Caller<'_>,
        namespace: String,
        group: String,
        page: Page,
    ) -> Result<(usize, Vec<String>), Refusal> {
        let asked = self.handle.ask(move |store, _| {
            let names: Vec<&str> =
                store.naming.list(&namespace).filter(|key| key.group() == group).map(|key| key.service()).collect();
            let shown = names.iter().skip(page.skip()).take(page.size).map(ToString::to_string).collect();
            (names.len(), shown)
        });
        Ok(asked.await?)
    }

    async fn subscribe(
        &self,
        caller: &Caller<'_>,
        service: ServiceName,
        clusters: String,
    ) -> Result<ServiceInfo, Refusal> {
        let key = checked_key(&service)?;
        self.for_client(caller, move |store, now, connection| {
            store.naming.subscribe(&key, connection, &clusters);
            let snapshot = store.naming.query(&key, &clusters, Selection::Enabled, now);
            Ok(wire::encode_service(&key, &clusters, snapshot))
        })
        .await
    }

    async fn unsubscribe(&self, caller: &Caller<'_>, service: ServiceName) -> Result<(), Refusal> {
        let key = wire::service_key(&service);
        self.for_client(caller, move |store, _, connection| {
            store.naming.unsubscribe(&key, connection);
            Ok(())
        })
        .await
    }

    async fn config(
        &self,
        _caller: &Caller<'_>,
        name: ConfigName,
        _tag: Option<String>,
    ) -> Result<Option<ConfigQueryResponse>, Refusal> {
        // There are no variants by tag here: everybody gets the item itself, as Nacos answers where no variant exists.
        let key = config_key(&name.namespace, &name.group, &name.data_id);
        check_config(&key)?;
        let found = self.handle.ask(move |store, _| store.configs.look(&key).map(|item| item.map(wire::encode_config)));
        Ok(found.await??)
    }

    async fn change_config(&self, _caller: &Caller<'_>, name: ConfigName, change: ConfigChange) -> Result<(), Refusal> {
        let key = config_key(&name.namespace, &name.group, &name.data_id);
        match change {
            ConfigChange::Remove { tag: Some(_) } => Err(no_variants()),
            ConfigChange::Remove { tag: None } => {
                check_config(&key)?;
                Ok(self.handle.change(key, Order::Remove).await??)
            }
            ConfigChange::Publish(ConfigPublication { content, cas_md5, additions }) => {
                let variant = |key| additions.get(key).is_some_and(|value| !value.is_empty());
                if variant(addition::TAG) || variant(addition::BETA_IPS) {
                    return Err(no_variants());
                }
                let labels = wire::decode_labels(&additions);
                Ok(self.handle.change(key, Order::Publish { content, labels, cas_md5 }).await??)
            }
        }
    }

    async fn listen(&self, caller: &Caller<'_>, contexts: Vec<ListenContext>) -> Result<Vec<ConfigName>, Refusal> {
        self.for_client(caller, move |store, _, connection| {
            let differs = |ListenContext { name, md5 }: &ListenContext| {
                let key = config_key(&name.namespace, &name.group, &name.data_id);
                store.configs.listen(&key, connection, &name.namespace, md5)
            };
            let mut contexts = contexts;
            contexts.retain(differs);
            Ok(contexts.into_iter().map(|context| context.name).collect())
        })
        .await
    }

    async fn ignore(&self, caller: &Caller<'_>, names: Vec<ConfigName>) -> Result<(), Refusal> {
        self.for_client(caller, move |store, _, connection| {
            for name in names {
                store.configs.ignore(&config_key(&name.namespace, &name.group, &name.data_id), connection);
            }
            Ok(())
        })
        .await
    }

    async fn fuzzy_watch(&self, caller: &Caller<'_>, watch: FuzzyWatch) -> Result<(), Refusal> {
        let sessions = self.sessions.clone();
        self.for_client(caller, move |store, _, connection| {
            let FuzzyWatch { watching, pattern, received, initializing, cancel } = watch;
            if cancel {
                store.fuzzy.cancel(connection, watching, &pattern);
                return Ok(());
            }
            let namespace = pattern.split(">>").next().unwrap_or_default();
            let existing: Vec<Name<'_>> = match watching {
                Watching::Services => {
                    let published = |key: &&_| store.naming.is_published(key);
                    store.naming.list(namespace).filter(published).map(Name::from).collect()
                }
                Watching::Configs => {
                    store.configs.all_readable()?;
                    store.configs.list(namespace).map(|(key, _)| Name::from(key)).collect()
                }
            };
            let difference = store.fuzzy.watch(connection, watching, &pattern, received, existing.into_iter())?;
            // Queued by the owner itself, so that no notice of a later change overtakes the state.
            for (key, body) in wire::fuzzy_state(watching, &pattern, &difference, initializing) {
                sessions.push(&connection.clone().into(), key, body);
            }
            Ok(())
        })
        .await
    }
}

/// A publication with its instances read.
enum Intent {
    Ephemeral(Vec<Instance>),
    Withdraw,
    Persistent(Instance),
    WithdrawPersistent(Instance),
}

impl Intent {
    fn decode(publication: Publication) -> Result<Self, Illegal> {
        let one = |wire: WireInstance| wire::decode_instance(wire);
        Ok(match publication {
            Publication::Ephemeral(set) => Self::Ephemeral(set.into_iter().map(one).collect::<Result<_, _>>()?),
            Publication::Withdraw => Self::Withdraw,
            Publication::Persistent(instance) => Self::Persistent(one(instance)?),
            Publication::WithdrawPersistent(instance) => Self::WithdrawPersistent(one(instance)?),
        })
    }
}

impl From<Illegal> for Refusal {
    fn from(illegal: Illegal) -> Self {
        if let Illegal::OtherLifetime { .. } = illegal {
            let words = format!("errCode: 400, errMsg: {illegal} ");
            return Self::as_error(error_code::BAD_PARAMETER, error_code::BAD_PARAMETER, words);
        }
        let before = if illegal.is_of_params() { "Param check invalid:" } else { "" };
        Self::bad_parameter(format!("{before}{illegal}"))
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Illegal(illegal) => illegal.into(),
            PublishError::Conflict
            | PublishError::Unreadable(_)
            | PublishError::NotKept(_)
            | PublishError::Unanswered
            | PublishError::TooManyWait => Self::failed(error.to_string()),
        }
    }
}

impl From<Unreadable> for Refusal {
    fn from(unreadable: Unreadable) -> Self {
        Self::failed(unreadable.to_string())
    }
}

impl From<WatchError> for Refusal {
    fn from(error: WatchError) -> Self {
        let code = match error {
            WatchError::Malformed(_) => error_code::BAD_PARAMETER,
            WatchError::TooMany => error_code::FUZZY_PATTERNS_OVER_LIMIT,
        };
        Self::new(code, error.to_string())
    }
}

impl From<Stopped> for Refusal {
    fn from(stopped: Stopped) -> Self {
        Self::failed(stopped.to_string())
    }
}

/// The key of a service that is read; over gRPC its group stands by itself.
fn checked_key(service: &ServiceName) -> Result<ServiceKey, Illegal> {
    let key = wire::service_key(service);
    check_service_chars(&key).map(|()| key)
}

fn no_variants() -> Refusal {
    Refusal::bad_parameter("variants of a config item by tag or address are not supported here")
}
