//! One run from the start of all parts to the verdict.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use federation_harness::announce;
use federation_harness::process::POLL;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::judge::{self, Answer, Sample};
use crate::lister::{self, Lister};
use crate::plan::{REGIONS, Turn, faults_in, plan};
use crate::record::Record;
use crate::report::{ChaosReport, FRESH_GOAL_MS, GatewayReport, TurnReport, sec, seconds};
use crate::sampler::{self, Look};
use crate::stage::{Stage, cluster};
use crate::torment::{Complaints, Strike};
use crate::workload::{SERVICES, Workload};

/// The first of two faults is a moment older.
const SECOND_AFTER: Duration = Duration::from_secs(1);
/// How long a turn waits for all to catch up: long over the goal, so that a report says how late they were.
const FRESH_PATIENCE_MS: u64 = 60_000;
/// Who answered rightly within the last moments has caught up.
const NOW_MS: u64 = 1_000;
/// At the end the longest hold that any fault can have left has to run out: that of the guard, and then the hold after an outage.
const EQUAL_PATIENCE_MS: u64 = 180_000;
/// A list that was asked for so long after the last command has it, ms.
const LISTED_WITHIN_MS: u64 = 2_000;
/// The last turn's planned end is so long before the run's, ms: turns are late now and then, and the run ends on time all the same.
const SPARE_MS: u64 = 30_000;
/// Until the first view of all.
const BEGIN_PATIENCE: Duration = Duration::from_secs(60);

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) minutes: u64,
    pub(crate) seed: u64,
}

/// What a run goes on with.
struct Run<'a> {
    stage: &'a Stage,
    record: Arc<Record>,
    complaints: Complaints,
}

/// Starts everything in `folder`, carries the plan out, and judges. Whatever it started has ended when this returns or is dropped.
pub(crate) async fn run(order: Order, folder: &Path) -> Result<ChaosReport> {
    let turns = plan(order.seed, order.minutes);
    announce(&format!(
        "seed {}: {} faults in {} turns; starting 3 brokers, 2 Nacos, 4 gateways, 4 clients in {}",
        order.seed,
        faults_in(&turns),
        turns.len(),
        folder.display()
    ));
    let stage = Stage::start(folder).await?;
    let record = Arc::new(Record::of(stage.replicas.len()));
    let run = Run { stage: &stage, record, complaints: Complaints::default() };
    run.whole(order, &turns).await
}

