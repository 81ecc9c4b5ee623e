//! A Nacos that knows nothing, and is sure of it, removes nothing anywhere until a person says that it is true; and what is no such loss is
//! not held up by that rule.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_harness::{Gateway, SdkInstance, SdkService, announce};
use serde_json::Value;

use crate::crowd::Crowd;
use crate::registrant::Registrant;
use crate::sampler::{Expected, Sampler};
use crate::scale::{ALLOWANCE, PATIENCE};
use crate::seen::{self, eventually, name_at};
use crate::stage::{Scene, Side, Stage, close, on_stage};
use crate::stand_in::StandIn;

/// After the connect, the hold, and what a long outage adds to it.
const HELD_WITHIN: Duration = Duration::from_secs(200);
/// How long an undecided hold is looked at.
const LOOKED_AT_FOR: Duration = Duration::from_secs(15);
/// What a release takes to be seen at every gateway.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// What asking once more adds to a removal.
const ONE_MORE_QUERY: Duration = Duration::from_millis(300);

#[test]
fn an_empty_registry_at_the_address_of_nacos_removes_nothing_until_the_other_cluster_releases_it() {
    on_stage(async |stage| emptied(stage, Side::Shanghai, Emptied::ByStandIn).await);
}

#[test]
fn an_emptied_nacos_and_a_gateway_restarted_beside_it_remove_nothing_until_the_other_cluster_releases_it() {
    on_stage(async |stage| emptied(stage, Side::Frankfurt, Emptied::AndGatewayRestarted).await);
}

/// How everything gets lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Emptied {
    /// The embedded registry takes Nacos's place; the gateway goes on.
    ByStandIn,
    /// A fresh Nacos takes its place while the gateway is down, which finds its own data.
    AndGatewayRestarted,
}

async fn emptied(stage: &mut Stage, side: Side, how: Emptied) -> Result<()> {
    let scene = Scene::new(stage);
    let (mut shanghai, mut frankfurt) = scene.start_both(stage).await?;
    let outcome = {
        let (here, there) = match side {
            Side::Shanghai => (&mut shanghai, &frankfurt),
            Side::Frankfurt => (&mut frankfurt, &shanghai),
        };
        emptied_between(stage, &scene, side, how, here, there).await
    };
    close(outcome, &mut [&mut shanghai, &mut frankfurt]).await
}

async fn emptied_between(
    stage: &mut Stage,
    scene: &Scene,
    side: Side,
    how: Emptied,
    here: &mut Gateway,
    there: &Gateway,
) -> Result<()> {
    let (lost, kept) = (Crowd::new(scene, side, 4, 25), Crowd::new(scene, side.other(), 2, 10));
    let of_lost = Registrant::connect(&stage.nacos(side).address()).await?;
    let of_kept = Registrant::connect(&stage.nacos(side.other()).address()).await?;
    tokio::try_join!(lost.register(&of_lost), kept.register(&of_kept))?;
    for crowd in [&lost, &kept] {
        crowd.until_shown(&[&*here, there]).await?;
    }

    let mut expected = Expected::default();
    [&lost, &kept].into_iter().for_each(|crowd| crowd.expected(&mut expected));
    let afar = Sampler::start([there], &expected)?;
    let begun = Instant::now();
    stage.nacos(side).kill().await?;
    drop(of_lost); // Else it would register everything anew.
    let (stand_in, beside) = match how {
        Emptied::ByStandIn => {
            let beside = Sampler::start([&*here], &expected)?;
            (Some(StandIn::start(stage.nacos(side).port()).await?), beside)
        }
        Emptied::AndGatewayRestarted => {
            here.kill().await?;
            stage.forget_everything(side).await?;
            here.spawn().await?;
            here.until_ready().await?;
            (None, Sampler::start([&*here], &expected)?)
        }
    };
    let id = format!("{}/public", side.cluster());
    let all_held = async || is_held(there, &id, lost.len()).await;
    eventually("the guard holds everything", HELD_WITHIN, all_held).await?;
    announce(&format!("{how:?}: all {} are held {:.1} s after", lost.len(), begun.elapsed().as_secs_f64()));
    for gateway in [&*here, there] {
        is_listed(gateway, &id, lost.len()).await?;
    }
    tokio::time::sleep(LOOKED_AT_FOR).await; // Nothing is to happen: there is no event to await.
    beside.finish(&format!("{how:?}, here")).await?;
    afar.finish(&format!("{how:?}, in the other cluster")).await?;

    released(there, &id, &lost, &[&*here, there]).await?;
    for gateway in [&*here, there] {
        kept.counts(gateway, kept.len()).await?;
    }
    drop(stand_in);
    Ok(())
}

