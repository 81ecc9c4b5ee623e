//! Clients that fall silent without an error: a proxy between them and a real broker swallows or empties what they are answered, for a
//! while or for good. Each has to be noticed by what others are answered, told, and replaced; and nothing is read anew that was read.

use std::time::{Duration, Instant};

use federation_codec::record::EncodedRecord;
use federation_core::input::LogInput;
use federation_core::log::key::{DataKey, RecordKey};
use federation_harness::{Answer, Emptiness, Kafka, KafkaOptions, KafkaProxy, Part, Parts, Spoil, Which};
use federation_ports::inbox::LogWriter;
use federation_ports::metrics::{Component, TroubleKind};

use crate::member::{Member, instance_key, options, record};
use crate::{beat, instance};

/// Within this time after a fault has gone, records flow again.
const BACK_WITHIN: Duration = Duration::from_secs(15);

/// A broker behind a proxy, and the members `a` and `b`.
struct World {
    proxy: KafkaProxy,
    a: Member,
    b: Member,
    kafka: Kafka,
    seq: u64,
}

impl World {
    async fn start(federation: &str) -> Self {
        let parts = Parts::ensure(&[Part::Kafka]).await.unwrap();
        let proxy = KafkaProxy::start(1).await.unwrap();
        let behind = KafkaOptions { advertised: Some(proxy.port(0)), ..KafkaOptions::default() };
        let kafka = Kafka::start(&parts, behind).await.unwrap();
        proxy.connect(0, kafka.port());
        let a = Member::joined(options(&proxy.bootstrap(), federation, "a")).await;
        let b = Member::joined(options(&proxy.bootstrap(), federation, "b")).await;
        let mut world = Self { proxy, a, b, kafka, seq: 0 };
        world.exchange().await;
        world
    }

    fn next(&mut self) -> (DataKey, u64) {
        self.seq += 1;
        (instance_key(&format!("s{}", self.seq)), self.seq)
    }

    /// A record of each is read by the other. Gives how long both took, and fails if anything is read anew.
    async fn exchange(&mut self) -> Duration {
        let start = Instant::now();
        let (key, seq) = self.next();
        self.b.publish(&record(&key, instance("b"), seq), &key).await;
        reads_on(&mut self.a, &key).await;
        let (key, seq) = self.next();
        self.a.publish(&record(&key, instance("a"), seq), &key).await;
        reads_on(&mut self.b, &key).await;
        start.elapsed()
    }

    async fn end(self) {
        self.a.end().await;
        self.b.end().await;
        drop(self.kafka);
    }
}

