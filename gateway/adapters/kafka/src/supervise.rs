//! Looks after the producers: tells the engine what became of its sends, people what the brokers refuse, and puts another producer in the
//! place of one that cannot go on or is silent ([`crate::life`]).

use std::sync::Arc;
use std::time::{Duration, Instant};

use federation_core::input::{Input, LogInput};
use federation_core::log::record::TopicKind;
use federation_core::publish::DeliveryFailure;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::life::Replacements;
use crate::options::Renewals;
use crate::produce::{Line, Producers};
use federation_ports::inbox::EngineInbox;
use federation_ports::metrics::TroubleKind;
use federation_ports::trouble::TroubleBoard;

/// How often producers are judged.
const INTERVAL: Duration = Duration::from_millis(500);
/// Pauses between replacements of one producer. The first is longer than it takes to find out that the next one is silent too.
const FIRST_PAUSE: Duration = Duration::from_secs(6);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// The task.
pub(super) struct Supervisor {
    producers: Arc<Producers>,
    inbox: EngineInbox,
    troubles: TroubleBoard,
    wards: [Ward; 2],
    renewals: Renewals,
}

/// One producer.
struct Ward {
    line: Line,
    replacements: Replacements,
    /// Why the one before could not go on, until the next one delivers something.
    ended: Option<String>,
}

/// Why a producer is to be replaced.
enum Fault {
    /// It said so.
    Fatal(String),
    /// It says nothing.
    Silent,
    /// It was made with properties that count no more.
    Outdated,
}

/// The engine has ended: nobody is left to tell.
struct EngineGone;

impl Supervisor {
    pub(super) fn new(
        producers: Arc<Producers>,
        renewals: Renewals,
        inbox: EngineInbox,
        troubles: TroubleBoard,
    ) -> Self {
        let ward = |line| Ward { line, replacements: Replacements::pausing(FIRST_PAUSE, LONGEST_PAUSE), ended: None };
        Self { producers, inbox, troubles, wards: Line::BOTH.map(ward), renewals }
    }

    /// Reports and judges until stopped, or until nobody listens.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let outcomes = self.producers.outcomes();
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // All arms are cancel-safe.
            let (failed, judge) = tokio::select! {
                () = stop.cancelled() => return,
                report = outcomes.next() => (report.failed, report.broken),
                _ = ticks.tick() => (Vec::new(), true),
            };
            if judge && self.judge(Instant::now()).await.is_err() {
                return;
            }
            for (id, failure) in failed {
                let told = match failure {
                    DeliveryFailure::Unsure => LogInput::SendFailed(id),
                    DeliveryFailure::Refused => LogInput::SendRefused(id),
                };
                if self.tell(told).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn judge(&mut self, now: Instant) -> Result<(), EngineGone> {
        let outcomes = self.producers.outcomes();
        let mut refused = outcomes.refused(now);
        let outdated = self.producers.can_be_replaced() && self.renewals.are_due();
        for index in 0..self.wards.len() {
            let line = self.wards[index].line;
            let (begins, silent) = outcomes.silent(line, now);
            let fatal = self.producers.fatal_error(line);
            let ward = &mut self.wards[index];
            if fatal.is_none() && outcomes.works(line) {
                ward.ended = None;
                if silent.is_empty() {
                    ward.replacements.settled();
                }
            }
            if let Some(why) = fatal.as_ref().or(ward.ended.as_ref()) {
                refused
                    .push((line.as_str().to_owned(), format!("the {} of the log cannot go on: {why}", line.as_str())));
            }
            self.troubles.set(TroubleKind::LogSilent, line.as_str(), self.told_silent(line, &silent));
            let fault = fatal.map(Fault::Fatal).or(begins.then_some(Fault::Silent));
            if let Some(fault) = fault.or(outdated.then_some(Fault::Outdated)) {
                self.replace(index, fault, now).await?;
            }
        }
        self.troubles.replace(TroubleKind::LogRefuses, refused);
        Ok(())
    }

    /// Puts another producer in the place of this one, if it is time.
    async fn replace(&mut self, index: usize, fault: Fault, now: Instant) -> Result<(), EngineGone> {
        let ward = &mut self.wards[index];
        if !matches!(fault, Fault::Outdated) && !ward.replacements.begin(now) {
            return Ok(());
        }
        let line = ward.line;
        match fault {
            Fault::Fatal(why) => {
                tracing::error!(producer = line.as_str(), why, "producer cannot go on, another takes its place");
                ward.ended = Some(why);
            }
            Fault::Silent => tracing::warn!(producer = line.as_str(), "producer is silent, another takes its place"),
            Fault::Outdated => {
                tracing::info!(producer = line.as_str(), "properties of kafka clients changed, another producer writes")
            }
        }
        if !self.producers.can_be_replaced() {
            tracing::error!("too many kafka clients never end, the producer is not replaced");
            return Ok(());
        }
        // First, so that the next sends are of a new epoch: those of the old producer may still land (rule R8). Not for control: its
        // records are restated all the time, and one that is replaced for its silence has been so for longer than a record is kept, while
        // the broker that could still have had one in hand answered others.
        if line == Line::Data {
            self.tell(LogInput::ProducerReplaced).await?;
        }
        if let Err(error) = self.producers.replace(line) {
            tracing::error!(%error, producer = line.as_str(), "producer could not be replaced");
        }
        Ok(())
    }

    fn told_silent(&self, line: Line, silent: &[(TopicKind, u32)]) -> Option<String> {
        let (topic, partition) = silent.first()?;
        let because = self.producers.trouble(line).map_or(String::new(), |trouble| format!(": {trouble}"));
        let (name, count) = (line.as_str(), silent.len());
        Some(format!(
            "the {name} of the log has no answer for records of {count} partitions ({}-{partition}, …) although kafka answers \
             others{because}",
            topic.as_str()
        ))
    }

    async fn tell(&self, news: LogInput) -> Result<(), EngineGone> {
        self.inbox.send(Input::Log(news).into()).await.map_err(|_| EngineGone)
    }
}
