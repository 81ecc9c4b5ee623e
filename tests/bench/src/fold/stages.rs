//! The two stages: origins that the bench writes, and a registry in a gateway.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_bench::plain::{self, Consumed, PREFIX, log_options};
use federation_core::id::ClusterId;
use federation_core::log::record::TopicKind;
use federation_harness::{Gateway, GatewayOptions, Kafka, announce};
use federation_kafka::options::KafkaOptions;
use federation_kafka::topics::TopicNames;
use tokio::task::spawn_blocking;

use crate::changes::{Changer, Course, Stretch};
use crate::figures::{Goal, Table, at};
use crate::origin::WrittenOrigin;
use crate::reader::{self, Own};
use crate::registry::Registrants;
use crate::{Arguments, Measured, answers, shape};

/// The federation of the origins that the bench writes, and that of the registry.
const WRITTEN: &str = "written";
const REGISTERED: &str = "registered";
const EMPTY: &str = "empty";
const FLOOR_SAMPLES: u64 = 200;
/// A lag above ends the search for the highest pace.
const LAG_LIMIT_MS: f64 = 1000.0;
/// Paces that are tried one after the other, each second.
const PACES: [u64; 6] = [2_000, 5_000, 10_000, 20_000, 40_000, 80_000];
/// A gateway writes a snapshot each 30 s at most.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(40);

impl Changer for WrittenOrigin {
    async fn change(&self, instance: u64, version: u64) -> Result<()> {
        Self::change(self, instance, version)
    }

    async fn settle(&self) -> Result<()> {
        Ok(())
    }
}

/// Origins that the bench writes, read by one gateway.
pub(crate) async fn written(arguments: &Arguments, kafka: &Kafka, table: &mut Table) -> Result<()> {
    let options = log_options(&kafka.bootstrap(), WRITTEN)?;
    let empty = bare_memory(kafka).await?;
    let share = arguments.instances / arguments.origins / shape::INSTANCES * shape::INSTANCES;
    let instances = share * arguments.origins;
    let clusters =
        (0..arguments.origins).map(|number| format!("origin-{number}").parse()).collect::<Result<Vec<_>, _>>()?;
    let mut origins = Vec::new();
    for (number, cluster) in (0..).zip(&clusters) {
        origins.push(WrittenOrigin::write(&options, cluster, number * share, share).await?);
    }
    announce(&format!("{instances} instances of {} origins are written", clusters.len()));
    let first = consume(&options, &clusters).await?;
    ensure!(first.records >= instances, "{} records of {instances} instances were written", first.records);
    let mut gateway = Gateway::prepare(&GatewayOptions::new(WRITTEN, "b", &kafka.bootstrap())).await?;
    let begun = Instant::now();
    gateway.spawn().await?;
    reader::until_shown(&gateway, instances, Own::IsLeftOut).await?;
    let took = begun.elapsed();
    gateway.until_ready().await?;
    if arguments.wants(Measured::Fold) {
        let second = consume(&options, &clusters).await?;
        tell_fold(table, took, first.took.min(second.took));
        let memory = reader::memory(&gateway).await?.saturating_sub(empty);
        table.add(
            "memory, beside that of an empty gateway, of one instance",
            memory as f64 / instances as f64,
            "bytes",
            Goal::AtMost(500.0),
        );
    }
    if arguments.wants(Measured::Idle) {
        let idle = reader::idle(&[&gateway], seconds(arguments) * 2).await?;
        table.add("reader at rest", idle[0] * 100.0, "% of a core", Goal::AtMost(2.0));
    }
    if arguments.wants(Measured::Reader) {
        let origin = &origins[0];
        floor(&options, table).await?;
        let idle = reader::idle(&[&gateway], seconds(arguments)).await?;
        let course = Course { reader: &gateway, gateways: vec![(&gateway, idle[0])], first: 0, instances: share };
        for (rate, goal) in [(100, 50.0), (1_000, 100.0)] {
            let stretch = course.run(origin, rate, seconds(arguments)).await?;
            tell_lag(table, "written by the bench", &stretch, goal);
            let goal = if rate == 1_000 { Goal::AtMost(20.0) } else { Goal::None };
            table.add(format!("  {rate}/s: processor time of a change, reader"), stretch.processor[0], "us", goal);
        }
        let best = highest_pace(&course, origin, arguments).await?;
        table.add("changes each second until the lag passes 1 s, reader alone", best, "", Goal::AtLeast(20_000.0));
    }
    if arguments.wants(Measured::Answers) {
        origins[0].change(0, u64::from(u32::MAX))?; // A snapshot is written because something changed.
        tell_answers(arguments, &gateway, instances, table).await?;
    }
    tell_stop(arguments, table, "reader", &mut gateway).await
}

