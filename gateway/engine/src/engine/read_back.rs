//! Counts which of this process's own records came back from the log. Each counts once, also if its partition is read anew.

use std::collections::HashMap;

use federation_core::input::{Input, LogInput, ReplicaIdentity};
use federation_core::log::control::{ControlKey, ControlValue};
use federation_core::log::record::{ControlRecord, RecordHeader, TopicKind};

use federation_ports::metrics::{PublishMetrics, PublishResult};

pub(super) struct ReadBack {
    identity: ReplicaIdentity,
    metrics: PublishMetrics,
    /// The highest number of an own record that was met in each own partition: they grow in the order of writing.
    met: HashMap<(TopicKind, u32), u64>,
}

impl ReadBack {
    pub(super) fn new(identity: &ReplicaIdentity, metrics: PublishMetrics) -> Self {
        Self { identity: identity.clone(), metrics, met: HashMap::new() }
    }

    /// Counts the own records among the news.
    pub(super) fn note(&mut self, input: &Input) {
        match input {
            Input::Log(LogInput::Records { partition, records }) if partition.origin == self.identity.cluster => {
                let own = records.iter().filter_map(|record| self.own(record.header)).collect::<Vec<_>>();
                self.count(partition.topic, partition.partition, &own);
            }
            Input::Log(LogInput::Control { origin, records }) if *origin == self.identity.cluster => {
                let own = records.iter().filter_map(|record| self.own_control(record)).collect::<Vec<_>>();
                self.count(TopicKind::Control, 0, &own);
            }
            _ => {}
        }
    }

    fn own(&self, header: Option<RecordHeader>) -> Option<u64> {
        header.filter(|header| header.epoch.nonce == self.identity.nonce).map(|header| header.seq)
    }

    /// A replica record names its writer; the epoch in its header is the leader's.
    fn own_control(&self, record: &ControlRecord) -> Option<u64> {
        match (&record.key, &record.value) {
            (ControlKey::Replica(nonce), Some(ControlValue::Replica(_))) => {
                record.header.filter(|_| *nonce == self.identity.nonce).map(|header| header.seq)
            }
            _ => self.own(record.header),
        }
    }

    fn count(&mut self, topic: TopicKind, partition: u32, numbers: &[u64]) {
        let met = self.met.entry((topic, partition)).or_default();
        let mut new = 0;
        for number in numbers {
            if *number > *met {
                *met = *number;
                new += 1;
            }
        }
        if new > 0 {
            self.metrics.records(topic, PublishResult::ReadBack).inc_by(new);
        }
    }
}

#[cfg(test)]
mod tests {
    use federation_core::log::key::RecordKey;
    use federation_core::log::record::{Epoch, PartitionId, Record, RecordBody, SCHEMA};
    use federation_core::time::WallMs;

    use super::*;

    fn header(nonce: u32, seq: u64) -> Option<RecordHeader> {
        Some(RecordHeader { schema: SCHEMA, epoch: Epoch { term: 1, nonce }, seq, observed: WallMs(0) })
    }

    fn records(origin: &str, headers: &[Option<RecordHeader>]) -> Input {
        let record = |(offset, header): (u64, &Option<RecordHeader>)| Record {
            offset,
            key: RecordKey::Other,
            header: *header,
            body: RecordBody::Tombstone,
            digest: 0,
        };
        let partition = PartitionId { origin: origin.parse().unwrap(), topic: TopicKind::Instances, partition: 3 };
        Input::Log(LogInput::Records { partition, records: (0..).zip(headers).map(record).collect() })
    }

    #[test]
    fn an_own_record_counts_once_and_nobody_elses_ever() {
        let identity =
            ReplicaIdentity { cluster: "a".parse().unwrap(), nonce: 7, name: "".into(), advertised: "".into() };
        let metrics = PublishMetrics::default();
        let mut read_back = ReadBack::new(&identity, metrics.clone());
        let counted = || metrics.records(TopicKind::Instances, PublishResult::ReadBack).get();
        let own = records("a", &[header(7, 1), header(8, 5), None, header(7, 4)]);
        read_back.note(&own);
        assert_eq!(counted(), 2, "its own, not those of another process");
        read_back.note(&own);
        assert_eq!(counted(), 2, "read anew");
        read_back.note(&records("b", &[header(7, 9)]));
        assert_eq!(counted(), 2, "of another cluster");
        read_back.note(&records("a", &[header(7, 5)]));
        assert_eq!(counted(), 3);
    }
}
