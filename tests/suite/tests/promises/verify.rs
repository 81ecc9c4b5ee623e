//! That all gateways have what every cluster says that it has is proven, and what is not so is found; and a second gateway with the same id
//! beside another Nacos takes nothing over.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_codec::record::{HEADER, encode_outgoing};
use federation_core::id::{InstanceId, ServiceKey};
use federation_core::input::OutgoingRecord;
use federation_core::instance::{Health, Instance, Weight};
use federation_core::log::key::DataKey;
use federation_core::log::record::{Epoch, RecordBody, RecordHeader, SCHEMA, TopicKind};
use federation_core::time::WallMs;
use federation_harness::{Gateway, SdkInstance, SdkService, announce};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;

use crate::crowd::Crowd;
use crate::guard::metric;
use crate::registrant::Registrant;
use crate::sampler::{Expected, Sampler};
use crate::scale::{ALLOWANCE, PATIENCE};
use crate::seen::{self, eventually, status};
use crate::stage::{Scene, Side, Stage, close, on_stage, until_settled};

/// "Within seconds".
const HEALED_WITHIN: Duration = Duration::from_secs(5);
/// How long strangers are looked at: longer than a leader may be silent before another claims, and than a hold lasts.
const LOOKED_AT_FOR: Duration = Duration::from_secs(25);
/// As topics are made by default.
const PARTITIONS: u32 = 8;

#[test]
fn verify_tells_equal_from_tampered_and_a_living_origin_heals_it_within_seconds() {
    on_stage(async |stage| {
        let scene = Scene::new(stage);
        let (mut shanghai, mut frankfurt) = scene.start_both(stage).await?;
        let outcome = verified(stage, &scene, &mut shanghai, &frankfurt).await;
        close(outcome, &mut [&mut shanghai, &mut frankfurt]).await
    });
}

async fn verified(stage: &mut Stage, scene: &Scene, shanghai: &mut Gateway, frankfurt: &Gateway) -> Result<()> {
    let crowds = Side::BOTH.map(|side| Crowd::new(scene, side, 3, 5));
    let registrants = [
        Registrant::connect(&stage.nacos(Side::Shanghai).address()).await?,
        Registrant::connect(&stage.nacos(Side::Frankfurt).address()).await?,
    ];
    for (crowd, registrant) in crowds.iter().zip(&registrants) {
        crowd.register(registrant).await?;
        crowd.until_shown(&[shanghai, frankfurt]).await?;
    }
    for gateway in [&*shanghai, frankfurt] {
        let took = all_equal(gateway).await?;
        announce(&format!("verify at {} is equal after {:.1} s", gateway.cluster(), took.as_secs_f64()));
    }

    let (service, instances) = &crowds[0].services[0];
    let tampered = Tampered::with(service, &instances[0]);
    let overruled = metric(shanghai, "federation_records_overruled_total").await?;
    let written = Instant::now();
    tampered.write(stage, scene, "shanghai").await?;
    let counted = async || {
        let now = metric(shanghai, "federation_records_overruled_total").await?;
        ensure!(now > overruled, "{now} foreign records, before {overruled}");
        Ok(())
    };
    eventually("the foreign record is counted", PATIENCE, counted).await?;
    let healed = async || seen::shows(frankfurt, service, "shanghai", &instances[0]).await;
    eventually("its origin overrules it", PATIENCE, healed).await?;
    let took = written.elapsed();
    announce(&format!("a record tampered with while its origin lives is overruled and counted after {took:?}"));
    ensure!(took <= HEALED_WITHIN + ALLOWANCE, "it heals only after {took:?}");
    all_equal(frankfurt).await?;

    shanghai.stop().await?;
    all_equal(frankfurt).await.context("its origin stated everything before it ended")?;
    tampered.write(stage, scene, "shanghai").await?;
    is_found(frankfurt, &tampered).await?;
    shanghai.spawn().await?;
    shanghai.until_ready().await?;
    let back = Instant::now();
    eventually("its origin overrules it", PATIENCE, healed).await?;
    let took = all_equal(frankfurt).await?;
    announce(&format!(
        "its origin is back: overruled {:.1} s after it is ready, equal {:.1} s later",
        (back.elapsed() - took).as_secs_f64(),
        took.as_secs_f64()
    ));
    Ok(())
}

