//! What one client still has to hear, as plain data: the newest push per key, sent in order, repeated until acknowledged.
//!
//! Bounds: one entry per key, so at most as many as the client has subscriptions and listeners. No operation costs more the more is under way,
//! but for a logarithm: a session asks for the next deadline after each message.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::time::Instant;

use super::backend::{ConfigName, ServiceName};
use crate::message::Request;
use crate::payload::Payload;

/// Longest wait between two attempts of one push.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// What a push is about: a newer push with the same key replaces one that was not acknowledged yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PushKey {
    /// The instances of a service.
    Service(ServiceName),
    /// A change of a config item.
    Config(ConfigName),
    /// Existence of one thing in the fuzzy watches, by its key on the wire.
    Fuzzy(Arc<str>),
    /// A batch of a fuzzy watch's state: pattern and number, 0 for the end.
    FuzzyBatch(Arc<str>, u32),
    /// Liveness probe; not acknowledged, any answer counts.
    Probe,
    /// Answer to the set-up; not acknowledged.
    SetupAck,
    /// Request to connect again; not acknowledged.
    Reset,
}

impl PushKey {
    fn is_acknowledged(&self) -> bool {
        !matches!(self, Self::Probe | Self::SetupAck | Self::Reset)
    }
}

/// A push's message, encoded once for all who get it; the id of each sending is put in later.
#[derive(Clone, Debug)]
pub struct PushBody {
    message_type: &'static str,
    json: Bytes,
}

impl PushBody {
    /// Encodes a message; its request id is ignored.
    pub fn of<M: Request>(message: &M) -> Self {
        let encode = |message: &M| serde_json::to_vec(message);
        let json = if message.request_id().is_empty() {
            encode(message)
        } else {
            let mut message = message.clone();
            message.set_request_id(String::new());
            encode(&message)
        };
        let json = json.expect("messages have string keys and no failing serializers");
        Self { message_type: M::TYPE, json: json.into() }
    }

    /// How large the message is.
    pub fn size_bytes(&self) -> usize {
        self.json.len()
    }

    /// The message in its envelope with this id, without encoding it again. The empty headers, which Java writes, are required by the Rust SDK.
    fn with_id(&self, id: u64) -> Payload {
        let head = format!("{{\"headers\":{{}},\"requestId\":\"{id}\"");
        let rest = &self.json[1..];
        let mut json = BytesMut::with_capacity(head.len() + rest.len() + 1);
        json.put_slice(head.as_bytes());
        if rest != b"}" {
            json.put_u8(b',');
        }
        json.put_slice(rest);
        Payload::of_json(self.message_type, json.freeze())
    }
}

#[derive(Debug)]
struct Entry {
    body: PushBody,
    /// The id it was last sent by and the time to repeat it; `None` while it is queued.
    sent: Option<(u64, Instant)>,
    attempts: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    entries: HashMap<PushKey, Entry>,
    queue: VecDeque<PushKey>,
    in_flight: HashMap<u64, PushKey>,
    /// When what was sent is repeated, by its id: of each that is in flight.
    repeats: BTreeSet<(Instant, u64)>,
    last_id: u64,
}

impl Outbox {
    /// Queues a push in place of the one before with this key.
    pub(super) fn put(&mut self, key: PushKey, body: PushBody) {
        let entry = Entry { body, sent: None, attempts: 0 };
        match self.entries.insert(key.clone(), entry) {
            Some(Entry { sent: None, .. }) => return, // Its key is queued already.
            Some(Entry { sent: Some((id, at)), .. }) => self.land(id, at),
            None => {}
        }
        self.queue.push_back(key);
    }

    /// Nothing more is expected of this sending.
    fn land(&mut self, id: u64, at: Instant) {
        self.in_flight.remove(&id);
        self.repeats.remove(&(at, id));
    }

    /// Something is to be sent now.
    pub(super) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Takes the next push to send. It will be repeated from `ack_timeout` on unless [`Self::acknowledge`] comes first.
    pub(super) fn next(&mut self, now: Instant, ack_timeout: Duration) -> Option<Payload> {
        let key = self.queue.pop_front()?;
        self.last_id += 1;
        let id = self.last_id;
        let entry = self.entries.get_mut(&key).expect("a queued key has its entry");
        let payload = entry.body.with_id(id);
        if key.is_acknowledged() {
            let wait = ack_timeout.saturating_mul(1 << entry.attempts.min(8)).min(LONGEST_RETRY.max(ack_timeout));
            entry.sent = Some((id, now + wait));
            entry.attempts += 1;
            self.repeats.insert((now + wait, id));
            self.in_flight.insert(id, key);
        } else {
            self.entries.remove(&key);
        }
        Some(payload)
    }

