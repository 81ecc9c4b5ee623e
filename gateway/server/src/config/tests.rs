//! The whole way from text to configuration or mistakes.

use std::time::Duration;

use federation_core::id::{ConfigKey, ServiceKey};

use super::*;

const EXAMPLE: &str = r#"federation: demo
cluster: shanghai
replica: {name: shanghai-0}              # optional
locality: {region: cn-east, zone: cn-east-1}   # the cluster's, equal in all its replicas
nacos:
  servers: ["127.0.0.1:8848"]            # HTTP port; gRPC is +1000 unless grpc_offset
  username: nacos
  password: ${NACOS_PASSWORD}
kafka:
  brokers: ["127.0.0.1:9092"]
export:                                  # default: all services, no configs
  services: [{namespace: "*", group: "*", service: "*"}]
  configs: [{namespace: "*", group: "*", data_id: "*"}]
  exclude: {services: [], configs: []}
import: {clusters: ["*"], services: [], configs: [], exclude: {}}
namespaces: {}
listen: {http: "127.0.0.1:7070", grpc: "127.0.0.1:7071"}
data_dir: ./data
"#;

const MINIMAL: &str = "federation: demo\ncluster: a\nnacos: {servers: [\"n:8848\"]}\nkafka: {brokers: [\"k:9092\"]}\n";

fn surroundings() -> Surroundings {
    let variables = [("NACOS_PASSWORD", "hunter2"), ("PORT", "7171"), ("EMPTY", "")];
    Surroundings {
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        host: "box".to_owned(),
    }
}

fn read(text: &str) -> Result<Loaded, Mistakes> {
    from_text("gateway.yaml", text, &surroundings())
}

/// Line, column, field and problem of every mistake.
fn mistakes(text: &str) -> Vec<String> {
    let mistakes = read(text).map(|loaded| panic!("no mistake in {:?}", loaded.config)).unwrap_err();
    let line = |m: &&Mistake| format!("{}:{} {}: {} ({})", m.line, m.column, m.field, m.problem, m.expected);
    mistakes.sorted().iter().map(line).collect()
}

#[test]
fn the_example_means_what_it_says() {
    let Config { nacos, kafka, export, import, listen, replica, locality, .. } = read(EXAMPLE).unwrap().config;
    let Registry::Remote(remote) = nacos.registry else { panic!("remote") };
    assert_eq!(remote.servers, [HostPort { host: "127.0.0.1".to_owned(), port: 8848 }]);
    assert_eq!(remote.login.as_ref().unwrap().password.expose(), "hunter2");
    assert_eq!((remote.context_path.as_str(), remote.grpc_offset, remote.https), ("/nacos", 1000, false));
    assert_eq!(kafka.brokers[0].to_string(), "127.0.0.1:9092");
    assert!(export.0.has_service(&ServiceKey::new("", "G", "s")) && export.0.has_config(&ConfigKey::new("", "G", "s")));
    assert!(import.selection.has_config(&ConfigKey::new("x", "y", "z")));
    assert_eq!(listen.http.port(), 7070);
    assert_eq!((replica.as_str(), locality.to_string().as_str()), ("shanghai-0", "cn-east/cn-east-1"));
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = read(MINIMAL).unwrap().config;
    assert_eq!(config.replica, "box");
    assert!(config.export.0.has_service(&ServiceKey::new("", "G", "s")));
    assert!(!config.export.0.has_config(&ConfigKey::new("", "G", "s")));
    assert!(config.import.has_cluster(&"b".parse().unwrap()));
    assert_eq!(config.nacos.removal_hold, Duration::from_secs(15));
    assert_eq!(config.freshness.stale_after, Duration::from_secs(10));
    assert_eq!(config.kafka.topics.partitions, 8);
    assert_eq!(config.kafka.topics.max_message_bytes, Bytes(12 << 20));
    assert_eq!(config.kafka.topics.control.segment, Duration::from_secs(600));
    assert_eq!(config.kafka.topics.data.segment, Duration::from_secs(3600));
    assert_eq!(config.kafka.topic_prefix, "nacos-fed.");
    assert_eq!(config.namespaces.federated("x", Some("shown")), "x");
}

#[test]
fn five_mistakes_are_reported_at_once() {
    let text = r#"federation: demo
locality: {region: cn-east}
nacos:
  servers: "127.0.0.1:8848"
  usrname: nacos
  password: ${NOT_SET}
kafka:
  brokers: ["127.0.0.1:9092"]
  topics: {partitions: 1000}
"#;
    assert_eq!(
        mistakes(text),
        [
            "1:1 cluster: a required field is missing (1 to 63 characters of a-z, 0-9 and -)",
            "4:12 nacos.servers: wrong type: the text `127.0.0.1:8848` (a list of at least 1)",
            "5:3 nacos.usrname: unknown field (did you mean `username`?)",
            "6:13 nacos.password: the environment variable NOT_SET is not set (NOT_SET in the environment, or `${NOT_SET:-default}`)",
            "9:24 kafka.topics.partitions: `1000` is out of range (a whole number from 1 to 256)",
        ]
    );
}
