//! What every client does on every server: one function for each behaviour, in the order of the table's columns.
//!
//! A step waits for what a server of the right kind tells, and keeps what was told last if that never came. So an outcome depends on no
//! moment: a change is made only after the one before has been heard of.

mod config;
mod names;
mod naming;
mod restart;

use std::time::Duration;

use anyhow::Result;
use federation_harness::process::POLL;
use federation_harness::{Parts, Sdk, SdkClient, SdkConfig, SdkEvent, SdkInstance, SdkService};

use crate::mask::TextMask;
use crate::outcome::{BehaviourOutcome, StepLog, listed};
pub(crate) use restart::RestartCrew;

/// Longer than the ten seconds between two questions of a client that is not pushed to.
const HEARD_WITHIN: Duration = Duration::from_secs(15);
/// For what some SDKs never tell. Longer than a push takes, and than the second between the questions of those that ask.
const MAYBE_WITHIN: Duration = Duration::from_secs(4);
/// How often something is published until a new listener hears of it: over HTTP it is asked for only when the question before, which may take
/// half a minute, has been answered.
const LISTEN_ATTEMPTS: usize = 10;
/// Java connects again after it was refused something, and gives a connection up that is slow for three seconds.
const RECONNECTED_WITHIN: Duration = Duration::from_secs(15);
/// From a registration to the server's answer with it.
const ANSWERED_WITHIN: Duration = Duration::from_secs(8);

/// A behaviour without a restart: its name in the table, and whether it runs.
pub(crate) const BEHAVIOURS: [&str; 13] = [
    "register",
    "callbacks",
    "unsubscribe",
    "batch",
    "health",
    "select one",
    "service list",
    "persistent",
    "names",
    "config",
    "CAS",
    "content",
    "killed",
];
/// The one with a restart.
pub(crate) const RESTART: &str = "restart";

/// One SDK before one server, as two processes: one that registers and publishes, and one that looks and listens.
pub(crate) struct ClientPair {
    sdk: Sdk,
    tag: String,
    parts: Parts,
    server: String,
    mask: TextMask,
    publisher: SdkClient,
    watcher: SdkClient,
}

impl ClientPair {
    /// `tag` is a part of all names, so that a server may have seen other runs.
    pub(crate) async fn start(parts: &Parts, sdk: Sdk, server: &str, tag: &str, mask: TextMask) -> Result<Self> {
        let publisher = SdkClient::start(parts, sdk, server, None).await?.patient(RECONNECTED_WITHIN);
        let watcher = SdkClient::start(parts, sdk, server, None).await?.patient(RECONNECTED_WITHIN);
        let (tag, server, parts) = (tag.to_owned(), server.to_owned(), parts.clone());
        let pair = Self { sdk, tag, parts, server, mask, publisher, watcher };
        for client in [&pair.publisher, &pair.watcher] {
            // The first question takes as long as the start of the SDK, and whatever is answered is answered again below.
            let _ = client.list(&pair.service("warm-up")).await;
            let _ = client.get_config(&pair.item("warm-up")).await;
        }
        Ok(pair)
    }

    /// The same SDK in two new processes: these have asked for what an SDK may not recover from.
    pub(crate) async fn anew(&self) -> Result<Self> {
        Self::start(&self.parts, self.sdk, &self.server, &self.tag, self.mask.clone()).await
    }

    /// The same in two new processes with names that nobody used yet.
    pub(crate) async fn again(&self) -> Result<Self> {
        let tag = format!("{}-again", self.tag);
        let mask = self.mask.and_tag(&tag);
        Self::start(&self.parts, self.sdk, &self.server, &tag, mask).await
    }

    /// Runs a behaviour of [`BEHAVIOURS`].
    pub(crate) async fn run(&self, behaviour: &str) -> BehaviourOutcome {
        let mut log = StepLog::new(self.mask.clone());
        let ended = match behaviour {
            "register" => self.register(&mut log).await,
            "callbacks" => self.callbacks(&mut log).await,
            "unsubscribe" => self.unsubscribe(&mut log).await,
            "batch" => self.batch(&mut log).await,
            "health" => self.health(&mut log).await,
            "select one" => self.select_one(&mut log).await,
            "service list" => self.service_list(&mut log).await,
            "persistent" => self.persistent(&mut log).await,
            "names" => self.names(&mut log).await,
            "config" => self.config(&mut log).await,
            "CAS" => self.cas(&mut log).await,
            "content" => self.content(&mut log).await,
            "killed" => self.killed(&mut log).await,
            unknown => unreachable!("{unknown} is not among the behaviours"),
        };
        log.end(ended)
    }

    /// Whether it asks and beats over HTTP, and is pushed to over UDP at best.
    fn speaks_http(&self) -> bool {
        self.sdk.speaks_http()
    }

    fn service(&self, stem: &str) -> SdkService {
        SdkService::public(format!("{stem}-{}-{:?}", self.tag, self.sdk))
    }

    fn item(&self, stem: &str) -> SdkConfig {
        SdkConfig::public(format!("{stem}-{}-{:?}", self.tag, self.sdk))
    }

