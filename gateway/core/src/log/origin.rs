//! The data topics of one origin: its partitions, and where a key is found in them.

use std::sync::Arc;

use crate::config_item::ConfigItem;
use crate::id::{ConfigKey, ServiceKey};
use crate::instance::Instance;
use crate::log::cursor::KeptPlace;
use crate::log::entries::FoldEntry;
use crate::log::key::{DataKey, NameHash};
use crate::log::partition::{Fold, Partition};
use crate::log::record::{Epoch, TopicKind};
use crate::seed::Seed;
use crate::time::Mono;

/// All data partitions of one origin.
#[derive(Clone, Debug)]
pub struct OriginLog {
    instances: Vec<Partition>,
    configs: Vec<Partition>,
}

impl OriginLog {
    /// Topics of `partitions` partitions each, nothing read yet.
    #[must_use]
    pub fn new(partitions: u32, seed: Seed) -> Self {
        let empty = || (0..partitions).map(|_| Partition::new(seed)).collect();
        Self { instances: empty(), configs: empty() }
    }

    /// Folds a fact into the partition that its key belongs to.
    pub fn fold(&mut self, record: &crate::log::record::Record) {
        let crate::log::key::RecordKey::Data(key) = &record.key else { return };
        let place = Some(self.partitions()).filter(|count| *count > 0).map(|count| key.partition(count));
        if let Some(partition) = place.and_then(|place| self.partition_mut(topic_of(key), place)) {
            partition.apply(record);
        }
    }

    /// What was folded goes on serving, until the log itself has been read from its beginning.
    #[must_use]
    pub fn into_snapshot(self) -> Self {
        let served = |partitions: Vec<Partition>| partitions.into_iter().map(Partition::into_snapshot).collect();
        Self { instances: served(self.instances), configs: served(self.configs) }
    }

    /// Where its partitions may be read on, once the log is found to be the same one.
    pub fn kept(&self) -> impl Iterator<Item = &KeptPlace> {
        self.all().filter_map(|(_, _, partition)| partition.kept())
    }

