//! Config items: found by listing, read over gRPC, listened to by MD5.
//!
//! Input: the namespaces that were met, what the engine asks for, bells. Output: a reading for each item that is new, changed, missing from
//! a list, or asked for. Invariant: only Nacos's own "there is none" for that item is told as absent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use federation_core::config_item::ConfigItem;
use federation_core::id::ConfigKey;
use federation_core::input::{ConfigReading, LocalInput};
use foldhash::fast::RandomState;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use md5::{Digest, Md5};
use nacos_protocol::admin::{ConfigDetail, ConfigEntry};
use nacos_protocol::client::{CallError, ConfigContent, ConfigName};
use nacos_protocol::message::error_code;
use tokio_util::sync::CancellationToken;

use super::about::About;
use super::calls::{ApiCall, Trouble};
use super::names::PUBLIC;
use super::pace::{ListingUse, Pace};
use super::rules::Rules;
use super::shared::{Context, EngineGone};

/// Readings in flight at most; each is two calls.
const READS_IN_FLIGHT: usize = 8;
/// Listings in flight at most.
const LISTINGS_IN_FLIGHT: usize = 2;
/// An item whose parts do not belong together is being changed: it is read again after this, so often.
pub(super) const SETTLE: Duration = Duration::from_millis(300);
const ATTEMPTS: u32 = 3;

/// What a listing says of an item; if it says something else later, the item is read.
type Stamp = (Option<String>, Option<i64>, String, String);

/// An item that was listed or read.
#[derive(Default)]
struct Known {
    /// As last listed; `None` if it is in no list.
    listed: Option<Stamp>,
    /// Listed under `public`, which 2.x keeps apart from the default namespace: where the latter has no such item, this one counts.
    apart: bool,
    /// Under which name it is listened to.
    listening: Option<ConfigName>,
    /// Under which name it is counted as there.
    counted: Option<ConfigName>,
}

impl Known {
    /// Counts the item as there under this name, or as not there.
    fn count(&mut self, rules: &Rules, name: Option<ConfigName>) {
        match (&self.counted, &name) {
            (Some(_), None) | (None, Some(_)) => {}
            _ => return,
        }
        self.counted.take().iter().for_each(|name| rules.config_went(name));
        name.iter().for_each(|name| rules.config_came(name));
        self.counted = name;
    }
}

struct Watched {
    pace: Pace,
    busy: bool,
}

enum Outcome {
    Listed {
        namespace: String,
        entries: Option<Vec<ConfigEntry>>,
        took: Duration,
    },
    /// The name is the one it was found under, or the one that was asked for last.
    Read {
        key: ConfigKey,
        found: Option<ConfigName>,
        reading: Result<ConfigReading, EngineGone>,
    },
}

type InFlight = FuturesUnordered<BoxFuture<'static, Outcome>>;

/// The one that keeps config items up to date.
pub(super) struct Configs {
    shared: Context,
    poll: Duration,
    namespaces: BTreeMap<String, Watched>,
    known: HashMap<ConfigKey, Known, RandomState>,
    listings: InFlight,
    reads: InFlight,
}

impl Configs {
    pub(super) fn new(shared: Context, poll: Duration) -> Self {
        Self {
            shared,
            poll,
            namespaces: BTreeMap::new(),
            known: HashMap::default(),
            listings: InFlight::new(),
            reads: InFlight::new(),
        }
    }

