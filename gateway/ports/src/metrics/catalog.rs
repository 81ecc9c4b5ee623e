//! The registry, and beside it the list of all names: families without a value are not shown by the registry itself.

use prometheus_client::collector::Collector;
use prometheus_client::registry::{Metric, Registry};

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values in ranges.
    Histogram,
    /// Always 1; the labels are what it says.
    Info,
}

impl MetricKind {
    /// The word that the documentation uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

/// One metric that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedMetric {
    /// As a query names it.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// Names of its labels with commas between; empty if it has none.
    pub labels: &'static str,
}

/// Where each part of the program puts its metrics, once.
#[derive(Default)]
pub struct Catalog {
    registry: Registry,
    listed: Vec<ListedMetric>,
}

impl Catalog {
    /// A counter; its name ends in `_total`.
    ///
    /// # Panics
    /// Two metrics have one name, or a counter's does not end in `_total`.
    pub fn counter<M: Metric + Clone>(&mut self, name: &'static str, labels: &'static str, help: &str, metric: &M) {
        let stem = name.strip_suffix("_total").expect("the name of a counter ends in _total");
        self.list(name, MetricKind::Counter, labels);
        self.registry.register(stem, help, metric.clone());
    }

    /// A gauge.
    ///
    /// # Panics
    /// Two metrics have one name.
    pub fn gauge<M: Metric + Clone>(&mut self, name: &'static str, labels: &'static str, help: &str, metric: &M) {
        self.list(name, MetricKind::Gauge, labels);
        self.registry.register(name, help, metric.clone());
    }

    /// A histogram.
    ///
    /// # Panics
    /// Two metrics have one name.
    pub fn histogram<M: Metric + Clone>(&mut self, name: &'static str, labels: &'static str, help: &str, metric: &M) {
        self.list(name, MetricKind::Histogram, labels);
        self.registry.register(name, help, metric.clone());
    }

    /// Metrics that are made when somebody scrapes, with their names.
    ///
    /// # Panics
    /// Two metrics have one name.
    pub fn collector(&mut self, collector: impl Collector, listed: &[ListedMetric]) {
        for entry in listed {
            self.list(entry.name, entry.kind, entry.labels);
        }
        self.registry.register_collector(Box::new(collector));
    }

    pub(super) fn finish(self) -> (Registry, Vec<ListedMetric>) {
        (self.registry, self.listed)
    }

    fn list(&mut self, name: &'static str, kind: MetricKind, labels: &'static str) {
        assert!(self.listed.iter().all(|listed| listed.name != name), "two metrics are named {name}");
        self.listed.push(ListedMetric { name, kind, labels });
    }
}
