//! What a run showed: for each kind of fault how often, how soon all had caught up, what was missing; and the verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use crate::history::InstanceName;
use crate::judge::{Convergence, MissingInstance};
use crate::plan::{Bound, Fault, FaultKind};
use crate::truth::LostInstance;

/// After a fault is over, everything registered has to be shown everywhere within this time, ms.
pub(crate) const FRESH_GOAL_MS: u64 = 10_000;
/// A gateway that nobody stopped has to answer at least this often, ms.
const SILENCE_LIMIT_MS: u64 = 5_000;
/// A run as long as asked for by default has at least so many faults of so many kinds, or the machine was too slow for it.
pub(crate) const LEAST: (usize, usize) = (40, 10);

/// One turn of the plan as it went.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TurnReport {
    /// Each with its victim.
    pub(crate) faults: Vec<(Fault, String)>,
    pub(crate) begun_ms: u64,
    pub(crate) healed_ms: u64,
    pub(crate) convergence: Convergence,
    /// Samples of all gateways, and how many of them lacked an untouched instance.
    pub(crate) samples: usize,
    pub(crate) missing: usize,
    /// Kinds of trouble that a gateway told.
    pub(crate) said: BTreeSet<String>,
}

/// Every turn of one kind of fault together.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KindReport {
    pub(crate) kind: FaultKind,
    pub(crate) count: usize,
    /// Of them together with another fault.
    pub(crate) paired: usize,
    pub(crate) missing: usize,
    pub(crate) worst_fresh_ms: Option<u64>,
    pub(crate) worst_clean_ms: Option<u64>,
    pub(crate) slowest_ms: u64,
    /// Turns that ended before everything that was gone was shown no more.
    pub(crate) not_clean: usize,
    pub(crate) bound: Bound,
    pub(crate) said: BTreeSet<String>,
}

/// One gateway over the whole run.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GatewayReport {
    pub(crate) gateway: String,
    pub(crate) samples: usize,
    pub(crate) not_ready: usize,
    pub(crate) unanswered: usize,
    pub(crate) longest_silence_ms: u64,
    pub(crate) missing: Vec<MissingInstance>,
    /// What differs from the truth at the end.
    pub(crate) differences: Vec<String>,
    /// Of `nacos-fed verify`; `None` if it did not end.
    pub(crate) verify: Option<i32>,
}

/// The whole run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChaosReport {
    pub(crate) seed: u64,
    pub(crate) minutes: u64,
    pub(crate) took_ms: u64,
    pub(crate) commands: usize,
    pub(crate) untouched: usize,
    /// Faults of the plan for which there was no time.
    pub(crate) left_out: usize,
    pub(crate) turns: Vec<TurnReport>,
    pub(crate) gateways: Vec<GatewayReport>,
    /// What clients or their Nacos lost by themselves: no gateway's doing.
    pub(crate) lost: Vec<LostInstance>,
    /// What clients were made to do about it, and when, ms.
    pub(crate) mended: Vec<(u64, String)>,
    /// Where what clients were told and what their Nacos lists differ at the end: no gateway's doing either.
    pub(crate) disagreements: Vec<String>,
    /// From the last command until every gateway showed the truth, ms; `None`: never.
    pub(crate) equal_after_ms: Option<u64>,
    /// Processes that ended badly and the like.
    pub(crate) complaints: Vec<String>,
}

impl ChaosReport {
    pub(crate) fn faults(&self) -> usize {
        self.turns.iter().map(|turn| turn.faults.len()).sum()
    }

    /// One entry for each kind that happened, in the order of the plan's list.
    pub(crate) fn kinds(&self) -> Vec<KindReport> {
        let mut kinds: BTreeMap<FaultKind, KindReport> = BTreeMap::new();
        for turn in &self.turns {
            for (fault, _) in &turn.faults {
                kinds.entry(fault.kind).or_insert_with(|| KindReport::of(fault.kind)).add(turn);
            }
        }
        kinds.into_values().collect()
    }