/// How long answers take while a snapshot is written, and otherwise.
async fn tell_answers(arguments: &Arguments, gateway: &Gateway, instances: u64, table: &mut Table) -> Result<()> {
    let felt = answers::run(gateway, instances, SNAPSHOT_WITHIN.min(seconds(arguments) * 4)).await?;
    let (beside, otherwise) = (at(&felt.beside, 99), at(&felt.otherwise, 99));
    table.add("answers, P99 otherwise", otherwise, "ms", Goal::None);
    let name = format!("answers, P99 beside a snapshot ({} of them)", felt.beside.len());
    table.add(name, beside, "ms", Goal::AtMost(1.2 * otherwise));
    Ok(())
}

/// A gateway with a registry that everything is registered in, and one that reads it.
pub(crate) async fn registered(arguments: &Arguments, kafka: &Kafka, table: &mut Table) -> Result<()> {
    let gateway = |cluster: &str| GatewayOptions::new(REGISTERED, cluster, &kafka.bootstrap());
    let mut origin = Gateway::start(&gateway("a")).await?;
    let mut reader = Gateway::start(&gateway("b")).await?;
    let instances = arguments.instances;
    let begun = Instant::now();
    let registrants = Registrants::register(&origin, instances).await?;
    announce(&format!("{instances} instances are registered after {:.1} s", begun.elapsed().as_secs_f64()));
    reader::until_shown(&reader, instances, Own::IsLeftOut).await?;
    announce(&format!("the reader shows them after {:.1} s", begun.elapsed().as_secs_f64()));
    let memory = reader::memory(&origin).await?;
    table.add(
        "memory of the origin with its registry, of one instance",
        memory as f64 / instances as f64,
        "bytes",
        Goal::None,
    );
    let idle = reader::idle(&[&origin, &reader], seconds(arguments) * 2).await?;
    table.add("origin with its registry at rest", idle[0] * 100.0, "% of a core", Goal::AtMost(4.0));
    table.add("its reader at rest", idle[1] * 100.0, "% of a core", Goal::AtMost(2.0));
    let course =
        Course { reader: &reader, gateways: vec![(&origin, idle[0]), (&reader, idle[1])], first: 0, instances };
    let topic = TopicNames::new(PREFIX, &REGISTERED.parse()?).of(&"a".parse()?, TopicKind::Instances);
    let size = || log_bytes(kafka, &topic);
    for (rate, goal) in [(100, 50.0), (1_000, 100.0)] {
        let before = size()?;
        let stretch = course.run(&registrants, rate, seconds(arguments)).await?;
        tell_lag(table, "registered", &stretch, goal);
        let goal = |limit| if rate == 1_000 { Goal::AtMost(limit) } else { Goal::None };
        table.add(format!("  {rate}/s: processor time of a change, origin"), stretch.processor[0], "us", goal(100.0));
        table.add(format!("  {rate}/s: processor time of a change, reader"), stretch.processor[1], "us", goal(20.0));
        let bytes = (size()? - before) as f64 / stretch.changes as f64;
        table.add(format!("  {rate}/s: bytes on the log of a change"), bytes, "bytes", goal(70.0));
    }
    let best = highest_pace(&course, &registrants, arguments).await?;
    table.add("changes each second until the lag passes 1 s, end to end", best, "", Goal::AtLeast(20_000.0));
    drop(registrants);
    tell_stop(arguments, table, "reader of the registry", &mut reader).await?;
    tell_stop(arguments, table, "origin", &mut origin).await
}

