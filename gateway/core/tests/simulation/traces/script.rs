//! One step of a script, taken apart: a verb, words, and options like `weight=2`.

use std::collections::VecDeque;
use std::str::FromStr;

use federation_core::id::{ConfigKey, InstanceId, ServiceKey};
use federation_core::log::key::{DataKey, RecordKey, SEPARATOR};
use federation_core::log::record::{PartitionId, TopicKind};

use crate::world::{cluster, id, service};

/// A step whose words are taken from the front. Whatever it lacks, or has too many of, ends the test with its place.
pub(super) struct Step<'a> {
    place: &'a str,
    words: VecDeque<&'a str>,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Step<'a> {
    pub(super) fn new(place: &'a str, line: &'a str) -> Self {
        let (mut words, mut options) = (VecDeque::new(), Vec::new());
        for word in line.split_whitespace() {
            match word.split_once('=') {
                Some(option) => options.push(option),
                None => words.push_back(word),
            }
        }
        Self { place, words, options }
    }

    pub(super) fn wrong(&self, what: &str) -> ! {
        panic!("{}: {what}", self.place)
    }

    pub(super) fn word(&mut self) -> &'a str {
        let Some(word) = self.words.pop_front() else { self.wrong("a word is missing") };
        word
    }

    /// The next word, if it is this one.
    pub(super) fn takes(&mut self, word: &str) -> bool {
        let is_next = self.words.front() == Some(&word);
        if is_next {
            self.words.pop_front();
        }
        is_next
    }

    pub(super) fn rest(&mut self) -> Vec<&'a str> {
        std::mem::take(&mut self.words).into()
    }

    pub(super) fn option(&mut self, name: &str) -> Option<&'a str> {
        let at = self.options.iter().position(|(option, _)| *option == name)?;
        Some(self.options.remove(at).1)
    }

    pub(super) fn number<T: FromStr>(&mut self, option: &str, default: T) -> T {
        let Some(text) = self.option(option) else { return default };
        self.parsed(text)
    }

    pub(super) fn parsed<T: FromStr>(&self, text: &str) -> T {
        let Ok(value) = text.parse() else { self.wrong(&format!("{text} is not what is wanted here")) };
        value
    }

    /// Nothing is left over.
    pub(super) fn end(&self) {
        if !self.words.is_empty() || !self.options.is_empty() {
            self.wrong(&format!("too much: {:?} {:?}", self.words, self.options));
        }
    }

    /// The next word, parsed.
    pub(super) fn value<T: FromStr>(&mut self) -> T {
        let word = self.word();
        self.parsed(word)
    }

    /// The next word, as [`Step::time_of`].
    pub(super) fn time(&mut self) -> u64 {
        let word = self.word();
        self.time_of(word)
    }

    /// `250ms`, `5s`, `40m`, `1h`, `30d`, in milliseconds.
    pub(super) fn time_of(&self, text: &str) -> u64 {
        let digits = text.trim_end_matches(|last: char| last.is_ascii_alphabetic());
        let factor = match &text[digits.len()..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => self.wrong(&format!("{text} is not a time")),
        };
        self.parsed::<u64>(digits) * factor
    }

    /// The next word, as [`Step::service_of`].
    pub(super) fn service(&mut self) -> ServiceKey {
        let word = self.word();
        self.service_of(word)
    }

    /// `orders`, or `namespace/group/orders` with the bytes encoded that are encoded in keys.
    pub(super) fn service_of(&self, text: &str) -> ServiceKey {
        if !text.contains('/') {
            return service(text);
        }
        let key = self.config(text);
        ServiceKey::new(key.namespace(), key.group(), key.data_id())
    }

    /// As [`Step::service_of`], of a config item.
    fn config(&self, text: &str) -> ConfigKey {
        let whole = if text.contains('/') { text.to_owned() } else { format!("public/DEFAULT_GROUP/{text}") };
        let encoded = format!("c{SEPARATOR}{}", whole.replace('/', &SEPARATOR.to_string()));
        match RecordKey::parse(encoded.as_bytes()) {
            RecordKey::Data(DataKey::Config(key)) => key,
            _ => self.wrong(&format!("{text} is not a name")),
        }
    }

    /// `20`, or `10.1.2.3:80`.
    pub(super) fn instance_of(&self, text: &str) -> InstanceId {
        match text.rsplit_once(':') {
            Some((ip, port)) => InstanceId::new(ip, self.parsed(port), "DEFAULT"),
            None => id(self.parsed(text)),
        }
    }

    /// The next two words, a cluster and `instances/0` or `control`.
    pub(super) fn place(&mut self) -> PartitionId {
        let of = self.word();
        let text = self.word();
        self.partition_of(of, text)
    }

    /// `instances/0` of a cluster; `control` is its only partition.
    pub(super) fn partition_of(&self, of: &str, text: &str) -> PartitionId {
        let (topic, partition) = text.split_once('/').unwrap_or((text, "0"));
        let Some(topic) = TopicKind::ALL.into_iter().find(|kind| kind.as_str() == topic) else {
            self.wrong(&format!("{topic} is not a topic"));
        };
        PartitionId { origin: cluster(of), topic, partition: self.parsed(partition) }
    }
}
