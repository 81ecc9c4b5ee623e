//! Carries out what the core wants done. Nothing here decides or waits.

use federation_core::input::{Effect, OutgoingRecord};
use federation_core::log::record::PartitionId;

use super::Engine;
use federation_codec::record::{self, RecordSealer};
use federation_codec::signature;

impl Engine {
    pub(super) fn act(&mut self, effect: Effect, traceparent: Option<&str>) {
        match effect {
            Effect::Send(outgoing) => self.send(&outgoing, traceparent),
            Effect::Census { topic, partition, stated } => {
                self.log.send(record::encode_census(topic, partition, &stated));
            }
            Effect::Checkpoint { topic, partition, stated } => {
                self.log.send(record::encode_checkpoint(topic, partition, &stated));
            }
            Effect::Answer { id, outcome } => self.waiting.answer(id, outcome),
            Effect::ComparisonBegun { id, outcome } => self.waiting.comparison_begun(id, outcome),
            Effect::Adopted { id, outcome } => self.waiting.adopted(id, outcome),
            Effect::GuardAnswer { id, outcome } => self.waiting.answer_decision(id, outcome),
            Effect::Control { key, value, header } => {
                if let Some(mut record) = record::encode_control(&key, value.as_ref(), &header) {
                    if let Some(signer) = self.signer.as_ref().filter(|_| signature::is_signed(&key)) {
                        signer.sign(&mut record);
                    }
                    self.log.send(record);
                }
            }
            Effect::Purge => self.log.purge(),
            Effect::AskEnd(partition) => {
                tracing::debug!(
                    topic = partition.topic.as_str(),
                    partition = partition.partition,
                    "asking for the end"
                );
                self.log.ask_end(partition);
            }
            Effect::ReadAnew(partition) => {
                let PartitionId { origin, topic, partition: number } = &partition;
                tracing::warn!(
                    %origin,
                    topic = topic.as_str(),
                    partition = number,
                    "what was read is not what its origin states, reading the partition anew into a shadow"
                );
                self.log.read_anew(partition);
            }
            Effect::WatchService(key) => self.nacos.watch_service(key),
            Effect::UnwatchService(key) => self.nacos.unwatch_service(key),
            Effect::ReadService(key) => self.nacos.read_service(key),
            Effect::QueryService(key) => self.nacos.query_service(key),
            Effect::ReadConfig(key) => self.nacos.read_config(key),
        }
    }

    fn send(&mut self, outgoing: &OutgoingRecord, traceparent: Option<&str>) {
        let sealer = RecordSealer { origin: self.core.cluster(), keys: &self.keys.load() };
        let mut record = sealer.encode(outgoing);
        record.traceparent = traceparent.map(str::to_owned);
        self.log.send(record);
    }
}
