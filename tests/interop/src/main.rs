//! `interop`: other people's SDKs, unmodified, do before a subject what they do before a real Nacos of either line; what they are told is
//! compared step by step, and printed as a table of clients and behaviours.
//!
//! Ends with 0 only if nothing differs but what `differences.txt` lists, and all that it lists still differs. A client whose language cannot
//! be had on this machine is told as "not run", and why.

mod choice;
mod compare;
mod known;
mod mask;
mod outcome;
mod record;
mod report;
mod script;
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Error, Result};
use clap::{Parser, ValueEnum};
use federation_harness::{Line, Part, Parts, Sdk, announce};
use tokio::sync::Semaphore;

use crate::choice::RunChoice;
use crate::compare::ComparisonTable;
use crate::known::KnownDifference;
use crate::outcome::ServerRecord;
use crate::server::{RunningServer, SubjectKind};

/// How often what differs is done again, before it is called a difference.
const REPEATS: usize = 2;

/// Compares what SDKs are told by a subject and by real Nacos servers.
#[derive(Debug, Parser)]
struct Cli {
    /// What is compared: nacos (another real one of the line), embedded, gateway, or a port of 127.0.0.1; several times for several
    #[arg(long = "subject", default_value = "embedded")]
    subjects: Vec<SubjectKind>,
    /// Against which line
    #[arg(long = "line", value_parser = parse_line, default_values = ["2.3.2", "3.1.0"])]
    lines: Vec<Line>,
    /// Which clients, by the names that `harness fetch` knows; all when absent
    #[arg(long = "client", value_parser = parse_client)]
    clients: Vec<Sdk>,
    /// Which behaviours; all when absent
    #[arg(long = "behaviour")]
    behaviours: Vec<String>,
    /// A folder for what is recorded of each server, a file for each. What is there already is not recorded again
    #[arg(long)]
    records: Option<PathBuf>,
    /// How it is printed
    #[arg(long, value_enum, default_value = "table")]
    format: ReportFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    Table,
    Json,
}

fn parse_line(text: &str) -> Result<Line, String> {
    let line = [Line::V2, Line::V3].into_iter().find(|line| line.version() == text);
    line.ok_or_else(|| "2.3.2 or 3.1.0".into())
}

