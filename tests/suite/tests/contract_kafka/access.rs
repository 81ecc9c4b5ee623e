//! Real brokers that this account cannot reach, or that do not let it in: the board says why, in words that lead to the cause.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use federation_core::input::LogInput;
use federation_harness::home::Home;
use federation_harness::{Kafka, Part, Parts};
use federation_kafka::options::KafkaOptions;
use federation_ports::metrics::TroubleKind;

use crate::member::{Member, options};

/// Turns the listener for clients into one of this protocol.
fn listener(protocol: &str, further: &[(&str, String)]) -> federation_harness::KafkaOptions {
    let map = format!("PLAINTEXT:{protocol},CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT");
    let mut properties = vec![("listener.security.protocol.map".to_owned(), map)];
    properties.extend(further.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    federation_harness::KafkaOptions { properties, ..Default::default() }
}

async fn with_scram() -> Kafka {
    let login = "org.apache.kafka.common.security.scram.ScramLoginModule required;".to_owned();
    let further = [
        ("sasl.enabled.mechanisms", "SCRAM-SHA-512".to_owned()),
        ("listener.name.plaintext.scram-sha-512.sasl.jaas.config", login),
    ];
    let users = vec![("gateway".to_owned(), "right".to_owned())];
    let parts = Parts::ensure(&[Part::Kafka]).await.unwrap();
    Kafka::start(&parts, federation_harness::KafkaOptions { users, ..listener("SASL_PLAINTEXT", &further) })
        .await
        .unwrap()
}

fn with(properties: &[(&str, &str)], options: KafkaOptions) -> KafkaOptions {
    let properties: BTreeMap<String, String> =
        properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    KafkaOptions { properties, ..options }
}

fn scram(password: &str, options: KafkaOptions) -> KafkaOptions {
    let properties = [
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.username", "gateway"),
        ("sasl.password", password),
    ];
    with(&properties, options)
}

/// What the board and the engine are told of why nobody can be reached.
async fn told(options: KafkaOptions) -> String {
    let mut a = Member::start(options);
    let told = a.trouble(TroubleKind::LogUnreachable, "kafka").await;
    let reason = a.find("a reason", |news| match news {
        LogInput::Unreachable { reason } => Some(reason.to_string()),
        _ => None,
    });
    let reason = reason.await;
    let cause = |text: &str| text.split(": ").next().unwrap_or_default().to_owned();
    assert_eq!(
        cause(told.strip_prefix("kafka cannot be reached: ").unwrap()),
        cause(&reason),
        "the engine hears the same"
    );
    // Nothing that the client complains of later is more vague.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(8);
    a.until("some more complaints", |_| std::time::Instant::now() >= until).await;
    let later = a.told(TroubleKind::LogUnreachable, "kafka").unwrap();
    assert_eq!(cause(&told), cause(&later));
    a.end().await;
    later
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_reads_as_such_and_the_right_one_heals() {
    let kafka = with_scram().await;
    let of = |name: &str| options(&kafka.bootstrap(), "scram", name);
    let wrong = told(scram("wrong", of("a"))).await;
    assert!(wrong.contains("authentication failed: ") && wrong.contains("SCRAM-SHA-512"), "{wrong}");
    let missing = told(of("a")).await;
    assert!(missing.contains("security.protocol"), "{missing}");
    let a = Member::joined(scram("right", of("a"))).await;
    assert!(a.troubles.all().is_empty(), "{:?}", a.troubles.all());
    a.end().await;
}

/// A key of its own and its certificate, for `host`.
fn certificate(folder: &Path, name: &str, host: &str) -> (PathBuf, PathBuf) {
    let (key, certificate) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.crt")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=test", "-addext", &format!("subjectAltName={host}")])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (key, certificate)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_authority_or_host_in_a_certificate_reads_as_such_and_names_the_broker() {
    let home = Home::temporary("certificates").unwrap();
    let (key, right) = certificate(home.path(), "broker", "IP:127.0.0.1");
    let (_, wrong) = certificate(home.path(), "other", "IP:127.0.0.1");
    let store = home.path().join("broker.pem");
    std::fs::write(&store, [std::fs::read(&key).unwrap(), std::fs::read(&right).unwrap()].concat()).unwrap();
    let further = [
        ("listener.name.plaintext.ssl.keystore.type", "PEM".to_owned()),
        ("listener.name.plaintext.ssl.keystore.location", store.display().to_string()),
    ];
    let parts = Parts::ensure(&[Part::Kafka]).await.unwrap();
    let kafka = Kafka::start(&parts, listener("SSL", &further)).await.unwrap();
    let trusting = |authority: &Path| {
        let authority = authority.display().to_string();
        with(&[("security.protocol", "SSL"), ("ssl.ca.location", &authority)], options(&kafka.bootstrap(), "tls", "a"))
    };
    let told_wrong = told(trusting(&wrong)).await;
    assert!(told_wrong.contains("no secure connection (TLS): ") && told_wrong.contains("certificate"), "{told_wrong}");
    assert!(told_wrong.contains(&kafka.bootstrap()), "{told_wrong}");
    let a = Member::joined(trusting(&right)).await;
    assert!(a.troubles.all().is_empty(), "{:?}", a.troubles.all());
    a.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_nobody_knows_and_a_port_where_nobody_listens_read_as_such() {
    let unknown = told(options("no-such-host.invalid:9092", "dns", "a")).await;
    assert!(unknown.contains("a host name cannot be resolved: "), "{unknown}");
    let refused = told(options("127.0.0.1:1", "refused", "a")).await;
    assert!(refused.contains("connection refused: 127.0.0.1:1/bootstrap"), "{refused}");
}
