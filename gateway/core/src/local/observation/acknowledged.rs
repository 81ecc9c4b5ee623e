//! What Nacos acknowledged to clients of this gateway.

use super::{LocalObservation, data_keys};
use crate::id::{InstanceId, ServiceKey};
use crate::input::Effect;
use crate::instance::Instance;
use crate::log::key::DataKey;
use crate::time::Mono;

impl LocalObservation {
    /// Takes in what was registered and withdrawn. A service that is new is watched, and has it once it is listed.
    pub(super) fn acknowledged(
        &mut self,
        now: Mono,
        service: ServiceKey,
        registered: Vec<(InstanceId, Instance)>,
        withdrawn: &[InstanceId],
        effects: &mut Vec<Effect>,
    ) -> Vec<DataKey> {
        self.watch(now, service.clone(), effects);
        let Some(watched) = self.services.get_mut(&service) else { return Vec::new() };
        watched.state.withdrawn(withdrawn);
        let changed = watched.state.registered(now, registered);
        self.note_moves(now, &service);
        self.reschedule(&service);
        data_keys(&service, changed)
    }
}
