//! The Nacos protocol's calls, carried out on the store.

use std::sync::Arc;

use federation_core::id::ServiceKey;
use nacos_protocol::message::config::{ConfigQueryResponse, addition};
use nacos_protocol::message::error_code;
use nacos_protocol::message::naming::{NacosInstance as WireInstance, ServiceInfo};
use nacos_protocol::names::IllegalPart;
use nacos_protocol::server::fuzzy::{WatchedName, fuzzy_state};
use nacos_protocol::server::{
    CallingClient, ClientSessions, ConfigChange, ConfigName, ConfigPublication, ConnectedClient, ConnectionId,
    FuzzyWatch, FuzzyWatching, ListenContext, ListingPage, NamingPublication, RegistryBackend, RegistryRefusal,
    ServiceName,
};

use super::access::Access;
use super::check::{IllegalName, check_config, check_service_chars};
use super::configs::{PublishError, UnreadableItem, config_key};
use super::instance::RegisteredInstance;
use super::keeping::Order;
use super::naming::{InstancePublisher, InstanceSelection};
use super::owner::{Handle, RegistryStopped};
use super::store::{RegistryStore, watched_config, watched_service};
use super::wire;

/// See the module.
pub(super) struct Protocol {
    handle: Handle,
    access: Arc<Access>,
    sessions: ClientSessions,
}

impl Protocol {
    pub(super) fn new(handle: Handle, access: Arc<Access>, sessions: ClientSessions) -> Self {
        Self { handle, access, sessions }
    }

    /// Runs `change` on the store if the caller's connection is still there.
    async fn for_client<T: Send + 'static>(
        &self,
        caller: &CallingClient<'_>,
        change: impl FnOnce(&mut RegistryStore, super::naming::NamingNow, &Arc<str>) -> Result<T, RegistryRefusal>
        + Send
        + 'static,
    ) -> Result<T, RegistryRefusal> {
        let connection = caller.connection().text().clone();
        let asked = self.handle.ask(move |store, now| {
            if store.is_connected(&connection) {
                change(store, now, &connection)
            } else {
                Err(RegistryRefusal::unregistered())
            }
        });
        asked.await?
    }
}

impl RegistryBackend for Protocol {
    fn has_fuzzy_watch(&self) -> bool {
        true
    }

    async fn authorize(&self, caller: &CallingClient<'_>, _message_type: &str) -> Result<(), RegistryRefusal> {
        let admitted = self.access.admits(caller.header("accessToken"));
        if admitted { Ok(()) } else { Err(RegistryRefusal::no_right("token invalid or missing")) }
    }

