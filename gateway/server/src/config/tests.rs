//! The whole way from text to configuration or mistakes.

use std::time::Duration;

use federation_core::id::{ConfigKey, ServiceKey};

use federation_core::guard::GuardSettings;
use federation_core::percent::Percent;
use federation_core::routing::ZoneSource;
use federation_core::time::Millis;

use federation_document::mistakes::Mistake;
use federation_document::table;
use federation_document::values::{ByteCount, HostPort};

use super::*;

mod intents;
mod safety;

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
import: {clusters: ["*"], services: [], configs: [], exclude: {}, limits: {}}
namespaces: {}
listen: {http: "127.0.0.1:7070", grpc: "127.0.0.1:7071"}
data_dir: ./data
"#;

const MINIMAL: &str = "federation: demo\ncluster: a\nnacos: {servers: [\"n:8848\"]}\nkafka: {brokers: [\"k:9092\"]}\n";

fn surroundings() -> ConfigSurroundings {
    let variables = [("NACOS_PASSWORD", "hunter2"), ("PORT", "7171"), ("EMPTY", "")];
    ConfigSurroundings {
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        host: "box".to_owned(),
    }
}

fn read(text: &str) -> Result<LoadedConfig, Mistakes> {
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
    let GatewayConfig { nacos, kafka, export, import, listen, replica, locality, .. } = read(EXAMPLE).unwrap().config;
    let RegistryChoice::Remote(remote) = nacos.registry else { panic!("remote") };
    assert_eq!(remote.servers, [HostPort { host: "127.0.0.1".into(), port: 8848 }]);
    assert_eq!(remote.login.as_ref().unwrap().password.written().unwrap().expose(), "hunter2");
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
    assert_eq!(config.kafka.topics.max_message_bytes, ByteCount(12 << 20));
    assert_eq!(config.kafka.topics.control.segment, Duration::from_secs(600));
    assert_eq!(config.kafka.topics.data.segment, Duration::from_secs(3600));
    assert_eq!(config.kafka.topic_prefix, "nacos-fed.");
    assert_eq!(config.namespaces.federated("x", Some("shown")), "x");
    let routing = config.routing;
    assert_eq!(routing.places, federation_core::routing::PlaceRules::default());
    assert_eq!((routing.damping.health, routing.damping.freshness), (Duration::from_secs(5), Duration::from_secs(10)));
    let item = routing.policy.item.map(|item| (item.namespace, item.group, item.data_id));
    assert_eq!(item, Some(("public".into(), "nacos-fed".into(), "routing-policy.yaml".into())));
    assert_eq!(routing.policy.file, None);
}

#[test]
fn routing_is_read_as_it_was_written() {
    let text = with(
        "routing:\n  policy: {file: p.yaml, config: {enabled: false}}\n  damping: {health: 0s, freshness: 1m}\n  \
         instance_locality: {region: r, zone: z, sub_zone: s, nacos_cluster_as_zone: true}\n  advertise_prefix: net.\n  plan_cache: 1GiB\n",
    );
    let routing = read(&text).unwrap().config.routing;
    assert_eq!((routing.policy.file, routing.policy.item), (Some("p.yaml".into()), None));
    assert_eq!((routing.damping.health, routing.damping.freshness), (Duration::ZERO, Duration::from_secs(60)));
    let places = routing.places;
    assert_eq!((&*places.region_key, &*places.zone_key, &*places.sub_zone_key), ("r", "z", "s"));
    assert_eq!((places.zone_from, &*places.advertise_prefix), (ZoneSource::NacosCluster, "net."));
    assert_eq!(routing.plan_cache, Some(ByteCount(1 << 30)));
}

