//! Metrics that are read from the view when somebody scrapes.

use std::fmt;

use federation_core::freshness::Freshness;
use federation_core::service::ClusterStatus;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use federation_ports::metrics::{Catalog, ListedMetric, MetricKind, MetricLabel, Metrics};

use crate::view::ViewReader;

const AGE: ListedMetric = gauge("federation_origin_age_seconds", "origin");
const FRESHNESS: ListedMetric = gauge("federation_origin_freshness", "origin, freshness");
const SERVICES: ListedMetric = gauge("federation_services", "");
const CONFIG_NAMES: ListedMetric = gauge("federation_config_names", "");
const INSTANCES: ListedMetric = gauge("federation_instances", "origin");
const CONFIGS: ListedMetric = gauge("federation_configs", "origin");
const DRAINS: ListedMetric = gauge("federation_drains", "");
const READY: ListedMetric = gauge("federation_ready", "");
const SILENCE: ListedMetric = gauge("federation_engine_silence_seconds", "");
const BUILD: ListedMetric = ListedMetric { name: "federation_build_info", kind: MetricKind::Info, labels: "version" };

const fn gauge(name: &'static str, labels: &'static str) -> ListedMetric {
    ListedMetric { name, kind: MetricKind::Gauge, labels }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OriginLabels {
    origin: MetricLabel<federation_core::id::ClusterId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FreshnessLabels {
    origin: MetricLabel<federation_core::id::ClusterId>,
    freshness: MetricLabel<Freshness>,
}

/// All metrics of the process, at zero, with those of this view. `version` is the program's.
#[must_use]
pub fn with_view(view: ViewReader, version: &'static str) -> Metrics {
    Metrics::new(|catalog| register(catalog, view, version))
}

fn register(catalog: &mut Catalog, view: ViewReader, version: &'static str) {
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
    let labels = OriginLabels { origin: MetricLabel(cluster.id.clone()) };
    value.encode(metric.encode_family(&labels)?)
}

fn freshness(cluster: &ClusterStatus, metric: &mut MetricEncoder) -> fmt::Result {
    for freshness in [Freshness::Live, Freshness::Stale, Freshness::Lost, Freshness::Isolated] {
        let labels = FreshnessLabels { origin: MetricLabel(cluster.id.clone()), freshness: MetricLabel(freshness) };
        ConstGauge::new(i64::from(cluster.freshness == freshness)).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use federation_core::drains::IntentTable;
    use federation_core::intents::{DrainIntent, DrainTarget, OrderCounter};
    use federation_core::log::intents::LoggedDrain;
    use federation_core::routing::{DrainGuard, Percent};
    use federation_core::service::Revision;
    use federation_core::time::{Mono, WallMs};

    use federation_core::id::ClusterId;
    use federation_core::log::record::TopicKind;
    use federation_ports::metrics::{DeltaResult, PublishResult, Route};

    use super::*;
    use crate::view::ViewChange;

    fn metrics() -> Metrics {
        with_view(crate::view::new(Arc::new(|| Mono(0))).1, "0.0.0")
    }

    #[test]
    fn drains_above_zero_are_counted() {
        let (mut writer, reader) = crate::view::new(Arc::new(|| Mono(0)));
        let drain = |percent: u8| LoggedDrain {
            intent: Some(DrainIntent {
                counter: OrderCounter::new(1).unwrap(),
                percent: Percent::new(percent).unwrap(),
                guard: DrainGuard::default(),
                who: "o".into(),
                why: "".into(),
                when: WallMs(0),
                replica: 7,
                ramp: None,
                giver: Default::default(),
            }),
            observed: WallMs(0),
            readable: true,
            signed: Default::default(),
        };
        let cluster: ClusterId = "a".parse().unwrap();
        let targets = ["a", "b", "c"].map(|name| DrainTarget::new(name.parse().unwrap(), None));
        let drains = [drain(0), drain(1), drain(100)];
        let logged = targets.iter().zip(&drains).map(|(target, drain)| (&cluster, target, drain));
        let table = IntentTable::new(Revision::default(), logged);
        writer.apply(ViewChange { intents: Some(Arc::new(table)), ..ViewChange::default() });
        let text = with_view(reader, "0.0.0").encode();
        assert!(text.lines().any(|line| line == "federation_drains 2"), "{text}");
    }

    #[test]
    fn the_documentation_lists_exactly_the_metrics_that_exist() {
        let document = include_str!("../../../docs/metrics.md");
        let row = |line: &str| {
            let mut cells = line.strip_prefix("| `federation_")?.split('|').map(str::trim);
            let name = cells.next()?.trim_end_matches('`').to_owned();
            Some((format!("federation_{name}"), cells.next()?.to_owned(), cells.next()?.replace('`', "")))
        };
        let documented: BTreeSet<_> = document.lines().filter_map(row).collect();
        let entry = |listed: &ListedMetric| {
            let labels = if listed.labels.is_empty() { "–" } else { listed.labels };
            (listed.name.to_owned(), listed.kind.as_str().to_owned(), labels.to_owned())
        };
        assert_eq!(documented, metrics().listed().iter().map(entry).collect());
    }

    #[test]
    fn what_is_shown_has_the_names_that_are_listed() {
        let metrics = metrics();
        let origin = "a".parse().unwrap();
        metrics.engine.deltas_applied(&origin, DeltaResult::Changed).inc();
        metrics.log.published.records(TopicKind::Configs, PublishResult::Sent).inc();
        metrics.api.http_requests(Route::Service, 200).inc();
        metrics.nacos.calls_refused("list_services").inc();
        let text = metrics.encode();
        for line in [
            r#"federation_deltas_applied_total{origin="a",result="changed"} 1"#,
            r#"federation_records_published_total{topic="configs",result="sent"} 1"#,
            r#"federation_http_requests_total{route="/v1/service",code="200"} 1"#,
            r#"federation_nacos_calls_refused_total{call="list_services"} 1"#,
            r#"federation_removals_held{reason="after_connect"} 0"#,
            "federation_engine_steps_total 0",
            "federation_services 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        let listed: BTreeSet<&str> = metrics.listed().iter().map(|listed| listed.name).collect();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            let stem = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            assert!(listed.contains(name) || stem.is_some_and(|stem| listed.contains(stem)), "{name} is not listed");
        }
    }
}
