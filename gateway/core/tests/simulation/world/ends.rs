//! Processes that end and start, and topics that do.

use super::*;

impl World {
    /// Ends a gateway without a last word.
    pub(crate) fn kill(&mut self, name: &str) {
        self.gateways.remove(&cluster(name)).unwrap();
    }

    pub(crate) fn restart(&mut self, name: &str) {
        let name = cluster(name);
        let old = self.gateways.remove(&name).unwrap();
        self.start_replica(&name, &old.cluster, old.nacos);
    }

    /// Ends a gateway in order and starts it anew with its snapshot.
    pub(crate) fn restart_with_snapshot(&mut self, name: &str) {
        self.tell(&cluster(name), Input::Stop);
        let snapshot = self.gateways[&cluster(name)].core.snapshot();
        self.restart(name);
        self.take_up(name, snapshot);
    }

    /// A gateway that was just started takes a snapshot up, and its reader will read on from the places in it.
    pub(crate) fn take_up(&mut self, name: &str, snapshot: Vec<OriginSnapshot>) {
        let gateway = self.gateways.get_mut(&cluster(name)).unwrap();
        gateway.core.restore(snapshot);
        gateway.cursors_kept = gateway.core.cursors().collect();
    }

    /// The log is there: of each place that was kept it shows whether it is in the same log.
    fn judge_cursors(&mut self, name: &ClusterId) {
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

    pub(crate) fn control_of(&self, of: &str) -> PartitionId {
        PartitionId { origin: cluster(of), topic: TopicKind::Control, partition: 0 }
    }

    /// A control topic was deleted and created again, empty.
    pub(crate) fn recreate_control(&mut self, of: &str) {
        self.log.control.insert(cluster(of), Vec::new());
        let place = self.control_of(of);
        for name in self.gateways.keys().cloned().collect::<Vec<_>>() {
            self.gateways.get_mut(&name).unwrap().cursors.remove(&place);
            self.tell(&name, Input::Log(LogInput::Restarted(place.clone())));
        }
    }

    /// The data topics of a cluster were deleted and created again, empty.
    pub(crate) fn recreate_data(&mut self, of: &str) {
        for topic in TopicKind::DATA {
            for partition in 0..PARTITIONS {
                let place = PartitionId { origin: cluster(of), topic, partition };
                self.log.data.remove(&place);
                *self.log.lives.entry(place.clone()).or_default() += 1;
                for name in self.gateways.keys().cloned().collect::<Vec<_>>() {
                    let gateway = self.gateways.get_mut(&name).unwrap();
                    gateway.cursors.remove(&place);
                    gateway.told_sources.remove(&place);
                    self.tell(&name, Input::Log(LogInput::Restarted(place.clone())));
                }
            }
        }
    }

    /// A gateway's reader begins a partition anew.
    pub(crate) fn begin_anew(&mut self, at: &str, place: &PartitionId) {
        let gateway = self.gateways.get_mut(&cluster(at)).unwrap();
        gateway.cursors.remove(place);
        gateway.told_sources.remove(place);
        self.tell(&cluster(at), Input::Log(LogInput::Restarted(place.clone())));
    }

    /// A gateway's reader never hands over what it has not handed over yet of a partition.
    pub(crate) fn skip(&mut self, at: &str, place: &PartitionId) {
        let end = self.log.data[place].len();
        self.gateways.get_mut(&cluster(at)).unwrap().cursors.insert(place.clone(), end);
    }
}
