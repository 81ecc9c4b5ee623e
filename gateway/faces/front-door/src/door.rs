//! The calls of the protocol, each handed to the part that knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nacos_protocol::message::config::ConfigQueryResponse;
use nacos_protocol::message::naming::ServiceInfo;
use nacos_protocol::server::{
    CallingClient, ConfigChange, ConfigName, ConnectedClient, ConnectionId, FuzzyWatch, FuzzyWatching, ListenContext,
    ListingPage, NamingPublication, RegistryBackend, RegistryRefusal, ServiceName,
};

use crate::access::Access;
use crate::configs::Configs;
use crate::mappings::{AskedOfNacos, Mappings};
use crate::names::check_lookup;
use crate::naming::Naming;
use crate::naming::unshared::UnsharedServices;
use crate::registrations::Registrations;

/// All groups, where a right to list is asked for.
const ALL: &str = "*";

/// The parts that answer.
pub(crate) struct Door {
    pub(crate) naming: Naming,
    pub(crate) unshared: UnsharedServices,
    pub(crate) registrations: Registrations,
    pub(crate) configs: Configs,
    pub(crate) mappings: Mappings,
    pub(crate) access: Access,
    pub(crate) drained: Arc<AtomicBool>,
}

impl Door {
    /// Names of a group's services: those of all clusters, and the local ones that are not exported. Where the local Nacos is not reached, these
    /// are what it listed last, or none.
    ///
    /// # Errors
    /// The caller may not list them.
    pub(crate) async fn service_names(
        &self,
        caller: &CallingClient<'_>,
        namespace: &str,
        group: &str,
        page: ListingPage,
    ) -> Result<(usize, Vec<String>), RegistryRefusal> {
        self.access.may_list(caller, namespace, group).await?;
        let has_unshared = self.naming.may_have_unshared(namespace, group);
        let local = if has_unshared { self.unshared.names(namespace, group).await } else { Arc::default() };
        Ok(self.naming.list(namespace, group, page, &local))
    }
}

impl RegistryBackend for Door {
    /// A door that is drained sends whoever connects on to another gateway.
    fn takes_clients(&self) -> bool {
        !self.drained.load(Ordering::Relaxed)
    }

    /// Each part judges for itself; what a client shows now counts for what it registered, too.
    async fn authorize(&self, caller: &CallingClient<'_>, _message_type: &str) -> Result<(), RegistryRefusal> {
        self.registrations.hear(caller);
        Ok(())
    }

    async fn connected(&self, _peer: &ConnectedClient) {}

    fn has_fuzzy_watch(&self) -> bool {
        true
    }

    async fn disconnected(&self, connection: &ConnectionId) {
        self.naming.forget(connection);
        self.unshared.forget(connection);
        self.configs.forget(connection);
        self.mappings.forget(connection);
        self.registrations.forget(connection);
    }

    async fn publish(
        &self,
        caller: &CallingClient<'_>,
        service: ServiceName,
        publication: NamingPublication,
    ) -> Result<(), RegistryRefusal> {
        let registered = match &publication {
            NamingPublication::Ephemeral(instances) => instances.clone(),
            NamingPublication::Persistent(instance) => vec![instance.clone()],
            NamingPublication::Withdraw | NamingPublication::WithdrawPersistent(_) => Vec::new(),
        };
        self.registrations.publish(caller, service.clone(), publication).await?;
        self.naming.until_shown(&service, &registered).await;
        Ok(())
    }

    async fn query(
        &self,
        caller: &CallingClient<'_>,
        service: ServiceName,
        clusters: String,
        healthy_only: bool,
    ) -> Result<ServiceInfo, RegistryRefusal> {
        check_lookup(&service, &clusters)?;
        if !self.naming.is_shared(&service) {
            return self.unshared.query(caller, &service, &clusters, healthy_only).await;
        }
        self.access.may_read(caller, &service).await?;
        self.naming.query(&caller.peer.labels, &service, &clusters, healthy_only)
    }

    async fn list(
        &self,
        caller: &CallingClient<'_>,
        namespace: String,
        group: String,
        page: ListingPage,
    ) -> Result<(usize, Vec<String>), RegistryRefusal> {
        self.service_names(caller, &namespace, &group, page).await
    }

    async fn subscribe(
        &self,
        caller: &CallingClient<'_>,
        service: ServiceName,
        clusters: String,
    ) -> Result<ServiceInfo, RegistryRefusal> {
        check_lookup(&service, &clusters)?;
        if !self.naming.is_shared(&service) {
            return self.unshared.subscribe(caller, &service, &clusters).await;
        }
        self.access.may_read(caller, &service).await?;
        self.naming.subscribe(&caller.peer.labels, caller.connection(), service, &clusters).await
    }

    async fn unsubscribe(&self, caller: &CallingClient<'_>, service: ServiceName) -> Result<(), RegistryRefusal> {
        self.naming.unsubscribe(caller.connection(), &service);
        self.unshared.unsubscribe(caller.connection(), &service);
        Ok(())
    }

    async fn config(
        &self,
        caller: &CallingClient<'_>,
        name: ConfigName,
        tag: Option<String>,
    ) -> Result<Option<ConfigQueryResponse>, RegistryRefusal> {
        let local = self.configs.read(caller, name.clone(), tag).await?;
        self.mappings.answer(&name, local)
    }

    async fn change_config(
        &self,
        caller: &CallingClient<'_>,
        name: ConfigName,
        change: ConfigChange,
    ) -> Result<(), RegistryRefusal> {
        let change = self.mappings.written(&name, change);
        self.configs.change(caller, name, change).await
    }

    async fn listen(
        &self,
        caller: &CallingClient<'_>,
        contexts: Vec<ListenContext>,
    ) -> Result<Vec<ConfigName>, RegistryRefusal> {
        let AskedOfNacos { contexts, differing } = self.mappings.ask(caller.connection(), contexts);
        let told = self.configs.listen(caller, contexts).await;
        self.mappings.asked(caller.connection());
        let mut told = told?;
        let untold: Vec<ConfigName> = differing.into_iter().filter(|name| !told.contains(name)).collect();
        told.extend(untold);
        Ok(told)
    }

    async fn ignore(&self, caller: &CallingClient<'_>, names: Vec<ConfigName>) -> Result<(), RegistryRefusal> {
        self.mappings.ignore(caller.connection(), &names);
        self.configs.ignore(caller, names);
        Ok(())
    }

    async fn fuzzy_watch(&self, caller: &CallingClient<'_>, watch: FuzzyWatch) -> Result<(), RegistryRefusal> {
        match watch.watching {
            FuzzyWatching::Configs => self.configs.fuzzy_watch(caller, watch).await,
            FuzzyWatching::Services => {
                let namespace = watch.pattern.split(">>").next().unwrap_or_default();
                self.access.may_list(caller, namespace, ALL).await?;
                self.naming.fuzzy_watch(caller.connection(), &watch)
            }
        }
    }
}