impl Run<'_> {
    async fn whole(&self, order: Order, turns: &[Turn]) -> Result<ChaosReport> {
        let (stage, record) = (self.stage, &self.record);
        let end = CancellationToken::new();
        let mut looking = self.look(&end)?;
        let workload = Workload::start(stage, order.seed, record).await?;
        self.begin().await?;

        let rest = CancellationToken::new();
        let mut changes = workload.change(&rest);
        stage.until_kept().await.context("before the first fault")?;
        let begun = record.now();
        let reports = self.turns(order, turns).await;
        rest.cancel();
        let mut clients = Vec::new(); // They live on, and what they registered stays, until all has been compared.
        while let Some(client) = changes.join_next().await {
            clients.push(client.context("a client's task")?);
        }
        let equal_after_ms = self.until_equal().await;
        end.cancel();
        while looking.join_next().await.is_some() {}
        let took_ms = record.now() - begun;
        let mut gateways = Vec::new();
        for index in 0..stage.replicas.len() {
            gateways.push(self.of_gateway(index).await?);
        }
        let truth = record.truth();
        let made: usize = reports.iter().map(|turn| turn.faults.len()).sum();
        Ok(ChaosReport {
            seed: order.seed,
            minutes: order.minutes,
            took_ms,
            commands: truth.commands(),
            untouched: truth.untouched().count(),
            left_out: faults_in(turns) - made,
            turns: reports,
            gateways,
            equal_after_ms,
            lost: truth.lost(record.now()),
            mended: record.mendings(),
            disagreements: truth.disagreements(),
            complaints: self.complaints.all(),
        })
    }

    /// Looks at every gateway and every Nacos until `end`.
    fn look(&self, end: &CancellationToken) -> Result<JoinSet<()>> {
        let services: Vec<String> = SERVICES.map(str::to_owned).into();
        let looks = (0..).zip(&self.stage.replicas);
        let looks =
            looks.map(|(index, it)| Look { index, base: it.base.clone(), services: services.clone() }).collect();
        let lister = |region: usize| Lister {
            origin: cluster(region),
            address: self.stage.nacos_address(region),
            services: services.clone(),
        };
        let mut looking = JoinSet::new();
        sampler::start(looks, &self.record, end, &mut looking)?;
        lister::start((0..REGIONS).map(lister).collect(), &self.record, end, &mut looking)?;
        Ok(looking)
    }

    /// Waits until all is well and everything is shown everywhere; what was seen before does not count.
    async fn begin(&self) -> Result<()> {
        self.stage.until_settled().await?;
        let all_show = async {
            while !self.equal_now() || !self.record.truth().disagreements().is_empty() {
                sleep(POLL * 2).await;
            }
        };
        let shown = tokio::time::timeout(BEGIN_PATIENCE, all_show).await;
        let unlike = || [self.differences(), self.record.truth().disagreements()].concat().join("; ");
        ensure!(shown.is_ok(), "before the first fault: {}", unlike());
        for index in 0..self.record.gateways() {
            self.record.gateway(index).samples.clear();
        }
        announce("all is well: changes begin");
        Ok(())
    }

    /// Carries the plan out, as much of it as ends within its minutes; what cannot be carried out ends it and is a complaint.
    async fn turns(&self, order: Order, turns: &[Turn]) -> Vec<TurnReport> {
        let mut reports = Vec::new();
        let (begun, all) = (self.record.now(), faults_in(turns));
        let end = begun + order.minutes * 60_000;
        let count = u64::try_from(turns.len()).unwrap_or(u64::MAX);
        let mut done = 0;
        for (number, turn) in (1..).zip(turns) {
            let (first, last) = (done + 1, done + turn.faults.len());
            if self.record.now() + turn.lasts_ms() + FRESH_GOAL_MS > end {
                announce(&format!("{} minutes are over: {} faults are left out", order.minutes, all - done));
                break;
            }
            let planned = begun + (order.minutes * 60_000).saturating_sub(SPARE_MS) * number / count;
            match self.turn(turn, planned, &format!("{}/{all}", numbers(first, last))).await {
                Ok(report) => reports.push(report),
                Err(error) => {
                    self.complaints.add(format!("the run ends early: {error:#}"));
                    break;
                }
            }
            done = last;
        }
        reports
    }

    /// One turn, which lasts until `planned` or until all have caught up.
    async fn turn(&self, turn: &Turn, planned: u64, number: &str) -> Result<TurnReport> {
        let (stage, record) = (self.stage, &self.record);
        let mut strikes = Vec::new();
        for fault in &turn.faults {
            strikes.push(Strike::aim(stage, fault).await);
        }
        let named = |strike: &Strike| format!("{} ({})", strike.fault.kind.name(), strike.victim(stage));
        announce(&format!("{number} {}", strikes.iter().map(named).collect::<Vec<_>>().join(" and ")));
        let begun_ms = record.now();
        let healed_ms = self.strike(&strikes).await?;
        loop {
            let latest = judge::convergence(&record.truth(), &slices(&self.latest(healed_ms)), healed_ms, u64::MAX);
            let (caught_up, now) = (latest.fresh_ms.is_some(), record.now());
            if caught_up && now >= planned || now > healed_ms + FRESH_PATIENCE_MS {
                break;
            }
            sleep(POLL * 4).await;
        }
        let until = record.now();
        let samples = record.samples(begun_ms, until);
        let truth = record.truth();
        let convergence = judge::convergence(&truth, &slices(&samples), healed_ms, until);
        let missing = samples.iter().map(|samples| samples_with_missing(&judge::missing(&truth, samples))).sum();
        let report = TurnReport {
            faults: strikes.iter().map(|strike| (strike.fault.clone(), strike.victim(stage))).collect(),
            begun_ms,
            healed_ms,
            convergence,
            samples: samples.iter().map(Vec::len).sum(),
            missing,
            said: record.said(begun_ms, until),
        };
        announce(&progress(&report));
        Ok(report)
    }

    /// Both faults, the second a moment later; when the last of them was over.
    async fn strike(&self, strikes: &[Strike]) -> Result<u64> {
        let one = async |place: usize| match strikes.get(place) {
            None => Ok(0),
            Some(strike) => {
                sleep(SECOND_AFTER * u32::from(place > 0)).await;
                strike.run(self.stage, &self.record, &self.complaints).await
            }
        };
        let (first, second) = tokio::try_join!(one(0), one(1))?;
        Ok(first.max(second))
    }

    /// The samples of the last moments.
    fn latest(&self, healed: u64) -> Vec<Vec<Sample>> {
        let now = self.record.now();
        let mut samples = self.record.samples(now.saturating_sub(NOW_MS), u64::MAX);
        samples.iter_mut().for_each(|of| of.retain(|sample| sample.asked >= healed));
        samples
    }

    /// From now until every gateway shows exactly what every Nacos lists.
    async fn until_equal(&self) -> Option<u64> {
        announce("no more faults and changes: waiting until all gateways show the truth");
        let begun = self.record.now();
        loop {
            let took = self.record.now() - begun;
            if self.record.truth().looked_since(begun + LISTED_WITHIN_MS) && self.equal_now() {
                announce(&format!("all gateways show the truth after {}", seconds(Some(took))));
                return Some(took);
            }
            if took > EQUAL_PATIENCE_MS {
                return None;
            }
            sleep(POLL * 4).await;
        }
    }

    fn equal_now(&self) -> bool {
        self.differences().is_empty()
    }

    fn differences(&self) -> Vec<String> {
        let indices = 0..self.record.gateways();
        indices.flat_map(|index| self.differences_at(index)).collect()
    }

    fn differences_at(&self, index: usize) -> Vec<String> {
        let newest = self.record.gateway(index).samples.last().map(|sample| sample.answer.clone());
        match newest {
            Some(Answer::View(view)) => judge::differences(&self.record.truth(), &view),
            other => vec![format!("no answer: {other:?}")],
        }
    }

    async fn of_gateway(&self, index: usize) -> Result<GatewayReport> {
        let gateway = &self.stage.replicas[index].name;
        let verified = self.stage.replicas[index].gateway.lock().await.command(&["verify"]).await;
        let told = verified.with_context(|| format!("verify at {gateway}"))?;
        if told.code != Some(0) {
            self.complaints.add(format!("verify at {gateway} says:\n{}", told.text));
        }
        let mut differences = self.differences_at(index);
        differences.extend(self.unknown_services(index).await?);
        let record = self.record.gateway(index);
        let is = |what: &Answer| record.samples.iter().filter(|sample| sample.answer == *what).count();
        Ok(GatewayReport {
            gateway: gateway.clone(),
            samples: record.samples.len(),
            not_ready: is(&Answer::NotReady),
            unanswered: is(&Answer::None),
            longest_silence_ms: judge::longest_silence(&record.samples, &record.excused),
            missing: judge::missing(&self.record.truth(), &record.samples),
            differences,
            verify: told.code,
        })
    }

    /// What a gateway lists, in any namespace, beside the services of the workload: nobody registered any other.
    async fn unknown_services(&self, index: usize) -> Result<Vec<String>> {
        let url = format!("{}/v1/services?pageSize=1000", self.stage.replicas[index].base);
        let document = self.stage.get(&url).await?;
        let services = document["services"].as_array().context("a list without services")?;
        let is_known = |service: &&serde_json::Value| {
            service["namespaceId"] == "public" && SERVICES.iter().any(|known| service["serviceName"] == *known)
        };
        Ok(services.iter().filter(|it| !is_known(it)).map(|it| format!("nobody registered {it}")).collect())
    }
}

