//! One turn of reading a partition: records decoded and put into batches, in their order, ready to be handed over. Free of I/O.

use federation_core::input::{Input, LogInput};
use federation_core::log::bounds::{OriginBounds, judge_descriptor};
use federation_core::log::control::{ControlKey, ControlValue};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{ControlRecord, PartitionId, Record, RecordBody, TopicKind};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers, Message};

use crate::fairness::RECORD_WORK;
use crate::source::Source;
use federation_codec::record::{HEADER, RawRecord, TRACEPARENT, decode_control, decode_record, home_partition};
use federation_codec::signature::{self, SIGNATURE, SignatureVerifier};
use federation_ports::inbox::EngineNews;

/// Headers of a record that are looked at; a record that has more has none.
const MOST_HEADERS: usize = 64;
/// What a header costs, in bytes: the library makes a list of them.
const HEADER_BYTES: usize = 64;
/// What it costs to verify a signature, in bytes that could be read meanwhile.
const SIGNATURE_BYTES: usize = 16 << 10;

/// What one turn of reading found, in order, ready to be handed over.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) news: Vec<EngineNews>,
    pub(super) records: usize,
    pub(super) bytes: usize,
    /// Records that this version cannot read.
    pub(super) unreadable: usize,
    /// Records that do not stand where their key belongs: not among the news.
    pub(super) misplaced: usize,
    /// Headers, for what they cost.
    headers: usize,
    /// Signatures, for what they cost.
    signatures: usize,
}

/// What is known of the cluster that is read.
pub(super) struct ReadCluster<'a> {
    /// Over how many partitions its keys are hashed.
    pub(super) partitions: u32,
    /// By whose keys its orders are verified.
    pub(super) signatures: Option<&'a SignatureVerifier>,
}

impl Turn {
    /// What the turn was worth, as [`crate::fairness`] counts; never nothing.
    pub(super) fn work(&self) -> u64 {
        (self.bytes + HEADER_BYTES * self.headers + SIGNATURE_BYTES * self.signatures) as u64
            + RECORD_WORK * self.records.max(1) as u64
    }

    /// Adds a record of a data topic. A batch has one trace or none, so that its news can name it.
    pub(super) fn data(&mut self, partition: &PartitionId, record: Record, traceparent: Option<String>) {
        if let Some(EngineNews { input: Input::Log(LogInput::Records { records, .. }), traceparent: last, .. }) =
            self.news.last_mut()
            && *last == traceparent
        {
            return records.push(record);
        }
        let news = LogInput::Records { partition: partition.clone(), records: vec![record] };
        self.news.push(EngineNews { traceparent, ..Input::Log(news).into() });
    }

    /// Adds a record of a control topic.
    pub(super) fn control(&mut self, partition: &PartitionId, record: ControlRecord) {
        if let Some(EngineNews { input: Input::Log(LogInput::Control { records, .. }), .. }) = self.news.last_mut() {
            return records.push(record);
        }
        let news = LogInput::Control { origin: partition.origin.clone(), records: vec![record] };
        self.news.push(Input::Log(news).into());
    }

    /// Adds the end of the partition.
    pub(super) fn at_end(&mut self, partition: &PartitionId, next_offset: u64) {
        self.news.push(Input::Log(LogInput::AtEnd { partition: partition.clone(), next_offset }).into());
    }