#[test]
fn the_guard_is_read_as_it_was_written_and_is_on_by_default() {
    assert_eq!(read(&with("")).unwrap().config.guard.0, GuardSettings::default());
    let text =
        "guard: {mass_percent: 100, mass_instances: 3, mass_window: 5m, mass_confirm_after: 2h, trust_for: 0s}\n";
    let want = GuardSettings {
        percent: Percent::new(100).unwrap(),
        instances: 3,
        window: Millis::from_secs(300),
        confirm_after: Some(Millis::from_secs(7_200)),
        trust_for: Millis(0),
    };
    assert_eq!(read(&with(text)).unwrap().config.guard.0, want);
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

/// The minimal configuration with `more` at its end, starting on line 5.
fn with(more: &str) -> String {
    format!("{MINIMAL}{more}")
}

#[test]
fn relations_between_fields_are_checked() {
    for (more, want) in [
        (
            "freshness: {beat: 5s}\n",
            "5:1 freshness.stale_after: shorter than three beats (at least three times `beat`)",
        ),
        (
            "freshness: {stale_after: 60s}\n",
            "5:1 freshness.lost_after: not longer than stale_after (longer than `stale_after`)",
        ),
        ("locality: {zone: z}\n", "5:1 locality.region: a required field is missing (the region of `zone`)"),
        (
            "listen: {hosts: [\"https://a.example\"]}\n",
            "5:18 listen.hosts[0]: `https://a.example` does not fit (a name, like gateway.example.com, *.example.com for all below it, or * for any)",
        ),
        ("listen: {grpc: \"127.0.0.1:7070\"}\n", "5:10 listen.grpc: the same address as http (a port of its own)"),
        (
            "namespaces: {a: x, name:b: x}\n",
            "5:20 namespaces.\"name:b\": `x` is also the name of a (a name of its own for each local namespace)",
        ),
        (
            "import: {clusters: [\"\"]}\n",
            "5:21 import.clusters[0]: an empty pattern would match nothing (a pattern: text in which * stands for any text and ? for one character)",
        ),
        (
            "telemetry: {sample_ratio: 1.5}\n",
            "5:27 telemetry.sample_ratio: `1.5` is out of range (a number from 0 to 1)",
        ),
        (
            "log: {level: \"a=b=c\"}\n",
            "5:14 log.level: `a=b=c` does not fit (a level (error, warn, info, debug, trace), or levels by module like info,rdkafka=warn)",
        ),
        (
            "advertise: {n2: \"::1\"}\n",
            "5:17 advertise.n2: `::1` does not fit (host or host:port, like edge.example, 192.0.2.7:8443 or [2001:db8::7]:8443)",
        ),
        ("advertise: {\"\": edge}\n", "5:13 advertise.\"\": a network without a name (the name of another network)"),
        (
            "locality: {network: n1}\nadvertise: {n1: edge}\n",
            "6:1 advertise: an address for the cluster's own network (names of other networks)",
        ),
        (
            "guard: {mass_percent: 101}\n",
            "5:23 guard.mass_percent: `101` is out of range (a whole number from 0 to 100)",
        ),
        (
            "guard: {mass_instances: 0}\n",
            "5:25 guard.mass_instances: `0` is out of range (a whole number from 1 to 65535)",
        ),
        (
            "routing: {damping: {health: 11m}}\n",
            "5:29 routing.damping.health: `11m` is out of range (a duration from 0ms to 10m, like 500ms, 15s, 10m, 1h or 7d)",
        ),
        (
            "routing: {policy: {config: {group: \"\"}}}\n",
            "5:29 routing.policy.config.group: an empty text (the name of a group)",
        ),
        (
            "routing: {instance_locality: {zone: \"\"}}\n",
            "5:31 routing.instance_locality.zone: an empty text (a metadata key)",
        ),
        ("routing: {policy: {file: \"\"}}\n", "5:26 routing.policy.file: `` does not fit (a path)"),
        ("export: {configs: }\n", "5:17 export.configs: wrong type: no value (a list)"),
    ] {
        assert_eq!(mistakes(&with(more)), [want], "{more}");
    }
}

#[test]
fn blanks_around_the_name_of_a_place_are_refused() {
    for (more, want) in [
        ("locality: {region: \" cn-east\"}\n", "locality.region: a text with blanks around it"),
        ("locality: {region: r, zone: \"z \"}\n", "locality.zone: a text with blanks around it"),
        ("locality: {region: r/z}\n", "locality.region: a text with a slash"),
        ("locality: {network: \"\"}\n", "locality.network: an empty text"),
        ("advertise: {\" n2\": edge.example}\n", "a network's name with blanks around it"),
        ("routing: {instance_locality: {zone: \"zone \"}}\n", "routing.instance_locality.zone: a text with blanks"),
    ] {
        let found = mistakes(&with(more));
        assert!(found.len() == 1 && found[0].contains(want), "{want}: {found:?}");
    }
}

#[test]
fn a_nacos_is_remote_or_embedded_and_nothing_between() {
    let nacos = |text: &str| format!("federation: f\ncluster: a\nkafka: {{brokers: [\"k:9092\"]}}\nnacos: {text}\n");
    for (text, want) in [
        ("{}", vec!["4:1 nacos.servers: a required field is missing (a list of host:port, or `embedded: true`)"]),
        ("{servers: []}", vec!["4:18 nacos.servers: the list is too short (a list of at least 1)"]),
        (
            "{servers: [\"n:65000\"]}",
            vec!["4:9 nacos.servers: a gRPC port above 65535 (HTTP port plus grpc_offset at most 65535)"],
        ),
        (
            "{servers: [\"n:1\"], listen: {}}",
            vec!["4:27 nacos.listen: a field that has no meaning here (only with `embedded: true`)"],
        ),
        (
            "{servers: [\"n:1\"], username: u}",
            vec!["4:1 nacos.password: a required field is missing (the password of `username`)"],
        ),
        (
            "{servers: [\"n:1\"], tls: {cert: c}}",
            vec!["4:27 nacos.tls.key: a required field is missing (the private key of `cert`)"],
        ),
        (
            "{embedded: true, https: true}",
            vec![
                "4:25 nacos.https: a field that has no meaning here (nothing here: the registry is in this process with `embedded: true`)",
            ],
        ),
        ("{embedded: yes}", vec!["4:19 nacos.embedded: wrong type: the text `yes` (true or false)"]),
    ] {
        assert_eq!(mistakes(&nacos(text)), want, "{text}");
    }
    let RegistryChoice::Embedded(registry) =
        read(&nacos("{embedded: true, listen: {http: \"0.0.0.0:18848\", insecure: true}}"))
            .unwrap()
            .config
            .nacos
            .registry
    else {
        panic!("embedded")
    };
    assert_eq!(
        (registry.http.to_string().as_str(), registry.grpc.to_string().as_str()),
        ("0.0.0.0:18848", "0.0.0.0:19848")
    );
    let RegistryChoice::Embedded(registry) =
        read(&nacos("{embedded: true, listen: {http: \"127.0.0.1:0\"}}")).unwrap().config.nacos.registry
    else {
        panic!("embedded")
    };
    assert_eq!(registry.grpc.port(), 0);
}

#[test]
fn what_the_log_fixes_and_what_librdkafka_does_not_know_are_refused() {
    let text = "federation: f\ncluster: a\nnacos: {embedded: true}\nkafka:\n  brokers: [\"k:9092\"]\n  read_also: [x]\n  properties:\n    acks: 1\n    group.id: g\n    socket.timeout.ms: 3000\n    no.such: 1\n    security.protocol: none\n";
    let found = mistakes(text);
    let fields: Vec<&str> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        fields,
        [
            "6:14 kafka.read_also",
            "8:5 kafka.properties.acks",
            "9:5 kafka.properties.\"group.id\"",
            "11:5 kafka.properties.\"no.such\"",
            "12:5 kafka.properties.\"security.protocol\"",
        ]
    );
    let good = read(
        &text
            .replace("[x]", "[]")
            .replace("    acks: 1\n    group.id: g\n", "")
            .replace("    no.such: 1\n    security.protocol: none\n", ""),
    );
    assert_eq!(good.unwrap().config.kafka.properties.0["socket.timeout.ms"], "3000");
}

