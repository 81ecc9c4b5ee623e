//! The stranger, in a process of its own: makes its three topics and writes into them as fast as the broker takes it.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use federation_codec::record::HEADER;
use federation_core::log::record::TopicKind;
use federation_harness::home::Home;
use federation_harness::process::{Conversation, Process, Program};
use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use crate::absurd::Wild;
use crate::deck::Deck;
use crate::stage::{self, PARTITIONS, STRANGER};

const MAKE_WITHIN: Duration = Duration::from_secs(20);
/// How long what was written last may take.
const FLUSH_WITHIN: Duration = Duration::from_secs(20);
/// The largest record that it writes, as the topics of honest clusters take them.
const MAX_MESSAGE_BYTES: &str = "12582912";
/// Records of at least so many bytes are packed.
const PACKED_FROM: usize = 1 << 20;

/// What the stranger is to do.
#[derive(Args, Clone, Debug)]
pub(crate) struct Order {
    /// `host:port` of the broker.
    #[arg(long)]
    pub(crate) bootstrap: String,
    /// For how long.
    #[arg(long)]
    pub(crate) seconds: u64,
    /// One record of some megabytes in so many.
    #[arg(long)]
    pub(crate) large_every: u32,
}

/// What it wrote.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) refused: u64,
}

/// The stranger, running.
pub(crate) struct Stranger {
    process: Process,
    _home: Home,
}

impl Stranger {
    /// Starts it.
    pub(crate) async fn start(order: &Order) -> Result<Self> {
        let home = Home::temporary("stranger")?;
        let arguments = ["write", "--bootstrap", &order.bootstrap].map(str::to_owned).into_iter();
        let numbers = [("--seconds", order.seconds), ("--large-every", order.large_every.into())];
        let numbers = numbers.into_iter().flat_map(|(name, number)| [name.to_owned(), number.to_string()]);
        let program = Program::new("the stranger", std::env::current_exe()?, home.path().join("stranger.log"))
            .args(arguments.chain(numbers));
        Ok(Self { process: program.spawn(Conversation::Pipes).await?, _home: home })
    }

    /// Waits for its end, and reads what it wrote.
    pub(crate) async fn ended(&mut self) -> Result<Written> {
        let (_, mut output) = self.process.pipes().context("nobody asked before")?;
        let read = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            output.read_to_string(&mut text).map(|_| text)
        });
        let text = read.await??;
        let status = self.process.ended().await?;
        let numbers: Vec<u64> = text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        match (status.success(), numbers.as_slice()) {
            (true, &[records, bytes, refused]) => Ok(Written { records, bytes, refused }),
            _ => Err(self.process.failure(&format!("ended with {status} and {text:?}"))),
        }
    }
}

/// Counts what the broker took.
#[derive(Default)]
struct Tally {
    records: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
}

impl ClientContext for Tally {}

impl ProducerContext for Tally {
    type DeliveryOpaque = ();
    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(message) => {
                let bytes = message.key_len() + message.payload_len();
                self.records.fetch_add(1, Relaxed);
                self.bytes.fetch_add(bytes as u64, Relaxed);
            }
            Err(_) => drop(self.refused.fetch_add(1, Relaxed)),
        }
    }
}

/// The process: prints three numbers at its end.
pub(crate) fn run(order: &Order) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(make_topics(&order.bootstrap))?;
    let producers =
        [("none", "131072"), ("zstd", "65536")].map(|(codec, queue)| producer(&order.bootstrap, codec, queue));
    let [plain, packed] = producers;
    let (plain, packed) = (plain?, packed?);
    let (names, cluster) = (stage::topics()?, STRANGER.parse()?);
    let (deck, until) = (Deck::new(order.large_every), Instant::now() + Duration::from_secs(order.seconds));
    while Instant::now() < until {
        for _ in 0..64 {
            let wild = deck.draw();
            let large = wild.value.as_ref().is_some_and(|value| value.len() >= PACKED_FROM);
            send(if large { &packed } else { &plain }, &names.of(&cluster, wild.topic), &wild)?;
        }
        plain.poll(Duration::ZERO);
        packed.poll(Duration::ZERO);
    }
    let mut written = Written::default();
    for producer in [plain, packed] {
        producer.flush(FLUSH_WITHIN)?;
        let tally = producer.context();
        written.records += tally.records.load(Relaxed);
        written.bytes += tally.bytes.load(Relaxed);
        written.refused += tally.refused.load(Relaxed);
    }
    println!("{} {} {}", written.records, written.bytes, written.refused);
    Ok(())
}

async fn make_topics(bootstrap: &str) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", bootstrap).create()?;
    let (names, cluster) = (stage::topics()?, STRANGER.parse()?);
    let named: Vec<_> = TopicKind::ALL.into_iter().map(|kind| (kind, names.of(&cluster, kind))).collect();
    let topic = |(kind, name): &(TopicKind, String)| {
        let partitions = if *kind == TopicKind::Control { 1 } else { PARTITIONS };
        let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
        (name.clone(), partitions)
    };
    let sizes: Vec<_> = named.iter().map(topic).collect();
    let topics: Vec<_> = sizes
        .iter()
        .map(|(name, partitions)| {
            NewTopic::new(name, *partitions, TopicReplication::Fixed(1))
                .set("cleanup.policy", "compact")
                .set("max.message.bytes", MAX_MESSAGE_BYTES)
        })
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(MAKE_WITHIN)).request_timeout(Some(MAKE_WITHIN));
    for result in admin.create_topics(&topics, &options).await? {
        if let Err((topic, error)) = result {
            bail!("{topic} cannot be made: {error}");
        }
    }
    Ok(())
}

fn producer(bootstrap: &str, codec: &str, queue_kib: &str) -> Result<BaseProducer<Tally>> {
    let producer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("acks", "1")
        .set("linger.ms", "5")
        .set("compression.codec", codec)
        .set("message.max.bytes", MAX_MESSAGE_BYTES)
        .set("queue.buffering.max.messages", "500000")
        .set("queue.buffering.max.kbytes", queue_kib)
        .create_with_context(Tally::default())?;
    Ok(producer)
}

/// Waits while the producer is full.
fn send(producer: &BaseProducer<Tally>, topic: &str, wild: &Wild) -> Result<()> {
    let mut headers = OwnedHeaders::new_with_capacity(1 + wild.junk_headers);
    headers = headers.insert(Header { key: HEADER, value: Some(&wild.header) });
    for _ in 0..wild.junk_headers {
        headers = headers.insert(Header { key: "junk", value: Some("junk") });
    }
    let mut record = BaseRecord::to(topic).key(&wild.key).headers(headers);
    record = record.partition(i32::try_from(wild.partition)?);
    if let Some(value) = &wild.value {
        record = record.payload(value);
    }
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                producer.poll(Duration::from_millis(5));
            }
            // Too large even for its own topics: the broker would not take it either.
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge), _)) => return Ok(()),
            Err((error, _)) => return Err(error.into()),
        }
    }
}
