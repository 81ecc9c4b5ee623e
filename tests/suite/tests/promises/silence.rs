//! A region that is silent gets older elsewhere, step by step and with the reason, and loses nothing; and who hears nobody blames nobody.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_harness::{Gateway, Link, SdkService, announce};
use serde_json::Value;

use crate::crowd::Crowd;
use crate::registrant::Registrant;
use crate::sampler::{Expected, Sampler};
use crate::scale::{ALLOWANCE, PATIENCE};
use crate::seen::{eventually, instances, status};
use crate::stage::{Scene, Side, Stage, close, on_stage, until_settled};

const SILENT_FOR: Duration = Duration::from_secs(120);
const STALE_AFTER: Duration = Duration::from_secs(10);
const LOST_AFTER: Duration = Duration::from_secs(60);
/// From when the region can speak again.
const LIVE_WITHIN: Duration = Duration::from_secs(3);
/// The last word before the fault may be a beat old, and the look at it comes each 100 ms.
const BEAT: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long the way to Kafka of one gateway is cut: longer than an origin takes to be lost.
const CUT_FOR: Duration = Duration::from_secs(75);

#[test]
fn a_region_whose_gateway_is_stopped_for_two_minutes_is_stale_then_lost_then_live_and_always_listed() {
    on_stage(async |stage| silent(stage, Silenced::Gateway).await);
}

#[test]
fn a_region_whose_nacos_is_stopped_for_two_minutes_is_stale_then_lost_then_live_and_always_listed() {
    on_stage(async |stage| silent(stage, Silenced::Nacos).await);
}

/// What of the region is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Silenced {
    Gateway,
    Nacos,
}

impl Silenced {
    /// What reasons elsewhere say.
    fn words(self) -> &'static str {
        match self {
            Self::Gateway => "its gateway was stopped",
            Self::Nacos => "its nacos has been silent",
        }
    }
}

async fn silent(stage: &mut Stage, what: Silenced) -> Result<()> {
    let scene = Scene::new(stage);
    let (mut shanghai, mut frankfurt) = scene.start_both(stage).await?;
    let outcome = silent_between(stage, &scene, what, &shanghai, &mut frankfurt).await;
    close(outcome, &mut [&mut shanghai, &mut frankfurt]).await
}

