//! Topics whose number of partitions is not the one that their cluster writes to (rule R23).

use federation_core::federation::{Federation, PartitionMismatch};
use federation_core::input::{Input, LogInput};
use federation_core::log::control::{ControlKey, ControlValue, Descriptor};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{ControlRecord, PartitionId, Record, RecordBody, TopicKind};

use super::world::{cluster, core, id, instance, service};

/// What `b` writes to.
const STATED: u32 = 8;

fn step(core: &mut Federation, input: LogInput) {
    let now =
        federation_core::time::Now { mono: federation_core::time::Mono(1_000), wall: federation_core::time::WallMs(0) };
    drop(core.step(now, Input::Log(input)));
}

fn topics(core: &mut Federation, partitions: u32) {
    step(core, LogInput::Members(vec![(cluster("b"), partitions)]));
}

fn descriptor(core: &mut Federation) {
    let value = ControlValue::Descriptor(Descriptor { partitions: STATED, generation: 1, ..Descriptor::default() });
    let record = ControlRecord {
        offset: 0,
        key: ControlKey::Descriptor,
        header: None,
        value: Some(value),
        signed: Default::default(),
    };
    step(core, LogInput::Control { origin: cluster("b"), records: vec![record] });
}

/// One instance of each of twenty services, where `b` wrote them.
fn facts(core: &mut Federation) {
    for number in 0..20 {
        let key = DataKey::Instance(service(&format!("s{number}")), id(1));
        let partition =
            PartitionId { origin: cluster("b"), topic: TopicKind::Instances, partition: key.partition(STATED) };
        let body = RecordBody::Instance(instance(1.0, true).into());
        let record = Record { offset: number, key: RecordKey::Data(key), header: None, body, digest: 0 };
        step(core, LogInput::Records { partition, records: vec![record] });
    }
}

fn shown(core: &mut Federation) -> usize {
    (0..20).filter(|number| core.service(&service(&format!("s{number}"))).is_some()).count()
}

fn mismatch(topics: u32) -> Vec<PartitionMismatch> {
    vec![PartitionMismatch { cluster: cluster("b"), topics, stated: STATED }]
}

#[test]
fn partitions_that_somebody_adds_are_told_and_hide_nothing() {
    let mut core = core(&cluster("a"), 1);
    topics(&mut core, STATED);
    descriptor(&mut core);
    facts(&mut core);
    assert_eq!((shown(&mut core), core.partition_mismatches()), (20, vec![]));
    topics(&mut core, 12);
    assert_eq!((shown(&mut core), core.partition_mismatches()), (20, mismatch(12)));
    topics(&mut core, STATED);
    assert_eq!(core.partition_mismatches(), []);
}

#[test]
fn whoever_starts_later_reads_what_was_written_over_fewer_partitions() {
    let mut core = core(&cluster("a"), 1);
    topics(&mut core, 12);
    descriptor(&mut core);
    facts(&mut core);
    assert_eq!((shown(&mut core), core.partition_mismatches()), (20, mismatch(12)));
}

#[test]
fn partitions_that_are_missing_are_told() {
    let mut core = core(&cluster("a"), 1);
    topics(&mut core, 4);
    descriptor(&mut core);
    assert_eq!(core.partition_mismatches(), mismatch(4));
}

#[test]
fn another_number_in_the_descriptor_hides_nothing_while_all_is_read_anew() {
    let mut core = core(&cluster("a"), 1);
    topics(&mut core, STATED);
    facts(&mut core);
    core.take_changed();
    let value = ControlValue::Descriptor(Descriptor { partitions: 3, generation: 1, ..Descriptor::default() });
    let record = ControlRecord {
        offset: 0,
        key: ControlKey::Descriptor,
        header: None,
        value: Some(value),
        signed: Default::default(),
    };
    step(&mut core, LogInput::Control { origin: cluster("b"), records: vec![record] });
    assert_eq!(core.take_changed().services.len(), 20);
    assert_eq!(shown(&mut core), 20);
}
