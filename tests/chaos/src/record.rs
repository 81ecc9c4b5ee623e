//! What all tasks of a run write down: the truth, the samples, what gateways say, when nothing could be expected of whom.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use crate::judge::{Answer, Sample};
use crate::truth::Truth;

/// Something that a gateway said was wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Said {
    pub(crate) at: u64,
    pub(crate) kind: String,
}

/// What is written down of one gateway.
#[derive(Debug, Default)]
pub(crate) struct OfGateway {
    /// In order of time. Five a second for as long as somebody lets it run; equal views are one.
    pub(crate) samples: Vec<Sample>,
    /// One entry for each kind each second while it is told.
    pub(crate) said: Vec<Said>,
    /// From when to when it was stopped or paused on purpose, or starting.
    pub(crate) excused: Vec<(u64, u64)>,
}

/// The record of a run.
#[derive(Debug)]
pub(crate) struct Record {
    start: Instant,
    /// Critical section: a look or one command.
    truth: Mutex<Truth>,
    /// Critical section of each: adding an entry, or the judgement of a turn.
    gateways: Vec<Mutex<OfGateway>>,
    /// What was done about clients that lost something: when, ms, and what. Critical section: adding an entry.
    mended: Mutex<Vec<(u64, String)>>,
}

impl Record {
    pub(crate) fn of(gateways: usize) -> Self {
        let gateways = (0..gateways).map(|_| Mutex::default()).collect();
        Self { start: Instant::now(), truth: Mutex::default(), gateways, mended: Mutex::default() }
    }

    /// ms since the run began.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().expect("no holder panics")
    }

    pub(crate) fn gateway(&self, index: usize) -> MutexGuard<'_, OfGateway> {
        self.gateways[index].lock().expect("no holder panics")
    }

    pub(crate) fn gateways(&self) -> usize {
        self.gateways.len()
    }

    /// Takes a sample down; a view that is the same as the last one shares its memory.
    pub(crate) fn sampled(&self, index: usize, mut sample: Sample) {
        let mut gateway = self.gateway(index);
        let last = gateway.samples.iter().rev().find(|sample| matches!(sample.answer, Answer::View(_)));
        if let Some(last) = last.filter(|last| last.answer == sample.answer) {
            sample.answer = last.answer.clone();
        }
        gateway.samples.push(sample);
    }

    /// From this time on nothing is expected of a gateway; [`Record::expected_again`] ends it.
    pub(crate) fn excused(&self, index: usize) {
        self.gateway(index).excused.push((self.now(), u64::MAX));
    }

    pub(crate) fn expected_again(&self, index: usize) {
        let now = self.now();
        if let Some((_, end)) = self.gateway(index).excused.last_mut() {
            *end = now;
        }
    }

    /// Something was done about a client that lost something.
    pub(crate) fn mended(&self, what: String) {
        let now = self.now();
        self.mended.lock().expect("no holder panics").push((now, what));
    }

    /// All of it so far.
    pub(crate) fn mendings(&self) -> Vec<(u64, String)> {
        self.mended.lock().expect("no holder panics").clone()
    }

    /// What any gateway said was wrong within these times, by kind.
    pub(crate) fn said(&self, from: u64, to: u64) -> BTreeSet<String> {
        let mut kinds = BTreeSet::new();
        for index in 0..self.gateways() {
            let gateway = self.gateway(index);
            kinds.extend(gateway.said.iter().filter(|said| (from..to).contains(&said.at)).map(|it| it.kind.clone()));
        }
        kinds
    }

    /// The samples of each gateway that were answered within these times.
    pub(crate) fn samples(&self, from: u64, to: u64) -> Vec<Vec<Sample>> {
        let of = |index: usize| {
            let gateway = self.gateway(index);
            let begin = gateway.samples.partition_point(|sample| sample.answered < from);
            gateway.samples[begin..].iter().filter(|sample| sample.answered < to).cloned().collect()
        };
        (0..self.gateways()).map(of).collect()
    }
}
