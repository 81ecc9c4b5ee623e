//! Whether the own log has what the own Nacos answers when it is asked anew: for people who want to see it, not to believe it.
//!
//! Input: an order, and the answers of Nacos as they come. Output: how far the comparison is, and each difference by its key. Every service
//! and config item that is watched is read once more; what an answer says, which is not what this process has concluded from all before it,
//! is compared with what was read back from the log. What differs is asked for a second time, after a while: a change that was on its way
//! differs once.
//!
//! ```text
//! asking ──all answered, or nothing for a while──▶ resting ──a while──▶ asking again, what differed ──as before──▶ ended
//! ```
//!
//! Invariants: a comparison changes nothing by itself, but its answers count like any other; there is one at a time; a step asks for a
//! slice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::comparison::{ComparisonRefused, NacosComparison, NacosDifference, NacosDifferenceKind};
use crate::config_item::ConfigItem;
use crate::federation::Federation;
use crate::id::{InstanceId, ObservedSubject, ServiceKey};
use crate::input::{ConfigReading, Effect, LocalInput, OrderId, ServiceReading};
use crate::instance::Instance;
use crate::log::entries::ServiceEntries;
use crate::log::key::DataKey;
use crate::log::origin::ImageValue;
use crate::time::{Millis, Mono, Now};

/// Questions that a step puts at most.
const ASKED_IN_A_STEP: usize = 250;
/// What has not answered when nothing did for this long is unread: longer than a question stays open before it is put again.
const SILENT_AFTER: Millis = Millis::from_secs(15);
/// What differs is asked for again after this long: a change is in the log a second after Nacos has it, also on a busy machine.
const AGAIN_AFTER: Millis = Millis::from_secs(3);
/// Differences, and names without an answer, that are told one by one; the rest is counted.
const MOST_TOLD: usize = 1_000;

/// The comparison under way.
#[derive(Debug, Default)]
pub(super) struct Comparing {
    round: u64,
    stage: Stage,
    /// Answers to questions that were put before do not count.
    since: Mono,
    /// When something answered last, or a stage began.
    moved: Mono,
    to_ask: VecDeque<ObservedSubject>,
    waiting: BTreeSet<ObservedSubject>,
    of: u64,
    facts: u64,
    partly: u64,
    found: BTreeMap<ObservedSubject, Vec<NacosDifference>>,
    unread: BTreeSet<ObservedSubject>,
    /// Something of it has changed since it was last taken.
    untold: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Ended,
    Asking,
    Resting,
    AskingAgain,
}

impl Comparing {
    fn ask(&mut self, now: Mono, stage: Stage, subjects: Vec<ObservedSubject>) {
        (self.stage, self.since, self.moved, self.untold) = (stage, now, now, true);
        self.waiting = subjects.iter().cloned().collect();
        self.to_ask = subjects.into();
    }

    fn is_asking(&self) -> bool {
        matches!(self.stage, Stage::Asking | Stage::AskingAgain)
    }

    /// What is next, if the stage is over.
    fn turn(&mut self, now: Mono) {
        let silent = now >= self.moved + SILENT_AFTER;
        match self.stage {
            Stage::Asking | Stage::AskingAgain if self.waiting.is_empty() || silent => {
                self.unread.append(&mut self.waiting);
                self.to_ask.clear();
                let again = self.stage == Stage::Asking && !self.found.is_empty();
                (self.stage, self.moved) = (if again { Stage::Resting } else { Stage::Ended }, now);
                self.untold = true;
            }
            Stage::Resting if now >= self.moved + AGAIN_AFTER => {
                let subjects = self.found.keys().cloned().collect();
                self.ask(now, Stage::AskingAgain, subjects);
            }
            _ => {}
        }
    }

    fn answered(&mut self, now: Mono, subject: &ObservedSubject, facts: u64, differences: Vec<NacosDifference>) {
        if !self.waiting.remove(subject) {
            return;
        }
        (self.moved, self.untold) = (now, true);
        self.unread.remove(subject);
        if self.stage == Stage::Asking {
            self.facts += facts;
        }
        if differences.is_empty() {
            self.found.remove(subject);
        } else {
            self.found.insert(subject.clone(), differences);
        }
    }