async fn is_held(at: &Gateway, id: &str, count: usize) -> Result<()> {
    let (status, document) = at.get("/v1/guard", &[]).await?;
    let holds = document["holds"].as_array().with_context(|| format!("{status} {document}"))?;
    let hold = holds.iter().find(|hold| hold["id"] == id).with_context(|| format!("{id} is not held: {document}"))?;
    ensure!(hold["state"] == "held" && hold["kept"] == count, "{hold}");
    Ok(())
}

/// `nacos-fed guard list` shows the hold, how much of what, and what to do.
async fn is_listed(at: &Gateway, id: &str, count: usize) -> Result<()> {
    let told = at.command(&["guard", "list"]).await?;
    ensure!(told.code == Some(1), "`guard list` at {} ends with {:?}: {}", at.cluster(), told.code, told.text);
    for words in [id, "held", &format!("{count} of {count}, 100 %"), &format!("release {id}"), &format!("keep {id}")] {
        ensure!(told.text.contains(words), "`guard list` at {} lacks {words:?}: {}", at.cluster(), told.text);
    }
    announce(&format!("guard list at {}:\n{}", at.cluster(), told.text.trim_end()));
    Ok(())
}

/// Releases the hold at `by`; what was held is soon gone at all gateways.
async fn released(by: &Gateway, id: &str, lost: &Crowd, gateways: &[&Gateway]) -> Result<()> {
    let ordered = Instant::now();
    let told = by.command(&["guard", "release", id, "--reason", "it is true"]).await?;
    let taken = Instant::now();
    ensure!(told.code == Some(0), "`guard release` ends with {:?}: {}", told.code, told.text);
    for gateway in gateways {
        eventually("what was released is gone", PATIENCE, async || lost.counts(gateway, 0).await).await?;
        announce(&format!(
            "released at {}: gone at {} {} ms after the answer, {} ms after the order",
            by.cluster(),
            gateway.cluster(),
            taken.elapsed().as_millis(),
            ordered.elapsed().as_millis()
        ));
        let late = taken.elapsed();
        ensure!(late <= GONE_WITHIN + ALLOWANCE, "it is gone at {} only after {late:?}", gateway.cluster());
    }
    Ok(())
}

#[test]
fn a_deregistration_that_empties_a_service_is_through_as_soon_as_one_that_does_not() {
    on_stage(async |stage| {
        let scene = Scene::new(stage);
        let (mut shanghai, mut frankfurt) = scene.start_both(stage).await?;
        let mut outcome = Ok(());
        for (side, there) in [(Side::Shanghai, &frankfurt), (Side::Frankfurt, &shanghai)] {
            if outcome.is_ok() {
                outcome = emptying_costs_little(stage, &scene, side, there).await;
            }
        }
        close(outcome, &mut [&mut shanghai, &mut frankfurt]).await
    });
}

/// Takes one instance away from services with one and from services with two, in turn, and compares how soon that is seen afar.
async fn emptying_costs_little(stage: &mut Stage, scene: &Scene, side: Side, there: &Gateway) -> Result<()> {
    let registrant = Registrant::connect(&stage.nacos(side).address()).await?;
    let others = Crowd::new(scene, side, 4, 20);
    others.register(&registrant).await?;
    others.until_shown(&[there]).await?;
    let (mut emptying, mut leaving_one) = (Vec::new(), Vec::new());
    for number in 0..20_u16 {
        let empties = number % 2 == 0;
        let service = scene.service(&format!("emptying-{}-{number}", side.cluster()));
        let gone = SdkInstance::new("10.31.0.1", 80);
        let rest = if empties { Vec::new() } else { vec![SdkInstance::new("10.31.0.2", 80)] };
        registrant.set(&service, &[&rest[..], std::slice::from_ref(&gone)].concat()).await?;
        let shown = async || {
            let names = seen::names(there, &service).await?;
            ensure!(names.len() == rest.len() + 1, "{names:?}");
            Ok(())
        };
        eventually("it is shown", PATIENCE, shown).await?;
        registrant.set(&service, &rest).await?;
        let lacks = async || seen::lacks(there, &service, side.cluster(), &gone).await;
        let ((), took) = eventually("it is gone", PATIENCE, lacks).await?;
        if empties { &mut emptying } else { &mut leaving_one }.push(took);
    }
    let [emptying, leaving_one] = [emptying, leaving_one].map(spread);
    announce(&format!(
        "{}: a deregistration is seen afar after {leaving_one:?} (median, worst), one that empties its service after {emptying:?}",
        side.cluster()
    ));
    let later = emptying.0.saturating_sub(leaving_one.0);
    ensure!(later <= ONE_MORE_QUERY, "{}: {later:?} later at the median", side.cluster());
    let later = emptying.1.saturating_sub(leaving_one.1);
    ensure!(later <= ONE_MORE_QUERY + ALLOWANCE, "{}: {later:?} later at worst", side.cluster());
    Ok(())
}

