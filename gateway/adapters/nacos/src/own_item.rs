//! The one config item that the gateway itself lives by: read and listened to whether or not anything is exported.
//!
//! Input: a name over local namespaces, bells of the client. Output: the item's content as it is, for whoever waits. Invariant: only
//! Nacos's own "there is none" is told as absent, and after a content only if Nacos says so twice; an error, a refusal and a lost
//! connection leave what was told before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nacos_protocol::client::{CallError, ConfigName};
use nacos_protocol::message::error_code;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::about::About;
use super::calls::{ApiCall, Trouble};
use super::configs::{SETTLE, md5_of};
use super::names::PUBLIC;
use super::shared::{Context, EngineGone};
use federation_ports::inbox::OwnItem;

/// The item is read this often even if no bell rang: a bell can be lost on a living connection.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A read that failed is tried again after this.
const RETRY: Duration = Duration::from_secs(1);

/// Which item, and what is known of it. Shared by the task that reads it and by whoever hears bells.
pub(super) struct OwnItemCell {
    /// Under which names it may be. 2.x keeps `public`, under which newer clients write, apart from the default namespace, which counts first.
    names: Vec<ConfigName>,
    bell: Notify,
    told: watch::Sender<OwnItem>,
}

/// One reading of all names.
enum Reading {
    Found {
        content: Arc<str>,
        under: usize,
    },
    /// There is none under any name.
    None,
    /// Nothing is known.
    Failed,
}

impl OwnItemCell {
    /// For `name`, or for nothing.
    pub(super) fn new(name: Option<ConfigName>) -> Self {
        let names = match name {
            Some(name) if name.namespace.is_empty() || name.namespace == PUBLIC => {
                ["", PUBLIC].map(|namespace| ConfigName { namespace: namespace.into(), ..name.clone() }).into()
            }
            name => name.into_iter().collect(),
        };
        Self { names, bell: Notify::new(), told: watch::Sender::new(OwnItem::NotHeard) }
    }

    /// What is told of the item.
    pub(super) fn told(&self) -> watch::Receiver<OwnItem> {
        self.told.subscribe()
    }

    /// Whether this is a name of the item: nobody else may end its listening.
    pub(super) fn is(&self, name: &ConfigName) -> bool {
        self.names.contains(name)
    }

    /// An item changed; perhaps this one.
    pub(super) fn ring(&self, name: &ConfigName) {
        if self.is(name) {
            self.bell.notify_one();
        }
    }
}

/// Reads the item at each connection, bell and look, until `stop`.
pub(super) async fn run(shared: Context, stop: CancellationToken) -> Result<(), EngineGone> {
    let cell = &shared.own_item;
    if cell.names.is_empty() {
        stop.cancelled().await;
        return Ok(());
    }
    let mut link = shared.link.subscribe();
    let mut found_under = None;
    loop {
        let connected = link.borrow_and_update().is_some();
        let pause = if connected {
            // What rings from here on is later than the reading. A reading ends by itself: its calls have a time-out.
            match read_settled(&shared, found_under).await {
                Reading::Found { content, under } => {
                    found_under = Some(under);
                    tell(cell, OwnItem::Content(content));
                    LOOK_EVERY
                }
                Reading::None => {
                    found_under = None;
                    tell(cell, OwnItem::Absent);
                    LOOK_EVERY
                }
                Reading::Failed => RETRY,
            }
        } else {
            LOOK_EVERY
        };
        // All arms are cancel-safe: a token, a watch, a stored wake-up, a timer.
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changed = link.changed() => changed.expect("the sender is shared with this task"),
            () = cell.bell.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn tell(cell: &OwnItemCell, word: OwnItem) {
    cell.told.send_if_modified(|told| {
        let is_new = *told != word;
        *told = word;
        is_new
    });
}

/// Reads the item. Servers may say "there is none" for a moment after a write: what was there is gone when they say so twice.
async fn read_settled(shared: &Context, found_under: Option<usize>) -> Reading {
    let reading = read(shared, found_under).await;
    if !matches!(reading, Reading::None) || !matches!(&*shared.own_item.told.borrow(), OwnItem::Content(_)) {
        return reading;
    }
    tokio::time::sleep(SETTLE).await;
    read(shared, found_under).await
}

/// Reads all names and listens to each as it was read.
async fn read(shared: &Context, found_under: Option<usize>) -> Reading {
    let mut found = None;
    let (mut absent, mut failed) = (false, false);
    for (index, name) in shared.own_item.names.iter().enumerate() {
        match read_one(shared, name).await {
            Ok(Some(content)) => {
                shared.client.listen_config(name, &md5_of(&content));
                found = found.or(Some(Reading::Found { content: content.into(), under: index }));
            }
            Ok(None) => {
                shared.client.listen_config(name, "");
                absent = true;
            }
            // Where it may not be read it was not found, unless the right was taken since.
            Err(trouble) if trouble.is_final() && found_under != Some(index) => {}
            Err(_) => failed = true,
        }
        if failed {
            break; // A name that counts later must not stand in for one that is not known.
        }
    }
    match found {
        Some(found) => found,
        None if absent && !failed => Reading::None,
        None => Reading::Failed,
    }
}

async fn read_one(shared: &Context, name: &ConfigName) -> Result<Option<String>, Trouble> {
    let (call, about) = (ApiCall::ReadConfig, About::Config(name));
    let mut answer = shared.client.query_config(name).await;
    if matches!(answer, Err(CallError::Server { code: error_code::BAD_PARAMETER, .. })) {
        tokio::time::sleep(SETTLE).await; // It is being modified.
        answer = shared.client.query_config(name).await;
    }
    match answer {
        Ok(content) => {
            shared.calls.worked(call, about);
            Ok(content.map(|content| content.content))
        }
        Err(error) => {
            let trouble = Trouble::from(&error);
            shared.calls.failed(call, about, trouble.clone(), Instant::now());
            Err(trouble)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_of_the_default_namespace_has_two_names() {
        let names = |namespace: &str| {
            let cell = OwnItemCell::new(Some(ConfigName::new(namespace, "g", "d")));
            ["", PUBLIC, "dev"].map(|namespace| cell.is(&ConfigName::new(namespace, "g", "d")))
        };
        assert_eq!(
            (names(""), names(PUBLIC), names("dev")),
            ([true, true, false], [true, true, false], [false, false, true])
        );
        assert!(!OwnItemCell::new(None).is(&ConfigName::new("", "g", "d")));
    }

    #[test]
    fn what_is_told_again_wakes_nobody() {
        let cell = OwnItemCell::new(None);
        let mut told = cell.told();
        for (word, wakes) in [(OwnItem::Absent, true), (OwnItem::Absent, false), (OwnItem::Content("a".into()), true)] {
            tell(&cell, word);
            assert_eq!(told.has_changed().unwrap(), wakes);
            told.mark_unchanged();
        }
    }
}