    fn told(&self) -> NacosComparison {
        let ended = self.stage == Stage::Ended;
        let first_pass = if self.stage == Stage::Asking { self.waiting.len() } else { 0 };
        let unread = self.unread.iter().take(MOST_TOLD).map(ToString::to_string).collect();
        NacosComparison {
            round: self.round,
            ended: ended && self.round > 0,
            of: self.of,
            answered: self.of.saturating_sub((first_pass + self.unread.len()) as u64),
            facts: self.facts,
            differences: self.found.values().flatten().take(MOST_TOLD).cloned().collect(),
            different: self.found.values().map(Vec::len).sum::<usize>() as u64,
            unread: if ended { unread } else { Vec::new() },
            silent: self.unread.len() as u64,
            partly: self.partly,
        }
    }
}

impl Federation {
    /// How far the last comparison of the own log with the own Nacos is, and what it found.
    #[must_use]
    pub fn nacos_comparison(&self) -> NacosComparison {
        self.comparing.told()
    }

    /// The same, if it is not what it was when this was last called.
    pub fn take_comparison(&mut self) -> Option<NacosComparison> {
        std::mem::take(&mut self.comparing.untold).then(|| self.comparing.told())
    }

    /// Begins a comparison, unless one is under way: then that is the answer.
    pub(super) fn begin_comparison(&mut self, now: Now, id: OrderId, effects: &mut Vec<Effect>) {
        let outcome = self.may_compare().map(|()| {
            if self.comparing.stage == Stage::Ended {
                let subjects: Vec<ObservedSubject> = self.local.watched_subjects().into_iter().collect();
                let (round, of) = (self.comparing.round + 1, subjects.len() as u64);
                self.comparing = Comparing { round, of, ..Comparing::default() };
                self.comparing.ask(now.mono, Stage::Asking, subjects);
            }
            self.comparing.round
        });
        effects.push(Effect::ComparisonBegun { id, outcome });
    }

    fn may_compare(&self) -> Result<(), ComparisonRefused> {
        match () {
            () if !self.nacos_connected() => Err(ComparisonRefused::NotConnected),
            () if !self.own_log_is_read() => Err(ComparisonRefused::NotRead),
            () => Ok(()),
        }
    }

    /// Puts the next questions, and ends what is over.
    pub(super) fn drive_comparison(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for _ in 0..ASKED_IN_A_STEP {
            let Some(subject) = self.comparing.to_ask.pop_front() else { break };
            self.comparing.moved = now.mono;
            match subject {
                ObservedSubject::Service(key) => self.local.ask(now.mono, &key),
                ObservedSubject::Config(key) => effects.push(Effect::ReadConfig(key)),
            }
        }
        self.comparing.turn(now.mono);
    }

    /// Whether the comparison has questions to put now.
    pub(super) fn has_to_compare(&self) -> bool {
        !self.comparing.to_ask.is_empty()
    }

    /// Compares an answer of Nacos with the log, if it is one to a question of the comparison. To be called before it is taken in.
    pub(super) fn compare_answer(&mut self, now: Now, input: &LocalInput) {
        if !self.comparing.is_asking() {
            return;
        }
        match input {
            LocalInput::Read { service, reading } => {
                let asked = self.local.asked_at(service).is_some_and(|asked| asked >= self.comparing.since);
                if asked {
                    self.compare_reading(now, service, reading);
                }
            }
            LocalInput::Config { key, reading } => {
                let data_key = DataKey::Config(key.clone());
                let item = match reading {
                    ConfigReading::Item(item) => Some(item),
                    ConfigReading::Absent => None,
                    ConfigReading::Failed => return,
                };
                let kind = self.config_difference(&data_key, item);
                let differences = kind.map(|kind| NacosDifference { key: data_key, kind }).into_iter().collect();
                self.comparing.answered(now.mono, &ObservedSubject::Config(key.clone()), 1, differences);
            }
            _ => {}
        }
    }