#[test]
fn variables_are_expanded_in_values() {
    for (written, want) in [
        ("${PORT}", "7171"),
        ("a-${PORT}-${PORT}", "a-7171-7171"),
        ("${NONE:-x}", "x"),
        ("${NONE:-}", ""),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY}", ""),
        ("$${PORT}", "${PORT}"),
        ("$PORT", "$PORT"),
    ] {
        let config = read(&with(&format!("replica: {{name: '{written}'}}\n"))).unwrap().config;
        assert_eq!(config.replica, want, "{written}");
    }
    let config = read(&with("listen: {http: \"127.0.0.1:${PORT}\"}\n")).unwrap().config;
    assert_eq!(config.listen.http.port(), 7171);
    let numbers = read(&MINIMAL.replace("[\"n:8848\"]", "[\"n:8848\"], grpc_offset: \"${PORT}\"")).unwrap().config;
    let RegistryChoice::Remote(remote) = numbers.nacos.registry else { panic!("remote") };
    assert_eq!(remote.grpc_offset, 7171, "a number may come from the environment though quotes are around it");
}

#[test]
fn what_cannot_be_expanded_is_a_mistake_and_causes_no_further_one() {
    for (written, problem) in [
        ("${NONE}", "the environment variable NONE is not set"),
        ("${PORT", "`${` without `}`"),
        ("${}", "`${}` names no variable"),
        ("${1A:-hunter2}", "`${1A}` names no variable"),
    ] {
        let found = mistakes(&with(&format!("freshness: {{beat: \"{written}\"}}\n")));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("5:19 freshness.beat: ") && found[0].contains(problem), "{found:?}");
        assert!(!found[0].contains("hunter2"));
    }
}

