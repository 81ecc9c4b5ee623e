//! What differs between two values of a service or of a config item.
//!
//! Both values have their origins and instances in order, and what did not change is one value in memory: so the cost of a comparison is that of
//! walking both lists, and texts are made for what differs alone.

use std::cmp::Ordering;
use std::sync::Arc;

use federation_core::cause::ChangeCause;
use federation_core::id::ClusterId;
use federation_core::instance::{Health, Instance};
use federation_core::service::{FederatedConfig, FederatedInstance, FederatedService, OriginConfig, OriginInstances};

use super::{ChangeKind, ChangeRecord, ChangeSubject, MOST_OF_ONE};

/// Collects differences; beyond a bound they are counted.
#[derive(Default)]
pub(super) struct Differences {
    pub(super) records: Vec<ChangeRecord>,
    pub(super) uncounted: u64,
    /// Of the present subject.
    here: usize,
}

impl Differences {
    pub(super) fn begin(&mut self) {
        self.here = 0;
    }

    fn push(&mut self, record: impl FnOnce() -> ChangeRecord) {
        if self.here >= MOST_OF_ONE {
            self.uncounted += 1;
            return;
        }
        self.here += 1;
        self.records.push(record());
    }
}

/// What two lists, both in order, have: only the first, only the second, or both.
fn walk<'a, T, K: Ord>(
    old: &'a [T],
    new: &'a [T],
    key: impl Fn(&'a T) -> K,
    mut found: impl FnMut(Option<&'a T>, Option<&'a T>),
) {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => key(left).cmp(&key(right)),
        };
        match order {
            Ordering::Less => found(old.next(), None),
            Ordering::Greater => found(None, new.next()),
            Ordering::Equal => found(old.next(), new.next()),
        }
    }
}

fn origins(of: Option<&FederatedService>) -> &[OriginInstances] {
    of.map_or(&[], |service| &service.origins)
}

fn instances(of: Option<&OriginInstances>) -> &[FederatedInstance] {
    of.map_or(&[], |found| &found.instances)
}

fn items(of: Option<&FederatedConfig>) -> &[OriginConfig] {
    of.map_or(&[], |config| &config.items)
}

pub(super) fn of_service(
    old: Option<&FederatedService>,
    new: Option<&FederatedService>,
    cause: ChangeCause,
    into: &mut Differences,
) {
    let Some(key) = old.or(new).map(|service| &service.key) else { return };
    let subject = ChangeSubject::Service(key.clone());
    into.begin();
    walk(
        origins(old),
        origins(new),
        |found| &found.origin,
        |old, new| {
            let Some(origin) = old.or(new).map(|found| &found.origin) else { return };
            walk(
                instances(old),
                instances(new),
                |found| &found.id,
                |old, new| {
                    of_instance(&InstanceOf { subject: &subject, origin, cause }, old, new, into);
                },
            );
        },
    );
}

struct InstanceOf<'a> {
    subject: &'a ChangeSubject,
    origin: &'a ClusterId,
    cause: ChangeCause,
}

impl InstanceOf<'_> {
    fn record(&self, what: &'static str, found: &FederatedInstance) -> ChangeRecord {
        let record = ChangeRecord::new(ChangeKind::Instance, what, self.subject.clone());
        ChangeRecord { instance: Some(found.id.clone()), ..record }.of(self.origin).through(self.cause)
    }
}

fn of_instance(
    of: &InstanceOf<'_>,
    old: Option<&FederatedInstance>,
    new: Option<&FederatedInstance>,
    into: &mut Differences,
) {
    match (old, new) {
        (None, None) => {}
        (None, Some(new)) => into.push(|| of.record("added", new).to(told(&new.instance))),
        (Some(old), None) => into.push(|| of.record("removed", old).from(told(&old.instance))),
        (Some(old), Some(new)) => {
            if !Arc::ptr_eq(&old.instance, &new.instance) {
                of_values(of, old, new, into);
            }
            match (&old.held, &new.held) {
                (None, Some(held)) => into.push(|| of.record("held", new).to(held.reason.as_str())),
                (Some(held), None) => into.push(|| of.record("unheld", new).from(held.reason.as_str())),
                _ => {}
            }
        }
    }
}

fn of_values(of: &InstanceOf<'_>, old: &FederatedInstance, new: &FederatedInstance, into: &mut Differences) {
    let (before, after) = (&*old.instance, &*new.instance);
    if before.health != after.health {
        into.push(|| of.record("health", new).from(health(before.health)).to(health(after.health)));
    }
    if before.enabled != after.enabled {
        into.push(|| of.record(if after.enabled { "enabled" } else { "disabled" }, new));
    }
    if before.weight != after.weight {
        let weight = |it: &Instance| format!("weight {}", it.weight.get());
        into.push(|| of.record("changed", new).from(weight(before)).to(weight(after)));
    }
    if before.metadata != after.metadata {
        into.push(|| {
            let (from, to) = metadata(before, after);
            of.record("changed", new).from(from).to(to)
        });
    }
}

/// The pairs that differ, of both.
fn metadata(before: &Instance, after: &Instance) -> (String, String) {
    let only = |of: &Instance, other: &Instance| {
        let differs = |(key, value): &(&str, &str)| other.metadata.get(key) != Some(value);
        let pairs = of.metadata.iter().filter(differs).map(|(key, value)| format!("{key}={value}"));
        pairs.collect::<Vec<_>>().join(", ")
    };
    (only(before, after), only(after, before))
}

fn told(instance: &Instance) -> String {
    let disabled = if instance.enabled { "" } else { ", disabled" };
    format!("{}, weight {}{disabled}", health(instance.health), instance.weight.get())
}

fn health(health: Health) -> &'static str {
    match health {
        Health::Healthy => "healthy",
        Health::Unhealthy => "unhealthy",
        Health::Unknown => "unknown",
    }
}

pub(super) fn of_config(
    old: Option<&FederatedConfig>,
    new: Option<&FederatedConfig>,
    cause: ChangeCause,
    into: &mut Differences,
) {
    let Some(key) = old.or(new).map(|config| &config.key) else { return };
    let subject = ChangeSubject::Config(key.clone());
    into.begin();
    walk(
        items(old),
        items(new),
        |found| &found.origin,
        |old, new| {
            let record = |what: &'static str, found: &OriginConfig| {
                ChangeRecord::new(ChangeKind::Config, what, subject.clone()).of(&found.origin).through(cause)
            };
            let md5 = |found: &OriginConfig| format!("md5 {}", found.item.md5);
            match (old, new) {
                (None, None) => {}
                (None, Some(new)) => into.push(|| record("added", new).to(md5(new))),
                (Some(old), None) => into.push(|| record("removed", old).from(md5(old))),
                (Some(old), Some(new)) => {
                    if old.item.md5 != new.item.md5 {
                        into.push(|| record("changed", new).from(md5(old)).to(md5(new)));
                    }
                    match (&old.held, &new.held) {
                        (None, Some(held)) => into.push(|| record("held", new).to(held.reason.as_str())),
                        (Some(held), None) => into.push(|| record("unheld", new).from(held.reason.as_str())),
                        _ => {}
                    }
                }
            }
        },
    );
}