/// Median and worst.
fn spread(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() - 1])
}

/// How many of each service restart at a time: a fifth.
const AT_A_TIME: usize = 2;
/// An instance that restarts is away for so long,
const AWAY_FOR: Duration = Duration::from_secs(3);
/// and for less than this.
const BACK_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn a_rolling_deploy_of_two_hundred_instances_trips_nothing_and_hides_nobody_else() {
    on_stage(async |stage| {
        let scene = Scene::new(stage);
        let (mut shanghai, mut frankfurt) = scene.start_both(stage).await?;
        let outcome = rolled(stage, &scene, &[&shanghai, &frankfurt]).await;
        close(outcome, &mut [&mut shanghai, &mut frankfurt]).await
    });
}

async fn rolled(stage: &mut Stage, scene: &Scene, gateways: &[&Gateway]) -> Result<()> {
    let side = Side::Shanghai;
    let registrant = Registrant::connect(&stage.nacos(side).address()).await?;
    let crowd = Crowd::new(scene, side, 20, 10);
    crowd.register(&registrant).await?;
    crowd.until_shown(gateways).await?;
    let (begun, mut longest) = (Instant::now(), Duration::ZERO);
    for step in 0..10 / AT_A_TIME {
        let away = step * AT_A_TIME..(step + 1) * AT_A_TIME;
        let left = Instant::now();
        for (service, instances) in &crowd.services {
            let rest: Vec<SdkInstance> =
                instances.iter().enumerate().filter(|(at, _)| !away.contains(at)).map(|(_, it)| it.clone()).collect();
            registrant.set(service, &rest).await?;
        }
        let rest = crowd.len() - crowd.services.len() * AT_A_TIME;
        while left.elapsed() < AWAY_FOR {
            until_counted(&crowd, gateways, away.clone(), rest).await?;
        }
        crowd.register(&registrant).await?;
        let returned = left.elapsed();
        ensure!(returned < BACK_WITHIN, "the machine is too busy: they were away for {returned:?}");
        longest = longest.max(returned);
        until_counted(&crowd, gateways, away, crowd.len()).await?;
    }
    announce(&format!(
        "{} instances rolled in {:.1} s, {} at a time, each away for at most {:.1} s",
        crowd.len(),
        begun.elapsed().as_secs_f64(),
        crowd.services.len() * AT_A_TIME,
        longest.as_secs_f64()
    ));
    for gateway in gateways {
        let told = gateway.command(&["guard", "list"]).await?;
        ensure!(told.code == Some(0), "`guard list` at {}: {}", gateway.cluster(), told.text);
        for (service, _) in &crowd.services {
            let held: Vec<Value> = seen::instances(gateway, service).await?;
            ensure!(held.iter().all(|it| it["held"].is_null() && it["healthy"] == true), "{held:?}");
        }
    }
    let trips = metric(gateways[0], "federation_guard_trips_total").await?;
    ensure!(trips == 0.0, "the guard tripped {trips} times");
    Ok(())
}

/// Waits until all gateways show `wanted` of the crowd; at no time may one who does not restart be missing.
async fn until_counted(
    crowd: &Crowd,
    gateways: &[&Gateway],
    away: std::ops::Range<usize>,
    wanted: usize,
) -> Result<()> {
    let stays: Vec<(&SdkService, BTreeSet<String>)> = crowd
        .services
        .iter()
        .map(|(service, all)| {
            let staying = all.iter().enumerate().filter(|(at, _)| !away.contains(at));
            (service, staying.map(|(_, it)| name_at(Side::Shanghai.cluster(), it)).collect())
        })
        .collect();
    let missing = async || -> Result<usize> {
        let mut shown = 0;
        for gateway in gateways {
            for (service, staying) in &stays {
                let names: BTreeSet<String> = seen::names(gateway, service).await?.into_iter().collect();
                let missing: Vec<&String> = staying.difference(&names).collect();
                ensure!(missing.is_empty(), "{} lacks {missing:?} of {service:?}", gateway.cluster());
                shown += names.len();
            }
        }
        Ok(shown)
    };
    let begun = Instant::now();
    while missing().await? != wanted * gateways.len() {
        ensure!(begun.elapsed() < PATIENCE, "not {wanted} are shown within {PATIENCE:?}");
    }
    Ok(())
}

/// The sum of a metric's samples; 0 if it has none.
pub(crate) async fn metric(at: &Gateway, name: &str) -> Result<f64> {
    let text = reqwest::Client::builder().no_proxy().build()?.get(format!("{}/metrics", at.base())).send().await?;
    let text = text.text().await?;
    let samples = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    Ok(samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}
