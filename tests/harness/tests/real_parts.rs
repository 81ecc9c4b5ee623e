//! The harness itself on real parts. Not part of a plain `cargo test`: it takes minutes, and every end-to-end test shows the same.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::time::Duration;

use federation_harness::{Access, Kafka, KafkaOptions, Line, Nacos, NacosOptions, Parts};
use reqwest::Method;

const PERSISTENT: [(&str, &str); 5] =
    [("serviceName", "kept"), ("ip", "10.0.0.1"), ("port", "80"), ("ephemeral", "false"), ("groupName", "G")];

async fn nacos_serves_and_keeps(line: Line, access: Access) {
    let parts = Parts::ensure(&[line.part()]).await.unwrap();
    let mut nacos = Nacos::start(&parts, line, NacosOptions { access, ..NacosOptions::default() }).await.unwrap();
    nacos.create_namespace("made").await.unwrap();
    let (status, body) = nacos.call(Method::POST, "/nacos/v1/ns/instance", &PERSISTENT).await.unwrap();
    assert_eq!((status, body.as_str()), (200, "ok"));

    let path = "/nacos/v1/ns/instance/list";
    nacos.pause().unwrap();
    let patience = Duration::from_millis(300);
    assert!(tokio::time::timeout(patience, nacos.call(Method::GET, path, &PERSISTENT)).await.is_err());
    nacos.resume().unwrap();
    assert_eq!(nacos.call(Method::GET, path, &PERSISTENT).await.unwrap().0, 200);

    nacos.kill().await.unwrap();
    assert!(nacos.call(Method::GET, path, &PERSISTENT).await.is_err());
    nacos.restart().await.unwrap();
    let (status, body) = nacos.call(Method::GET, path, &PERSISTENT).await.unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("10.0.0.1"), "{body}");
    nacos.stop().await.unwrap();
}

#[tokio::test]
async fn nacos_2_open_serves_and_keeps_its_data() {
    nacos_serves_and_keeps(Line::V2, Access::Open).await;
}

#[tokio::test]
async fn nacos_2_with_password_serves_and_keeps_its_data() {
    nacos_serves_and_keeps(Line::V2, Access::Password).await;
}

#[tokio::test]
async fn nacos_3_open_serves_and_keeps_its_data() {
    nacos_serves_and_keeps(Line::V3, Access::Open).await;
}

#[tokio::test]
async fn nacos_3_with_password_serves_and_keeps_its_data() {
    nacos_serves_and_keeps(Line::V3, Access::Password).await;
}

#[tokio::test]
async fn kafka_starts_again_after_a_kill() {
    let parts = Parts::ensure(&[federation_harness::Part::Kafka]).await.unwrap();
    let mut kafka = Kafka::start(&parts, KafkaOptions::default()).await.unwrap();
    tokio::net::TcpStream::connect(kafka.bootstrap()).await.unwrap();
    kafka.kill().await.unwrap();
    assert!(tokio::net::TcpStream::connect(kafka.bootstrap()).await.is_err());
    kafka.restart().await.unwrap();
    tokio::net::TcpStream::connect(kafka.bootstrap()).await.unwrap();
    kafka.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let parts = Parts::ensure(&[Line::V3.part()]).await.unwrap();
    let properties = vec![("server.address".into(), "not an address".into())];
    let options = NacosOptions { properties, ..NacosOptions::default() };
    let error = Nacos::start(&parts, Line::V3, options).await.unwrap_err().to_string();
    assert!(error.contains("not an address"), "{error}");
}
