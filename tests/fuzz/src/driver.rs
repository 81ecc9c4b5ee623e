//! Tries inputs of one target until they are enough, or one fails.
//!
//! Input: a target, its corpus, a seed. Output: what was tried, or a [`Failure`] with the smallest input that still fails. What a decoder
//! answers is the guide: an input that is answered in words that no other was is changed further. That needs no instrumented build, and
//! leads past checks that chance alone never passes.

use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::time::{Duration, Instant};

use crate::corpus::Kept;
use crate::measure;
use crate::mutate::{Chance, mutated};
use crate::targets::Target;

/// Most inputs that are kept for further changes, beside the corpus.
const MOST_FOOD: usize = 4096;
/// Tries to make a failing input smaller.
const SHRINKING: usize = 4000;

/// How long to go on.
#[derive(Clone, Copy, Debug)]
pub enum Effort {
    /// The corpus, and so many inputs made of it: the same ones each time.
    Inputs(usize),
    /// The corpus, and what can be tried until then. An input that takes longer than the given time fails.
    Until(Instant, Duration),
}

/// What was tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    /// Inputs, those of the corpus counted.
    pub inputs: usize,
    /// Answers that differ.
    pub answers: usize,
    /// The most memory that an input took, as percent of what it may take.
    pub memory_percent: usize,
    /// The longest that an input took. Wall time: to look at, never to judge by where the machine is not quiet.
    pub longest: Duration,
}

/// An input with which something does not hold.
#[derive(Debug)]
pub struct Failure {
    /// The smallest that was found.
    pub input: Vec<u8>,
    /// What does not hold.
    pub why: String,
    /// Where the first such input came from: a file of the corpus, or the number of a try.
    pub from: String,
}

/// Tries a target. `before` is given each input before it is tried, so that one that ends the process can be told afterwards.
///
/// # Errors
/// The first input that fails, made smaller.
pub fn run(
    target: &Target,
    corpus: &[Kept],
    seed: u64,
    effort: Effort,
    mut before: impl FnMut(&[u8]),
) -> Result<Tried, Failure> {
    let mut run = Run { target, effort, tried: Tried::default(), answers: BTreeSet::new(), food: Vec::new() };
    for kept in corpus {
        before(&kept.bytes);
        run.input(kept.bytes.clone(), || kept.name.clone())?;
    }
    let mut chance = Chance::new(seed);
    while run.goes_on(corpus.len()) {
        let input = run.next(corpus, &mut chance);
        before(&input);
        let number = run.tried.inputs;
        run.input(input, || format!("input {number} of seed {seed}"))?;
    }
    Ok(Tried { answers: run.answers.len(), ..run.tried })
}

struct Run<'a> {
    target: &'a Target,
    effort: Effort,
    tried: Tried,
    answers: BTreeSet<String>,
    food: Vec<Vec<u8>>,
}

impl Run<'_> {
    fn goes_on(&self, corpus: usize) -> bool {
        match self.effort {
            Effort::Inputs(inputs) => self.tried.inputs < corpus + inputs,
            Effort::Until(end, _) => Instant::now() < end,
        }
    }

    /// The next input. A fourth of all is made of the corpus itself, so that what was answered in odd ways does not crowd it out.
    fn next(&self, corpus: &[Kept], chance: &mut Chance) -> Vec<u8> {
        let any = |chance: &mut Chance| -> &[u8] {
            let of_corpus = self.food.is_empty() || chance.below(4) == 0;
            match of_corpus {
                true => corpus.get(chance.below(corpus.len())).map_or(&[], |kept| &kept.bytes),
                false => &self.food[chance.below(self.food.len())],
            }
        };
        let (one, other) = (any(chance), any(chance));
        mutated(one, other, self.target.words, chance)
    }

    fn input(&mut self, input: Vec<u8>, from: impl FnOnce() -> String) -> Result<(), Failure> {
        let begun = Instant::now();
        let judged = judge(self.target, &input);
        let took = begun.elapsed();
        self.tried.inputs += 1;
        self.tried.longest = self.tried.longest.max(took);
        let judged = judged.and_then(|judged| match self.effort {
            Effort::Until(_, most) if took > most => Err(format!("it takes {took:?}, at most {most:?}")),
            _ => Ok(judged),
        });
        match judged {
            Ok(Judged { answer, memory_percent }) => {
                self.tried.memory_percent = self.tried.memory_percent.max(memory_percent);
                if self.answers.len() < MOST_FOOD && self.answers.insert(answer) {
                    self.food.push(input);
                }
                Ok(())
            }
            Err(why) => Err(shrunk(self.target, Failure { input, why, from: from() })),
        }
    }
}

struct Judged {
    answer: String,
    memory_percent: usize,
}

/// Tries one input: a panic, a broken promise and too much memory are failures.
fn judge(target: &Target, input: &[u8]) -> Result<Judged, String> {
    let (outcome, peak) = measure::peak(|| panic::catch_unwind(AssertUnwindSafe(|| (target.check)(input))));
    let answer = outcome.unwrap_or_else(|panicked| Err(format!("it panicked: {}", words_of(&*panicked))))?;
    let most = target.memory.of(input.len());
    if peak > most {
        return Err(format!("it takes {peak} bytes of memory for {} of input, at most {most}", input.len()));
    }
    Ok(Judged { answer, memory_percent: peak * 100 / most })
}

fn words_of(panicked: &(dyn Any + Send)) -> &str {
    let text = panicked.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panicked.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}

thread_local! {
    /// Whether panics of this thread are told: those of a failure that is being made smaller are known.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Leaves out ever smaller pieces, as long as it fails; not necessarily for the same reason.
fn shrunk(target: &Target, failure: Failure) -> Failure {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                told(info);
            }
        }));
    });
    QUIET.set(true);
    let (mut smallest, mut tries) = (failure, 0);
    let mut piece = smallest.input.len().div_ceil(2);
    while piece > 0 && tries < SHRINKING {
        let mut at = 0;
        while at < smallest.input.len() && tries < SHRINKING {
            tries += 1;
            let mut smaller = smallest.input.clone();
            smaller.drain(at..(at + piece).min(smallest.input.len()));
            match judge(target, &smaller) {
                Err(why) => (smallest.input, smallest.why) = (smaller, why),
                Ok(_) => at += piece,
            }
        }
        piece /= 2;
    }
    QUIET.set(false);
    smallest
}
