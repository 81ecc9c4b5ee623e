//! Who listens to mappings, to be told when those of other clusters change.
//!
//! Invariant: whoever listens since before a change is told of it by the look after it; a mapping that was not known when somebody began to listen
//! counts as changed. Bounds: so many items of a client, as many as it may listen to at all, and so many in all; who listens beyond hears of changes in
//! other clusters when it asks by itself, which SDKs do every few minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nacos_protocol::server::{ConfigName, ConnectionId};

/// Items of one client: an SDK's client shards at 3,000.
const MOST_OF_A_CLIENT: usize = 20_000;
/// Items of clients, in all. Some 100 bytes each.
const MOST_LISTENS: usize = 500_000;

#[derive(Debug)]
struct HeardItem {
    /// Of what other clusters had when it was looked at last; `None` if that was not known.
    mark: Option<u64>,
    clients: BTreeSet<ConnectionId>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct HeardMappings {
    items: BTreeMap<Arc<ConfigName>, HeardItem>,
    by_client: BTreeMap<ConnectionId, BTreeSet<Arc<ConfigName>>>,
    listens: usize,
}

impl HeardMappings {
    /// A client begins to listen, or goes on. `mark` is of what other clusters have now.
    pub(super) fn hear(&mut self, client: &ConnectionId, name: &ConfigName, mark: Option<u64>) {
        let mine = self.by_client.entry(client.clone()).or_default();
        if mine.contains(name) || mine.len() >= MOST_OF_A_CLIENT || self.listens >= MOST_LISTENS {
            return;
        }
        let shared = self.items.get_key_value(name).map(|(name, _)| Arc::clone(name));
        let name = shared.unwrap_or_else(|| Arc::new(name.clone()));
        mine.insert(Arc::clone(&name));
        self.listens += 1;
        let item = self.items.entry(name).or_insert_with(|| HeardItem { mark, clients: BTreeSet::new() });
        item.clients.insert(client.clone());
    }

    /// A client listens to this no more.
    pub(super) fn ignore(&mut self, client: &ConnectionId, name: &ConfigName) {
        let Some(mine) = self.by_client.get_mut(client) else { return };
        if mine.remove(name) {
            self.leave(client, name);
        }
    }

    /// A client is gone.
    pub(super) fn forget(&mut self, client: &ConnectionId) {
        for name in self.by_client.remove(client).unwrap_or_default() {
            self.leave(client, &name);
        }
    }

    /// Looks at all; who is to be told of what.
    pub(super) fn changed(
        &mut self,
        mark_of: impl Fn(&ConfigName) -> u64,
    ) -> Vec<(Arc<ConfigName>, Vec<ConnectionId>)> {
        let mut changed = Vec::new();
        for (name, item) in &mut self.items {
            let mark = Some(mark_of(name));
            if item.mark != mark {
                item.mark = mark;
                changed.push((Arc::clone(name), item.clients.iter().cloned().collect()));
            }
        }
        changed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn leave(&mut self, client: &ConnectionId, name: &ConfigName) {
        self.listens -= 1;
        if let Some(item) = self.items.get_mut(name) {
            item.clients.remove(client);
            if item.clients.is_empty() {
                self.items.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: usize) -> ConnectionId {
        ConnectionId::from(Arc::<str>::from(number.to_string()))
    }

    fn name(data_id: &str) -> ConfigName {
        ConfigName { namespace: String::new(), group: "mapping".to_owned(), data_id: data_id.to_owned() }
    }

    #[test]
    fn all_who_listen_are_told_of_a_change_once() {
        let mut heard = HeardMappings::default();
        heard.hear(&client(1), &name("a"), Some(7));
        heard.hear(&client(2), &name("a"), Some(8));
        heard.hear(&client(2), &name("b"), Some(7));
        assert_eq!(heard.changed(|_| 7), []);
        let told = heard.changed(|name| if name.data_id == "a" { 8 } else { 7 });
        assert_eq!(told, [(Arc::new(name("a")), vec![client(1), client(2)])]);
        assert_eq!(heard.changed(|name| if name.data_id == "a" { 8 } else { 7 }), []);
    }

    #[test]
    fn what_was_not_known_at_first_is_told_once_it_is() {
        let mut heard = HeardMappings::default();
        heard.hear(&client(1), &name("a"), None);
        assert_eq!(heard.changed(|_| 0).len(), 1);
        assert_eq!(heard.changed(|_| 0), []);
    }

    #[test]
    fn nothing_is_kept_of_who_left() {
        let mut heard = HeardMappings::default();
        for number in 0..3 {
            heard.hear(&client(number), &name("a"), Some(1));
            heard.hear(&client(number), &name("b"), Some(1));
            heard.hear(&client(number), &name("b"), Some(1));
        }
        heard.ignore(&client(0), &name("a"));
        heard.ignore(&client(0), &name("a"));
        assert_eq!(heard.changed(|_| 2)[0].1, [client(1), client(2)]);
        (0..3).for_each(|number| heard.forget(&client(number)));
        assert!(heard.is_empty() && heard.by_client.is_empty());
        assert_eq!(heard.listens, 0);
    }
}
