//! Sends of which nobody knows whether they landed, by partition, and the question that tells.
//!
//! A partition's end, asked for after a send failed and read up to, decides: what was not met did not land. Sends that fail while a
//! question is open wait for the next one. Invariant: a send stands here exactly while its key is unsure.

use std::collections::BTreeMap;

use super::OwnPartition;
use crate::input::SendId;
use crate::log::ends::EndQuestion;
use crate::time::Mono;

/// All doubts. Empty while the log is well.
#[derive(Debug, Default)]
pub(super) struct Doubts(BTreeMap<OwnPartition, Doubt>);

#[derive(Debug)]
struct Doubt {
    question: EndQuestion,
    /// Failed before the question was put.
    asked: Vec<SendId>,
    /// Failed since.
    next: Vec<SendId>,
}

impl Doubts {
    /// How many sends are unsure.
    pub(super) fn len(&self) -> usize {
        self.0.values().map(|doubt| doubt.asked.len() + doubt.next.len()).sum()
    }

    /// A send's outcome is unknown. Returns whether the partition is to be asked for its end now.
    pub(super) fn add(&mut self, now: Mono, partition: OwnPartition, id: SendId) -> bool {
        match self.0.get_mut(&partition) {
            Some(doubt) if doubt.question.since() == now => {
                doubt.asked.push(id); // Failed at the moment of the question: it answers for this one, too.
                false
            }
            Some(doubt) => {
                doubt.next.push(id);
                false
            }
            None => {
                let doubt = Doubt { question: EndQuestion::put(now), asked: vec![id], next: Vec::new() };
                self.0.insert(partition, doubt);
                true
            }
        }
    }

    /// An end was told.
    pub(super) fn answer(&mut self, partition: OwnPartition, end: u64, asked: Mono) {
        if let Some(doubt) = self.0.get_mut(&partition) {
            doubt.question.answer(end, asked);
        }
    }

    /// The partition's reader begins anew.
    pub(super) fn begin_anew(&mut self, now: Mono, partition: OwnPartition) {
        if let Some(doubt) = self.0.get_mut(&partition) {
            doubt.question.begin_anew(now);
        }
    }

    /// Questions without an answer, put anew now; they answer for all that failed until now.
    pub(super) fn overdue(&mut self, now: Mono) -> Vec<OwnPartition> {
        let mut ask = Vec::new();
        for (partition, doubt) in &mut self.0 {
            if doubt.question.is_overdue(now) {
                doubt.question.put_anew(now);
                doubt.asked.append(&mut doubt.next);
                ask.push(*partition);
            }
        }
        ask
    }

    /// Read up to `next_offset`. Returns the sends that are decided by that, and whether the partition is to be asked anew.
    pub(super) fn settle(&mut self, now: Mono, partition: OwnPartition, next_offset: u64) -> (Vec<SendId>, bool) {
        let Some(doubt) = self.0.get_mut(&partition) else { return (Vec::new(), false) };
        if !doubt.question.is_reached(next_offset) {
            return (Vec::new(), false);
        }
        let decided = std::mem::take(&mut doubt.asked);
        if doubt.next.is_empty() {
            self.0.remove(&partition);
            return (decided, false);
        }
        doubt.asked = std::mem::take(&mut doubt.next);
        doubt.question.put_anew(now);
        (decided, true)
    }

    /// When a question falls due.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.0.values().filter_map(|doubt| doubt.question.due()).min()
    }
}
