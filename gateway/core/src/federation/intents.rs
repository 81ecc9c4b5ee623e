//! What operators want: read from every origin's control topic, chosen from, and written to the own one (rule R24).

use std::sync::Arc;

use crate::federation::Federation;
use crate::id::ClusterId;
use crate::intents::{DrainTarget, IntentTable};
use crate::log::control::ControlValue;
use crate::log::intents::DrainRecord;
use crate::log::record::Header;

impl Federation {
    /// The drains in force, of all clusters that are read.
    #[must_use]
    pub fn intents(&self) -> Arc<IntentTable> {
        Arc::clone(&self.intents)
    }

    pub(super) fn read_drain(
        &mut self,
        id: &ClusterId,
        target: &DrainTarget,
        value: Option<&ControlValue>,
        header: Option<Header>,
    ) {
        let record = match (value, header) {
            (None, _) => DrainRecord::Tombstone,
            (Some(ControlValue::Drain(intent)), Some(header)) => DrainRecord::Order(intent, header.observed),
            (Some(_), _) => DrainRecord::Unreadable,
        };
        let Some(origin) = self.origins.get_mut(id) else { return };
        if origin.intents.fold(target, record) {
            self.choose_intents();
        }
    }

    /// What one origin has changed: all are chosen from anew. They are few.
    pub(super) fn choose_intents(&mut self) {
        let revision = self.next_revision();
        let logged = self
            .origins
            .iter()
            .flat_map(|(id, origin)| origin.intents.served().map(move |(target, logged)| (id, target, logged)));
        let table = IntentTable::new(revision, logged);
        if !table.says_the_same(&self.intents) {
            self.intents = Arc::new(table);
            self.changed.intents = true;
        }
    }
}
