//! Orders that are signed: who gave them is known in all clusters, and what a plain producer writes beside them has no effect.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_codec::record::{EncodedRecord, HEADER, encode_control};
use federation_codec::signature::OrderSigningKey;
use federation_core::intents::{DrainIntent, DrainTarget, OrderCounter, OrderGiver};
use federation_core::log::control::{ControlKey, ControlValue};
use federation_core::log::record::{Epoch, RecordHeader, SCHEMA};
use federation_core::routing::{DrainGuard, Percent};
use federation_core::time::WallMs;
use federation_harness::{Gateway, GatewayOptions, Kafka, KafkaOptions, Part, Parts, announce};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::Value;

use super::{eventually, is_well};

const FEDERATION: &str = "orders";
const TOKENS: &str = "tokens.yaml";
const TOKEN: &str = "ops.token";
const KEY: &str = "orders.pem";

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_known_by_its_giver_everywhere_and_a_forged_one_does_nothing_and_is_shown() -> Result<()> {
    let parts = Parts::ensure(&[Part::Kafka]).await?;
    let kafka = Kafka::start(&parts, KafkaOptions::default()).await?;
    let mut shanghai = signing_shanghai(&kafka).await?;
    let key = std::fs::read_to_string(shanghai.log().with_file_name(KEY))?;
    let public = OrderSigningKey::from_pem(&key)?.public().to_string();
    let pins = format!("intents: {{{}}}", pinned(&public));
    let options = GatewayOptions::new(FEDERATION, "frankfurt", &kafka.bootstrap());
    let mut frankfurt = Gateway::start(&GatewayOptions { further: pins, ..options }).await?;
    eventually("both are well", async || is_well(&frankfurt).await).await?;
    eventually("its key is told", async || {
        let told = frankfurt.command(&["clusters"]).await?;
        ensure!(told.text.contains(&format!("shanghai says that it signs its orders by {public}")), "{}", told.text);
        Ok(())
    })
    .await?;

    known_everywhere(&shanghai, &frankfurt).await?;
    without_effect(&kafka, &frankfurt).await?;
    shanghai.stop().await?;
    frankfurt.stop().await
}

fn pinned(public: &str) -> String {
    format!("keys: [{{cluster: shanghai, public_keys: [\"{public}\"]}}]")
}

/// A gateway with an operator's token and a key of orders, both in its folder; the key is pinned there as well.
async fn signing_shanghai(kafka: &Kafka) -> Result<Gateway> {
    let further = format!("access: {{tokens_file: {TOKENS}}}\nintents: {{signing: {{key_file: {KEY}}}, PINNED}}");
    let options = GatewayOptions::new(FEDERATION, "shanghai", &kafka.bootstrap());
    let mut gateway = Gateway::prepare(&GatewayOptions { further, ..options }).await?;
    let path = |name: &str| gateway.log().with_file_name(name).display().to_string();
    let (tokens, key) = (path(TOKENS), path(KEY));
    let role = ["--role", "operator", "--role", "admin"];
    let made = gateway.command(&[&["token", "create", "ops", "--file", &tokens][..], &role].concat()).await?;
    ensure!(made.code == Some(0), "{}", made.text);
    std::fs::write(path(TOKEN), made.text.trim())?;
    let made = gateway.command(&["signing-key", "--new", &key]).await?;
    ensure!(made.code == Some(0) && made.text.starts_with("ed25519:"), "{}", made.text);
    let configuration = std::fs::read_to_string(path("gateway.yaml"))?;
    std::fs::write(path("gateway.yaml"), configuration.replace("PINNED", &pinned(made.text.trim())))?;
    gateway.spawn().await?;
    gateway.until_ready().await?;
    Ok(gateway)
}

/// A drain that is ordered here is in the audit there, once, with who gave it and from where; and here once as well.
async fn known_everywhere(shanghai: &Gateway, frankfurt: &Gateway) -> Result<()> {
    let token = shanghai.log().with_file_name(TOKEN).display().to_string();
    let drain = ["drain", "frankfurt", "--percent", "30", "--reason", "a full disk", "--token-file", &token];
    eventually("a drain is ordered", async || {
        let told = shanghai.command(&drain).await?;
        ensure!(told.code == Some(0), "{}", told.text);
        Ok(())
    })
    .await?;
    let ordered = Instant::now();
    eventually("it is in the audit of the other cluster", async || {
        let (_, audit) = frankfurt.get("/v1/audit", &[("who", "token:ops")]).await?;
        let records = audit["records"].as_array().context("no records")?;
        ensure!(records.len() == 1, "{audit}");
        let from = records[0]["from"].as_str().unwrap_or_default();
        ensure!(from.starts_with("127.0.0.1:") && records[0]["means"] == "token", "{audit}");
        ensure!(records[0]["takenIn"] == "shanghai" && records[0]["act"] == "drain frankfurt", "{audit}");
        ensure!(records[0]["before"] == 0 && records[0]["after"] == 30, "{audit}");
        ensure!(records[0]["reason"] == "a full disk" && records[0]["outcome"] == "done", "{audit}");
        Ok(())
    })
    .await?;
    announce(&format!("it is there {:?} after its answer", ordered.elapsed()));
    let told = frankfurt.command(&["audit", "--who", "token:ops"]).await?;
    for part in ["token:ops", "127.0.0.1:", "shanghai", "drain frankfurt", "0 -> 30"] {
        ensure!(told.text.contains(part), "{part} in {}", told.text);
    }
    let told = shanghai.command(&["audit", "--token-file", &token, "--format", "json"]).await?;
    let audit: Value = serde_json::from_str(&told.text)?;
    let records = audit["records"].as_array().context("no records")?;
    let of_drains = records.iter().filter(|it| it["act"].as_str().is_some_and(|act| act.contains("drain")));
    let done: Vec<&Value> = of_drains.filter(|it| it["outcome"] == "done").collect();
    ensure!(done.len() == 1 && done[0]["act"] == "POST /v1/drains" && done[0]["after"] == 30, "{audit}");
    Ok(())
}

