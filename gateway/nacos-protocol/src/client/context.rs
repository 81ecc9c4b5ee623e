//! What the tasks of one client share.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, mpsc, watch};

use super::link::Link;
use super::memory::Memory;
use super::pushes::Echoes;
use super::{ClientEvent, ClientOptions, ListSource, ServiceName, ServiceSource};
use crate::cluster::NacosCluster;
use crate::message::naming::ServiceInfo;

/// Nobody receives events any more: there is nothing left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnerGone;

/// Shared by the handles and the connection.
pub(super) struct Shared {
    pub(super) cluster: Arc<NacosCluster>,
    pub(super) options: ClientOptions,
    /// Held for single steps, never across an await.
    memory: Mutex<Memory>,
    /// Rung after each new wish.
    pub(super) wake: Notify,
    /// Whether the cluster's servers push.
    pub(super) echoes: Echoes,
    /// The live connection, if there is one.
    pub(super) link: watch::Sender<Option<Arc<Link>>>,
}

impl Shared {
    pub(super) fn new(cluster: Arc<NacosCluster>, options: ClientOptions) -> Arc<Self> {
        let (memory, wake) = (Mutex::default(), Notify::new());
        Arc::new(Self { cluster, options, memory, wake, echoes: Echoes::default(), link: watch::Sender::new(None) })
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("no panic happens while this is held")
    }
}

/// Shared by the tasks of the connection, which tell events.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) shared: Arc<Shared>,
    pub(super) events: mpsc::Sender<ClientEvent>,
}

impl Context {
    /// Tells an event; waits while the owner is behind.
    pub(super) async fn tell(&self, event: ClientEvent) -> Result<(), OwnerGone> {
        self.events.send(event).await.map_err(|_| OwnerGone)
    }

    /// Tells a snapshot, unless it is older than one that was told. The place in the queue is taken first, so that no newer one can slip in
    /// between the check and the telling.
    pub(super) async fn tell_service(
        &self,
        generation: u64,
        service: ServiceName,
        info: ServiceInfo,
        source: ServiceSource,
    ) -> Result<(), OwnerGone> {
        let permit = self.events.reserve().await.map_err(|_| OwnerGone)?;
        let mut memory = self.shared.memory();
        let from = if source == ServiceSource::Push { ListSource::Stream } else { ListSource::Answer };
        if memory.note_snapshot(&service, generation, info.last_ref_time, from) {
            permit.send(ClientEvent::Service { generation, service, info, source });
        }
        Ok(())
    }
}