#[test]
fn the_document_is_a_plain_and_finite_tree() {
    let bomb: String =
        (0..20).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "))).skip(1).collect();
    let deep = format!("federation: {}{}\n", "[".repeat(40), "]".repeat(40));
    for (text, want) in [
        ("a: &x [*x]\n".to_owned(), "an alias of a value that contains it"),
        (format!("a0: &a0 [1]\n{bomb}"), "too many values"),
        (deep, "nested too deeply"),
        (with("cluster: b\n"), "written twice"),
        (with("log: !custom {}\n"), "YAML tags are not supported"),
        (with("<<: {}\n"), "merge keys are not supported"),
        (with("[a]: b\n"), "a name that is no text"),
        (with("---\na: b\n"), "a second document"),
        (with("log: {\n"), "not YAML"),
        ("- a\n".to_owned(), "wrong type: a list"),
        ("just text".to_owned(), "wrong type: the text `just text`"),
        (String::new(), "a required field is missing"),
    ] {
        let found = mistakes(&text);
        assert!(found.iter().any(|line| line.contains(want)), "{want}: {found:?}");
    }
    let copied = read(&with("import: {clusters: &any [\"*\"], exclude: {clusters: *any}}\n")).unwrap().config.import;
    assert!(!copied.has_cluster(&"b".parse().unwrap()));
}

#[test]
fn a_text_is_no_number_and_a_number_no_text() {
    for (field, wrong) in
        [("cluster", "12"), ("cluster", "1e3"), ("cluster", "0x1f"), ("federation", "true"), ("federation", "~")]
    {
        let text = MINIMAL.replace(&format!("{field}: "), &format!("{field}: {wrong} #"));
        let found = mistakes(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(&format!(" {field}: wrong type: ")), "{found:?}");
        assert!(read(&text.replace(wrong, "\"12\"")).is_ok());
    }
    let norway = read(&MINIMAL.replace("cluster: a", "cluster: no")).unwrap().config;
    assert_eq!(norway.cluster.as_str(), "no", "YAML 1.2 knows only true and false");
}

#[test]
fn secrets_are_never_shown() {
    let text = with("")
        .replace("[\"n:8848\"]", "[\"127.0.0.1:8848\"], username: u, password: hunter2")
        .replace("[\"k:9092\"]", "[\"127.0.0.1:9092\"], properties: {sasl.password: hunter2, ssl.key.pem: hunter2}");
    let loaded = read(&text).unwrap();
    let shown = serde_json::to_string(&loaded.effective).unwrap();
    assert!(shown.contains("\"password\":\"***\"") && shown.contains("\"sasl.password\":\"***\""));
    assert!(!shown.contains("hunter2") && !format!("{loaded:?}").contains("hunter2"));
    for wrong in [
        text.replace("password: hunter2", "pasword: hunter2"),
        text.replace("password: hunter2", "password: [hunter2]"),
        text.replace("password: hunter2", "password: 0x0, hunter: 1").replace("hunter2", "hunter2x"),
        text.replace("sasl.password: hunter2", "sasl.password: {x: hunter2}"),
        text.replace("ssl.key.pem", "ssl.nokey.pem"),
        text.replace("sasl.password", "acks"),
        text.replace("username: u", "username: [u]"),
        with("telemetry: {otlp: \"http://user:hunter2@host:4317\"}\n"),
        text.replace("{servers", "{common: &pw hunter2, servers").replace("password: hunter2", "password: *pw"),
    ] {
        let mistakes = read(&wrong).unwrap_err();
        let json = serde_json::to_string(&mistakes.sorted()).unwrap();
        assert!(!mistakes.to_string().contains("hunter2") && !json.contains("hunter2"), "{mistakes}");
    }
}

#[test]
fn a_cluster_advertises_an_address_for_each_network() {
    let config = read(&with("advertise: {n2: \"edge.example:8443\", n3: \"[2001:db8::7]\"}\n")).unwrap().config;
    let shown: Vec<String> = config.advertise.0.iter().map(|(network, to)| format!("{network} {to}")).collect();
    assert_eq!(shown, ["n2 edge.example:8443", "n3 [2001:db8::7]"]);
}