    /// Works until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), EngineGone> {
        let shared = Context::clone(&self.shared);
        let (mut namespaces, mut link) = (shared.namespaces.subscribe(), shared.link.subscribe());
        self.look_into(&namespaces.borrow_and_update().clone());
        loop {
            let connected = link.borrow_and_update().is_some();
            if connected {
                self.start_due();
            }
            let due = self.next_due().filter(|_| connected);
            let room = self.reads.len() < READS_IN_FLIGHT;
            // All arms are cancel-safe: watches, a queue that gives nothing before it returns, streams that keep their futures, a timer.
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = link.changed() => changed.expect("the sender is shared with this task"),
                changed = namespaces.changed() => {
                    changed.expect("the sender is shared with this task");
                    self.look_into(&namespaces.borrow_and_update().clone());
                }
                key = shared.configs.next(), if room => self.read(key),
                Some(outcome) = self.reads.next() => self.take(outcome)?,
                Some(outcome) = self.listings.next() => self.take(outcome)?,
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {}
            }
        }
    }

    fn read(&mut self, key: ConfigKey) {
        let apart = self.known.get(&key).is_some_and(|known| known.apart);
        self.reads.push(Box::pin(read(Context::clone(&self.shared), key, apart)));
    }

    fn look_into(&mut self, met: &BTreeSet<String>) {
        let (names, poll) = (&self.shared.names, self.poll);
        let wanted = |id: &String| !id.is_empty() && names.may_have_configs_in(id);
        self.namespaces.retain(|id, _| met.contains(id));
        for id in met.iter().filter(|id| wanted(id)) {
            let new = || Watched { pace: Pace::new(poll), busy: false };
            self.namespaces.entry(id.clone()).or_insert_with(new);
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let idle = self.namespaces.values().filter(|watched| !watched.busy).map(|watched| watched.pace.due());
        idle.min().filter(|_| self.listings.len() < LISTINGS_IN_FLIGHT)
    }

    fn start_due(&mut self) {
        let now = Instant::now();
        for (namespace, watched) in &mut self.namespaces {
            if self.listings.len() < LISTINGS_IN_FLIGHT && !watched.busy && watched.pace.due() <= now {
                watched.busy = true;
                self.listings.push(Box::pin(list(Context::clone(&self.shared), namespace.clone())));
            }
        }
    }

    fn take(&mut self, outcome: Outcome) -> Result<(), EngineGone> {
        match outcome {
            Outcome::Listed { namespace, entries, took } => {
                match self.namespaces.get_mut(&namespace) {
                    Some(watched) => {
                        watched.busy = false;
                        watched.pace.ended(Instant::now(), took, ListingUse::Discovery);
                    }
                    None => self.shared.calls.forget(About::Namespace(&namespace)), // Left meanwhile.
                }
                if let Some(entries) = entries {
                    self.take_list(&namespace, entries);
                }
            }
            Outcome::Read { key, found, reading } => {
                let reading = reading?;
                if let Some(name) = found {
                    self.take_reading(&key, name, &reading);
                }
            }
        }
        Ok(())
    }

    /// Has everything read that is new, changed or missing.
    fn take_list(&mut self, namespace: &str, entries: Vec<ConfigEntry>) {
        let Some(federated) = self.shared.names.federated(namespace) else { return };
        let mut listed = HashMap::<ConfigKey, (Stamp, bool), RandomState>::default();
        self.shared.rules.configs_listed(namespace, entries.iter().map(|entry| &entry.name));
        for entry in entries {
            if let Some(key) = self.shared.names.config_key(&entry.name) {
                let apart = entry.name.namespace == PUBLIC;
                let stamp = (entry.md5, entry.modified_ms, entry.content_type, entry.app_name);
                listed.entry(key).or_insert((stamp, apart)); // What is kept apart comes last, and counts only if it is alone.
            }
        }
        let known_here = self.known.iter_mut().filter(|(key, _)| key.namespace() == &*federated);
        for (key, known) in known_here.filter(|(key, known)| known.listed.is_some() && !listed.contains_key(*key)) {
            known.listed = None;
            self.shared.configs.push(key.clone());
        }
        for (key, (stamp, apart)) in listed {
            let known = self.known.entry(key.clone()).or_default();
            known.apart = apart;
            known.count(&self.shared.rules, self.shared.names.config_name(&key));
            if known.listed.as_ref() != Some(&stamp) {
                known.listed = Some(stamp);
                self.shared.configs.push(key);
            }
        }
    }

    fn take_reading(&mut self, key: &ConfigKey, name: ConfigName, reading: &ConfigReading) {
        let client = &self.shared.client;
        let known = self.known.entry(key.clone()).or_default();
        let before = known.listening.take();
        match reading {
            ConfigReading::Item(_) => known.count(&self.shared.rules, Some(name.clone())),
            ConfigReading::Absent if known.listed.is_none() => known.count(&self.shared.rules, None),
            ConfigReading::Absent | ConfigReading::Failed => {}
        }
        match reading {
            ConfigReading::Item(item) => {
                client.listen_config(&name, &item.md5);
                known.listening = Some(name);
            }
            ConfigReading::Absent if known.listed.is_some() => {
                // Not dumped yet, or just removed: the next list decides whether to ask again.
                known.listed = Some(Stamp::default());
                known.listening.clone_from(&before);
            }
            ConfigReading::Absent if self.shared.names.is_literal_config(&name) => {
                client.listen_config(&name, "");
                known.listening = Some(name);
            }
            ConfigReading::Absent => {}
            ConfigReading::Failed => known.listening.clone_from(&before),
        }
        let given_up =
            |before: &ConfigName| known.listening.as_ref() != Some(before) && !self.shared.own_item.is(before);
        if let Some(before) = before.filter(given_up) {
            client.unlisten_config(&before);
        }
    }
}