/// Waits until `nacos-fed verify` ends with 0, and looks at its matrix.
async fn all_equal(at: &Gateway) -> Result<Duration> {
    let (text, took) = eventually("all are equal", PATIENCE, async || {
        let told = at.command(&["verify", "--wait", "15s"]).await?;
        ensure!(told.code == Some(0), "`verify` at {} ends with {:?}: {}", at.cluster(), told.code, told.text);
        Ok(told.text)
    })
    .await?;
    for words in ["CLUSTER", "shanghai", "frankfurt", "equal"] {
        ensure!(text.contains(words), "the matrix lacks {words}: {text}");
    }
    ensure!(!text.contains("diverged"), "{text}");
    Ok(took)
}

/// `nacos-fed verify` ends with 1 and names partition and key.
async fn is_found(at: &Gateway, tampered: &Tampered) -> Result<()> {
    let place = format!("instances-{}", tampered.record.partition);
    let key = tampered.record.key.encode().replace('\u{1f}', "·");
    let found = async || {
        let told = at.command(&["verify", "--wait", "0s"]).await?;
        ensure!(told.code == Some(1), "`verify` ends with {:?}: {}", told.code, told.text);
        for words in ["diverged", &place, &key] {
            ensure!(told.text.contains(words), "`verify` lacks {words:?}: {}", told.text);
        }
        Ok(told.text)
    };
    let (text, took) = eventually("it is found", PATIENCE, found).await?;
    announce(&format!("tampered with while its origin is stopped, found after {took:?}:\n{}", text.trim_end()));
    Ok(())
}

/// A record of a service of Shanghai that no leader wrote: another weight.
struct Tampered {
    record: OutgoingRecord,
}

impl Tampered {
    fn with(service: &SdkService, instance: &SdkInstance) -> Self {
        let key = DataKey::Instance(
            ServiceKey::new(&service.namespace, &service.group, &service.service),
            InstanceId::new(&instance.ip, instance.port, &instance.cluster),
        );
        let wrong = Instance {
            weight: Weight::try_from(7.5).expect("it is positive"),
            health: Health::Healthy,
            enabled: true,
            ephemeral: true,
            metadata: [("who", "somebody else")].into_iter().collect(),
        };
        let header = RecordHeader { schema: SCHEMA, epoch: Epoch { term: 1, nonce: 7 }, seq: 1, observed: WallMs(1) };
        let partition = key.partition(PARTITIONS);
        let body = RecordBody::Instance(wrong.into());
        Self { record: OutgoingRecord { topic: TopicKind::Instances, partition, key, body, header } }
    }

    /// Writes it with a plain producer into the origin's topic.
    async fn write(&self, stage: &Stage, scene: &Scene, origin: &str) -> Result<()> {
        let (brokers, topic) = (stage.kafka.past_the_proxy(), scene.topic(origin, "instances"));
        let encoded = encode_outgoing(&self.record);
        tokio::task::spawn_blocking(move || -> Result<()> {
            let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
            let value = encoded.value.context("it is no tombstone")?;
            let record = BaseRecord::to(&topic)
                .partition(i32::try_from(encoded.partition)?)
                .key(&encoded.key[..])
                .payload(&value[..])
                .headers(OwnedHeaders::new().insert(Header { key: HEADER, value: Some(&encoded.header) }));
            producer.send(record).map_err(|(error, _)| error)?;
            producer.flush(PATIENCE)?;
            Ok(())
        })
        .await?
    }
}

