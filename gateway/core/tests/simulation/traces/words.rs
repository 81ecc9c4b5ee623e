//! Effects and records in words, one line each, without anything that changes although nothing happened otherwise: the nonces of
//! processes are their names.

use std::collections::BTreeMap;

use federation_core::federation::Federation;
use federation_core::id::{ClusterId, ConfigKey, InstanceId, ServiceKey};
use federation_core::input::Effect;
use federation_core::instance::{Health, Instance};
use federation_core::intents::DrainIntent;
use federation_core::log::control::{ControlKey, ControlValue, ReplicaRecord, ReplicaState};
use federation_core::log::key::{DataKey, RecordKey, SEPARATOR};
use federation_core::log::record::{Checkpoint, Epoch, PartitionId, RecordBody, RecordHeader};

/// What kind of thing an effect is, by how much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Matter {
    /// A fact, an intent, a descriptor, a change of leadership: what others act on.
    Fact,
    /// A checkpoint.
    Checkpoint,
    /// A question to Nacos or to the log.
    Question,
    /// An own record that says the same as the one before.
    Beat,
}

impl Matter {
    pub(super) fn counted(self, count: usize) -> String {
        let word = match self {
            Self::Fact => "facts",
            Self::Checkpoint => "checkpoints",
            Self::Question => "questions",
            Self::Beat => "beats",
        };
        format!("{count} {word}")
    }
}

/// Names of processes by their nonces.
#[derive(Default)]
pub(super) struct Names {
    by_nonce: BTreeMap<u32, String>,
    starts: BTreeMap<ClusterId, usize>,
    /// What each process said of itself last.
    said: BTreeMap<u32, (ReplicaState, Epoch, bool)>,
}

impl Names {
    /// A process was started; the second one under a name is `name'2`.
    pub(super) fn started(&mut self, name: &ClusterId, core: &Federation) {
        let starts = self.starts.entry(name.clone()).or_default();
        *starts += 1;
        let label = if *starts == 1 { name.to_string() } else { format!("{name}'{starts}") };
        self.by_nonce.insert(core.identity().nonce, label);
    }

    pub(super) fn process(&self, nonce: u32) -> String {
        self.by_nonce.get(&nonce).cloned().unwrap_or_else(|| nonce.to_string())
    }

    /// The nonce of a process by its name, or the number itself.
    pub(super) fn nonce(&self, text: &str) -> Option<u32> {
        let named = self.by_nonce.iter().find(|(_, name)| *name == text).map(|(nonce, _)| *nonce);
        named.or_else(|| text.parse().ok())
    }

    pub(super) fn epoch(&self, epoch: Epoch) -> String {
        format!("{}.{}", epoch.term, self.process(epoch.nonce))
    }

    pub(super) fn effect(&mut self, effect: &Effect) -> (Matter, String) {
        match effect {
            Effect::Send(sent) => {
                let value = format!("{} {}", key(&sent.key), body(&sent.body));
                (Matter::Fact, format!("send {value}, {}", self.header(Some(sent.header))))
            }
            Effect::Checkpoint { topic, partition, stated } => {
                let place = format!("{}/{partition}", topic.as_str());
                let stands = self.header(Some(stated.header));
                (Matter::Checkpoint, format!("send checkpoint {place}: {}, {stands}", checkpoint(&stated.checkpoint)))
            }
            Effect::Census { topic, partition, stated } => {
                let (place, count) = (format!("{}/{partition}", topic.as_str()), stated.census.hashes().len());
                (Matter::Beat, format!("send census {place}, bucket {:02x}: {count} keys", stated.bucket))
            }
            Effect::Control { key, value, .. } => self.control_effect(key, value.as_ref()),
            Effect::Answer { outcome: Ok(taken), .. } => {
                (Matter::Fact, format!("answer: taken as order {}", taken.intent.counter.get()))
            }
            Effect::Answer { outcome: Err(refused), .. } => (Matter::Fact, format!("answer: refused, {refused}")),
            Effect::Adopted { outcome: Ok(_), .. } => (Matter::Fact, "answer: adopted".to_owned()),
            Effect::Adopted { outcome: Err(refused), .. } => (Matter::Fact, format!("answer: not adopted, {refused}")),
            Effect::GuardAnswer { outcome: Ok(_), .. } => (Matter::Fact, "answer: decided".to_owned()),
            Effect::GuardAnswer { outcome: Err(refused), .. } => {
                (Matter::Fact, format!("answer: not decided, {refused}"))
            }
            Effect::ComparisonBegun { outcome: Ok(round), .. } => (Matter::Fact, format!("answer: comparison {round}")),
            Effect::ComparisonBegun { outcome: Err(refused), .. } => {
                (Matter::Fact, format!("answer: nothing is compared, {refused}"))
            }
            Effect::Purge => (Matter::Fact, "purge what is queued".to_owned()),
            Effect::AskEnd(place) => (Matter::Question, format!("ask where {} ends", partition(place))),
            Effect::ReadAnew(place) => (Matter::Question, format!("read {} anew", partition(place))),
            Effect::WatchService(key) => (Matter::Question, format!("watch {}", service(key))),
            Effect::UnwatchService(key) => (Matter::Question, format!("unwatch {}", service(key))),
            Effect::ReadService(key) => (Matter::Question, format!("read {}", service(key))),
            Effect::QueryService(key) => (Matter::Question, format!("query {}", service(key))),
            Effect::ReadConfig(key) => (Matter::Question, format!("read config {}", config(key))),
        }
    }

