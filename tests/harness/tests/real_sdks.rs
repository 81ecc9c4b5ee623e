//! The drivers of other people's SDKs on real servers of both lines. Not part of a plain `cargo test`.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::time::Duration;

use federation_harness::{
    Access, Credentials, Line, Nacos, NacosOptions, Part, Parts, Sdk, SdkClient, SdkConfig, SdkEvent, SdkInstance,
    SdkService,
};

const PATIENCE: Duration = Duration::from_secs(15);

async fn every_command_works(nacos: &Nacos, parts: &Parts, sdk: Sdk) {
    let user = nacos.credentials();
    let publisher = SdkClient::start(parts, sdk, &nacos.address(), user.as_ref()).await.unwrap();
    let watcher = SdkClient::start(parts, sdk, &nacos.address(), user.as_ref()).await.unwrap();
    let service = SdkService { group: "G".into(), ..SdkService::public(format!("orders-{sdk:?}")) };
    let mut one = SdkInstance { cluster: "east".into(), weight: 0.5, ..SdkInstance::new("10.0.0.1", 80) };
    one.metadata.insert("k\"".into(), "väl'ue 值".into());
    let other = SdkInstance { ephemeral: true, ..SdkInstance::new("10.0.0.2", 81) };

    watcher.subscribe(&service).await.unwrap();
    publisher.register(&service, &one).await.unwrap();
    let seen = watcher.until_instances(&service, PATIENCE, |list| !list.is_empty()).await.unwrap();
    assert_eq!(seen, [one.clone()], "{sdk:?}");
    assert_eq!(publisher.list(&service).await.unwrap(), [one.clone()], "{sdk:?}");

    one.metadata.insert("changed".into(), "yes".into());
    publisher.register(&service, &one).await.unwrap();
    watcher.until_instances(&service, PATIENCE, |list| list == [one.clone()]).await.unwrap();

    publisher.connection("second").register(&service, &other).await.unwrap();
    watcher.until_instances(&service, PATIENCE, |list| list.len() == 2).await.unwrap();
    publisher.deregister(&service, &one).await.unwrap();
    watcher.until_instances(&service, PATIENCE, |list| list == [other.clone()]).await.unwrap();

    let batch = [one.clone(), other.clone()];
    publisher.batch(&SdkService::public("batched"), &batch).await.unwrap();
    watcher.subscribe(&SdkService::public("batched")).await.unwrap();
    watcher.until_instances(&SdkService::public("batched"), PATIENCE, |list| list.len() == 2).await.unwrap();
    publisher.kill().await.unwrap();

    let config = SdkConfig::public(format!("app-{sdk:?}.yaml"));
    let writer = SdkClient::start(parts, sdk, &nacos.address(), user.as_ref()).await.unwrap();
    assert_eq!(writer.get_config(&config).await.unwrap(), None, "{sdk:?}");
    watcher.listen_config(&config).await.unwrap();
    let content = "a: \"ü\"\r\nb: 值\n";
    writer.publish_config(&config, content).await.unwrap();
    let wanted = |event: &SdkEvent| matches!(event, SdkEvent::Config { config: of, content: Some(text), .. } if *of == config && text == content);
    watcher.until(PATIENCE, |events| events.iter().any(wanted).then_some(())).await.unwrap();
    assert_eq!(writer.get_config(&config).await.unwrap().as_deref(), Some(content), "{sdk:?}");
    writer.remove_config(&config).await.unwrap();
}

async fn all_sdks_work(line: Line) {
    // Those over HTTP are slow to hear of changes, and are compared in full elsewhere: `make test-interop`.
    let sdks = [Sdk::Java, Sdk::Java2, Sdk::Python, Sdk::Go, Sdk::Rust];
    let wanted: Vec<Part> = [line.part()].into_iter().chain(sdks.map(Sdk::part)).collect();
    let parts = Parts::ensure(&wanted).await.unwrap();
    let options = NacosOptions { access: Access::Password, ..NacosOptions::default() };
    let nacos = Nacos::start(&parts, line, options).await.unwrap();
    for sdk in sdks {
        every_command_works(&nacos, &parts, sdk).await;
    }
    if line == Line::V3 {
        a_refusal_is_an_error(&nacos, &parts).await; // On 2.3.2 the same takes the SDK more than 45 s.
    }
}

async fn a_refusal_is_an_error(nacos: &Nacos, parts: &Parts) {
    let nobody = Credentials { username: "nacos".into(), password: "wrong".into() };
    let refused = SdkClient::start(parts, Sdk::Java, &nacos.address(), Some(&nobody)).await.unwrap();
    let error = refused.register(&SdkService::public("s"), &SdkInstance::new("10.0.0.1", 80)).await.unwrap_err();
    assert!(error.to_string().contains("the Java SDK refuses"), "{error}");
}

#[tokio::test]
async fn nacos_2_serves_all_sdks() {
    all_sdks_work(Line::V2).await;
}

#[tokio::test]
async fn nacos_3_serves_all_sdks() {
    all_sdks_work(Line::V3).await;
}
