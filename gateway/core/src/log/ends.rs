//! One question to a partition's leader: where does it end?
//!
//! Three state machines have to know that they have read everything up to a moment: whoever would claim, whoever takes over, and whoever
//! does not know whether a record landed. They defend against the same failures, so there is one type for all: an answer to an *earlier*
//! question is not one to this; a question without an answer is put anew and does not stay open for ever; and an answer is void once the
//! partition was truncated or created anew, because its end may never be reached again.
//!
//! ```text
//! asked ──answer put at or after the question──▶ answered ──read up to there──▶ reached
//!   ▲ overdue: put anew                              │
//!   └──────── the reader began anew ─────────────────┘
//! ```
//!
//! Duties of the caller: put the question when [`EndQuestion::put`] was called, and again when [`EndQuestion::is_overdue`]; say so by
//! [`EndQuestion::put_anew`]. Call [`EndQuestion::begin_anew`] whenever the partition's reader begins anew.

use crate::time::{Millis, Mono};

/// A question without an answer for this long is put anew: longer than a broker takes while it is well.
pub const ANSWER_WITHIN: Millis = Millis::from_secs(2);

/// A question for the end of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndQuestion {
    put: Mono,
    end: Option<u64>,
}

impl EndQuestion {
    /// The question is put now.
    #[must_use]
    pub fn put(now: Mono) -> Self {
        Self { put: now, end: None }
    }

    /// It is put once more: only answers from now on count.
    pub fn put_anew(&mut self, now: Mono) {
        *self = Self::put(now);
    }

    /// A leader said at which offset the partition ends, asked at `asked`. Counts if it was asked no earlier than this question; the
    /// first such answer stays.
    pub fn answer(&mut self, end: u64, asked: Mono) {
        if asked >= self.put && self.end.is_none() {
            self.end = Some(end);
        }
    }

    /// The partition's reader begins anew: an answer that is there is void, and so is one under way.
    pub fn begin_anew(&mut self, now: Mono) {
        *self = Self { put: now, end: None };
    }

    /// Whether everything up to the answer was read, where `next_offset` is the first offset that was not.
    #[must_use]
    pub fn is_reached(&self, next_offset: u64) -> bool {
        self.end.is_some_and(|end| next_offset >= end)
    }

    /// Whether there is no answer although there should be one.
    #[must_use]
    pub fn is_overdue(&self, now: Mono) -> bool {
        self.end.is_none() && now >= self.put + ANSWER_WITHIN
    }

    /// When it falls due without an answer; `None` once there is one.
    #[must_use]
    pub fn due(&self) -> Option<Mono> {
        self.end.is_none().then_some(self.put + ANSWER_WITHIN)
    }

    /// When it was put last.
    #[must_use]
    pub fn since(&self) -> Mono {
        self.put
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_to_this_question_or_a_later_one_counts_and_the_first_stays() {
        let mut question = EndQuestion::put(Mono(100));
        question.answer(5, Mono(99));
        assert!(!question.is_reached(u64::MAX), "asked before");
        question.answer(7, Mono(100));
        question.answer(9, Mono(200));
        assert!(!question.is_reached(6) && question.is_reached(7));
    }

    #[test]
    fn a_question_without_an_answer_falls_due_and_one_with_an_answer_never() {
        let mut question = EndQuestion::put(Mono(0));
        assert!(!question.is_overdue(Mono(1_999)) && question.is_overdue(Mono(2_000)));
        question.put_anew(Mono(2_000));
        question.answer(1, Mono(1_000));
        assert!(question.is_overdue(Mono(4_000)), "an answer to the question before");
        question.answer(1, Mono(3_000));
        assert!(!question.is_overdue(Mono(60_000)));
    }

    #[test]
    fn an_answer_is_void_once_the_partition_is_another_one() {
        let mut question = EndQuestion::put(Mono(0));
        question.answer(1_000, Mono(0));
        question.begin_anew(Mono(500));
        question.answer(1_000, Mono(400));
        assert!(!question.is_reached(1_000));
        question.answer(3, Mono(600));
        assert!(question.is_reached(3));
    }
}
