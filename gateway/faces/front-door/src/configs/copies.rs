//! The last known copies of config items, for reads while the local Nacos cannot be reached.
//!
//! A copy is what Nacos answered to one caller: it is given to nobody who is not of the same group or showed other headers. "There is none" is
//! no copy: it would look like a removal.
//!
//! Bounds: so many copies, and so many bytes of different answers; equal answers to many callers are kept once. What was not read for the longest
//! time goes first.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use nacos_protocol::message::config::ConfigQueryResponse;
use nacos_protocol::server::ConfigName;

use super::caller::{CallerGroup, ShownHeaders};

/// Copies: ten items for each of ten thousand clients.
pub(super) const MOST_COPIES: usize = 100_000;
/// Bytes of different answers: a thousand items of 64 KiB, or six of the largest.
pub(super) const MOST_BYTES: usize = 64 << 20;

/// To whom, and what of which item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CopyKey {
    pub(super) group: Arc<CallerGroup>,
    pub(super) shown: ShownHeaders,
    pub(super) name: ConfigName,
    pub(super) tag: Option<String>,
}

/// Names an answer by all that it says.
type BodyId = [u8; 32];

struct Copy {
    body: BodyId,
    used: u64,
}

struct Body {
    answer: Arc<ConfigQueryResponse>,
    copies: usize,
}

/// See the module.
pub(super) struct LastCopies {
    most_copies: usize,
    most_bytes: usize,
    copies: HashMap<Arc<CopyKey>, Copy>,
    by_use: BTreeMap<u64, Arc<CopyKey>>,
    bodies: HashMap<BodyId, Body>,
    bytes: usize,
    uses: u64,
}

impl LastCopies {
    pub(super) fn new(most_copies: usize, most_bytes: usize) -> Self {
        Self {
            most_copies,
            most_bytes,
            copies: HashMap::new(),
            by_use: BTreeMap::new(),
            bodies: HashMap::new(),
            bytes: 0,
            uses: 0,
        }
    }

    /// Keeps an answer in place of the one before.
    pub(super) fn keep(&mut self, key: CopyKey, answer: &ConfigQueryResponse) {
        self.forget(&key);
        let (id, size) = (body_id(answer), bytes_of(answer));
        if size > self.most_bytes {
            return;
        }
        let (key, used) = (Arc::new(key), self.next_use());
        let body = self.bodies.entry(id).or_insert_with(|| {
            self.bytes += size;
            let answer = ConfigQueryResponse { request_id: String::new(), ..answer.clone() };
            Body { answer: Arc::new(answer), copies: 0 }
        });
        body.copies += 1;
        self.by_use.insert(used, Arc::clone(&key));
        self.copies.insert(key, Copy { body: id, used });
        while self.copies.len() > self.most_copies || self.bytes > self.most_bytes {
            let Some(oldest) = self.by_use.first_key_value().map(|(_, key)| Arc::clone(key)) else { return };
            self.forget(&oldest);
        }
    }

    /// The copy, if there is one.
    pub(super) fn get(&mut self, key: &CopyKey) -> Option<Arc<ConfigQueryResponse>> {
        let used = self.next_use();
        let (key, _) = self.copies.get_key_value(key)?;
        let key = Arc::clone(key);
        let copy = self.copies.get_mut(&key)?;
        self.by_use.remove(&copy.used);
        copy.used = used;
        let body = copy.body;
        self.by_use.insert(used, key);
        self.bodies.get(&body).map(|body| Arc::clone(&body.answer))
    }

    /// Whether there is a copy.
    pub(super) fn has(&self, key: &CopyKey) -> bool {
        self.copies.contains_key(key)
    }

    /// There is no copy any more.
    pub(super) fn forget(&mut self, key: &CopyKey) {
        let Some(copy) = self.copies.remove(key) else { return };
        self.by_use.remove(&copy.used);
        if let Some(body) = self.bodies.get_mut(&copy.body) {
            body.copies -= 1;
            if body.copies == 0 {
                self.bytes -= bytes_of(&body.answer);
                self.bodies.remove(&copy.body);
            }
        }
    }

    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }
}

