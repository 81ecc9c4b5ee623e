//! The adapter of the log without an engine: the test is its engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use federation_codec::record;
use federation_codec::record::EncodedRecord;
use federation_core::id::{ClusterId, ConfigKey, InstanceId, ServiceKey};
use federation_core::input::{Input, LogInput, OutgoingRecord, SendId};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{Epoch, PartitionId, Record, RecordBody, RecordHeader, SCHEMA, TopicKind};
use federation_core::time::WallMs;
use federation_kafka::options::{KafkaOptions, TopicSettings};
use federation_kafka::produce::KafkaLog;
use federation_kafka::topics::TopicNames;
use federation_kafka::{PartPanicked, TopicsHealth, connect};
use federation_ports::inbox::{EngineNews, INBOX_CAPACITY, LogWriter};
use federation_ports::metrics::{LogMetrics, TroubleKind};
use federation_ports::trouble::TroubleBoard;
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longer than any step takes on a loaded machine, a broker's restart included.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often a member without news looks at its board.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) const PREFIX: &str = "t.";

pub(crate) fn cluster(name: &str) -> ClusterId {
    name.parse().unwrap()
}

/// Topic names of a federation of its own for each test: they share a broker.
pub(crate) fn names(federation: &str) -> TopicNames {
    TopicNames::new(PREFIX, &federation.parse().unwrap())
}

pub(crate) fn options(bootstrap: &str, federation: &str, name: &str) -> KafkaOptions {
    KafkaOptions {
        brokers: vec![bootstrap.to_owned()],
        properties: BTreeMap::new(),
        topic_prefix: PREFIX.to_owned(),
        federation: federation.parse().unwrap(),
        cluster: cluster(name),
        topics: TopicSettings { partitions: 2, ..TopicSettings::default() },
        pace: federation_kafka::options::ReadPace::default(),
        imports: Arc::new(|_| true),
        signatures: None,
        cursors: BTreeMap::new(),
        renewed: None,
        keys: Default::default(),
    }
}

pub(crate) fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap()
}

pub(crate) struct Member {
    pub(crate) log: KafkaLog,
    pub(crate) health: watch::Receiver<TopicsHealth>,
    pub(crate) metrics: LogMetrics,
    pub(crate) troubles: TroubleBoard,
    news: mpsc::Receiver<EngineNews>,
    parts: JoinSet<Result<(), PartPanicked>>,
    stop: CancellationToken,
}

impl Member {
    pub(crate) fn start(options: KafkaOptions) -> Self {
        let (inbox, news) = mpsc::channel(INBOX_CAPACITY);
        let (metrics, troubles) = (LogMetrics::default(), TroubleBoard::default());
        let (log, tasks) = connect(options, inbox, metrics.clone(), troubles.clone()).unwrap();
        let health = tasks.topics_health();
        let (mut parts, stop) = (JoinSet::new(), CancellationToken::new());
        parts.spawn(tasks.run(stop.clone()));
        Self { log, health, metrics, troubles, news, parts, stop }
    }

    /// Started, with its own topics there.
    pub(crate) async fn joined(options: KafkaOptions) -> Self {
        let own = options.cluster.clone();
        let mut member = Self::start(options);
        member
            .find("membership", |news| match news {
                LogInput::Members(members) => members.iter().any(|(id, _)| *id == own).then_some(()),
                _ => None,
            })
            .await;
        member
    }

    /// The first thing found in the news of the log; what is passed over is gone.
    pub(crate) async fn find<T>(&mut self, what: &str, mut pick: impl FnMut(&LogInput) -> Option<T>) -> T {
        let search = async {
            loop {
                let EngineNews { input: Input::Log(news), .. } = self.news.recv().await.expect("the adapter runs")
                else {
                    continue;
                };
                if let Some(found) = pick(&news) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    /// The next record of `key`.
    pub(crate) async fn find_record(&mut self, key: &DataKey) -> (PartitionId, Record) {
        self.find(&format!("{key:?}"), |news| match news {
            LogInput::Records { partition, records } => {
                let record = records.iter().find(|record| record.key == RecordKey::Data(key.clone()))?;
                Some((partition.clone(), record.clone()))
            }
            _ => None,
        })
        .await
    }

    pub(crate) async fn find_failure(&mut self) -> SendId {
        self.find("a failed send", |news| match news {
            LogInput::SendFailed(id) => Some(*id),
            _ => None,
        })
        .await
    }

    /// Takes news, as an engine does, until `is_so`.
    pub(crate) async fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "waited in vain for {what}: {:?}", self.troubles.all());
            // The board and the metrics tell nobody when they change: they are looked at beside the news.
            let _ = timeout(LOOK, self.news.recv()).await;
        }
    }

    /// The text of a trouble, once it stands.
    pub(crate) async fn trouble(&mut self, kind: TroubleKind, about: &str) -> String {
        self.until(&format!("{} about {about}", kind.as_str()), |member| member.told(kind, about).is_some()).await;
        self.told(kind, about).unwrap_or_default()
    }

    /// Waits until a trouble is over.
    pub(crate) async fn healed(&mut self, kind: TroubleKind, about: &str) {
        let what = format!("the end of {} about {about}", kind.as_str());
        self.until(&what, |member| member.told(kind, about).is_none()).await;
    }

    /// The text of a trouble that stands now.
    pub(crate) fn told(&self, kind: TroubleKind, about: &str) -> Option<String> {
        let troubles = self.troubles.all();
        troubles.into_iter().find(|trouble| trouble.kind == kind && trouble.about == about).map(|trouble| trouble.text)
    }

    /// Sends until the record is read back, again after each failure, as the engine does. Gives how often it failed.
    pub(crate) async fn publish(&mut self, record: &EncodedRecord, key: &DataKey) -> usize {
        let mut failures = 0;
        self.log.send(record.clone());
        loop {
            let again = self
                .find("a record or its failure", |news| match news {
                    LogInput::SendFailed(id) => (Some(*id) == record.send).then_some(true),
                    LogInput::Records { records, .. } => {
                        let found = records.iter().any(|record| record.key == RecordKey::Data(key.clone()));
                        found.then_some(false)
                    }
                    _ => None,
                })
                .await;
            if !again {
                return failures;
            }
            failures += 1;
            self.log.send(record.clone());
        }
    }

    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        let ended = timeout(PATIENCE, self.parts.join_next()).await.expect("the adapter ends");
        ended.unwrap().unwrap().unwrap();
    }
}

pub(crate) fn instance_key(service: &str) -> DataKey {
    DataKey::Instance(ServiceKey::new("public", "g", service), InstanceId::new("10.0.0.1", 80, "DEFAULT"))
}

pub(crate) fn config_key(data_id: &str) -> DataKey {
    DataKey::Config(ConfigKey::new("public", "g", data_id))
}

pub(crate) fn record(key: &DataKey, body: RecordBody, seq: u64) -> EncodedRecord {
    let topic = match key {
        DataKey::Instance(..) => TopicKind::Instances,
        DataKey::Config(_) => TopicKind::Configs,
    };
    let header = RecordHeader { schema: SCHEMA, epoch: Epoch { term: 1, nonce: 7 }, seq, observed: WallMs(1) };
    let partition = key.partition(2);
    record::encode_outgoing(&OutgoingRecord { topic, partition, key: key.clone(), body, header })
}