    /// Asks until the answer is as wanted, and keeps the last one.
    async fn look(&self, log: &mut StepLog, name: &str, service: &SdkService, wanted: impl Fn(&[SdkInstance]) -> bool) {
        self.look_within(log, name, service, ANSWERED_WITHIN, wanted).await;
    }

    async fn look_within(
        &self,
        log: &mut StepLog,
        name: &str,
        service: &SdkService,
        patience: Duration,
        wanted: impl Fn(&[SdkInstance]) -> bool,
    ) {
        let mut last = "nothing was answered".to_owned();
        let asking = async {
            loop {
                match self.watcher.list(service).await {
                    Ok(list) if wanted(&list) => break listed(&list),
                    Ok(list) => last = listed(&list),
                    // Some call a service without instances an error.
                    Err(error) if wanted(&[]) => break format!("refused: {}", error.root_cause()),
                    Err(error) => last = format!("refused: {}", error.root_cause()),
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let told = tokio::time::timeout(patience, asking).await;
        log.note(name, told.unwrap_or(last));
    }

    /// Waits until the watcher's callback had a list as wanted, and keeps that it came, or the last one that did.
    async fn hear(
        &self,
        log: &mut StepLog,
        name: &str,
        service: &SdkService,
        patience: Duration,
        wanted: impl Fn(&[SdkInstance]) -> bool,
    ) {
        match self.watcher.until_instances(service, patience, wanted).await {
            Ok(list) => log.note(name, listed(&list)),
            Err(_) => {
                let heard = self.heard(service);
                log.note(name, format!("not told; last: {}", heard.last().map_or("nothing", String::as_str)));
            }
        }
    }

    /// All lists that the watcher's callback had of a service, each once in a row.
    fn heard(&self, service: &SdkService) -> Vec<String> {
        let events = self.watcher.events();
        let lists = events.iter().filter_map(|event| match event {
            SdkEvent::Instances { service: of, instances, .. } if of == service => Some(listed(instances)),
            _ => None,
        });
        let mut lists: Vec<String> = lists.collect();
        lists.dedup();
        lists
    }

    /// Asks until the content is as wanted, and keeps the last one.
    async fn read(&self, log: &mut StepLog, name: &str, item: &SdkConfig, wanted: Option<&str>) {
        let mut last = "nothing was answered".to_owned();
        let asking = async {
            loop {
                match self.publisher.get_config(item).await {
                    Ok(content) if content.as_deref() == wanted => break config::shortened(content.as_deref()),
                    Ok(content) => last = config::shortened(content.as_deref()),
                    Err(error) => last = format!("refused: {}", error.root_cause()),
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let told = tokio::time::timeout(ANSWERED_WITHIN, asking).await;
        log.note(name, told.unwrap_or(last));
    }

    /// Waits until the watcher's listener had this content.
    async fn hear_content(
        &self,
        log: &mut StepLog,
        name: &str,
        item: &SdkConfig,
        patience: Duration,
        wanted: Option<&str>,
    ) {
        let newest = |events: &[SdkEvent]| {
            events.iter().rev().find_map(|event| match event {
                SdkEvent::Config { config, content, .. } if config == item => Some(content.clone()),
                _ => None,
            })
        };
        let matching = |events: &[SdkEvent]| newest(events).filter(|content| is_content(content.as_deref(), wanted));
        match self.watcher.until(patience, matching).await {
            Ok(content) => log.note(name, config::shortened(content.as_deref())),
            Err(_) => {
                let last = newest(&self.watcher.events());
                let last = last.map_or("nothing".into(), |content| config::shortened(content.as_deref()));
                log.note(name, format!("not told; last: {last}"));
            }
        }
    }

    /// Listens, and publishes until the listener has heard of it: no SDK says from when on it does, and what it finds then it keeps to itself.
    async fn listen(&self, log: &mut StepLog, item: &SdkConfig) -> Result<()> {
        log.done("listen", self.watcher.listen_config(item).await)?;
        for attempt in 0..LISTEN_ATTEMPTS {
            let content = format!("listening {attempt}");
            if let Err(error) = self.publisher.publish_config(item, &content).await {
                log.done("publish to begin with", Err::<(), _>(error))?;
                return Ok(());
            }
            let is_it = |event: &SdkEvent| matches!(event, SdkEvent::Config { config, content: Some(told), .. } if config == item && *told == content);
            let heard = self.watcher.until(MAYBE_WITHIN, |events| events.iter().any(is_it).then_some(())).await;
            if heard.is_ok() {
                log.note("listens", "told of a content");
                return Ok(());
            }
        }
        log.note("listens", "never told of a content");
        Ok(())
    }

    /// Looks until the watcher has the list of a service, without keeping anything.
    async fn until_listed(&self, service: &SdkService, wanted: impl Fn(&[SdkInstance]) -> bool) {
        let mut log = StepLog::new(self.mask.clone());
        self.look(&mut log, "", service, wanted).await;
    }
}

/// Some SDKs tell of a removed item with an empty content, some with none.
fn is_content(content: Option<&str>, wanted: Option<&str>) -> bool {
    match wanted {
        Some(wanted) => content == Some(wanted),
        None => content.is_none_or(str::is_empty),
    }
}
