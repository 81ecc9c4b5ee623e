//! Where adapters and the engine meet. Adapters never see each other.
//!
//! News flows to the engine through one bounded channel ([`EngineInbox`]); what the engine wants done goes out through the
//! traits below, none of which may block or wait.

use std::sync::Arc;
use std::time::Instant;

use federation_codec::record::EncodedRecord;
use federation_core::id::{ConfigKey, ServiceKey};
use federation_core::input::Input;
use federation_core::log::record::PartitionId;
use tokio::sync::mpsc;

/// How many inputs wait for the engine at most. A waiting batch holds up to some hundred records; a full inbox makes the
/// adapters wait, which makes Kafka and Nacos wait.
pub const INBOX_CAPACITY: usize = 1024;

/// One input of the engine, with the trace that it belongs to.
#[derive(Debug)]
pub struct EngineNews {
    /// What happened.
    pub input: Input,
    /// W3C `traceparent` of the sampled event that caused it, if any.
    pub traceparent: Option<String>,
    /// Of an answer: when the question was put. The engine tells it by the core's clock.
    pub asked: Option<Instant>,
}

impl EngineNews {
    /// The answer to a question that was put at `asked`.
    #[must_use]
    pub fn answer(input: Input, asked: Instant) -> Self {
        Self { input, traceparent: None, asked: Some(asked) }
    }
}

impl From<Input> for EngineNews {
    fn from(input: Input) -> Self {
        Self { input, traceparent: None, asked: None }
    }
}

/// The engine's queue, as adapters see it.
pub type EngineInbox = mpsc::Sender<EngineNews>;

/// The federation log, as the engine writes it. Data and control have a producer each: a bulk of data delays no beat.
pub trait LogWriter: Send {
    /// Queues the record. A failure, at once or later, is reported to the inbox; successes are seen by reading back.
    fn send(&mut self, record: EncodedRecord);
    /// Takes back all queued data records that are not on their way; each is reported as failed.
    fn purge(&mut self);
    /// Asks the partition's leader for its end offset; the answer comes as `LogInput::EndOffset`, a failure not at all.
    fn ask_end(&mut self, partition: PartitionId);
    /// Reads the partition anew from its beginning: `LogInput::ReadAnew` comes before its first record. Of a partition of which nothing was
    /// read, nothing comes.
    fn read_anew(&mut self, partition: PartitionId);
}

/// The local Nacos, as the engine asks it. Answers come to the inbox.
pub trait LocalNacos: Send {
    /// Subscribes; until [`LocalNacos::unwatch_service`], across reconnects.
    fn watch_service(&mut self, key: ServiceKey);
    /// Ends a subscription.
    fn unwatch_service(&mut self, key: ServiceKey);
    /// Reads all instances, disabled ones too; where that is refused, the enabled ones. Coalesced for each service, a few in flight.
    fn read_service(&mut self, key: ServiceKey);
    /// Queries the enabled instances.
    fn query_service(&mut self, key: ServiceKey);
    /// Reads a config item and goes on listening to it.
    fn read_config(&mut self, key: ConfigKey);
}

/// What the local Nacos says of the one config item that the gateway itself lives by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OwnItem {
    /// Nothing yet. Silence, errors and refusals leave what was said before.
    #[default]
    NotHeard,
    /// There is none.
    Absent,
    /// Its content.
    Content(Arc<str>),
}