    /// What did not hold; nothing if all did.
    pub(crate) fn failures(&self) -> Vec<String> {
        let mut failures = self.complaints.clone();
        for gateway in &self.gateways {
            failures.extend(gateway.failures());
        }
        if self.equal_after_ms.is_none() {
            failures.push("not every gateway showed the truth at the end".to_owned());
        }
        for turn in &self.turns {
            if !turn.is_fresh() {
                let (what, took) = (turn.names(), seconds(turn.convergence.fresh_ms));
                let last = turn.convergence.last.as_ref().map_or("nobody answered".to_owned(), |(index, what)| {
                    format!("{}: {what}", self.gateways.get(*index).map_or("?", |gateway| &gateway.gateway))
                });
                let at = sec(turn.begun_ms);
                failures.push(format!("{what} at {at:.1} s: all caught up after {took}, goal 10 s; last {last}"));
            }
        }
        if self.minutes >= 12 && (self.faults() < LEAST.0 || self.kinds().len() < LEAST.1) {
            let (faults, kinds) = (self.faults(), self.kinds().len());
            let (least, late) = (format!("{} of {}", LEAST.0, LEAST.1), self.left_out);
            failures
                .push(format!("{faults} faults of {kinds} kinds, at least {least} are due; no time for {late} more"));
        }
        failures
    }

    /// The document for programs.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Document<'a> {
            held: bool,
            failures: Vec<String>,
            faults: usize,
            kinds: Vec<KindReport>,
            #[serde(flatten)]
            report: &'a ChaosReport,
        }
        let failures = self.failures();
        let (held, faults, kinds) = (failures.is_empty(), self.faults(), self.kinds());
        serde_json::to_string_pretty(&Document { held, failures, faults, kinds, report: self })
    }

    /// The tables and the verdict for people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{:<22} {:>5} {:>6} {:>8} {:>9} {:>9} {:>9} {:<39} SAID\n",
            "FAULT", "TIMES", "PAIRED", "MISSING", "CHANGES", "SLOWEST", "REMOVALS", "REMOVALS MAY TAKE"
        );
        for kind in self.kinds() {
            text.push_str(&kind.row());
        }
        text.push_str("\nchanges: after the fault was over, until all gateways showed what was registered by then, or newer (goal 10 s)\n");
        text.push_str("slowest: the longest that a change, also a later one, was not shown by somebody who answered\n");
        text.push_str("removals: until none showed what was gone; + if a turn ended before\n\n");
        for gateway in &self.gateways {
            text.push_str(&gateway.row());
        }
        text.push_str(&self.turn_rows());
        text.push_str(&self.losses());
        text.push_str(&self.verdict());
        text
    }

    /// Each repair, with how soon all had caught up.
    fn turn_rows(&self) -> String {
        let mut text =
            format!("\n{:>8} {:>8} {:>9} {:>9} {:>8} FAULTS\n", "AT", "LASTED", "CHANGES", "REMOVALS", "MISSING");
        for turn in &self.turns {
            let late = if turn.is_fresh() { "" } else { "LATE: " };
            let _ = writeln!(
                text,
                "{:>8} {:>8} {:>9} {:>9} {:>8} {late}{}",
                seconds(Some(turn.begun_ms)),
                seconds(Some(turn.healed_ms - turn.begun_ms)),
                seconds(turn.convergence.fresh_ms),
                seconds(turn.convergence.clean_ms),
                turn.missing,
                turn.names()
            );
        }
        text
    }

    /// What was lost by others than gateways.
    fn losses(&self) -> String {
        let mut text = format!("\nlost by the client or its Nacos, not counted above: {} times\n", self.lost.len());
        for LostInstance { instance, from, to } in &self.lost {
            let (from, to) = (seconds(Some(*from)), to.map_or("the end".to_owned(), |to| seconds(Some(to))));
            let _ = writeln!(text, "  {instance} was not listed from {from} to {to}");
        }
        self.mended.iter().for_each(|(at, what)| {
            let _ = writeln!(text, "  at {:.1} s {what}", sec(*at));
        });
        self.disagreements.iter().for_each(|what| {
            let _ = writeln!(text, "  at the end {what}");
        });
        text
    }

    fn verdict(&self) -> String {
        let (faults, kinds) = (self.faults(), self.kinds().len());
        let left_out = if self.left_out == 0 { String::new() } else { format!(" ({} left out)", self.left_out) };
        let mut text = format!(
            "\n{faults} faults{left_out} of {kinds} kinds in {:.0} s; {} untouched instances, {} commands; all equal {} after the last\n",
            sec(self.took_ms),
            self.untouched,
            self.commands,
            seconds(self.equal_after_ms)
        );
        let failures = self.failures();
        if failures.is_empty() {
            let seed = self.seed;
            let _ = writeln!(
                text,
                "HELD: nothing untouched that its Nacos had was ever missing, every gateway equals the truth (seed {seed})"
            );
        } else {
            let _ = writeln!(text, "NOT HELD (seed {}):", self.seed);
            failures.iter().for_each(|failure| {
                let _ = writeln!(text, "  {failure}");
            });
        }
        text
    }
}