/// What a plain producer writes into the topic of `shanghai`, with all that a record needs but the signature.
async fn without_effect(kafka: &Kafka, frankfurt: &Gateway) -> Result<()> {
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create()?;
    let before = not_accepted_in_all(frankfurt).await?;
    for (target, order) in [("frankfurt", Some(100)), ("frankfurt", None), ("shanghai", Some(100))] {
        forge(&producer, target.parse()?, order).await?;
    }
    eventually("the forged records are counted", async || {
        let counted = not_accepted_in_all(frankfurt).await? - before;
        ensure!(counted >= 3.0, "{counted}");
        Ok(())
    })
    .await?;
    eventually("the forged drain is shown as not accepted, and what was ordered is in force", async || {
        let (_, drains) = frankfurt.get("/v1/drains", &[]).await?;
        ensure!(drains["drains"].as_array().is_some_and(|them| them.len() == 1), "{drains}");
        ensure!(drains["drains"][0]["target"] == "frankfurt" && drains["drains"][0]["percent"] == 30, "{drains}");
        let refused = drains["notAccepted"].as_array().context("nothing is refused")?;
        // What covered the true order is gone: whoever ordered it has written it again.
        ensure!(refused.len() == 1 && refused[0]["target"] == "shanghai", "{drains}");
        ensure!(refused[0]["because"] == "it is not signed" && refused[0]["takenIn"] == "shanghai", "{drains}");
        Ok(())
    })
    .await?;
    let told = frankfurt.command(&["drains"]).await?;
    ensure!(told.text.contains("NOT ACCEPTED, without effect here: shanghai to 100 %"), "{}", told.text);
    eventually("status tells of it", async || {
        let told = frankfurt.command(&["status"]).await?;
        ensure!(told.text.contains("a drain of shanghai, because it is not signed"), "{}", told.text);
        Ok(())
    })
    .await?;
    let told = frankfurt.command(&["audit", "--who", "mallory"]).await?;
    ensure!(told.text.contains("refused") && told.text.contains("because it is not signed"), "{}", told.text);
    Ok(())
}

/// Records that are not accepted here, of all clusters, by the metrics.
async fn not_accepted_in_all(gateway: &Gateway) -> Result<f64> {
    let text = reqwest::get(format!("{}/metrics", gateway.base())).await?.text().await?;
    let of_it = text.lines().filter(|line| line.starts_with("federation_orders_not_accepted_total{"));
    Ok(of_it.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}

/// Writes a drain, or takes one out, as a gateway of an older version would.
async fn forge(producer: &FutureProducer, target: DrainTarget, percent: Option<u8>) -> Result<()> {
    let intent = |percent: u8| DrainIntent {
        counter: OrderCounter::new(99).expect("it is above 0"),
        percent: Percent::new(percent).expect("it is at most 100"),
        guard: DrainGuard::Force,
        who: "mallory".into(),
        why: "".into(),
        when: WallMs(1),
        replica: 7,
        ramp: None,
        giver: OrderGiver::default(),
    };
    let header = RecordHeader { schema: SCHEMA, epoch: Epoch { term: 1, nonce: 7 }, seq: 1, observed: WallMs(1) };
    let value = percent.map(|percent| ControlValue::Drain(intent(percent)));
    let record = encode_control(&ControlKey::Drain(target), value.as_ref(), &header).context("it is a record")?;
    let EncodedRecord { key, value, header, .. } = record;
    let topic = format!("nacos-fed.{FEDERATION}.shanghai.control");
    let headers = OwnedHeaders::new().insert(Header { key: HEADER, value: Some(&header) });
    let mut forged = FutureRecord::to(&topic).partition(0).key(&key[..]).headers(headers);
    if let Some(value) = &value {
        forged = forged.payload(&value[..]);
    }
    producer.send(forged, Duration::from_secs(10)).await.map_err(|(error, _)| error)?;
    Ok(())
}