    fn control_effect(&mut self, key: &ControlKey, value: Option<&ControlValue>) -> (Matter, String) {
        let text = format!("say {}", self.control(key, value));
        let (ControlKey::Replica(nonce), Some(ControlValue::Replica(replica))) = (key, value) else {
            return (Matter::Fact, text);
        };
        let says = (replica.state, replica.epoch, replica.warm);
        let before = self.said.insert(*nonce, says);
        (if before == Some(says) { Matter::Beat } else { Matter::Fact }, text)
    }

    /// A record of a control topic.
    pub(super) fn control(&self, key: &ControlKey, value: Option<&ControlValue>) -> String {
        let name = match key {
            ControlKey::Replica(nonce) => format!("replica {}", self.process(*nonce)),
            ControlKey::Descriptor => "descriptor".to_owned(),
            ControlKey::Drain(target) => format!("drain {target}"),
            ControlKey::Guard(target) => format!("guard {target}"),
            ControlKey::Other => "something else".to_owned(),
        };
        let value = match value {
            None => "gone".to_owned(),
            Some(ControlValue::Replica(replica)) => self.replica(replica),
            Some(ControlValue::Descriptor(described)) => {
                format!("{} partitions, generation {}", described.partitions, described.generation)
            }
            Some(ControlValue::Drain(intent)) => self.drain(intent),
            Some(ControlValue::Guard(entry)) => {
                format!("{}, word {}", entry.word.as_str(), entry.counter.get())
            }
            Some(ControlValue::Unreadable) => "unreadable".to_owned(),
        };
        format!("{name}: {value}")
    }

    fn replica(&self, replica: &ReplicaRecord) -> String {
        let state = match replica.state {
            ReplicaState::Standby => "standby",
            ReplicaState::Leader => "leader",
            ReplicaState::Stopped => "stopped",
            ReplicaState::Stranger => "stranger",
        };
        let mut text = format!("{state} {}, beat {}", self.epoch(replica.epoch), replica.beat);
        if !replica.warm {
            text += ", not warm";
        }
        match replica.nacos_age {
            None => text += ", nacos never heard",
            Some(age) if age.0 >= 1_000 => text += &format!(", nacos silent for {} s", age.0 / 1_000),
            Some(_) => {}
        }
        if replica.unpublished_age.0 >= 1_000 {
            text += &format!(", unpublished for {} s", replica.unpublished_age.0 / 1_000);
        }
        text
    }

    pub(super) fn drain(&self, intent: &DrainIntent) -> String {
        let goal = if intent.is_ramping() { format!(" on the way to {}", intent.goal()) } else { String::new() };
        let by = self.process(intent.replica);
        format!("{}{goal}, order {}, by {by}", intent.percent, intent.counter.get())
    }

    pub(super) fn header(&self, header: Option<RecordHeader>) -> String {
        header.map_or("no header".to_owned(), |header| format!("{} #{}", self.epoch(header.epoch), header.seq))
    }

    /// A record of a data topic.
    pub(super) fn record(&self, key_of: &RecordKey, value: &RecordBody, header: Option<RecordHeader>) -> String {
        let name = match key_of {
            RecordKey::Data(data) => key(data),
            RecordKey::Checkpoint => "checkpoint".to_owned(),
            RecordKey::Census(bucket) => format!("census {bucket:02x}"),
            RecordKey::Other | RecordKey::Malformed => "something else".to_owned(),
        };
        format!("{name} {}, {}", body(value), self.header(header))
    }
}

pub(super) fn partition(place: &PartitionId) -> String {
    format!("{}/{}", place.topic.as_str(), place.partition)
}

/// `20`, or the whole address where it is none of the usual ones.
pub(super) fn instance_id(id: &InstanceId) -> String {
    let usual = id.ip.strip_prefix("10.0.0.").filter(|_| id.port == 80 && &*id.nacos_cluster == "DEFAULT");
    usual.map_or_else(|| format!("{}:{}", id.ip, id.port), str::to_owned)
}

fn service(key: &ServiceKey) -> String {
    config(&ConfigKey::new(key.namespace(), key.group(), key.service()))
}

/// `orders`, or all three parts where they are not the usual ones, encoded as in keys.
fn config(key: &ConfigKey) -> String {
    let encoded = DataKey::Config(key.clone()).encode();
    let parts: Vec<&str> = encoded.split(SEPARATOR).skip(1).collect();
    match parts[..] {
        ["public", "DEFAULT_GROUP", name] => name.to_owned(),
        _ => parts.join("/"),
    }
}

fn key(key: &DataKey) -> String {
    match key {
        DataKey::Instance(of, id) => format!("{}/{}", service(of), instance_id(id)),
        DataKey::Config(of) => format!("config {}", config(of)),
    }
}

fn checkpoint(stated: &Checkpoint) -> String {
    format!("{} keys, digest {}, beat {}", stated.count, digest(stated.digest), stated.beat)
}

/// The last digits of a digest: enough to tell two apart.
pub(super) fn digest(digest: u128) -> String {
    format!("{:06x}", digest & 0xff_ffff)
}

fn body(body: &RecordBody) -> String {
    match body {
        RecordBody::Tombstone => "gone".to_owned(),
        RecordBody::Unreadable => "unreadable".to_owned(),
        RecordBody::Instance(value) => instance(value),
        RecordBody::Config(item) => {
            item.content.text().map_or_else(|sealed| format!("{sealed:?}"), |text| format!("{text:?}"))
        }
        RecordBody::Checkpoint(stated) => checkpoint(stated),
        RecordBody::Census(census) => format!("of {} keys", census.hashes().len()),
    }
}

pub(super) fn instance(value: &Instance) -> String {
    let health = match value.health {
        Health::Healthy => "",
        Health::Unhealthy => " unhealthy",
        Health::Unknown => " of unknown health",
    };
    let disabled = if value.enabled { "" } else { " disabled" };
    format!("weight {}{health}{disabled}", value.weight.get())
}