impl TurnReport {
    /// Whether everything was shown everywhere within the goal.
    fn is_fresh(&self) -> bool {
        self.convergence.fresh_ms.is_some_and(|ms| ms <= FRESH_GOAL_MS)
    }

    /// Its faults with their victims.
    fn names(&self) -> String {
        let names = self.faults.iter().map(|(fault, victim)| format!("{} ({victim})", fault.kind.name()));
        names.collect::<Vec<_>>().join(" and ")
    }
}

impl KindReport {
    fn of(kind: FaultKind) -> Self {
        Self {
            kind,
            count: 0,
            paired: 0,
            missing: 0,
            worst_fresh_ms: None,
            worst_clean_ms: None,
            slowest_ms: 0,
            not_clean: 0,
            bound: kind.bound(),
            said: BTreeSet::new(),
        }
    }

    fn add(&mut self, turn: &TurnReport) {
        self.count += 1;
        self.paired += usize::from(turn.faults.len() > 1);
        self.missing += turn.missing;
        self.worst_fresh_ms = self.worst_fresh_ms.max(turn.convergence.fresh_ms);
        self.worst_clean_ms = self.worst_clean_ms.max(turn.convergence.clean_ms);
        self.slowest_ms = self.slowest_ms.max(turn.convergence.slowest_ms);
        self.not_clean += usize::from(turn.convergence.clean_ms.is_none());
        self.said.extend(turn.said.iter().cloned());
    }

    fn row(&self) -> String {
        let said: Vec<&str> = self.said.iter().map(String::as_str).collect();
        let removals = match self.not_clean {
            0 => seconds(self.worst_clean_ms),
            _ => format!("{}+", seconds(self.worst_clean_ms)),
        };
        format!(
            "{:<22} {:>5} {:>6} {:>8} {:>9} {:>9} {removals:>9} {:<39} {}\n",
            self.kind.name(),
            self.count,
            self.paired,
            self.missing,
            seconds(self.worst_fresh_ms),
            seconds(Some(self.slowest_ms)),
            self.bound.says(),
            said.join(" ")
        )
    }
}

impl GatewayReport {
    fn failures(&self) -> Vec<String> {
        let name = &self.gateway;
        let mut lacked: BTreeMap<&InstanceName, Vec<u64>> = BTreeMap::new();
        self.missing.iter().for_each(|it| lacked.entry(&it.instance).or_default().push(it.at));
        let span = |(instance, times): (&InstanceName, Vec<u64>)| {
            let (first, last) = (times.iter().min().copied(), times.iter().max().copied());
            format!("{name} lacked {instance} in {} samples from {} to {}", times.len(), seconds(first), seconds(last))
        };
        let mut failures: Vec<String> = lacked.into_iter().map(span).collect();
        failures.extend(self.differences.iter().map(|difference| format!("{name} at the end: {difference}")));
        if self.verify != Some(0) {
            failures.push(format!("`nacos-fed verify` at {name} ends with {:?}", self.verify));
        }
        if self.longest_silence_ms > SILENCE_LIMIT_MS {
            failures.push(format!("{name} gave no answer for {:.1} s", sec(self.longest_silence_ms)));
        }
        failures
    }

    fn row(&self) -> String {
        format!(
            "{:<12} {} samples, {} not ready, {} unanswered (longest silence that was not caused {:.1} s), {} with something missing, {} \
             differences at the end, verify {}\n",
            self.gateway,
            self.samples,
            self.not_ready,
            self.unanswered,
            sec(self.longest_silence_ms),
            self.missing.iter().map(|it| it.at).collect::<BTreeSet<_>>().len(),
            self.differences.len(),
            self.verify.map_or("did not end".to_owned(), |code| code.to_string())
        )
    }
}