    fn compare_reading(&mut self, now: Now, service: &ServiceKey, reading: &ServiceReading) {
        let (instances, is_whole, protected) = match reading {
            ServiceReading::All(instances) => (instances, true, false),
            ServiceReading::EnabledOnly { instances, protected } => (instances, false, *protected),
            ServiceReading::Failed => return,
        };
        let read: BTreeMap<&InstanceId, &Instance> = instances.iter().map(|(id, instance)| (id, instance)).collect();
        let logged = self.logged_instances(service);
        let mut differences = Vec::new();
        for (id, instance) in &read {
            let kind = match logged.get(*id) {
                None => Some(NacosDifferenceKind::NotInLog),
                Some(ImageValue::Instance(ours)) => instance_difference(ours, instance, protected),
                Some(_) => Some(NacosDifferenceKind::Unreadable),
            };
            let key = DataKey::Instance(service.clone(), (*id).clone());
            differences.extend(kind.map(|kind| NacosDifference { key, kind }));
        }
        for (id, value) in logged.iter().filter(|(id, _)| !read.contains_key(id)) {
            let is_disabled = matches!(value, ImageValue::Instance(instance) if !instance.enabled);
            if is_disabled && !is_whole {
                continue;
            }
            let held = self.local.service(service).and_then(|state| state.hold_of(id));
            let kind = held.map_or(NacosDifferenceKind::NotInNacos, |held| NacosDifferenceKind::Held(held.reason));
            differences.push(NacosDifference { key: DataKey::Instance(service.clone(), id.clone()), kind });
        }
        let facts = read.len().max(logged.len()) as u64;
        if !is_whole && self.comparing.stage == Stage::Asking {
            self.comparing.partly += 1;
        }
        self.comparing.answered(now.mono, &ObservedSubject::Service(service.clone()), facts, differences);
    }

    /// What the own log, as it was read back, has of the service.
    fn logged_instances(&self, service: &ServiceKey) -> BTreeMap<InstanceId, ImageValue> {
        let own = self.origins.get(self.cluster()).and_then(|own| own.log.holder_of_service(service));
        let entries = own.and_then(|partition| partition.image().service(service));
        let value = |(id, entry): (&InstanceId, &_)| (id.clone(), ImageValue::of_instance(entry));
        entries.into_iter().flat_map(ServiceEntries::iter).map(value).collect()
    }

    fn config_difference(&self, key: &DataKey, item: Option<&Arc<ConfigItem>>) -> Option<NacosDifferenceKind> {
        let logged = self.origins.get(self.cluster()).and_then(|own| own.log.image(key));
        match (logged, item) {
            (None, None) => None,
            (None, Some(_)) => Some(NacosDifferenceKind::NotInLog),
            (Some(_), None) => Some(NacosDifferenceKind::NotInNacos),
            (Some(ImageValue::Config(ours)), Some(theirs)) if ours.content.text().is_ok() => {
                let fields = item_fields(&ours, theirs);
                (!fields.is_empty()).then_some(NacosDifferenceKind::Values(fields))
            }
            (Some(_), Some(_)) => Some(NacosDifferenceKind::Unreadable),
        }
    }
}

/// Health that Nacos does not tell truly is not compared.
fn instance_difference(ours: &Instance, theirs: &Instance, protected: bool) -> Option<NacosDifferenceKind> {
    let fields = [
        ("weight", ours.weight != theirs.weight),
        ("health", !protected && ours.health != theirs.health),
        ("enabled", ours.enabled != theirs.enabled),
        ("ephemeral", ours.ephemeral != theirs.ephemeral),
        ("metadata", ours.metadata != theirs.metadata),
    ];
    let differing = different(fields);
    (!differing.is_empty()).then_some(NacosDifferenceKind::Values(differing))
}

fn item_fields(ours: &ConfigItem, theirs: &ConfigItem) -> Vec<&'static str> {
    different([
        ("content", ours.content != theirs.content),
        ("type", ours.content_type != theirs.content_type),
        ("encryptedDataKey", ours.encrypted_data_key != theirs.encrypted_data_key),
        ("description", ours.description != theirs.description),
        ("tags", ours.tags != theirs.tags),
        ("application", ours.application != theirs.application),
    ])
}

fn different<const N: usize>(fields: [(&'static str, bool); N]) -> Vec<&'static str> {
    fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}
