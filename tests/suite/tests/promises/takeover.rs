//! Two replicas of one cluster: whatever becomes of the leader, each change arrives afar once, in order, and soon.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_harness::port::PortBlock;
use federation_harness::{FaultProxy, Gateway, Link, SdkInstance, SdkService, announce};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::crowd::Crowd;
use crate::registrant::Registrant;
use crate::sampler::{Expected, Sampler};
use crate::scale::{ALLOWANCE, PATIENCE, rounds};
use crate::seen::{eventually, names, status};
use crate::stage::{Scene, Side, Stage, close, on_stage, until_settled};
use crate::watch::Watch;

const CHANGE_EVERY: Duration = Duration::from_millis(100);
/// So long nothing may arrive while the leadership changes.
const LONGEST_GAP: Duration = Duration::from_secs(6);
/// From the moment when the leader's Nacos node is cut off.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_secs(15);
/// Before and after each fault.
const QUIET: Duration = Duration::from_secs(2);

/// What happens to the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Killed,
    Paused,
}

#[test]
fn each_change_through_a_killed_leader_arrives_once_in_order_and_soon() {
    on_stage(async |stage| through(stage, Side::Frankfurt, Fate::Killed).await);
}

#[test]
fn each_change_through_a_paused_leader_arrives_once_in_order_and_soon() {
    on_stage(async |stage| through(stage, Side::Shanghai, Fate::Paused).await);
}

async fn through(stage: &mut Stage, side: Side, fate: Fate) -> Result<()> {
    let scene = Scene::new(stage);
    let (afar, own) = (scene.beside(stage, side.other()), scene.beside(stage, side));
    let mut afar = scene.start(&afar).await?;
    let (mut leader, mut standby) = (scene.start(&own).await?, scene.start(&own).await?);
    let outcome = all_rounds(stage, &scene, side, fate, &afar, &mut leader, &mut standby).await;
    close(outcome, &mut [&mut afar, &mut leader, &mut standby]).await
}

async fn all_rounds<'a>(
    stage: &mut Stage,
    scene: &Scene,
    side: Side,
    fate: Fate,
    afar: &Gateway,
    mut leader: &'a mut Gateway,
    mut standby: &'a mut Gateway,
) -> Result<()> {
    until_settled(&[afar, leader, standby]).await?;
    let kept = Crowd::new(scene, side, 2, 5);
    let of_kept = Registrant::connect(&stage.nacos(side).address()).await?;
    kept.register(&of_kept).await?;
    kept.until_shown(&[afar]).await?;
    let mut expected = Expected::default();
    kept.expected(&mut expected);
    let sampler = Sampler::start([afar], &expected)?;
    for round in 1..=rounds() {
        has_role(leader, "leader").await?;
        eventually("the other waits", PATIENCE, async || has_role(standby, "standby").await).await?;
        let service = scene.service(&format!("through-{round}"));
        let address = stage.nacos(side).address();
        one_round(&address, &service, fate, round, afar, leader, standby)
            .await
            .with_context(|| format!("round {round}"))?;
        std::mem::swap(&mut leader, &mut standby);
    }
    sampler.finish(&format!("{fate:?} leaders")).await
}

async fn one_round(
    address: &str,
    service: &SdkService,
    fate: Fate,
    round: usize,
    afar: &Gateway,
    leader: &mut Gateway,
    standby: &Gateway,
) -> Result<()> {
    let mut watch = Watch::start(afar, service).await?;
    let changes = Changes::start(address, service).await?;
    let flow = async || {
        let arrivals = watch.arrivals()?;
        ensure!(arrivals.count > 1, "{arrivals:?}");
        Ok(())
    };
    eventually("the first changes arrive", PATIENCE, flow).await?;
    tokio::time::sleep(QUIET).await;
    let begun = Instant::now();
    match fate {
        Fate::Killed => leader.kill().await?,
        Fate::Paused => leader.pause()?,
    }
    let leads = async || has_role(standby, "leader").await;
    let led = eventually("the standby leads", PATIENCE, leads).await;
    if fate == Fate::Paused {
        tokio::time::sleep(PAUSE.saturating_sub(begun.elapsed())).await;
        leader.resume()?;
        eventually("who slept waits", PATIENCE, async || has_role(leader, "standby").await).await?;
    }
    let ((), led) = led?;
    tokio::time::sleep(QUIET).await;
    let (made, _registrant) = changes.finish().await?;
    let all = async || {
        let arrivals = watch.arrivals()?;
        ensure!(arrivals.count == made, "{arrivals:?} of {made} changes");
        Ok(arrivals)
    };
    let (arrivals, _) = eventually("all changes arrive", PATIENCE, all).await?;
    has_role(standby, "leader").await?;
    announce(&format!(
        "{fate:?}, round {round}: the standby leads after {:.1} s; {made} changes arrived once and in order, longest gap {:.1} s",
        led.as_secs_f64(),
        arrivals.longest_gap.as_secs_f64()
    ));
    ensure!(arrivals.longest_gap <= LONGEST_GAP + ALLOWANCE, "the longest gap is {:?}", arrivals.longest_gap);
    if fate == Fate::Killed {
        leader.restart().await?;
    }
    Ok(())
}

