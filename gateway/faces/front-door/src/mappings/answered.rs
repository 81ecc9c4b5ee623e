//! What was answered to reads of mappings: by the MD5 that the reader holds since then, what of it the local Nacos has.
//!
//! A reader that listens, or writes on condition, names that MD5, which the local Nacos does not know. Bounds: so many answers of an item, for
//! the variants that Nacos gives to different clients; so many items. Beyond, all is forgotten: who named a forgotten one is made to read again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use nacos_protocol::server::ConfigName;

/// Answers of one item.
const MOST_OF_AN_ITEM: usize = 4;
/// Items: interfaces of a very large estate. Some 300 bytes each.
const MOST_ITEMS: usize = 50_000;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MappingAnswer {
    /// Of what was answered.
    pub(super) md5: String,
    /// Of what the local Nacos has; empty if it has nothing.
    pub(super) local_md5: String,
    /// What was added.
    pub(super) added: Vec<Arc<str>>,
    /// Of what other clusters had then.
    pub(super) mark: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct MappingAnswers(HashMap<ConfigName, VecDeque<MappingAnswer>>);

impl MappingAnswers {
    pub(super) fn note(&mut self, name: &ConfigName, answer: MappingAnswer) {
        if self.0.len() >= MOST_ITEMS && !self.0.contains_key(name) {
            self.0.clear();
        }
        let answers = self.0.entry(name.clone()).or_default();
        answers.retain(|before| before.md5 != answer.md5);
        answers.truncate(MOST_OF_AN_ITEM - 1);
        answers.push_front(answer);
    }

    pub(super) fn find(&self, name: &ConfigName, md5: &str) -> Option<&MappingAnswer> {
        self.0.get(name)?.iter().find(|answer| answer.md5 == md5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(data_id: &str) -> ConfigName {
        ConfigName { namespace: String::new(), group: "mapping".to_owned(), data_id: data_id.to_owned() }
    }

    fn answer(number: usize) -> MappingAnswer {
        MappingAnswer { md5: number.to_string(), local_md5: String::new(), added: Vec::new(), mark: 1 }
    }

    #[test]
    fn the_latest_answers_of_an_item_are_known() {
        let mut answers = MappingAnswers::default();
        for number in 0..=MOST_OF_AN_ITEM {
            answers.note(&name("a"), answer(number));
        }
        answers.note(&name("a"), MappingAnswer { mark: 2, ..answer(2) });
        assert_eq!(answers.find(&name("a"), "2").map(|found| found.mark), Some(2), "the later of two");
        assert_eq!(answers.find(&name("a"), "0"), None);
        assert_eq!(answers.find(&name("b"), "2"), None);
        assert_eq!(answers.0[&name("a")].len(), MOST_OF_AN_ITEM);
    }

    #[test]
    fn too_many_items_are_forgotten_together() {
        let mut answers = MappingAnswers::default();
        for number in 0..MOST_ITEMS {
            answers.note(&name(&number.to_string()), answer(0));
        }
        answers.note(&name("0"), answer(1));
        assert_eq!(answers.0.len(), MOST_ITEMS);
        answers.note(&name("one more"), answer(0));
        assert_eq!(answers.0.len(), 1);
    }
}