#[test]
fn namespaces_have_names_by_id_or_by_shown_name() {
    let config = read(&with("namespaces: {abc: prod, name:Staging: stage, \"\": root}\n")).unwrap().config;
    for (id, shown_name, want) in [
        ("abc", Some("Staging"), "prod"),
        ("xyz", Some("Staging"), "stage"),
        ("xyz", None, "xyz"),
        ("", None, "root"),
        ("public", Some("public"), "public"),
    ] {
        assert_eq!(config.namespaces.federated(id, shown_name), want, "{id:?} {shown_name:?}");
    }
    assert!(config.namespaces.needs_shown_names());
}

#[test]
fn a_mistake_is_shown_like_a_compilers() {
    let text = MINIMAL.replace("cluster: a", "cluster: Shanghai").replace("{servers", "{srvers: 1, servers");
    let want = "\
error: cluster: `Shanghai` does not fit
 --> gateway.yaml:2:10
  |
2 | cluster: Shanghai
  |          ^^^^^^^^
  = expected: 1 to 63 characters of a-z, 0-9 and -

error: nacos.srvers: unknown field
 --> gateway.yaml:3:9
  |
3 | … srvers …
  |   ^^^^^^
  = expected: did you mean `servers`?

gateway.yaml: 2 mistakes";
    assert_eq!(read(&text).unwrap_err().to_string(), want);
}

#[test]
fn every_field_of_the_table_is_read() {
    let remote = r#"
federation: f
cluster: c
replica: {name: r}
locality: {region: r, zone: z, sub_zone: s, network: n}
nacos: {servers: ["n:1"], username: u, password: p, tls: {ca: a, cert: b, key: c, server_name: d}, https: true}
kafka: {brokers: ["k:1"], topics: {replication_factor: 3}, encrypt_configs: {key_file: f}}
export: {configs: [{}]}
guard: {mass_confirm_after: 1h}
intents: {accept: [{}], signing: {key_file: k}}
routing: {policy: {file: p}, plan_cache: 1GiB}
telemetry: {otlp: "http://t:4317"}
access: {tokens_file: t, jwt: [{name: n, issuer: i, audience: a, jwks_file: f}], certificates: [{uri: u}], bindings: [{to: ["token:x"], role: admin}], bindings_file: b, audit_file: a, nacos_login: true}
listen: {tls: {certificate: a, key: b, client_ca: c, client_auth: request}}
front_door: {listen: "127.0.0.1:8848", tls: {certificate: a, key: b, client_ca: c, client_auth: request}, naming: {only_from: [{services: {service: s}, cluster: c}]}}
"#;
    let embedded = r#"
federation: f
cluster: c
nacos: {embedded: true, listen: {http: "127.0.0.1:1", grpc: "127.0.0.1:2"}, data_dir: d}
kafka: {brokers: ["k:1"]}
"#;
    let in_files = r#"
federation: f
cluster: c
nacos: {servers: ["n:1"], username: u, password_file: p, insecure: true}
kafka: {brokers: ["k:1"]}
"#;
    let shown = [remote, embedded, in_files].map(|text| serde_json::to_value(read(text).unwrap().effective).unwrap());
    let mut unread = Vec::new();
    find_unread("", &fields::ROOT, &shown, &mut unread);
    assert_eq!(unread, Vec::<String>::new());
}

/// Fields of `section` that no configuration of `shown` has at `pointer`.
fn find_unread(pointer: &str, section: &table::TableSection, shown: &[serde_json::Value], unread: &mut Vec<String>) {
    for field in section.fields {
        let pointer = format!("{pointer}/{}", field.name);
        if shown.iter().all(|shown| shown.pointer(&pointer).is_none()) {
            unread.push(pointer.clone());
        }
        match &field.kind {
            table::ValueKind::Section(inner) => find_unread(&pointer, inner, shown, unread),
            table::ValueKind::List { of: table::ValueKind::Section(inner), .. }
                if pointer.starts_with("/export/") && !pointer.contains("exclude") =>
            {
                find_unread(&format!("{pointer}/0"), inner, shown, unread);
            }
            _ => {}
        }
    }
}

proptest::proptest! {
    #[test]
    fn arbitrary_text_is_read_or_refused_without_panic(
        text in "[a-z:\\[\\]{},&*!|>'\"%@`#\\-?~ \t\n\u{e9}\u{feff}$]{0,80}",
        cut in 0..EXAMPLE.len(),
    ) {
        let _ = read(&text);
        let mut spliced = EXAMPLE.to_owned();
        let at = (0..=cut).rev().find(|at| spliced.is_char_boundary(*at)).unwrap_or(0);
        spliced.insert_str(at, &text);
        if let Err(mistakes) = read(&spliced) {
            proptest::prop_assert!(!mistakes.to_string().is_empty());
        }
    }
}
