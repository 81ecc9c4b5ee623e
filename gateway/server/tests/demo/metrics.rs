//! Every metric that is documented moves: in a demo whose parts are stopped and started, or in the test that is named here.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Demo, ctl};

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// What a demo cannot provoke, and where it is seen to move.
const ELSEWHERE: [(&str, &str); 38] = [
    ("federation_access_refused_total", "gateway/faces/api/src/tests/access.rs"),
    ("federation_sealed_config_items", "gateway/core/tests/simulation/sealing.rs: what the engine copies from"),
    ("federation_config_items_to_reseal", "gateway/core/tests/simulation/sealing.rs: what the engine copies from"),
    ("federation_guard_holds", "gateway/core/tests/simulation/guard.rs: what the engine copies from"),
    ("federation_guard_trips_total", "gateway/core/tests/simulation/guard.rs: what the engine copies from"),
    ("federation_checkpoint_mismatches_total", "gateway/core/tests/simulation/repair.rs: what the engine copies from"),
    ("federation_partitions_replaced_total", "gateway/core/tests/simulation/repair.rs: what the engine copies from"),
    ("federation_partitions_read_on_total", "gateway/core/tests/simulation/snapshots.rs: what the engine copies from"),
    ("federation_log_cursors_refused_total", "gateway/core/src/log/cursor.rs: what the reader counts"),
    ("federation_orders_not_accepted_total", "tests/suite/tests/e2e_process/orders.rs"),
    ("federation_records_overruled_total", "gateway/core/tests/simulation/main.rs: what the engine copies from"),
    ("federation_policy_version", "src/policy/keeper/tests.rs"),
    ("federation_policy_refused", "src/policy/keeper/tests.rs"),
    ("federation_policy_loads_total", "src/policy/keeper/tests.rs"),
    ("federation_drains", "src/metrics.rs"),
    ("federation_engine_queue_depth", "nowhere: in a healthy gateway nothing waits when it is scraped"),
    ("federation_log_records_undecodable_total", "src/kafka/tests.rs"),
    ("federation_log_records_misplaced_total", "src/kafka/tests.rs"),
    ("federation_log_restarts_total", "src/kafka/tests.rs"),
    ("federation_log_partition_restarts_total", "tests/suite/tests/contract_kafka/trouble.rs"),
    ("federation_log_topic_findings", "tests/suite/tests/contract_kafka/topics.rs"),
    ("federation_nacos_calls_refused_total", "src/nacos/calls.rs"),
    ("federation_nacos_calls_failed_total", "src/nacos/calls.rs"),
    (
        "federation_nacos_connections_given_up_total",
        "nowhere: an embedded registry answers for as long as its connections stand",
    ),
    ("federation_front_door_config_connections", "gateway/faces/front-door/src/configs/tests.rs"),
    ("federation_front_door_config_copies_total", "gateway/faces/front-door/src/configs/tests.rs"),
    ("federation_front_door_list_encodings_total", "gateway/faces/front-door/src/tests.rs"),
    ("federation_front_door_lists", "gateway/faces/front-door/src/tests.rs"),
    ("federation_front_door_permissions_total", "gateway/faces/front-door/src/access/tests.rs"),
    ("federation_front_door_registering_clients", "gateway/faces/front-door/src/registrations/tests.rs"),
    ("federation_front_door_registrations_lost_total", "gateway/faces/front-door/src/registrations/tests.rs"),
    ("federation_front_door_registrations_total", "gateway/faces/front-door/src/registrations/tests.rs"),
    ("federation_front_door_upstream_connections", "gateway/faces/front-door/src/registrations/tests.rs"),
    ("federation_tls_certificate_expiry_seconds", "gateway/server/tests/tls.rs"),
    ("federation_turned_away_total", "src/app/reception.rs"),
    ("federation_grpc_requests_total", "src/api/tests/grpc.rs"),
    ("federation_watchers", "src/api/tests/watch.rs"),
    ("federation_watch_encodings_total", "src/api/tests/watch.rs"),
];

/// Series and their values, of one gateway at one moment.
type Scrape = BTreeMap<String, f64>;

/// A gateway of the demo, and what of it has moved so far.
struct Scraped {
    address: String,
    last: Scrape,
    /// Names of metrics of which a series has had two values, an absent one counting as zero.
    moved: BTreeSet<String>,
}

impl Scraped {
    fn scrape(&mut self) {
        let now = series(&get(&self.address, "/metrics"));
        for (name, value) in &now {
            if self.last.get(name).copied().unwrap_or_default() != *value {
                self.moved.insert(metric_of(name).to_owned());
            }
        }
        self.last = now;
    }