/// Lists the items of a namespace; where that is refused, those that rules name in full.
async fn list(shared: Context, namespace: String) -> Outcome {
    let began = Instant::now();
    let call = ApiCall::ListConfigs;
    let by_rules = || shared.names.literal_configs_in(&namespace).into_iter().map(unstamped).collect();
    let entries = if shared.calls.is_barred(call, About::Namespace(&namespace), began) {
        Some(by_rules())
    } else {
        match shared.admin.config_keys(&namespace).await {
            Ok(mut entries) => {
                shared.calls.worked(call, About::Namespace(&namespace));
                if namespace == PUBLIC {
                    entries.extend(list_apart(&shared, began).await);
                }
                Some(entries)
            }
            Err(error) => {
                let trouble = Trouble::from(&error);
                let is_final = trouble.is_final();
                shared.calls.failed(call, About::Namespace(&namespace), trouble, Instant::now());
                is_final.then(by_rules)
            }
        }
    };
    Outcome::Listed { namespace, entries, took: began.elapsed() }
}

/// Lists what 2.x keeps apart; nothing where that fails or is refused: an item that a list lacks is asked for, not removed.
async fn list_apart(shared: &Context, now: Instant) -> Vec<ConfigEntry> {
    let (call, about) = (ApiCall::ListConfigs, About::ItemsApart);
    if shared.calls.is_barred(call, about, now) {
        return Vec::new();
    }
    match shared.admin.config_keys_apart().await {
        Ok(entries) => {
            shared.calls.worked(call, about);
            entries
        }
        Err(error) => {
            shared.calls.failed(call, about, Trouble::from(&error), Instant::now());
            Vec::new()
        }
    }
}

fn unstamped(name: ConfigName) -> ConfigEntry {
    ConfigEntry { name, content_type: String::new(), app_name: String::new(), md5: None, modified_ms: None }
}

/// Reads an item and tells the engine.
async fn read(shared: Context, key: ConfigKey, apart: bool) -> Outcome {
    let mut found = shared.names.config_name(&key);
    let mut reading = match &found {
        Some(name) => read_item(&shared, name).await,
        None => ConfigReading::Failed,
    };
    if apart && let (Some(name), ConfigReading::Absent) = (&mut found, &reading) {
        name.namespace = PUBLIC.into();
        reading = read_item(&shared, name).await;
    }
    let told = shared.tell(LocalInput::Config { key: key.clone(), reading: reading.clone() }).await;
    shared.configs.finish(&key);
    Outcome::Read { key, found, reading: told.map(|()| reading) }
}

