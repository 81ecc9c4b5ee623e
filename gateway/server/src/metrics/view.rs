//! Metrics that are read from the view when somebody scrapes.

use std::fmt;

use federation_core::freshness::Freshness;
use federation_core::service::ClusterStatus;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::catalog::{Catalog, Kind, Listed};
use super::label::Label;
use crate::view::ViewReader;

const AGE: Listed = gauge("federation_origin_age_seconds", "origin");
const FRESHNESS: Listed = gauge("federation_origin_freshness", "origin, freshness");
const SERVICES: Listed = gauge("federation_services", "");
const CONFIG_NAMES: Listed = gauge("federation_config_names", "");
const INSTANCES: Listed = gauge("federation_instances", "origin");
const CONFIGS: Listed = gauge("federation_configs", "origin");
const DRAINS: Listed = gauge("federation_drains", "");
const READY: Listed = gauge("federation_ready", "");
const SILENCE: Listed = gauge("federation_engine_silence_seconds", "");
const BUILD: Listed = Listed { name: "federation_build_info", kind: Kind::Info, labels: "version" };

const fn gauge(name: &'static str, labels: &'static str) -> Listed {
    Listed { name, kind: Kind::Gauge, labels }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OriginLabels {
    origin: Label<federation_core::id::ClusterId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FreshnessLabels {
    origin: Label<federation_core::id::ClusterId>,
    freshness: Label<Freshness>,
}

pub(super) fn register(catalog: &mut Catalog, view: ViewReader, version: &'static str) {
    let listed = [BUILD, READY, SILENCE, SERVICES, CONFIG_NAMES, AGE, FRESHNESS, INSTANCES, CONFIGS, DRAINS];
    catalog.collector(FromView { view, version }, &listed);
}

struct FromView {
    view: ViewReader,
    version: &'static str,
}

impl fmt::Debug for FromView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromView")
    }
}

impl Collector for FromView {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut build = encoder.encode_descriptor("federation_build", "the program", None, MetricType::Info)?;
        build.encode_info(&[("version", self.version)])?;
        let ready = i64::from(self.view.is_ready());
        single(&mut encoder, READY.name, "1 while answers can be relied on, else 0", ready)?;
        if let Some(silence) = self.view.engine_silence() {
            let help = "since the engine last turned; at most a fraction of a second while it is well";
            let metric = encoder.encode_descriptor(SILENCE.name, help, None, MetricType::Gauge)?;
            ConstGauge::new(silence.0 as f64 / 1000.0).encode(metric)?;
        }
        single(
            &mut encoder,
            SERVICES.name,
            "services with an instance in any cluster",
            count(self.view.service_names().len()),
        )?;
        let config_names = count(self.view.config_names().len());
        single(&mut encoder, CONFIG_NAMES.name, "names of config items in any cluster", config_names)?;
        let drains = self.view.intents().iter().filter(|drain| drain.intent.percent.get() > 0).count();
        single(&mut encoder, DRAINS.name, "drains above 0 % in force", count(drains))?;
        let (now, table) = (self.view.now(), self.view.clusters());
        let clusters = &table.clusters;
        if clusters.is_empty() {
            return Ok(()); // A family without a value is not shown.
        }
        let help = "age of a cluster's facts; missing if no word of it has been heard yet";
        per_cluster(&mut encoder, AGE.name, help, clusters, |cluster, metric| {
            let Some(age) = cluster.age else { return Ok(()) };
            let millis = age.0.saturating_add(now.since(cluster.as_of).0);
            origin(metric, cluster, ConstGauge::new(millis as f64 / 1000.0))
        })?;
        per_cluster(&mut encoder, FRESHNESS.name, "1 for the freshness that holds, else 0", clusters, freshness)?;
        per_cluster(&mut encoder, INSTANCES.name, "instances of a cluster", clusters, |cluster, metric| {
            origin(metric, cluster, ConstGauge::new(count(cluster.instances)))
        })?;
        per_cluster(&mut encoder, CONFIGS.name, "config items of a cluster", clusters, |cluster, metric| {
            origin(metric, cluster, ConstGauge::new(count(cluster.configs)))
        })
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn single(encoder: &mut DescriptorEncoder, name: &str, help: &str, value: i64) -> fmt::Result {
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(metric)
}

fn per_cluster(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    clusters: &[ClusterStatus],
    write: impl Fn(&ClusterStatus, &mut MetricEncoder) -> fmt::Result,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    clusters.iter().try_for_each(|cluster| write(cluster, &mut metric))
}

fn origin(metric: &mut MetricEncoder, cluster: &ClusterStatus, value: impl EncodeMetric) -> fmt::Result {
    let labels = OriginLabels { origin: Label(cluster.id.clone()) };
    value.encode(metric.encode_family(&labels)?)
}

fn freshness(cluster: &ClusterStatus, metric: &mut MetricEncoder) -> fmt::Result {
    for freshness in [Freshness::Live, Freshness::Stale, Freshness::Lost, Freshness::Isolated] {
        let labels = FreshnessLabels { origin: Label(cluster.id.clone()), freshness: Label(freshness) };
        ConstGauge::new(i64::from(cluster.freshness == freshness)).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}