/// Seconds of so many ms.
#[expect(clippy::cast_precision_loss, reason = "a run is shorter than a century")]
pub(crate) fn sec(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// The same as text; a dash for never.
pub(crate) fn seconds(ms: Option<u64>) -> String {
    ms.map_or("-".to_owned(), |ms| format!("{:.1} s", sec(ms)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::name;
    use crate::plan::plan;

    /// What a failure says, and how it comes about.
    type Break = (&'static str, fn(&mut ChaosReport));

    fn held() -> ChaosReport {
        let turn = |faults: Vec<Fault>| TurnReport {
            faults: faults.into_iter().map(|fault| (fault, "shanghai-0".to_owned())).collect(),
            begun_ms: 1_000,
            healed_ms: 9_000,
            convergence: Convergence { fresh_ms: Some(3_200), ..Convergence::default() },
            samples: 100,
            missing: 0,
            said: BTreeSet::from(["log_silent".to_owned()]),
        };
        let gateway = GatewayReport { gateway: "shanghai-0".into(), samples: 9, verify: Some(0), ..Default::default() };
        ChaosReport {
            seed: 7,
            minutes: 12,
            took_ms: 720_000,
            commands: 3,
            untouched: 4,
            left_out: 0,
            turns: plan(7, 12).into_iter().map(|it| turn(it.faults)).collect(),
            gateways: vec![gateway],
            lost: Vec::new(),
            mended: Vec::new(),
            disagreements: Vec::new(),
            equal_after_ms: Some(1_000),
            complaints: Vec::new(),
        }
    }

    #[test]
    fn a_run_in_which_all_held_has_no_failures_and_counts_every_fault_once_for_its_kind() {
        let report = held();
        assert_eq!(report.failures(), Vec::<String>::new());
        let kinds = report.kinds();
        assert_eq!(kinds.iter().map(|kind| kind.count).sum::<usize>(), report.faults());
        assert!(kinds.iter().all(|kind| kind.worst_fresh_ms == Some(3_200) && kind.not_clean == kind.count));
        assert!(report.text().contains("HELD: ") && report.json().unwrap().contains("\"held\": true"));
    }

    #[test]
    fn what_a_client_or_its_nacos_lost_is_told_and_no_failure() {
        let mut report = held();
        report.lost.push(LostInstance { instance: name("a"), from: 1_000, to: None });
        report.mended.push((7_000, "somebody registers anew".into()));
        report.disagreements.push("a: 1 told, nothing listed".into());
        assert_eq!(report.failures(), Vec::<String>::new());
        for line in
            ["a was not listed from 1.0 s to the end", "at 7.0 s somebody registers anew", "at the end a: 1 told"]
        {
            assert!(report.text().contains(line), "{line}: {}", report.text());
        }
    }

    #[test]
    fn each_thing_that_does_not_hold_is_a_failure_by_itself() {
        let breaks: [Break; 8] = [
            ("shanghai-0 lacked a in 1 samples from 5.0 s to 5.0 s", |it| {
                it.gateways[0].missing.push(MissingInstance { at: 5_000, instance: name("a") });
            }),
            ("at the end: a is gone", |it| it.gateways[0].differences.push("a is gone".into())),
            ("verify", |it| it.gateways[0].verify = Some(1)),
            ("gave no answer for 5.1 s", |it| it.gateways[0].longest_silence_ms = 5_100),
            ("not every gateway", |it| it.equal_after_ms = None),
            ("all caught up after 10.1 s", |it| it.turns[0].convergence.fresh_ms = Some(10_100)),
            ("all caught up after -", |it| it.turns[0].convergence.fresh_ms = None),
            ("no time for 37 more", |it| {
                it.turns.truncate(5);
                it.left_out = 37;
            }),
        ];
        for (want, spoil) in breaks {
            let mut report = held();
            spoil(&mut report);
            let failures = report.failures();
            assert!(failures.len() == 1 && failures[0].contains(want), "{want}: {failures:?}");
            assert!(report.text().contains("NOT HELD (seed 7)") && report.json().unwrap().contains("\"held\": false"));
        }
    }
}
