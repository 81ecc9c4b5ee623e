//! What is asked for, encoded before the clock runs: which service and which caller, for both faces.
//!
//! The one place that knows the calls that are measured, and the fixed answers they are compared with.

use std::sync::atomic::{AtomicUsize, Ordering};

use clap::ValueEnum;
use prost::Message;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use federation_core::id::ServiceKey;
use federation_proto::federation::v1 as pb;

use super::fixture;

/// How often each service is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Distribution {
    /// All services alike: the worst that a cache can meet.
    Uniform,
    /// The n-th service 1/n as often as the first one.
    Zipf,
}

impl Distribution {
    /// For people.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Uniform => "uniform over all services",
            Self::Zipf => "Zipf, exponent 1",
        }
    }

    /// Numbers below `services`, the same for the same seed.
    fn draw(self, services: usize, count: usize, seed: u64) -> Vec<usize> {
        let mut random = StdRng::seed_from_u64(seed);
        match self {
            Self::Uniform => (0..count).map(|_| random.random_range(0..services)).collect(),
            Self::Zipf => {
                let mut sum = 0.0;
                let up_to: Vec<f64> = (1..=u32::try_from(services).unwrap_or(u32::MAX))
                    .map(|rank| {
                        sum += 1.0 / f64::from(rank);
                        sum
                    })
                    .collect();
                let mut one = || up_to.partition_point(|weight| *weight <= random.random_range(0.0..sum));
                (0..count).map(|_| one().min(services - 1)).collect()
            }
        }
    }
}

/// Of the two handlers that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    /// The gateway's.
    Gateway,
    /// The one that answers fixed bytes.
    Bare,
}

impl Handler {
    /// Of equal length for both.
    pub(crate) fn http_path(self) -> &'static str {
        match self {
            Self::Gateway => "/v1/resolve",
            Self::Bare => "/bare/bytes",
        }
    }

    /// Of equal length for both.
    pub(crate) fn grpc_path(self) -> &'static str {
        match self {
            Self::Gateway => "/federation.v1.Routing/Resolve",
            Self::Bare => "/federation.v1.Nothing/Answers",
        }
    }

    /// Of equal length for both.
    pub(crate) fn watch_path(self) -> &'static str {
        match self {
            Self::Gateway => "/federation.v1.Routing/WatchResolve",
            Self::Bare => "/federation.v1.Nothing/WatchAnswers",
        }
    }
}

/// Requests that are sent one after the other, from the beginning again at the end. All connections take from one list.
pub(crate) struct Requests {
    encoded: Vec<Box<[u8]>>,
    taken: AtomicUsize,
}

impl Requests {
    fn new(encoded: impl Iterator<Item = Vec<u8>>) -> Self {
        Self { encoded: encoded.map(Vec::into_boxed_slice).collect(), taken: AtomicUsize::new(0) }
    }

    /// The next one.
    pub(crate) fn next(&self) -> &[u8] {
        &self.encoded[self.taken.fetch_add(1, Ordering::Relaxed) % self.encoded.len()]
    }

    /// How many were taken, and how many there are.
    pub(crate) fn progress(&self) -> (usize, usize) {
        (self.taken.load(Ordering::Relaxed), self.encoded.len())
    }

    /// The first ones.
    pub(crate) fn first(&self, count: usize) -> impl Iterator<Item = &[u8]> {
        self.encoded.iter().take(count).map(AsRef::as_ref)
    }
}

/// Who asks for what: service and caller by number.
pub(crate) struct Plan(Vec<(usize, usize)>);

impl Plan {
    /// `callers` places within the gateway's own region take turns.
    pub(crate) fn new(distribution: Distribution, services: usize, callers: usize, count: usize) -> Self {
        let drawn = distribution.draw(services, count, 11);
        Self(drawn.into_iter().enumerate().map(|(at, service)| (service, at % callers)).collect())
    }

    /// Every service once for every caller.
    pub(crate) fn all(services: usize, callers: usize) -> Self {
        Self((0..services).flat_map(|service| (0..callers).map(move |caller| (service, caller))).collect())
    }

    /// HTTP/1.1 requests, whole.
    pub(crate) fn http(&self, handler: Handler) -> Requests {
        self.http_with(handler, "")
    }

    /// The same, for the gateway, showing a token.
    pub(crate) fn http_showing(&self, token: &str) -> Requests {
        self.http_with(Handler::Gateway, &format!("authorization: Bearer {token}\r\n"))
    }

    fn http_with(&self, handler: Handler, further: &str) -> Requests {
        let path = handler.http_path();
        Requests::new(self.0.iter().map(|(service, caller)| {
            let (name, region, zone) = (fixture::name(*service), fixture::CLUSTERS[0].1, fixture::zone(*caller));
            let query = format!("serviceName={name}&region={region}&zone={zone}");
            format!("GET {path}?{query} HTTP/1.1\r\nhost: gateway\r\naccept: */*\r\n{further}\r\n").into_bytes()
        }))
    }

    /// gRPC messages without their frames.
    pub(crate) fn grpc(&self) -> Requests {
        Requests::new(self.0.iter().map(|(service, caller)| resolve(*service, *caller).encode_to_vec()))
    }
}

/// One place within the gateway's own region.
fn caller(number: usize) -> pb::Caller {
    let (region, zone) = (fixture::CLUSTERS[0].1.to_owned(), fixture::zone(number).to_string());
    pb::Caller { region: Some(region), zone: Some(zone), ..pb::Caller::default() }
}

fn resolve(service: usize, number: usize) -> pb::ResolveRequest {
    let (service_name, caller) = (fixture::name(service), Some(caller(number)));
    pb::ResolveRequest { service_name, caller, ..pb::ResolveRequest::default() }
}

/// Asks to be told of a service's plan.
pub(crate) fn watch(key: &ServiceKey) -> pb::WatchResolveRequest {
    let (service_name, caller) = (key.service().to_owned(), Some(caller(0)));
    pb::WatchResolveRequest { service_name, caller, ..pb::WatchResolveRequest::default() }
}