    async fn connected(&self, peer: &ConnectedClient) {
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
        caller: &CallingClient<'_>,
        service: ServiceName,
        publication: NamingPublication,
    ) -> Result<(), RegistryRefusal> {
        let key = wire::service_key(&service);
        let intent = Intent::decode(publication).map_err(IllegalName::from)?;
        self.for_client(caller, move |store, now, connection| {
            let publisher = |durable: Option<&RegisteredInstance>| match durable {
                Some(instance) => InstancePublisher::Durable(instance.id.ip.clone(), instance.id.port),
                None => InstancePublisher::Connection(connection.clone()),
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
        _caller: &CallingClient<'_>,
        service: ServiceName,
        clusters: String,
        healthy_only: bool,
    ) -> Result<ServiceInfo, RegistryRefusal> {
        let key = checked_key(&service)?;
        let selection = if healthy_only { InstanceSelection::Healthy } else { InstanceSelection::Enabled };
        let asked = self.handle.ask(move |store, now| {
            let snapshot = store.naming.query(&key, &clusters, selection, now);
            wire::encode_service(&key, &clusters, snapshot)
        });
        Ok(asked.await?)
    }

    async fn list(
        &self,
        _caller: &CallingClient<'_>,
        namespace: String,
        group: String,
        page: ListingPage,
    ) -> Result<(usize, Vec<String>), RegistryRefusal> {
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
        caller: &CallingClient<'_>,
        service: ServiceName,
        clusters: String,
    ) -> Result<ServiceInfo, RegistryRefusal> {
        let key = checked_key(&service)?;
        self.for_client(caller, move |store, now, connection| {
            store.naming.subscribe(&key, connection, &clusters);
            let snapshot = store.naming.query(&key, &clusters, InstanceSelection::Enabled, now);
            Ok(wire::encode_service(&key, &clusters, snapshot))
        })
        .await
    }

    async fn unsubscribe(&self, caller: &CallingClient<'_>, service: ServiceName) -> Result<(), RegistryRefusal> {
        let key = wire::service_key(&service);
        self.for_client(caller, move |store, _, connection| {
            store.naming.unsubscribe(&key, connection);
            Ok(())
        })
        .await
    }

    async fn config(
        &self,
        _caller: &CallingClient<'_>,
        name: ConfigName,
        _tag: Option<String>,
    ) -> Result<Option<ConfigQueryResponse>, RegistryRefusal> {
        // There are no variants by tag here: everybody gets the item itself, as Nacos answers where no variant exists.
        let key = config_key(&name.namespace, &name.group, &name.data_id);
        check_config(&key)?;
        let found = self.handle.ask(move |store, _| store.configs.look(&key).map(|item| item.map(wire::encode_config)));
        Ok(found.await??)
    }

    async fn change_config(
        &self,
        _caller: &CallingClient<'_>,
        name: ConfigName,
        change: ConfigChange,
    ) -> Result<(), RegistryRefusal> {
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

    async fn listen(
        &self,
        caller: &CallingClient<'_>,
        contexts: Vec<ListenContext>,
    ) -> Result<Vec<ConfigName>, RegistryRefusal> {
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

    async fn ignore(&self, caller: &CallingClient<'_>, names: Vec<ConfigName>) -> Result<(), RegistryRefusal> {
        self.for_client(caller, move |store, _, connection| {
            for name in names {
                store.configs.ignore(&config_key(&name.namespace, &name.group, &name.data_id), connection);
            }
            Ok(())
        })
        .await
    }

    async fn fuzzy_watch(&self, caller: &CallingClient<'_>, watch: FuzzyWatch) -> Result<(), RegistryRefusal> {
        let sessions = self.sessions.clone();
        self.for_client(caller, move |store, _, connection| {
            let FuzzyWatch { watching, pattern, received, initializing, cancel } = watch;
            if cancel {
                store.fuzzy.cancel(connection, watching, &pattern);
                return Ok(());
            }
            let namespace = pattern.split(">>").next().unwrap_or_default();
            let existing: Vec<WatchedName<'_>> = match watching {
                FuzzyWatching::Services => {
                    let published = |key: &&_| store.naming.is_published(key);
                    store.naming.list(namespace).filter(published).map(watched_service).collect()
                }
                FuzzyWatching::Configs => {
                    store.configs.all_readable()?;
                    store.configs.list(namespace).map(|(key, _)| watched_config(key)).collect()
                }
            };
            let difference = store.fuzzy.watch(connection, watching, &pattern, received, existing.into_iter())?;
            // Queued by the owner itself, so that no notice of a later change overtakes the state.
            for (key, body) in fuzzy_state(watching, &pattern, &difference, initializing) {
                sessions.push(&connection.clone().into(), key, body);
            }
            Ok(())
        })
        .await
    }
}

/// A publication with its instances read.
enum Intent {
    Ephemeral(Vec<RegisteredInstance>),
    Withdraw,
    Persistent(RegisteredInstance),
    WithdrawPersistent(RegisteredInstance),
}

impl Intent {
    fn decode(publication: NamingPublication) -> Result<Self, IllegalPart> {
        let one = |wire: WireInstance| wire::decode_instance(wire);
        Ok(match publication {
            NamingPublication::Ephemeral(set) => Self::Ephemeral(set.into_iter().map(one).collect::<Result<_, _>>()?),
            NamingPublication::Withdraw => Self::Withdraw,
            NamingPublication::Persistent(instance) => Self::Persistent(one(instance)?),
            NamingPublication::WithdrawPersistent(instance) => Self::WithdrawPersistent(one(instance)?),
        })
    }
}

impl From<IllegalName> for RegistryRefusal {
    fn from(illegal: IllegalName) -> Self {
        if let IllegalName::OtherLifetime { .. } = illegal {
            let words = format!("errCode: 400, errMsg: {illegal} ");
            return Self::as_error(error_code::BAD_PARAMETER, error_code::BAD_PARAMETER, words);
        }
        let before = if illegal.is_of_params() { "Param check invalid:" } else { "" };
        Self::bad_parameter(format!("{before}{illegal}"))
    }
}

impl From<PublishError> for RegistryRefusal {
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

impl From<UnreadableItem> for RegistryRefusal {
    fn from(unreadable: UnreadableItem) -> Self {
        Self::failed(unreadable.to_string())
    }
}

impl From<RegistryStopped> for RegistryRefusal {
    fn from(stopped: RegistryStopped) -> Self {
        Self::failed(stopped.to_string())
    }
}

/// The key of a service that is read; over gRPC its group stands by itself.
fn checked_key(service: &ServiceName) -> Result<ServiceKey, IllegalName> {
    let key = wire::service_key(service);
    check_service_chars(&key).map(|()| key)
}

fn no_variants() -> RegistryRefusal {
    RegistryRefusal::bad_parameter("variants of a config item by tag or address are not supported here")
}
