//! What a world is made of: its dice, a Nacos and the log.

use std::collections::{BTreeMap, BTreeSet};

use federation_core::id::{ClusterId, InstanceId, ServiceKey};
use federation_core::instance::Instance;
use federation_core::intents::verdict::Signed;
use federation_core::log::cursor::LogSource;
use federation_core::log::key::DataKey;
use federation_core::log::record::{ControlRecord, PartitionId, Record};

/// A small generator whose whole state is the seed: a failing run is repeated by its printed seed.
pub(crate) struct Dice(pub u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    pub(crate) fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

/// The instances of one Nacos, disabled ones too.
#[derive(Default)]
pub(crate) struct Nacos {
    pub(crate) services: BTreeMap<ServiceKey, BTreeMap<InstanceId, Instance>>,
    /// Registered before a restart and not registered anew yet: in no answer.
    pub(crate) away: BTreeSet<(ServiceKey, InstanceId)>,
    pub(crate) up: bool,
    pub(crate) reads_allowed: bool,
}

impl Nacos {
    pub(super) fn all(&self, key: &ServiceKey) -> Vec<(InstanceId, Instance)> {
        let instances = self.services.get(key).into_iter().flatten();
        let here = instances.filter(|(id, _)| !self.away.contains(&(key.clone(), (*id).clone())));
        here.map(|(id, instance)| (id.clone(), instance.clone())).collect()
    }

    pub(super) fn enabled(&self, key: &ServiceKey) -> Vec<(InstanceId, Instance)> {
        self.all(key).into_iter().filter(|(_, instance)| instance.enabled).collect()
    }
}

#[derive(Default)]
pub(crate) struct Log {
    /// What gateways' records of orders bear.
    pub(crate) signed: Signed,
    pub(crate) data: BTreeMap<PartitionId, Vec<Record>>,
    pub(crate) control: BTreeMap<ClusterId, Vec<ControlRecord>>,
    pub(crate) up: bool,
    /// Takes no record of control, and says nothing of it.
    pub(crate) swallows_control: bool,
    /// Clusters whose data topics refuse every record, while reading and end offsets work.
    pub(crate) refuses: BTreeSet<ClusterId>,
    /// Gateways (by name) whose reader hands over nothing at all.
    pub(crate) deaf: BTreeSet<ClusterId>,
    /// Gateways (by name) whose fetches get nothing while questions for ends are answered.
    pub(crate) no_fetch: BTreeSet<ClusterId>,
    /// Partitions that hand over nothing to anybody while questions for their ends are answered: their broker is ill.
    pub(crate) mute: BTreeSet<PartitionId>,
    /// Gateways (by name) that get no end offsets.
    pub(crate) no_ends: BTreeSet<ClusterId>,
    /// Gateways (by name) that get no end offsets of data topics.
    pub(crate) no_ends_of_data: BTreeSet<ClusterId>,
    /// Facts that fail and do not land, while others are taken.
    pub(crate) refused_keys: BTreeSet<DataKey>,
    /// So many sends of facts are refused next, and do not land.
    pub(crate) refuse_next: usize,
    /// Gateways (by name) whose process is paused.
    pub(crate) paused: BTreeSet<ClusterId>,
    /// Records below are compacted for whoever reads from the beginning; tombstones among them are gone.
    pub(crate) compacted: BTreeMap<PartitionId, usize>,
    /// So many records at the beginning of a data partition are gone: retention, or somebody's delete-records.
    pub(crate) purged: BTreeMap<PartitionId, usize>,
    /// Records handed over at once, of a data partition.
    pub(crate) turn: Option<usize>,
    /// Clusters whose checkpoints state one key too many.
    pub(crate) misstates: BTreeSet<ClusterId>,
    /// How often a data partition was created anew.
    pub(crate) lives: BTreeMap<PartitionId, u64>,
    /// Which of several Kafkas under one address this is.
    pub(crate) kafka: u64,
    /// Brokers tell no topic ids.
    pub(crate) hides_ids: bool,
}

impl Log {
    /// Which log a data partition is of.
    pub(crate) fn source_of(&self, place: &PartitionId) -> LogSource {
        let life = self.lives.get(place).copied().unwrap_or(0);
        let topic = (!self.hides_ids).then(|| format!("{}-{life}", place.origin).into());
        let begin = u64::try_from(self.purged.get(place).copied().unwrap_or(0)).unwrap();
        LogSource { kafka: format!("kafka-{}", self.kafka).into(), topic, begin }
    }
}