fn slices(samples: &[Vec<Sample>]) -> Vec<&[Sample]> {
    samples.iter().map(Vec::as_slice).collect()
}

fn samples_with_missing(missing: &[judge::MissingInstance]) -> usize {
    missing.iter().map(|it| it.at).collect::<BTreeSet<_>>().len()
}

fn numbers(first: usize, last: usize) -> String {
    if first == last { first.to_string() } else { format!("{first}+{last}") }
}

/// What came of a turn, in a line.
fn progress(report: &TurnReport) -> String {
    let said: Vec<&str> = report.said.iter().map(String::as_str).collect();
    let bounds: BTreeSet<&str> = report.faults.iter().map(|(fault, _)| fault.kind.bound().says()).collect();
    let bounds: Vec<&str> = bounds.into_iter().collect();
    format!(
        "   over after {:.1} s; changes everywhere {} later (goal {:.0} s), removals {} (bound: {}), slowest change {:.1} s; {} of {} samples lack \
         something; said: {}",
        sec(report.healed_ms - report.begun_ms),
        seconds(report.convergence.fresh_ms),
        sec(FRESH_GOAL_MS),
        seconds(report.convergence.clean_ms),
        bounds.join(", "),
        sec(report.convergence.slowest_ms),
        report.missing,
        report.samples,
        if said.is_empty() { "nothing".to_owned() } else { said.join(" ") }
    )
}