async fn silent_between(
    stage: &mut Stage,
    scene: &Scene,
    what: Silenced,
    elsewhere: &Gateway,
    silenced: &mut Gateway,
) -> Result<()> {
    let crowd = Crowd::new(scene, Side::Frankfurt, 2, 10);
    let registrant = Registrant::connect(&stage.nacos(Side::Frankfurt).address()).await?;
    crowd.register(&registrant).await?;
    crowd.until_shown(&[elsewhere, silenced]).await?;
    let mut expected = Expected::default();
    crowd.expected(&mut expected);
    let sampler = Sampler::start([elsewhere], &expected)?;
    let service = &crowd.services[0].0;

    let begun = Instant::now();
    match what {
        Silenced::Gateway => silenced.stop().await?,
        Silenced::Nacos => stage.nacos(Side::Frankfurt).stop().await?,
    }
    let ended = begun.elapsed();
    for (freshness, after) in [("stale", STALE_AFTER), ("lost", LOST_AFTER)] {
        let is = async || is_taken_for(elsewhere, service, freshness, what.words()).await;
        let (reason, _) = eventually(&format!("it is {freshness}"), PATIENCE, is).await?;
        let took = begun.elapsed();
        announce(&format!("{what:?} stopped: {freshness} after {:.1} s: {reason}", took.as_secs_f64()));
        let range = after.saturating_sub(BEAT)..=after + ended + BEAT + ALLOWANCE;
        ensure!(range.contains(&took), "it is {freshness} after {took:?}, not within {range:?}");
    }
    while begun.elapsed() < SILENT_FOR {
        is_taken_for(elsewhere, service, "lost", what.words()).await?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    match what {
        Silenced::Gateway => {
            silenced.spawn().await?;
            silenced.until_ready().await?;
        }
        Silenced::Nacos => stage.nacos(Side::Frankfurt).restart().await?,
    }
    let back = Instant::now();
    let live = async || is_taken_for(elsewhere, service, "live", "").await;
    eventually("it is live", PATIENCE, live).await?;
    let took = back.elapsed();
    announce(&format!("{what:?} is back: live {:.1} s after it is ready", took.as_secs_f64()));
    sampler.finish(&format!("{what:?} stopped for two minutes")).await?;
    ensure!(took <= LIVE_WITHIN + ALLOWANCE, "it is live only after {took:?}");
    Ok(())
}

/// Fails unless each instance of the service is shown with this freshness, an age and a reason with these words; the first reason.
async fn is_taken_for(at: &Gateway, service: &SdkService, freshness: &str, words: &str) -> Result<String> {
    let shown = instances(at, service).await?;
    ensure!(!shown.is_empty(), "{} shows no instance of {service:?}", at.cluster());
    for instance in &shown {
        let reason = instance["freshnessReason"].as_str().unwrap_or_default();
        let told = instance["freshness"] == freshness && instance["ageMs"].is_u64() && reason.contains(words);
        ensure!(told, "{} is not told as {freshness} with {words:?}: {instance}", at.cluster());
    }
    Ok(shown[0]["freshnessReason"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_gateway_whose_way_to_kafka_is_cut_calls_two_remotes_isolated_and_demotes_nobody() {
    on_stage(async |stage| {
        let scene = Scene::new(stage);
        let (mut shanghai, mut frankfurt) = scene.start_both(stage).await?;
        let mut reader = scene.apart("singapore");
        reader.kafka = stage.far.bootstrap();
        let mut reader = scene.start(&reader).await?;
        let outcome = cut_off(stage, &scene, &shanghai, &frankfurt, &reader).await;
        stage.far.set_link(Link::Open);
        close(outcome, &mut [&mut reader, &mut shanghai, &mut frankfurt]).await
    });
}

async fn cut_off(
    stage: &mut Stage,
    scene: &Scene,
    shanghai: &Gateway,
    frankfurt: &Gateway,
    reader: &Gateway,
) -> Result<()> {
    until_settled(&[shanghai, frankfurt, reader]).await?;
    let crowds = Side::BOTH.map(|side| Crowd::new(scene, side, 1, 10));
    let (first, second) = (stage.nacos(Side::Shanghai).address(), stage.nacos(Side::Frankfurt).address());
    let registrants = [Registrant::connect(&first).await?, Registrant::connect(&second).await?];
    let mut expected = Expected::default();
    for (crowd, registrant) in crowds.iter().zip(&registrants) {
        crowd.register(registrant).await?;
        crowd.until_shown(&[shanghai, frankfurt, reader]).await?;
        crowd.expected(&mut expected);
    }
    let sampler = Sampler::start([shanghai, frankfurt, reader], &expected)?;
    stage.far.set_link(Link::Cut);
    let cut = Instant::now();
    let (mut isolated, mut stale, mut lost) = (None, None, None);
    while cut.elapsed() < CUT_FOR {
        let of_reader = freshness_of(reader).await?;
        for cluster in ["shanghai", "frankfurt"] {
            let taken = of_reader(cluster);
            ensure!(taken == "live" || taken == "isolated", "cut off, it takes {cluster} for {taken}");
        }
        if of_reader("shanghai") == "isolated" && of_reader("frankfurt") == "isolated" {
            isolated.get_or_insert(cut.elapsed());
        }
        for (gateway, other) in [(shanghai, "frankfurt"), (frankfurt, "shanghai")] {
            let seen = freshness_of(gateway).await?;
            ensure!(seen(other) == "live", "{} takes {other} for {}", gateway.cluster(), seen(other));
            match &*seen("singapore") {
                "stale" => _ = stale.get_or_insert(cut.elapsed()),
                "lost" => _ = lost.get_or_insert(cut.elapsed()),
                _ => {}
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    stage.far.set_link(Link::Open);
    let opened = Instant::now();
    let live = async || {
        let seen = freshness_of(reader).await?;
        ensure!(seen("shanghai") == "live" && seen("frankfurt") == "live", "not live yet");
        Ok(())
    };
    let ((), took) = eventually("all are live again", PATIENCE, live).await?;
    let others = async || {
        ensure!(freshness_of(shanghai).await?("singapore") == "live", "not live yet");
        Ok(())
    };
    eventually("it is live elsewhere", PATIENCE, others).await?;
    announce(&format!(
        "its way to Kafka is cut: it calls both others isolated after {isolated:?}, they call it stale after {stale:?}, lost after {lost:?}; \
         back, it sees both live after {took:?}, they see it live after {:?}",
        opened.elapsed()
    ));
    isolated.context("it never called both others isolated")?;
    stale.zip(lost).context("elsewhere it was not called stale, then lost")?;
    sampler.finish("one gateway cut off from Kafka").await
}

/// By cluster, how a gateway takes it.
async fn freshness_of(gateway: &Gateway) -> Result<impl Fn(&str) -> String + use<>> {
    let status: Value = status(gateway).await?;
    Ok(move |cluster: &str| {
        let clusters = status["clusters"].as_array().map(Vec::as_slice).unwrap_or_default();
        let found = clusters.iter().find(|it| it["cluster"] == cluster);
        found.and_then(|it| it["freshness"].as_str()).unwrap_or("unknown").to_owned()
    })
}