fn seconds(arguments: &Arguments) -> Duration {
    Duration::from_secs(arguments.seconds)
}

async fn consume(options: &KafkaOptions, clusters: &[ClusterId]) -> Result<Consumed> {
    let (options, clusters) = (options.clone(), clusters.to_vec());
    spawn_blocking(move || plain::consume(&options, &clusters)).await?
}

/// Memory of a gateway that has nothing.
async fn bare_memory(kafka: &Kafka) -> Result<u64> {
    let mut gateway = Gateway::start(&GatewayOptions::new(EMPTY, "b", &kafka.bootstrap())).await?;
    let bytes = reader::memory(&gateway).await?;
    gateway.stop().await?;
    Ok(bytes)
}

fn tell_fold(table: &mut Table, took: Duration, peer: Duration) {
    let (took, peer) = (took.as_secs_f64(), peer.as_secs_f64());
    table.add("a fresh gateway shows everything, from its start", took, "s", Goal::AtMost(2.0));
    table.add("  bare librdkafka reads the same, same properties", peer, "s", Goal::None);
    table.add("  speed beside that", peer / took, "", Goal::AtLeast(0.5));
}

async fn floor(options: &KafkaOptions, table: &mut Table) -> Result<()> {
    let figures = plain::floor(options, FLOOR_SAMPLES).await?;
    table.add("floor: bare produce (acks=all) to consume, P50", at(&figures, 50), "ms", Goal::None);
    table.add("floor: bare produce (acks=all) to consume, P99", at(&figures, 99), "ms", Goal::None);
    Ok(())
}

fn tell_lag(table: &mut Table, by: &str, stretch: &Stretch, goal: f64) {
    let Stretch { wanted, lag, .. } = stretch;
    table.add(format!("{wanted}/s {by}: lag to a watcher, P50"), at(lag, 50), "ms", Goal::None);
    table.add(format!("  {wanted}/s: lag to a watcher, P99"), at(lag, 99), "ms", Goal::AtMost(goal));
}

/// The pace of the last stretch of which no change was seen later than the limit.
async fn highest_pace(course: &Course<'_>, changer: &impl Changer, arguments: &Arguments) -> Result<f64> {
    let mut best = 0.0;
    for pace in PACES {
        let stretch = course.run(changer, pace, seconds(arguments) / 2).await?;
        let worst = at(&stretch.lag, 100);
        announce(&format!("{pace}/s: {:.0}/s were made, the longest lag is {worst:.0} ms", stretch.made));
        if worst > LAG_LIMIT_MS {
            break;
        }
        best = stretch.made;
        if stretch.made < 0.9 * pace as f64 {
            break; // Whoever makes them is the limit.
        }
    }
    Ok(best)
}

async fn tell_stop(arguments: &Arguments, table: &mut Table, whose: &str, gateway: &mut Gateway) -> Result<()> {
    let took = reader::stop(gateway).await?.as_secs_f64();
    if arguments.wants(Measured::Stop) || whose == "origin" {
        table.add(format!("orderly stop, {whose}"), took, "s", Goal::AtMost(1.0));
    }
    Ok(())
}

/// Bytes of a topic on the broker's disk.
fn log_bytes(kafka: &Kafka, topic: &str) -> Result<u64> {
    let data = kafka.log().parent().context("a broker has a home")?.join("data");
    let mut bytes = 0;
    for entry in std::fs::read_dir(data)? {
        let folder = entry?.path();
        let is_of = |folder: &Path| {
            folder.file_name()?.to_str()?.rsplit_once('-').filter(|(name, _)| *name == topic).map(|_| ())
        };
        if is_of(&folder).is_none() {
            continue;
        }
        for file in std::fs::read_dir(folder)? {
            let file = file?;
            if file.path().extension().is_some_and(|extension| extension == "log") {
                bytes += file.metadata()?.len();
            }
        }
    }
    Ok(bytes)
}