/// One more instance each 100 ms, of ports from 1 on.
struct Changes {
    stop: CancellationToken,
    tasks: JoinSet<Result<(u16, Registrant)>>,
}

impl Changes {
    async fn start(address: &str, service: &SdkService) -> Result<Self> {
        let (registrant, service) = (Registrant::connect(address).await?, service.clone());
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let stopped = stop.clone();
        tasks.spawn(async move {
            let mut ticks = tokio::time::interval(CHANGE_EVERY);
            let mut instances = Vec::new();
            while !stopped.is_cancelled() {
                ticks.tick().await;
                let port = u16::try_from(instances.len() + 1)?;
                instances.push(SdkInstance::new("10.32.0.1", port));
                registrant.set(&service, &instances).await?;
            }
            Ok((u16::try_from(instances.len())?, registrant))
        });
        Ok(Self { stop, tasks })
    }

    /// How many were made, and who holds them.
    async fn finish(mut self) -> Result<(u16, Registrant)> {
        self.stop.cancel();
        self.tasks.join_next().await.context("it was started")??
    }
}

#[test]
fn a_leader_whose_nacos_node_is_cut_off_or_silent_is_followed_by_the_standby_whose_node_is_well() {
    on_stage(async |stage| {
        let (side, scene) = (Side::Frankfurt, Scene::new(stage));
        let port = stage.nacos(side).port();
        let nodes = [FaultProxy::start(port).await?, FaultProxy::start(port).await?];
        // A third node that both name, as replicas have to, and that is down for both.
        let down = PortBlock::choose(&[1000])?;
        let options = |node: &FaultProxy| {
            let servers = format!("{},127.0.0.1:{}", node.address(), down.main());
            scene.apart(side.cluster()).beside(servers, None)
        };
        let (first, second, afar) = (options(&nodes[0]), options(&nodes[1]), scene.beside(stage, side.other()));
        let mut afar = scene.start(&afar).await?;
        let (mut first, mut second) = (scene.start(&first).await?, scene.start(&second).await?);
        let outcome = handed_over(stage, &scene, side, &nodes, [&first, &second], &afar).await;
        nodes.iter().for_each(|node| node.set_link(Link::Open));
        close(outcome, &mut [&mut first, &mut second, &mut afar]).await
    });
}

async fn handed_over(
    stage: &mut Stage,
    scene: &Scene,
    side: Side,
    nodes: &[FaultProxy; 2],
    replicas: [&Gateway; 2],
    afar: &Gateway,
) -> Result<()> {
    until_settled(&[replicas[0], replicas[1], afar]).await?;
    let crowd = Crowd::new(scene, side, 2, 10);
    let registrant = Registrant::connect(&stage.nacos(side).address()).await?;
    crowd.register(&registrant).await?;
    crowd.until_shown(&[replicas[0], replicas[1], afar]).await?;
    let mut expected = Expected::default();
    crowd.expected(&mut expected);
    let sampler = Sampler::start([replicas[0], replicas[1], afar], &expected)?;
    for (round, link) in [Link::Cut, Link::Silent].into_iter().enumerate() {
        let (leader, standby) = (replicas[round % 2], replicas[(round + 1) % 2]);
        has_role(leader, "leader").await?;
        let begun = Instant::now();
        nodes[round % 2].set_link(link);
        let ((), took) = eventually("the other leads", PATIENCE, async || has_role(standby, "leader").await).await?;
        let service = scene.service(&format!("handed-over-{round}"));
        registrant.set(&service, &[SdkInstance::new("10.33.0.1", 80)]).await?;
        let arrives = async || {
            let names = names(afar, &service).await?;
            ensure!(names.len() == 1, "{names:?}");
            Ok(())
        };
        eventually("a change arrives", PATIENCE, arrives).await?;
        announce(&format!(
            "{link:?}: the standby leads {:.1} s after, a change made then has arrived after {:.1} s",
            took.as_secs_f64(),
            begun.elapsed().as_secs_f64()
        ));
        ensure!(took <= HANDED_OVER_WITHIN + ALLOWANCE, "{link:?}: the standby leads only after {took:?}");
        nodes[round % 2].set_link(Link::Open);
        until_settled(&[leader, standby, afar]).await?;
    }
    sampler.finish("the leader's Nacos node is away").await
}

async fn has_role(gateway: &Gateway, role: &str) -> Result<()> {
    let status = status(gateway).await?;
    ensure!(status["facts"]["role"] == role, "{} says {}", gateway.base(), status["facts"]);
    Ok(())
}