    /// The client has taken the push with this id. One that was replaced or repeated meanwhile stays to be acknowledged.
    pub(super) fn acknowledge(&mut self, id: &str) {
        let key = id.parse().ok().and_then(|id: u64| self.in_flight.remove(&id));
        let entry = key.and_then(|key| self.entries.remove(&key));
        if let Some((id, at)) = entry.and_then(|entry| entry.sent) {
            self.repeats.remove(&(at, id));
        }
    }

    /// Queues again what was not acknowledged in time; returns how many.
    pub(super) fn repeat_overdue(&mut self, now: Instant) -> usize {
        let mut late = 0;
        while let Some((at, id)) = self.repeats.first().copied().filter(|(at, _)| *at <= now) {
            self.repeats.remove(&(at, id));
            let key = self.in_flight.remove(&id).expect("what is to be repeated is in flight");
            self.entries.get_mut(&key).expect("what is in flight has its entry").sent = None;
            self.queue.push_back(key);
            late += 1;
        }
        late
    }

    /// When something has to be repeated next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.repeats.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::internal::ClientDetectionRequest;
    use crate::message::naming::NotifySubscriberRequest;
    use crate::message::{Message, Request};

    const ACK: Duration = Duration::from_secs(3);

    fn push(service: &str) -> (PushKey, PushBody) {
        let name = ServiceName { namespace: "public".into(), group: "g".into(), service: "s".into() };
        let message = NotifySubscriberRequest { service_name: service.into(), ..Default::default() };
        (PushKey::Service(name), PushBody::of(&message))
    }

    fn put(outbox: &mut Outbox, service: &str) {
        let (key, body) = push(service);
        outbox.put(key, body);
    }

    fn sent(outbox: &mut Outbox, now: Instant) -> Option<(String, String)> {
        let payload = outbox.next(now, ACK)?;
        let message: NotifySubscriberRequest = payload.decode().unwrap();
        Some((message.request_id().to_owned(), message.service_name))
    }

    #[test]
    fn the_id_is_put_into_the_encoded_message() {
        assert_eq!(
            push("orders").1.with_id(7).json(),
            br#"{"headers":{},"requestId":"7","module":"naming","namespace":"","serviceName":"orders","groupName":""}"#
                [..]
        );
        let probe = PushBody::of(&ClientDetectionRequest::default()).with_id(8);
        assert_eq!(probe.decode::<ClientDetectionRequest>().unwrap().request_id(), "8");
        assert_eq!(probe.message_type(), ClientDetectionRequest::TYPE);
    }

    #[test]
    fn only_the_newest_push_of_a_key_is_sent_and_has_to_be_acknowledged() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        put(&mut outbox, "1");
        put(&mut outbox, "2");
        assert_eq!(sent(&mut outbox, now), Some(("1".into(), "2".into())));
        assert_eq!(sent(&mut outbox, now), None);
        put(&mut outbox, "3");
        outbox.acknowledge("1");
        assert_eq!(sent(&mut outbox, now), Some(("2".into(), "3".into())), "an old acknowledgement settles nothing");
        outbox.acknowledge("2");
        assert_eq!(outbox.deadline(), None);
        assert!(outbox.entries.is_empty() && outbox.in_flight.is_empty() && outbox.repeats.is_empty());
    }

    #[test]
    fn what_is_not_acknowledged_is_repeated_ever_more_slowly() {
        let (mut outbox, mut now) = (Outbox::default(), Instant::now());
        put(&mut outbox, "1");
        for (attempt, wait) in [3, 6, 12, 24, 30, 30].into_iter().enumerate() {
            assert_eq!(sent(&mut outbox, now), Some(((attempt + 1).to_string(), "1".into())));
            now += Duration::from_millis(wait * 1000 - 1);
            assert_eq!(outbox.repeat_overdue(now), 0, "attempt {attempt}");
            now += Duration::from_millis(1);
            assert_eq!(outbox.repeat_overdue(now), 1, "attempt {attempt}");
        }
    }

    #[test]
    fn a_probe_needs_no_acknowledgement() {
        let mut outbox = Outbox::default();
        outbox.put(PushKey::Probe, PushBody::of(&ClientDetectionRequest::default()));
        assert!(outbox.next(Instant::now(), ACK).is_some());
        assert!(outbox.entries.is_empty() && outbox.deadline().is_none());
    }
}
