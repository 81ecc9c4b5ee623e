//! Other people's SDKs, unmodified, on the embedded registry. The Go SDK is tried too where `NACOS_FED_TEST_GO` is set.

use std::time::Duration;

use federation_harness::{Credentials as User, Parts, Sdk, SdkClient, SdkConfig, SdkEvent, SdkInstance, SdkService};
use federation_registry::{EmbeddedError, EmbeddedOptions, EmbeddedRegistry, RegistryCredentials};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(15);

/// A registry that runs as long as this lives.
struct Running {
    address: String,
    _tasks: JoinSet<Result<(), EmbeddedError>>,
}

async fn start(credentials: Option<RegistryCredentials>) -> Running {
    // A free HTTP port says nothing of the port 1000 above it.
    let registry = loop {
        let here = "127.0.0.1:0".parse().unwrap();
        let options = EmbeddedOptions { credentials: credentials.clone(), ..EmbeddedOptions::at(here) };
        match EmbeddedRegistry::start(options).await {
            Ok(registry) => break registry,
            Err(EmbeddedError::Bind { .. } | EmbeddedError::NoGrpcPort(_)) => {}
            Err(error) => panic!("{error}"),
        }
    };
    let address = registry.http_addr().to_string();
    let mut tasks = JoinSet::new();
    tasks.spawn(registry.run(CancellationToken::new()));
    Running { address, _tasks: tasks }
}

async fn services_are_registered_and_pushed(registry: &str, parts: &Parts, sdk: Sdk, user: Option<&User>) {
    let publisher = SdkClient::start(parts, sdk, registry, user).await.unwrap();
    let watcher = SdkClient::start(parts, sdk, registry, user).await.unwrap();
    let service = SdkService { group: "G".into(), ..SdkService::public(format!("orders-{sdk:?}")) };
    let mut one = SdkInstance { cluster: "east".into(), weight: 0.5, ..SdkInstance::new("10.0.0.1", 80) };
    one.metadata.insert("k\"".into(), "väl'ue 值".into());
    let other = SdkInstance::new("10.0.0.2", 81);

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

    let batched = SdkService::public(format!("batched-{sdk:?}"));
    publisher.batch(&batched, &[one.clone(), other.clone()]).await.unwrap();
    watcher.subscribe(&batched).await.unwrap();
    watcher.until_instances(&batched, PATIENCE, |list| list.len() == 2).await.unwrap();

    let durable = SdkService::public(format!("durable-{sdk:?}"));
    let lasting = SdkInstance { ephemeral: false, ..SdkInstance::new("10.0.0.3", 82) };
    publisher.register(&durable, &lasting).await.unwrap();
    publisher.kill().await.unwrap();
    assert_eq!(watcher.list(&durable).await.unwrap(), [lasting], "{sdk:?}: it outlives its registrant");
}

async fn config_items_are_published_and_heard_of(registry: &str, parts: &Parts, sdk: Sdk, user: Option<&User>) {
    let config = SdkConfig::public(format!("app-{sdk:?}.yaml"));
    let writer = SdkClient::start(parts, sdk, registry, user).await.unwrap();
    let listener = SdkClient::start(parts, sdk, registry, user).await.unwrap();
    assert_eq!(writer.get_config(&config).await.unwrap(), None, "{sdk:?}");
    listener.listen_config(&config).await.unwrap();
    for content in ["a: \"ü\"\r\nb: 值\n", "second"] {
        writer.publish_config(&config, content).await.unwrap();
        let heard = |event: &SdkEvent| matches!(event, SdkEvent::Config { config: of, content: Some(text), .. } if *of == config && text == content);
        listener.until(PATIENCE, |events| events.iter().any(heard).then_some(())).await.unwrap();
        assert_eq!(writer.get_config(&config).await.unwrap().as_deref(), Some(content), "{sdk:?}");
    }
    writer.remove_config(&config).await.unwrap();
    assert_eq!(writer.get_config(&config).await.unwrap(), None, "{sdk:?}");
}

fn sdks() -> Vec<Sdk> {
    let mut sdks = vec![Sdk::Java, Sdk::Python];
    if std::env::var_os("NACOS_FED_TEST_GO").is_some() {
        sdks.push(Sdk::Go);
    }
    sdks
}

#[tokio::test]
async fn sdks_register_subscribe_publish_and_listen_on_the_embedded_registry() {
    let wanted: Vec<_> = sdks().into_iter().map(Sdk::part).collect();
    let parts = Parts::ensure(&wanted).await.unwrap();
    let registry = start(None).await;
    for sdk in sdks() {
        services_are_registered_and_pushed(&registry.address, &parts, sdk, None).await;
        config_items_are_published_and_heard_of(&registry.address, &parts, sdk, None).await;
    }
}

#[tokio::test]
async fn sdks_log_in_to_an_embedded_registry_with_a_password() {
    let wanted: Vec<_> = sdks().into_iter().map(Sdk::part).collect();
    let parts = Parts::ensure(&wanted).await.unwrap();
    let required = RegistryCredentials { username: "nacos".into(), password: "secret".into() };
    let registry = start(Some(required)).await;
    let user = User { username: "nacos".into(), password: "secret".into() };
    for sdk in sdks() {
        services_are_registered_and_pushed(&registry.address, &parts, sdk, Some(&user)).await;
    }
}