fn texts(answer: &ConfigQueryResponse) -> [Option<&str>; 5] {
    let ConfigQueryResponse { content, encrypted_data_key, content_type, md5, tag, .. } = answer;
    [content, encrypted_data_key, content_type, md5, tag].map(Option::as_deref)
}

fn bytes_of(answer: &ConfigQueryResponse) -> usize {
    size_of::<ConfigQueryResponse>() + texts(answer).into_iter().flatten().map(str::len).sum::<usize>()
}

fn body_id(answer: &ConfigQueryResponse) -> BodyId {
    let mut hash = blake3::Hasher::new();
    for text in texts(answer) {
        let length = text.map_or(u64::MAX, |text| text.len() as u64);
        hash.update(&length.to_le_bytes()).update(text.unwrap_or_default().as_bytes());
    }
    hash.update(&answer.last_modified.to_le_bytes()).update(&[u8::from(answer.beta)]);
    *hash.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::configs::caller::ConfigCaller;

    fn key(token: &str, item: &str) -> CopyKey {
        let headers = HashMap::from([("accessToken".to_owned(), token.to_owned())]);
        let caller = ConfigCaller::for_test("10.0.0.1:1".parse().expect("an address"), "", headers);
        let name = ConfigName { namespace: "public".into(), group: "G".into(), data_id: item.into() };
        CopyKey { group: Arc::new(caller.group()), shown: caller.shown(), name, tag: None }
    }

    fn answer(content: &str) -> ConfigQueryResponse {
        ConfigQueryResponse { content: Some(content.into()), request_id: "7".into(), ..ConfigQueryResponse::default() }
    }

    fn content(copies: &mut LastCopies, key: &CopyKey) -> Option<String> {
        copies.get(key).map(|answer| answer.content.clone().unwrap_or_default())
    }

    #[test]
    fn a_copy_is_for_whom_nacos_gave_it_to() {
        let mut copies = LastCopies::new(10, 10_000);
        copies.keep(key("t", "a"), &answer("1"));
        assert_eq!(content(&mut copies, &key("t", "a")).as_deref(), Some("1"));
        assert_eq!(content(&mut copies, &key("other", "a")), None);
        assert_eq!(content(&mut copies, &CopyKey { tag: Some("gray".into()), ..key("t", "a") }), None);
        copies.keep(key("t", "a"), &answer("2"));
        assert_eq!(content(&mut copies, &key("t", "a")).as_deref(), Some("2"));
        copies.forget(&key("t", "a"));
        assert_eq!((content(&mut copies, &key("t", "a")), copies.bytes, copies.bodies.len()), (None, 0, 0));
    }

    #[test]
    fn what_was_not_read_for_the_longest_time_goes_first() {
        let mut copies = LastCopies::new(2, 10_000);
        copies.keep(key("t", "a"), &answer("1"));
        copies.keep(key("t", "b"), &answer("2"));
        assert!(content(&mut copies, &key("t", "a")).is_some());
        copies.keep(key("t", "c"), &answer("3"));
        let there = ["a", "b", "c"].map(|item| copies.has(&key("t", item)));
        assert_eq!(there, [true, false, true]);
    }

    #[test]
    fn equal_answers_to_many_are_kept_once_and_bytes_are_bounded() {
        let large = "x".repeat(1000);
        let mut copies = LastCopies::new(100, 5000);
        for caller in 0..50 {
            copies.keep(key(&caller.to_string(), "a"), &answer(&large));
        }
        assert_eq!((copies.copies.len(), copies.bodies.len()), (50, 1));
        for item in 0..50 {
            copies.keep(key("t", &item.to_string()), &answer(&format!("{large}{item}")));
            assert!(copies.bytes <= 5000, "{} bytes", copies.bytes);
        }
        copies.keep(key("t", "b"), &answer(&"x".repeat(6000)));
        assert!(!copies.has(&key("t", "b")), "larger than all together");
        let counted: usize = copies.bodies.values().map(|body| body.copies).sum();
        assert_eq!((counted, copies.by_use.len()), (copies.copies.len(), copies.copies.len()));
    }
}