async fn read_item(shared: &Context, name: &ConfigName) -> ConfigReading {
    for attempt in 1..=ATTEMPTS {
        let is_last = attempt == ATTEMPTS;
        let content = match shared.client.query_config(name).await {
            Ok(Some(content)) => content,
            Ok(None) => {
                shared.calls.worked(ApiCall::ReadConfig, About::Config(name));
                return ConfigReading::Absent;
            }
            Err(CallError::Server { code: error_code::BAD_PARAMETER, .. }) if !is_last => {
                tokio::time::sleep(SETTLE).await; // It is being modified.
                continue;
            }
            Err(error) => {
                shared.calls.failed(ApiCall::ReadConfig, About::Config(name), Trouble::from(&error), Instant::now());
                return ConfigReading::Failed;
            }
        };
        shared.calls.worked(ApiCall::ReadConfig, About::Config(name));
        let md5 = md5_of(&content.content);
        let detail = match read_detail(shared, name).await {
            Detail::Unreadable => return ConfigReading::Failed,
            Detail::NotForUs => None,
            Detail::Read(detail) => Some(detail),
        };
        let torn = [Some(&content.md5), detail.as_ref().map(|detail| &detail.md5)];
        let is_torn = torn.into_iter().flatten().any(|said| !said.is_empty() && *said != md5);
        if !is_torn || is_last {
            if is_torn {
                tracing::warn!(config = %name, "what nacos says of a config item does not fit its content");
            }
            return ConfigReading::Item(Arc::new(item_of(content, &md5, detail.unwrap_or_default())));
        }
        tokio::time::sleep(SETTLE).await;
    }
    ConfigReading::Failed
}

enum Detail {
    Read(ConfigDetail),
    /// The account may not read it, or this server does not tell.
    NotForUs,
    /// It may come later: an item without it now would be a change twice.
    Unreadable,
}

async fn read_detail(shared: &Context, name: &ConfigName) -> Detail {
    let (call, about) = (ApiCall::ReadConfigDetail, About::Config(name));
    if shared.calls.is_barred(call, about, Instant::now()) {
        return Detail::NotForUs;
    }
    match shared.admin.config_detail(name).await {
        Ok(Some(detail)) => {
            shared.calls.worked(call, about);
            Detail::Read(detail)
        }
        Ok(None) => Detail::Unreadable,
        Err(error) => {
            let trouble = Trouble::from(&error);
            let is_final = trouble.is_final();
            shared.calls.failed(call, about, trouble, Instant::now());
            if is_final { Detail::NotForUs } else { Detail::Unreadable }
        }
    }
}

fn item_of(content: ConfigContent, md5: &str, detail: ConfigDetail) -> ConfigItem {
    let first = |one: String, other: String| Arc::from(if one.is_empty() { other } else { one });
    let modified = if detail.modified_ms > 0 { detail.modified_ms } else { content.last_modified };
    ConfigItem {
        content: content.content.into(),
        md5: md5.into(),
        content_type: first(detail.content_type, content.content_type),
        encrypted_data_key: first(content.encrypted_data_key, detail.encrypted_data_key),
        description: detail.description.into(),
        tags: detail.tags.join(",").into(),
        application: detail.app_name.into(),
        last_modified_ms: u64::try_from(modified).unwrap_or(0),
        sealed_under: None,
    }
}

/// Lower-case hex, as Nacos writes it.
pub(super) fn md5_of(content: &str) -> String {
    let mut text = String::with_capacity(32);
    for byte in Md5::digest(content.as_bytes()) {
        write!(text, "{byte:02x}").expect("writing to a string never fails");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_md5_is_written_as_nacos_writes_it() {
        assert_eq!(md5_of(""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(md5_of("hello world"), "5eb63bbbe01eeed093cb22bb8f5acdc3");
    }

    #[test]
    fn an_item_has_what_either_call_says() {
        let content = ConfigContent {
            content: "a: 1".to_owned(),
            content_type: "text".to_owned(),
            last_modified: 5,
            encrypted_data_key: "key".to_owned(),
            ..ConfigContent::default()
        };
        let detail = ConfigDetail {
            content_type: "yaml".to_owned(),
            description: "d".to_owned(),
            tags: vec!["a".to_owned(), "b".to_owned()],
            app_name: "shop".to_owned(),
            ..ConfigDetail::default()
        };
        let item = item_of(content.clone(), "m", detail);
        let told = (&*item.content_type, &*item.tags, &*item.application, &*item.encrypted_data_key);
        assert_eq!(told, ("yaml", "a,b", "shop", "key"));
        assert_eq!(item.last_modified_ms, 5);
        assert_eq!(&*item_of(content, "m", ConfigDetail::default()).content_type, "text");
    }
}