    fn value(&self, series: &str) -> f64 {
        self.last.get(series).copied().unwrap_or_default()
    }

    /// Scrapes until `wanted`.
    #[expect(clippy::disallowed_methods, reason = "a metric tells nobody that it changed: there is nothing to await")]
    fn until(&mut self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        self.scrape();
        while !wanted(self) {
            assert!(Instant::now() < deadline, "{what}: not in time, but {:#?}", self.last);
            std::thread::sleep(Duration::from_millis(100));
            self.scrape();
        }
    }
}

/// The name of the metric that a series, as `name{labels}` or of a histogram, belongs to.
fn metric_of(series: &str) -> &str {
    let name = series.split('{').next().expect("a split has a first part");
    ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

fn series(text: &str) -> Scrape {
    let pair = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        name.starts_with("federation_").then(|| Some((name.to_owned(), value.trim().parse().ok()?)))?
    };
    text.lines().filter_map(pair).collect()
}

pub(super) fn get(address: &str, path: &str) -> String {
    ask("GET", address, path)
}

fn ask(method: &str, address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn documented() -> BTreeSet<String> {
    let name = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    include_str!("../../../../docs/metrics.md").lines().filter_map(name).collect()
}

#[test]
fn every_documented_metric_moves() {
    let mut demo = Demo::start("5m");
    let mut address_of = |what: &str| {
        demo.tells(what).split_whitespace().find_map(|word| word.strip_prefix("http://").map(str::to_owned)).unwrap()
    };
    let (address, registry) = (address_of("shanghai    gateway"), address_of("registry http"));
    let port = demo
        .tells("stop frankfurt")
        .split_whitespace()
        .skip_while(|word| *word != "--control-port")
        .nth(1)
        .unwrap()
        .to_owned();
    demo.tells("the shop opens");
    let order = |action, target| assert!(ctl(&demo, &port, &[action, target]).status.success(), "{action} {target}");
    let mut shanghai = Scraped { address, last: Scrape::new(), moved: BTreeSet::new() };

    let sent = r#"federation_records_published_total{topic="instances",result="sent"}"#;
    let read_back = r#"federation_records_published_total{topic="instances",result="read_back"}"#;
    let readable = "federation_log_readable";
    shanghai.until("what was sent is read back", |seen| {
        seen.value(sent) > 0.0 && seen.value(sent) == seen.value(read_back)
    });
    shanghai.until("fetches are answered", |seen| seen.value(readable) == 1.0);

    for _ in 0..2 {
        let plan = get(&shanghai.address, "/v1/resolve?serviceName=cart");
        assert!(plan.contains(" 200 "), "{plan}");
    }
    order("stop", "kafka");
    let failed = |seen: &Scraped| {
        seen.last.iter().any(|(name, value)| {
            name.starts_with("federation_records_published_total") && name.contains("failed") && *value > 0.0
        })
    };
    shanghai.until("what was sent to nobody has failed", failed);
    shanghai.until("nobody answers fetches", |seen| seen.value(readable) == 0.0);
    shanghai.until("that is told as a trouble", |seen| {
        seen.last.iter().any(|(name, value)| name.starts_with("federation_troubles") && *value > 0.0)
    });
    order("start", "kafka");
    let (sent_before, bytes) = (shanghai.value(sent), shanghai.value("federation_log_consumed_bytes_total"));
    shanghai.until("fetches are answered again", |seen| seen.value(readable) == 1.0);
    shanghai.until("it is published again", |seen| {
        seen.value(read_back) > sent_before && seen.value("federation_log_consumed_bytes_total") > bytes
    });

    // Past the door: whatever is registered through it, it registers anew once the registry is back.
    let registered = ask("POST", &registry, "/nacos/v1/ns/instance?serviceName=left&ip=10.8.8.8&port=80");
    assert!(registered.contains(" 200 "), "{registered}");
    order("stop", "shanghai-registry");
    shanghai.until("it has lost its registry", |seen| seen.value("federation_nacos_connected") == 0.0);
    order("start", "shanghai-registry");
    let held = r#"federation_removals_held{reason="after_connect"}"#;
    shanghai.until("who left meanwhile is held", |seen| seen.value(held) > 0.0);
    shanghai.until("it is connected again", |seen| seen.value("federation_nacos_connects_total") >= 2.0);

    let elsewhere: BTreeSet<String> = ELSEWHERE.iter().map(|(name, _)| (*name).to_owned()).collect();
    let still: Vec<_> =
        documented().into_iter().filter(|name| !shanghai.moved.contains(name) && !elsewhere.contains(name)).collect();
    demo.interrupt();
    assert!(still.is_empty(), "{still:?} do not move");
}