    /// Partitions of each topic.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        u32::try_from(self.instances.len()).expect("built from a u32")
    }

    /// One partition; `None` for control, or out of range.
    pub fn partition_mut(&mut self, topic: TopicKind, partition: u32) -> Option<&mut Partition> {
        self.topic_mut(topic)?.get_mut(usize::try_from(partition).ok()?)
    }

    /// One partition; `None` for control, or out of range.
    #[must_use]
    pub fn partition(&self, topic: TopicKind, partition: u32) -> Option<&Partition> {
        self.topic(topic)?.get(usize::try_from(partition).ok()?)
    }

    /// All partitions with their place.
    pub fn all(&self) -> impl Iterator<Item = (TopicKind, u32, &Partition)> {
        let instances =
            self.instances.iter().zip(0..).map(|(partition, number)| (TopicKind::Instances, number, partition));
        instances.chain(self.configs.iter().zip(0..).map(|(partition, number)| (TopicKind::Configs, number, partition)))
    }

    /// Whether every partition was read to its end once.
    #[must_use]
    pub fn is_read(&self) -> bool {
        !self.instances.is_empty() && self.all().all(|(_, _, partition)| partition.is_read())
    }

    /// Whether a partition goes on and nothing of that has come for long.
    #[must_use]
    pub fn is_behind(&self, now: Mono) -> bool {
        self.all().any(|(_, _, partition)| partition.is_behind(now))
    }

    /// Whether a partition is proven not to be all that the origin states to have written.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.all().any(|(_, _, partition)| partition.proof().is_incomplete())
    }

    /// Partitions that were read anew and are still not what the origin states.
    pub fn diverged(&self) -> impl Iterator<Item = (TopicKind, u32)> {
        let diverged = self.all().filter(|(_, _, partition)| partition.proof().is_diverged());
        diverged.map(|(topic, number, _)| (topic, number))
    }

    /// The oldest beat that the last checkpoints of this epoch state; 0 while a partition has none of it.
    #[must_use]
    pub fn oldest_checkpoint(&self, epoch: Epoch) -> u64 {
        let stated = |partition: &Partition| match partition.last_checkpoint() {
            Some((of, beat)) if of == epoch => beat,
            _ => 0,
        };
        self.all().map(|(_, _, partition)| stated(partition)).min().unwrap_or(0)
    }

    /// The partition that holds the key; `None` while the topics are unknown.
    #[must_use]
    pub fn holder(&self, key: &DataKey) -> Option<&Partition> {
        let partitions = Some(self.partitions()).filter(|count| *count > 0)?;
        self.partition(topic_of(key), key.partition(partitions))
    }

    /// Whether the log has an instance of the service, or may have one because it was not read to its end.
    #[must_use]
    pub fn may_have(&self, key: &ServiceKey) -> bool {
        self.holder_of_service(key).is_none_or(|found| !found.reached_end() || found.image().service(key).is_some())
    }

    /// The partition that holds a service; `None` while the topics are unknown.
    #[must_use]
    pub fn holder_of_service(&self, key: &ServiceKey) -> Option<&Partition> {
        self.holder_of_hash(NameHash::of_service(key))
    }

    /// As [`OriginLog::holder_of_service`], for whoever looks into many origins: the hash of the name is made once.
    #[must_use]
    pub fn holder_of_hash(&self, hash: NameHash) -> Option<&Partition> {
        let partitions = Some(self.partitions()).filter(|count| *count > 0)?;
        self.partition(TopicKind::Instances, hash.partition(partitions))
    }

    /// The partition that holds a config item; `None` while the topics are unknown.
    #[must_use]
    pub fn holder_of_config(&self, key: &ConfigKey) -> Option<&Partition> {
        self.holder(&DataKey::Config(key.clone()))
    }

    /// What is served of all partitions.
    pub fn folds(&self) -> impl Iterator<Item = &Fold> {
        self.all().map(|(_, _, partition)| partition.served())
    }

    /// What the log itself says of an instance or config item.
    #[must_use]
    pub fn image(&self, key: &DataKey) -> Option<ImageValue> {
        let fold = self.holder(key)?.image();
        match key {
            DataKey::Instance(service, id) => fold.service(service)?.get(id).map(ImageValue::of_instance),
            DataKey::Config(config) => fold.config(config).map(ImageValue::of_config),
        }
    }

    fn topic(&self, topic: TopicKind) -> Option<&Vec<Partition>> {
        match topic {
            TopicKind::Instances => Some(&self.instances),
            TopicKind::Configs => Some(&self.configs),
            TopicKind::Control => None,
        }
    }

    fn topic_mut(&mut self, topic: TopicKind) -> Option<&mut Vec<Partition>> {
        match topic {
            TopicKind::Instances => Some(&mut self.instances),
            TopicKind::Configs => Some(&mut self.configs),
            TopicKind::Control => None,
        }
    }
}

/// The last record of a key, as the log has it.
#[derive(Clone, Debug, PartialEq)]
pub enum ImageValue {
    /// An instance.
    Instance(Arc<Instance>),
    /// A config item.
    Config(Arc<ConfigItem>),
    /// A value that could not be read.
    Unreadable,
}

impl ImageValue {
    pub(crate) fn of_instance(entry: &FoldEntry<Instance>) -> Self {
        entry.value.clone().filter(|_| entry.is_readable()).map_or(Self::Unreadable, Self::Instance)
    }

    pub(crate) fn of_config(entry: &FoldEntry<ConfigItem>) -> Self {
        entry.value.clone().filter(|_| entry.is_readable()).map_or(Self::Unreadable, Self::Config)
    }
}

/// The topic that a key belongs to.
#[must_use]
pub fn topic_of(key: &DataKey) -> TopicKind {
    match key {
        DataKey::Instance(..) => TopicKind::Instances,
        DataKey::Config(_) => TopicKind::Configs,
    }
}
