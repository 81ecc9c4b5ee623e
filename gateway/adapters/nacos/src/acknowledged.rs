//! For faces that pass registrations on: names of services as the engine knows them, and what Nacos acknowledged to clients, told to the engine
//! without waiting for Nacos's push.

use federation_core::id::ServiceKey;
use federation_core::input::LocalInput;
use nacos_protocol::client::ServiceName;
use nacos_protocol::message::naming::NacosInstance;

use super::instance;
use super::shared::Context;

/// Names of local services, and news of what clients registered. Cheap to clone; never waits.
#[derive(Clone)]
pub struct LocalRegistrations {
    shared: Context,
}

impl LocalRegistrations {
    pub(super) fn new(shared: Context) -> Self {
        Self { shared }
    }

    /// The federated key of a service by its local name; `None` if it is not exported, and so not in the view.
    #[must_use]
    pub fn federated(&self, service: &ServiceName) -> Option<ServiceKey> {
        let local = ServiceKey::new(&service.namespace, &service.group, &service.service);
        let exported = self.shared.names.export().has_service(&local);
        exported.then(|| {
            // A namespace that was not met yet goes by the rules for its id.
            self.shared.names.service_key(service).unwrap_or_else(|| {
                ServiceKey::new(self.shared.names.by_rule(&service.namespace), &service.group, &service.service)
            })
        })
    }

    /// Whether all services of a local group are exported, whatever they are called.
    #[must_use]
    pub fn are_all_exported(&self, namespace: &str, group: &str) -> bool {
        self.shared.names.export().has_all_services_in(namespace, group)
    }

    /// The federated name of a local namespace.
    #[must_use]
    pub fn namespace(&self, local: &str) -> String {
        let met = self.shared.names.federated(local);
        met.map_or_else(|| self.shared.names.by_rule(local).to_owned(), |name| name.to_string())
    }

    /// A client has `registered` in a service, by its local name, and not `withdrawn` any more. Of what is not exported nothing is told; what
    /// finds no room in the engine's inbox, Nacos itself pushes half a second later. A namespace that nobody has created, and that Nacos lists
    /// therefore nowhere, is met with the first registration in it.
    pub fn acknowledged(&self, service: &ServiceName, registered: &[NacosInstance], withdrawn: &[NacosInstance]) {
        let Some(key) = self.shared.names.registered_key(service) else { return };
        let read = |hosts: &[NacosInstance]| instance::read(hosts.to_vec()).instances;
        let withdrawn = read(withdrawn).into_iter().map(|(id, _)| id).collect();
        self.shared.try_tell(LocalInput::Acknowledged { service: key, registered: read(registered), withdrawn });
    }
}
