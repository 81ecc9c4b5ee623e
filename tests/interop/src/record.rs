//! All clients on one server, some at a time, and the server's restart under all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use federation_harness::{Parts, Sdk, announce};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::choice::RunChoice;
use crate::mask::TextMask;
use crate::outcome::{BehaviourOutcome, ServerRecord};
use crate::script::{BEHAVIOURS, ClientPair, RESTART, RestartCrew};
use crate::server::RunningServer;

/// Clients that run at the same time on all servers: they wait most of the time, but two cores start no more Java machines at once in good
/// time.
pub(crate) const AT_A_TIME: usize = 6;

/// Waits for as long as all others together: what was killed is missed after half a minute over HTTP.
const KILLED: &str = "killed";

/// By behaviour.
pub(crate) type ClientRecord = BTreeMap<String, BehaviourOutcome>;

/// What one client did, and what of it waits for the restart.
struct ClientRun {
    sdk: Sdk,
    record: ClientRecord,
    crew: Option<RestartCrew>,
}

/// Runs what is chosen for each client on a server.
pub(crate) async fn record(
    parts: &Parts,
    server: &mut RunningServer,
    work: &BTreeMap<Sdk, RunChoice>,
    (tag, turns): (&str, &Arc<Semaphore>),
) -> Result<ServerRecord> {
    let mask = TextMask::of(server.port(), tag);
    let (mut running, mut runs) = (JoinSet::new(), Vec::new());
    let is_ours = server.is_somebody_else_s().is_none();
    let mut in_order: Vec<(Sdk, &RunChoice)> = work.iter().map(|(&sdk, choice)| (sdk, choice)).collect();
    in_order.sort_by_key(|(sdk, _)| !sdk.speaks_http()); // Those that take the longest first.
    for (sdk, choice) in in_order {
        let turn = Arc::clone(turns).acquire_owned().await.context("nobody closes it")?;
        let (parts, address, tag) = (parts.clone(), server.address(), tag.to_owned());
        let (mask, choice) = (mask.clone(), choice.clone());
        running.spawn(async move {
            let _turn = turn;
            let pair = ClientPair::start(&parts, sdk, &address, &tag, mask).await?;
            before_the_restart(pair, sdk, &choice, is_ours).await
        });
    }
    while let Some(ended) = running.join_next().await {
        runs.push(ended??);
    }
    if runs.iter().any(|run| run.crew.is_some()) {
        announce(&format!("restarting the server at {}", server.address()));
        server.restart().await?;
    }
    let mut records = ServerRecord::new();
    let mut judged = JoinSet::new();
    for ClientRun { sdk, mut record, crew } in runs {
        if let Some(why) = server.is_somebody_else_s().filter(|_| work[&sdk].has(RESTART)) {
            record.insert(RESTART.into(), BehaviourOutcome::NotRun(why.into()));
        }
        records.insert(title(sdk).into(), record);
        if let Some(crew) = crew {
            judged.spawn(async move { (sdk, crew.judge().await) });
        }
    }
    while let Some(ended) = judged.join_next().await {
        let (sdk, outcome) = ended?;
        records.entry(title(sdk).into()).or_default().insert(RESTART.into(), outcome);
    }
    Ok(records)
}

async fn before_the_restart(pair: ClientPair, sdk: Sdk, choice: &RunChoice, is_ours: bool) -> Result<ClientRun> {
    let in_turn: Vec<&str> = BEHAVIOURS.into_iter().filter(|name| *name != KILLED).collect();
    let (record, killed) =
        tokio::try_join!(behave(&pair, sdk, &in_turn, choice), behave(&pair, sdk, &[KILLED], choice))?;
    let record = record.into_iter().chain(killed).collect();
    let crew = if choice.has(RESTART) && is_ours { Some(RestartCrew::muster(&pair).await?) } else { None };
    Ok(ClientRun { sdk, record, crew })
}

/// Runs those of these behaviours that are chosen, one after the other.
async fn behave(pair: &ClientPair, sdk: Sdk, behaviours: &[&str], choice: &RunChoice) -> Result<ClientRecord> {
    let mut record = ClientRecord::new();
    for &behaviour in behaviours {
        if !choice.has(behaviour) {
            continue;
        }
        let start = std::time::Instant::now();
        let mut outcome = pair.run(behaviour).await;
        if outcome.is_without_connection() {
            // On a busy machine SDKs give a connection up that is slow for three seconds. Twice is no chance.
            announce(&format!("{}, {behaviour}: without its connection; once more", title(sdk)));
            outcome = pair.again().await?.run(behaviour).await;
        }
        record.insert(behaviour.into(), outcome);
        announce(&format!("{}, {behaviour}: {:.1} s", title(sdk), start.elapsed().as_secs_f64()));
    }
    Ok(record)
}

/// A client that cannot be had on this machine: no behaviour was run, and why.
pub(crate) fn absent(choice: &RunChoice, why: &str) -> ClientRecord {
    let all = BEHAVIOURS.into_iter().chain([RESTART]).filter(|name| choice.has(name));
    all.map(|name| (name.into(), BehaviourOutcome::NotRun(why.into()))).collect()
}

/// Name and version of a client, as the table has it.
pub(crate) fn title(sdk: Sdk) -> &'static str {
    match sdk {
        Sdk::Java => "java 3.1.1",
        Sdk::Java2 => "java 2.4.3",
        Sdk::Java1 => "java 1.4.8",
        Sdk::Python => "python 3.2.0",
        Sdk::Python2 => "python 2.0.11",
        Sdk::Go => "go 2.3.2",
        Sdk::Node => "node 2.6.3",
        Sdk::Rust => "rust 0.8.3",
    }
}