#[test]
fn a_gateway_with_the_id_of_another_beside_another_nacos_is_called_a_stranger_by_both_and_changes_nothing() {
    on_stage(async |stage| {
        let scene = Scene::new(stage);
        let (mut shanghai, mut frankfurt) = scene.start_both(stage).await?;
        let second = scene.apart("frankfurt").beside(stage.nacos(Side::Shanghai).address(), None);
        let mut second = scene.start(&second).await?;
        let outcome = both_say_stranger(stage, &scene, &shanghai, &frankfurt, &second).await;
        close(outcome, &mut [&mut second, &mut shanghai, &mut frankfurt]).await
    });
}

async fn both_say_stranger(
    stage: &mut Stage,
    scene: &Scene,
    shanghai: &Gateway,
    frankfurt: &Gateway,
    second: &Gateway,
) -> Result<()> {
    let (crowd, beside) = (Crowd::new(scene, Side::Frankfurt, 2, 10), Crowd::new(scene, Side::Shanghai, 2, 5));
    let of_crowd = Registrant::connect(&stage.nacos(Side::Frankfurt).address()).await?;
    let of_beside = Registrant::connect(&stage.nacos(Side::Shanghai).address()).await?;
    tokio::try_join!(crowd.register(&of_crowd), beside.register(&of_beside))?;
    for crowd in [&crowd, &beside] {
        crowd.until_shown(&[shanghai, frankfurt]).await?;
    }
    let mut expected = Expected::default();
    [&crowd, &beside].into_iter().for_each(|crowd| crowd.expected(&mut expected));
    let sampler = Sampler::start([shanghai, frankfurt], &expected)?;
    let servers = [stage.nacos(Side::Frankfurt).address(), stage.nacos(Side::Shanghai).address()];
    for gateway in [frankfurt, second] {
        let text = eventually("it says stranger", PATIENCE, async || says_stranger(gateway, &servers).await).await?.0;
        announce(&format!("{}: {text}", gateway.base()));
    }
    let here = descriptor(frankfurt).await?;
    ensure!(
        here["stranger"] == false && here["strangers"][0]["descriptor"]["nacosServers"][0] == *servers[1],
        "{here}"
    );
    let there = descriptor(second).await?;
    ensure!(there["stranger"] == true && there["inForce"]["nacosServers"][0] == *servers[0], "{there}");
    ensure!(there["own"]["nacosServers"][0] == *servers[1], "{there}");

    let deadline = Instant::now() + LOOKED_AT_FOR;
    while Instant::now() < deadline {
        ensure!(status(frankfurt).await?["facts"]["role"] == "leader", "it does not lead any more");
        ensure!(status(second).await?["facts"]["role"] == "stranger", "it is no stranger any more");
        for (service, instances) in &beside.services {
            let names = seen::names(shanghai, service).await?;
            ensure!(names.len() == instances.len(), "what the stranger sees came into the federation: {names:?}");
        }
        crowd.counts(shanghai, crowd.len()).await?;
        tokio::time::sleep(Duration::from_millis(500)).await; // Nothing is to happen: there is no event to await.
    }
    sampler.finish("a stranger beside another Nacos").await?;
    until_settled(&[shanghai]).await
}

async fn says_stranger(gateway: &Gateway, servers: &[String]) -> Result<String> {
    let status = status(gateway).await?;
    let troubles = status["troubles"].as_array().context("a status without troubles")?;
    let told = troubles.iter().find(|trouble| trouble["kind"] == "stranger").with_context(|| status.to_string())?;
    let text = told["text"].as_str().context("a trouble without text")?;
    for server in servers {
        ensure!(text.contains(server.as_str()), "it does not name {server}: {text}");
    }
    Ok(text.to_owned())
}

async fn descriptor(gateway: &Gateway) -> Result<Value> {
    let (code, document) = gateway.get("/v1/descriptor", &[]).await?;
    ensure!(code == 200, "{code} {document}");
    Ok(document)
}