/// Reads the record, and no partition anew before it.
async fn reads_on(member: &mut Member, key: &DataKey) {
    let found = member.find("a record", |news| match news {
        LogInput::Restarted(partition) => panic!("{partition:?} is read anew"),
        LogInput::Records { records, .. } => {
            records.iter().any(|record| record.key == RecordKey::Data(key.clone())).then_some(())
        }
        _ => None,
    });
    found.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_whose_fetches_stay_unanswered_is_told_and_reads_on_from_where_it_was() {
    let mut world = World::start("fetches").await;
    world.proxy.spoil("-a-reader", Answer::Fetch, Spoil::Swallow, Which::All);
    let (key, seq) = world.next();
    world.b.publish(&record(&key, instance("b"), seq), &key).await;
    let told = world.a.trouble(TroubleKind::LogSilent, "reader").await;
    assert!(told.contains("t.fetches.b.instances-"), "{told}");
    assert_eq!(world.a.metrics.readable.get(), 0);
    world.a.until("another client", |a| a.metrics.restarts(Component::Consumer).get() > 1).await;

    world.proxy.heal();
    let healed = Instant::now();
    reads_on(&mut world.a, &key).await;
    assert!(healed.elapsed() < BACK_WITHIN, "{:?}", healed.elapsed());
    world.a.healed(TroubleKind::LogSilent, "reader").await;
    world.a.until("a readable log", |a| a.metrics.readable.get() == 1).await;
    assert!(world.a.troubles.all().is_empty(), "{:?}", world.a.troubles.all());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_owes_answers_is_told_and_replaced() {
    let mut world = World::start("produces").await;
    for (client, about, component) in [
        ("-a-data", "data producer", Component::DataProducer),
        ("-a-control", "control producer", Component::ControlProducer),
    ] {
        world.proxy.spoil(client, Answer::Produce, Spoil::Swallow, Which::All);
        let (key, seq) = world.next();
        let data = record(&key, instance("a"), seq);
        let sent = if component == Component::DataProducer { data } else { beat(seq) };
        let is_told = |a: &Member| a.told(TroubleKind::LogSilent, about).is_some();
        let noticed = |a: &Member| is_told(a) && a.metrics.restarts(component).get() > 0;
        send_until(&mut world.a, &sent, Duration::from_secs(60), noticed).await;
        world.proxy.heal();
        send_until(&mut world.a, &sent, BACK_WITHIN, |a| !is_told(a)).await;
    }
    world.end().await;
}

/// Sends again and again, as an engine does.
async fn send_until(member: &mut Member, sent: &EncodedRecord, patience: Duration, is_so: impl Fn(&Member) -> bool) {
    let deadline = Instant::now() + patience;
    while !is_so(member) {
        assert!(Instant::now() < deadline, "waited in vain: {:?}", member.troubles.all());
        member.log.send(sent.clone());
        let next = Instant::now() + Duration::from_millis(500);
        member.until("the next try", |_| Instant::now() >= next).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_producer_is_replaced_only_after_the_engine_was_told() {
    let mut world = World::start("replaced").await;
    world.proxy.spoil("-a-data", Answer::Produce, Spoil::Swallow, Which::All);
    let (key, seq) = world.next();
    world.a.log.send(record(&key, instance("a"), seq));
    let metrics = world.a.metrics.clone();
    let replaced = world.a.find("a replaced producer", |news| {
        let told = matches!(news, LogInput::ProducerReplaced);
        told.then(|| metrics.restarts(Component::DataProducer).get())
    });
    replaced.await;
    world.proxy.heal();
    world.exchange().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_about_topics_that_are_swallowed_or_emptied_for_a_while_stop_nobody_for_longer() {
    let mut world = World::start("metadata").await;
    for spoil in [
        Spoil::Empty(Emptiness::All),
        Spoil::Empty(Emptiness::Brokers),
        Spoil::Empty(Emptiness::Leaders),
        Spoil::Empty(Emptiness::Topics),
        Spoil::Swallow,
        Spoil::Delay(Duration::from_secs(4)),
    ] {
        world.proxy.spoil("", Answer::Metadata, spoil, Which::All);
        // A broker that goes away and comes back makes every client ask.
        world.kafka.pause().unwrap();
        let until = Instant::now() + Duration::from_secs(12);
        world.a.until("the end of the pause", |_| Instant::now() >= until).await;
        world.kafka.resume().unwrap();
        let until = Instant::now() + Duration::from_secs(12);
        world.a.until("the end of the fault", |_| Instant::now() >= until).await;
        assert!(!world.a.troubles.all().is_empty() || spoil == Spoil::Delay(Duration::from_secs(4)), "{spoil:?}");
        world.proxy.heal();
        let took = world.exchange().await;
        println!("{spoil:?}: {took:?} until both read and write again");
        assert!(took < BACK_WITHIN, "{spoil:?}: {took:?}");
        world.a.until("no trouble", |a| a.troubles.all().is_empty()).await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_and_is_not_answered_is_replaced_while_others_are() {
    let mut world = World::start("questions").await;
    for answer in [Answer::Metadata, Answer::ListOffsets] {
        world.proxy.spoil("-a-questions", answer, Spoil::Swallow, Which::All);
    }
    let told = world.a.trouble(TroubleKind::LogUnreachable, "kafka").await;
    assert!(told.starts_with("kafka cannot be reached: "), "{told}");
    world.exchange().await; // The others go on.
    world.a.until("another client", |a| a.metrics.restarts(Component::Inspector).get() > 0).await;
    world.proxy.heal();
    let healed = Instant::now();
    world.a.healed(TroubleKind::LogUnreachable, "kafka").await;
    assert!(healed.elapsed() < BACK_WITHIN);
    world.exchange().await;
    world.end().await;
}