fn parse_client(text: &str) -> Result<Sdk, String> {
    let names = || Sdk::ALL.map(|sdk| sdk.part().name()).join(", ");
    Sdk::ALL.into_iter().find(|sdk| sdk.part().name() == text).ok_or_else(names)
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            let causes: Vec<String> = Error::chain(&error).map(ToString::to_string).collect();
            eprintln!("interop: {}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let known = known::parse_list(known::CHECKED_IN).map_err(Error::msg)?;
    let stage = Stage::prepare(&cli).await?;
    let mut tables = Vec::new();
    for &line in &cli.lines {
        let subjects = async {
            let mut subjects = Vec::new();
            for &subject in &cli.subjects {
                subjects.push((subject, stage.record("subject", subject, line).await?));
            }
            anyhow::Ok(subjects)
        };
        let (mut reference, subjects) =
            tokio::try_join!(stage.record("reference", SubjectKind::Nacos, line), subjects)?;
        for (subject, mut told) in subjects {
            tables.push(stage.compare((subject, line), &mut reference, &mut told, &known).await?);
        }
    }
    match cli.format {
        ReportFormat::Json => println!("{}", serde_json::to_string_pretty(&tables)?),
        ReportFormat::Table => tables.iter().for_each(|table| print!("{}", report::text(table))),
    }
    let is_as_known = tables.iter().all(ComparisonTable::is_as_known);
    Ok(if is_as_known { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What all records of a run have in common.
struct Stage {
    parts: Parts,
    sdks: Vec<Sdk>,
    absent: BTreeMap<Sdk, String>,
    choice: RunChoice,
    tag: String,
    turns: Arc<Semaphore>,
    records: Option<PathBuf>,
}

impl Stage {
    /// Fetches servers and clients. A client that cannot be had is left out, and why is kept.
    async fn prepare(cli: &Cli) -> Result<Self> {
        let choice = RunChoice::of(cli.behaviours.clone()).map_err(Error::msg)?;
        let mut wanted: Vec<Part> = cli.lines.iter().map(|line| line.part()).collect();
        for (&subject, &line) in
            cli.subjects.iter().flat_map(|subject| cli.lines.iter().map(move |line| (subject, line)))
        {
            wanted.extend(subject.parts(line));
        }
        let asked = if cli.clients.is_empty() { Sdk::ALL.to_vec() } else { cli.clients.clone() };
        let (mut sdks, mut absent) = (Vec::new(), BTreeMap::new());
        for sdk in asked {
            match Parts::ensure(&[sdk.part()]).await {
                Ok(_) => sdks.push(sdk),
                Err(error) => {
                    let why = format!("its language cannot be had: {}", error.root_cause());
                    announce(&format!("{} is not run: {why}", record::title(sdk)));
                    absent.insert(sdk, why);
                }
            }
        }
        wanted.extend(sdks.iter().map(|sdk| sdk.part()));
        let parts = Parts::ensure(&wanted).await?;
        let tag = format!("t{:07x}", std::process::id());
        let turns = Arc::new(Semaphore::new(record::AT_A_TIME));
        Ok(Self { parts, sdks, absent, choice, tag, turns, records: cli.records.clone() })
    }

    /// Starts a server, and records what all clients are told there.
    async fn record(&self, role: &str, kind: SubjectKind, line: Line) -> Result<RecordedServer> {
        let name = format!("{role}-{}-{}", kind.name(), line.version());
        let kept = self.records.as_ref().map(|folder| folder.join(format!("{name}.json")));
        if let Some(text) = kept.as_ref().and_then(|path| std::fs::read(path).ok()) {
            announce(&format!("{name} was recorded before"));
            let told =
                serde_json::from_slice(&text).with_context(|| format!("the record of {name} is not readable"))?;
            return Ok(RecordedServer { told, server: None, kept });
        }
        announce(&format!("recording {name}"));
        let mut server = RunningServer::start(&self.parts, kind, line).await?;
        let work = self.sdks.iter().map(|&sdk| (sdk, self.choice.clone())).collect();
        let mut told = record::record(&self.parts, &mut server, &work, (self.tag.as_str(), &self.turns)).await?;
        for (&sdk, why) in &self.absent {
            told.insert(record::title(sdk).into(), record::absent(&self.choice, why));
        }
        let recorded = RecordedServer { told, server: Some(server), kept };
        recorded.keep()?;
        Ok(recorded)
    }

    /// Compares, and has both do again what differs and is not listed: on a busy machine an SDK may lose its connection before either, and what
    /// is really told differently is told so each time.
    async fn compare(
        &self,
        (subject, line): (SubjectKind, Line),
        reference: &mut RecordedServer,
        told: &mut RecordedServer,
        known: &[KnownDifference],
    ) -> Result<ComparisonTable> {
        let compared = |reference: &RecordedServer, told: &RecordedServer| {
            ComparisonTable::of((subject.name(), line.version()), &reference.told, &told.told, known)
        };
        for attempt in 1..=REPEATS {
            let work = repeated(&compared(reference, told));
            let RecordedServer { server: Some(home), .. } = reference else { break };
            let RecordedServer { server: Some(away), .. } = told else { break };
            if work.is_empty() {
                break;
            }
            let which: Vec<String> =
                work.iter().map(|(&sdk, choice)| format!("{}: {choice}", record::title(sdk))).collect();
            announce(&format!("{} compared with {}: once more {}", subject.name(), line.version(), which.join("; ")));
            let tag = format!("{}-{attempt}{}", self.tag, subject.name());
            let (again_home, again_away) = tokio::try_join!(
                record::record(&self.parts, home, &work, (tag.as_str(), &self.turns)),
                record::record(&self.parts, away, &work, (tag.as_str(), &self.turns))
            )?;
            reference.replace(again_home)?;
            told.replace(again_away)?;
        }
        Ok(compared(reference, told))
    }
}

/// What clients were told by a server, and the server, unless it was recorded by an earlier run.
struct RecordedServer {
    told: ServerRecord,
    server: Option<RunningServer>,
    kept: Option<PathBuf>,
}

impl RecordedServer {
    fn keep(&self) -> Result<()> {
        if let Some(path) = &self.kept {
            std::fs::create_dir_all(path.parent().context("a record lies in a folder")?)?;
            std::fs::write(path, serde_json::to_vec_pretty(&self.told)?)?;
        }
        Ok(())
    }

    /// What was done again takes the place of what was told before.
    fn replace(&mut self, again: ServerRecord) -> Result<()> {
        for (client, behaviours) in again {
            self.told.entry(client).or_default().extend(behaviours);
        }
        self.keep()
    }
}

/// What differs and is not listed, by client.
fn repeated(table: &ComparisonTable) -> BTreeMap<Sdk, RunChoice> {
    let differing = table.unexplained();
    let of = |sdk: Sdk| Some((sdk, RunChoice::exactly(differing.get(record::title(sdk))?.clone())));
    Sdk::ALL.into_iter().filter_map(of).collect()
}