    /// Adds a message of this partition.
    pub(super) fn take(
        &mut self,
        id: &PartitionId,
        message: &BorrowedMessage<'_>,
        reading: &ReadCluster<'_>,
        source: &mut Source,
    ) {
        let headers = message.headers();
        self.headers += headers.map_or(0, Headers::count);
        let headers = headers.filter(|them| them.count() <= MOST_HEADERS);
        let (header, traceparent) = headers.map_or((None, None), known);
        let raw = RawRecord {
            offset: u64::try_from(message.offset()).unwrap_or(0),
            key: message.key().unwrap_or_default(),
            value: message.payload(),
            header,
        };
        self.records += 1;
        self.bytes += raw.key.len() + raw.value.map_or(0, <[u8]>::len);
        let unreadable = if id.topic == TopicKind::Control {
            let mut record = decode_control(&raw, &mut source.interner);
            if let Some(verifier) = reading.signatures.filter(|_| signature::is_signed(&record.key)) {
                let signature = headers.and_then(|them| value_of(them, SIGNATURE));
                self.signatures += usize::from(signature.is_some());
                record.signed = verifier.verify(&id.origin, &raw, signature);
            }
            let unreadable = is_unreadable_control(&record);
            self.control(id, record);
            unreadable
        } else {
            let mut record = decode_record(&raw, &mut source.interner);
            if id.topic == TopicKind::Configs {
                source.keys.load().open_record(&id.origin, &mut record, &mut source.interner);
            }
            if !belongs(&record.key, raw.key, id, reading.partitions) {
                self.misplaced += 1;
                return;
            }
            let unreadable = is_unreadable(&record);
            self.data(id, record, traceparent);
            unreadable
        };
        self.unreadable += usize::from(unreadable);
    }
}

/// Why a turn ended.
pub(super) enum StoppedBy {
    Empty,
    Limit,
    Error(KafkaError),
}

/// Header `f` and, if it can be one, the trace.
fn known(headers: &BorrowedHeaders) -> (Option<&[u8]>, Option<String>) {
    let traceparent = value_of(headers, TRACEPARENT)
        .filter(|value| value.len() <= 128)
        .and_then(|value| std::str::from_utf8(value).ok())
        .map(str::to_owned);
    (value_of(headers, HEADER), traceparent)
}

/// Of several headers of one name the first counts.
fn value_of<'a>(headers: &'a BorrowedHeaders, name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|header| header.key == name).and_then(|header| header.value)
}

/// Whether a record stands in the topic and partition where its key belongs (rule R23).
fn belongs(key: &RecordKey, bytes: &[u8], partition: &PartitionId, partitions: u32) -> bool {
    let topic = match key {
        RecordKey::Data(DataKey::Instance(..)) => TopicKind::Instances,
        RecordKey::Data(DataKey::Config(_)) => TopicKind::Configs,
        RecordKey::Checkpoint | RecordKey::Census(_) | RecordKey::Other | RecordKey::Malformed => return true,
    };
    topic == partition.topic && home_partition(bytes, partitions) == partition.partition
}

fn is_unreadable(record: &Record) -> bool {
    let known = matches!(record.key, RecordKey::Data(_) | RecordKey::Checkpoint | RecordKey::Census(_));
    (known && record.body == RecordBody::Unreadable) || record.key == RecordKey::Malformed
}

fn is_unreadable_control(record: &ControlRecord) -> bool {
    record.key != ControlKey::Other && record.value == Some(ControlValue::Unreadable)
}

/// The number of partitions that a batch of control records describes last. A descriptor that is out of bounds describes nothing.
pub(super) fn described_partitions(input: &Input) -> Option<u32> {
    let Input::Log(LogInput::Control { records, .. }) = input else { return None };
    records.iter().rev().find_map(|record| match (&record.key, &record.value) {
        (ControlKey::Descriptor, Some(ControlValue::Descriptor(descriptor))) => {
            judge_descriptor(descriptor, &OriginBounds::default()).is_none().then_some(descriptor.partitions)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_where_the_trace_changes() {
        let partition = PartitionId { origin: "a".parse().unwrap(), topic: TopicKind::Instances, partition: 0 };
        let record =
            |offset| Record { offset, key: RecordKey::Other, header: None, body: RecordBody::Tombstone, digest: 0 };
        let mut turn = Turn::default();
        for (offset, trace) in [(0, None), (1, None), (2, Some("t1")), (3, Some("t1")), (4, Some("t2")), (5, None)] {
            turn.data(&partition, record(offset), trace.map(str::to_owned));
        }
        let batches: Vec<_> = turn
            .news
            .iter()
            .map(|news| match &news.input {
                Input::Log(LogInput::Records { records, .. }) => (records.len(), news.traceparent.as_deref()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(batches, [(2, None), (2, Some("t1")), (1, Some("t2")), (1, None)]);
    }
}
