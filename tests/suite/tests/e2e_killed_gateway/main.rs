//! Two gateways of one cluster, each with a front door, beside one real Nacos, and a gateway of another cluster; between them a real Kafka. One of
//! the two is killed (`kill -9`) under its clients, once a standby and once the leader. Nacos drops at once what they had registered; they register
//! anew at the other door, as late as SDKs do. Nobody may miss them meanwhile: neither those who watch at the other cluster's gateway, nor
//! those who subscribe at either door.
//!
//! `NACOS_FED_CLIENTS` says how many clients there are, 200 by default.

mod clients;
mod stage;
mod watch;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_harness::announce;

use crate::clients::Crowd;
use crate::stage::Stage;
use crate::watch::Watches;

/// All registrations are back in the Nacos itself within this time.
const BACK_WITHIN: Duration = Duration::from_secs(15);
/// Who dies behind a gateway that lives is gone elsewhere within the hold of 15 s, which gateways as young as these wait for in any case, and some; with
/// settled ones it takes less than a second, as the simulation shows.
const GONE_WITHIN: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread")]
async fn nobody_misses_the_clients_of_a_killed_gateway_be_it_a_standby_or_the_leader() -> Result<()> {
    let mut stage = Stage::begin().await?;
    let mut crowd = Crowd::register(&stage).await?;
    let watches = Watches::start(&stage, &crowd).await?;
    watches.until_all_are_seen(crowd.names()).await?;
    watches.expect(crowd.names());
    crowd.expect_full_lists();
    dies_behind_a_living_standby(&stage, &mut crowd, &watches).await?;
    for round in ["a standby", "the leader"] {
        let killed = stage.door_of(round == "the leader").await?;
        let behind = crowd.behind(killed);
        ensure!(behind > 0, "nobody is behind the door of {round}");
        stage.kill(killed).await?;
        let since = Instant::now();
        let dropped = stage.until_nacos_lacks(&crowd, since).await?;
        stage.until_nacos_has(&crowd, BACK_WITHIN).await.with_context(|| format!("{round} was killed"))?;
        announce(&format!(
            "{round} killed under {behind} of {} clients: nacos lacked some of them within {} ms, all are back after {} ms",
            crowd.len(),
            dropped.as_millis(),
            since.elapsed().as_millis()
        ));
        stage.start_again(killed).await?;
        watches.finish_round().with_context(|| format!("{round} was killed"))?;
        crowd.finish_round().with_context(|| format!("{round} was killed"))?;
    }
    stage.end().await
}

async fn dies_behind_a_living_standby(stage: &Stage, crowd: &mut Crowd, watches: &Watches) -> Result<()> {
    let one_more = crowd.one_more(stage.door_of(false).await?);
    watches.until_all_are_seen([one_more.clone()].into()).await?;
    crowd.kill_that_one();
    let since = Instant::now();
    watches.until_gone(&one_more, GONE_WITHIN).await?;
    announce(&format!(
        "a client that died behind a living standby was gone elsewhere after {} ms",
        since.elapsed().as_millis()
    ));
    Ok(())
}
