//! How much one client has registered, and all of them together: it is kept for as long as they are there, so it is bounded.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nacos_protocol::message::error_code;
use nacos_protocol::message::naming::NacosInstance;
use nacos_protocol::server::{RegistryRefusal, ServiceName};

/// Services that one client may register. A Dubbo application registers each of its interfaces, some hundreds; nobody has thousands.
const MOST_SERVICES: usize = 5_000;
/// Bytes of instances that one client may register: more than the largest request, which is 10 MiB, and some ten thousand instances.
const MOST_BYTES: usize = 16 << 20;
/// Bytes of instances for all clients together: some 400,000 of usual size. They are a small part of what the registry itself holds.
const MOST_BYTES_OF_ALL: usize = 256 << 20;
/// What an instance takes beside its texts.
const INSTANCE_BYTES: usize = 256;
/// What a metadata entry takes beside its texts.
const ENTRY_BYTES: usize = 64;

/// What one client holds, in bytes for each service. Given back when it is dropped.
pub(super) struct Holdings {
    services: HashMap<ServiceName, usize>,
    bytes: usize,
    of_all: Arc<AtomicUsize>,
}

impl Holdings {
    pub(super) fn new(of_all: Arc<AtomicUsize>) -> Self {
        Self { services: HashMap::new(), bytes: 0, of_all }
    }

    /// Holds these instances of a service in place of those before. Returns what [`Self::restore`] needs if that comes to nothing.
    ///
    /// # Errors
    /// It is too much, and nothing has changed.
    pub(super) fn hold(
        &mut self,
        service: &ServiceName,
        instances: &[NacosInstance],
    ) -> Result<Option<usize>, RegistryRefusal> {
        let before = self.services.get(service).copied();
        if before.is_none() && self.services.len() >= MOST_SERVICES {
            return Err(too_much(format!("a client may register {MOST_SERVICES} services through this gateway")));
        }
        let bytes: usize = instances.iter().map(bytes_of).sum();
        if self.bytes - before.unwrap_or(0) + bytes > MOST_BYTES {
            return Err(too_much(format!(
                "a client may register {MOST_BYTES} bytes of instances through this gateway"
            )));
        }
        let more = bytes.saturating_sub(before.unwrap_or(0));
        if self.of_all.load(Ordering::Relaxed) + more > MOST_BYTES_OF_ALL {
            return Err(too_much(format!(
                "this gateway holds {MOST_BYTES_OF_ALL} bytes of instances, which is the most"
            )));
        }
        self.set(service, Some(bytes));
        Ok(before)
    }

    /// Holds so much of a service; `None` for nothing.
    pub(super) fn restore(&mut self, service: &ServiceName, before: Option<usize>) {
        self.set(service, before);
    }

    fn set(&mut self, service: &ServiceName, bytes: Option<usize>) {
        let before = match bytes {
            Some(bytes) => self.services.insert(service.clone(), bytes),
            None => self.services.remove(service),
        };
        let (less, more) = (before.unwrap_or(0), bytes.unwrap_or(0));
        self.bytes = self.bytes - less + more;
        self.of_all.fetch_add(more, Ordering::Relaxed);
        self.of_all.fetch_sub(less, Ordering::Relaxed);
    }
}

impl Drop for Holdings {
    fn drop(&mut self) {
        self.of_all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

fn bytes_of(instance: &NacosInstance) -> usize {
    let texts =
        instance.ip.len() + instance.cluster_name.len() + instance.service_name.len() + instance.instance_id.len();
    let entries = instance.metadata.iter().map(|(key, value)| ENTRY_BYTES + key.len() + value.len());
    INSTANCE_BYTES + texts + entries.sum::<usize>()
}

fn too_much(words: String) -> RegistryRefusal {
    RegistryRefusal::new(error_code::OVER_THRESHOLD, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: usize) -> ServiceName {
        ServiceName { namespace: String::new(), group: "G".to_owned(), service: name.to_string() }
    }

    /// An instance of at least so many bytes.
    fn large(bytes: usize) -> Vec<NacosInstance> {
        vec![NacosInstance { ip: "x".repeat(bytes), ..NacosInstance::default() }]
    }

    #[test]
    fn a_client_holds_no_more_than_it_may_and_gives_all_of_it_back() {
        let of_all = Arc::new(AtomicUsize::new(0));
        let mut holdings = Holdings::new(Arc::clone(&of_all));
        assert_eq!(holdings.hold(&service(0), &large(MOST_BYTES / 2)), Ok(None));
        let held = of_all.load(Ordering::Relaxed);
        assert!(holdings.hold(&service(1), &large(MOST_BYTES / 2)).is_err(), "both are too much");
        assert_eq!(of_all.load(Ordering::Relaxed), held, "what is refused is not counted");
        let before = holdings.hold(&service(0), &large(MOST_BYTES * 3 / 4)).expect("one takes the other's place");
        holdings.restore(&service(0), before);
        assert_eq!(of_all.load(Ordering::Relaxed), held);
        holdings.restore(&service(0), None);
        for name in 0..MOST_SERVICES {
            holdings.hold(&service(name), &large(1)).expect("room for one more");
        }
        assert!(holdings.hold(&service(MOST_SERVICES), &large(1)).is_err());
        holdings.hold(&service(7), &large(2)).expect("one of them may change");
        drop(holdings);
        assert_eq!(of_all.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn all_clients_together_hold_no_more_than_they_may() {
        let of_all = Arc::new(AtomicUsize::new(0));
        let mut clients: Vec<_> = (0..16).map(|_| Holdings::new(Arc::clone(&of_all))).collect();
        for client in &mut clients {
            client.hold(&service(0), &large(MOST_BYTES - 1024)).expect("so many clients may be full");
        }
        let mut one_more = Holdings::new(Arc::clone(&of_all));
        assert!(one_more.hold(&service(0), &large(MOST_BYTES - 1024)).is_err());
        clients.pop();
        one_more.hold(&service(0), &large(MOST_BYTES - 1024)).expect("another one went");
    }
}
