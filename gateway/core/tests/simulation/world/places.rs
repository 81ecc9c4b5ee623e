//! Where a gateway that starts with a snapshot reads on.

use federation_core::federation::OriginSnapshot;
use federation_core::id::ClusterId;
use federation_core::input::Input;
use federation_core::log::cursor::{FoundLog, LogSource};
use federation_core::log::record::PartitionId;
use federation_core::time::Millis;

use super::{World, cluster};

/// `delete.retention.ms`.
const RETENTION: Millis = Millis::from_secs(7 * 24 * 3600);

impl World {
    /// Ends a gateway in order and starts it anew with its snapshot.
    pub(crate) fn restart_with_snapshot(&mut self, name: &str) {
        self.tell(&cluster(name), Input::Stop);
        let snapshot = self.gateways[&cluster(name)].core.snapshot();
        self.restart(name);
        self.take_up(name, snapshot);
    }

    /// A gateway's reader never hands over what it has not handed over yet of a partition.
    pub(crate) fn skip(&mut self, at: &str, place: &PartitionId) {
        let end = self.log.data[place].len();
        self.gateways.get_mut(&cluster(at)).unwrap().cursors.insert(place.clone(), end);
    }

    /// A gateway that was just started takes a snapshot up, and its reader will read on from the places in it.
    pub(crate) fn take_up(&mut self, name: &str, snapshot: Vec<OriginSnapshot>) {
        let gateway = self.gateways.get_mut(&cluster(name)).unwrap();
        gateway.core.restore(snapshot);
        gateway.cursors_kept = gateway.core.cursors().collect();
    }

    /// The log is there: of each place that was kept it shows whether it is in the same log.
    pub(super) fn judge_cursors(&mut self, name: &ClusterId) {
        let now = self.clocks().wall;
        for (place, cursor) in std::mem::take(&mut self.gateways.get_mut(name).unwrap().cursors_kept) {
            let LogSource { kafka, topic, begin } = self.log.source_of(&place);
            let end = u64::try_from(self.log.data.get(&place).map_or(0, Vec::len)).unwrap();
            let topic = topic.filter(|_| !self.log.hides_ids);
            let found = FoundLog { kafka: Some(kafka), topic, begin, end, retention: Some(RETENTION) };
            let judged = cursor.judge(&found, now);
            let gateway = self.gateways.get_mut(name).unwrap();
            match judged {
                Ok(()) => gateway.read_on.push((place, cursor.next_offset)),
                Err(refused) => gateway.refused.push(refused),
            }
        }
    }
}
