//! The task that keeps the policies up to date: hears the sources, has documents read, publishes what is in force, and keeps on disk what
//! was good. What the disk does not take is in force all the same; it is a trouble, and tried again until the disk takes it.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::file::{FileWatch, LOOK_EVERY, look};
use super::ledger::{Good, Ledger, Outcome, Said};
use super::store::{PolicyReader, PolicySource, PolicyWriter, line};
use super::{document, kept, store};
use crate::sources::{PolicyItem, PolicySources};
use federation_document::mistakes::Mistakes;
use federation_ports::clock::ProcessClock;
use federation_ports::inbox::OwnItem;
use federation_ports::metrics::{PolicyLoad, PolicyMetrics, TroubleKind};
use federation_ports::trouble::TroubleBoard;
use federation_storage::{StorageError, StoragePlace, TRY_AGAIN};

/// What keeps the policies up to date. It does nothing until it is run; what was kept is in force from the start.
pub struct PolicyKeeper {
    ledger: Ledger,
    writer: PolicyWriter,
    metrics: PolicyMetrics,
    kept_in: StoragePlace,
    troubles: TroubleBoard,
    /// Sources of which the disk has something else than what is good; at most one of each kind.
    unkept: Vec<PolicySource>,
    file: Option<FileWatch>,
    item: Option<(PolicyItem, watch::Receiver<OwnItem>)>,
    clock: ProcessClock,
}

/// A part of the keeper panicked; a document that does so is a defect of this program.
#[derive(Debug, thiserror::Error)]
#[error("reading a policy document panicked")]
pub struct KeeperPanicked(#[from] JoinError);

/// Where the sources are and what is told of them.
pub struct KeeperOptions {
    /// Which files and config items.
    pub sources: PolicySources,
    /// What the local Nacos says of the config item.
    pub item: watch::Receiver<OwnItem>,
    /// Where good documents are kept.
    pub kept_in: StoragePlace,
    /// Where a disk that does not take them is told.
    pub troubles: TroubleBoard,
    /// What is counted.
    pub metrics: PolicyMetrics,
    /// When something came into force is told by it.
    pub clock: ProcessClock,
}

impl PolicyKeeper {
    /// Takes what was kept, then the file as it is now, so that a gateway never answers by a policy older than its file. Blocks while it
    /// reads them.
    #[must_use]
    pub fn open(options: KeeperOptions) -> (Self, PolicyReader) {
        let KeeperOptions { sources, item, kept_in, troubles, metrics, clock } = options;
        let item = sources.item.map(|name| (name, item));
        let file = sources.file.map(FileWatch::new);
        let of_item = item.iter().map(|(name, _)| PolicySource::ConfigItem(name.clone()));
        let of_file = file.iter().map(|file| PolicySource::File(file.path().clone()));
        let kept = |source: PolicySource| {
            let good = kept::read(&kept_in, &source);
            (source, good)
        };
        let ledger = Ledger::new(of_item.chain(of_file).map(kept).collect(), clock.now().wall);
        let (writer, reader) = store::new();
        let unkept = Vec::new();
        let mut keeper = Self { ledger, writer, metrics, kept_in, troubles, unkept, file, item, clock };
        if let Some(path) = keeper.file.as_ref().map(|file| file.path().clone()) {
            let (source, said) = (PolicySource::File(path.clone()), look(&path));
            let read = read(&source, &said);
            let outcome = keeper.note(&source, said, read);
            if outcome.changes_what_is_kept() {
                let kept = keep(&keeper.kept_in, &source, keeper.ledger.good_of(&source));
                keeper.tell(source, kept);
            }
        }
        keeper.publish();
        (keeper, reader)
    }

    /// Runs until `stop`. Its end would freeze the policy, so it must end the process.
    ///
    /// # Errors
    /// If a document makes its reader panic.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), KeeperPanicked> {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let mut retries = tokio::time::interval(TRY_AGAIN);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        retries.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.hear_item().await?;
        loop {
            let item = self.item.as_mut().map(|(_, item)| item);
            // All arms are cancel-safe: a token, a timer, a watch. What follows them is done whole.
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = looks.tick(), if self.file.is_some() => self.look_at_file().await?,
                _ = retries.tick(), if !self.unkept.is_empty() => self.keep_again().await?,
                () = changed(item) => self.hear_item().await?,
            }
        }
    }

    async fn look_at_file(&mut self) -> Result<(), KeeperPanicked> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let path = file.path().clone();
        let said = spawn_blocking({
            let path = path.clone();
            move || look(&path)
        });
        match file.settle(said.await?) {
            Some(said) => self.take(PolicySource::File(path), said).await,
            None => Ok(()),
        }
    }

    async fn hear_item(&mut self) -> Result<(), KeeperPanicked> {
        let Some((name, item)) = &mut self.item else { return Ok(()) };
        let source = PolicySource::ConfigItem(name.clone());
        let said = match &*item.borrow_and_update() {
            OwnItem::NotHeard => return Ok(()),
            OwnItem::Absent => Said::Absent,
            OwnItem::Content(text) => Said::Text(Arc::clone(text)),
        };
        self.take(source, said).await
    }

    /// Has a document read, and does what follows from it.
    async fn take(&mut self, source: PolicySource, said: Said) -> Result<(), KeeperPanicked> {
        if self.ledger.knows(&source, &said) {
            return Ok(());
        }
        // A document of a thousand rules takes a while, in which others have to be served.
        let (source, said, read) = spawn_blocking(move || {
            let read = read(&source, &said);
            (source, said, read)
        })
        .await?;
        let outcome = self.note(&source, said, read);
        self.publish();
        if outcome.changes_what_is_kept() { self.keep(source).await } else { Ok(()) }
    }

    fn note(&mut self, source: &PolicySource, said: Said, read: Read) -> Outcome {
        let now = self.clock.now().wall;
        let before = self.ledger.in_force().version;
        let outcome = match (said, read) {
            (Said::Text(text), Read::Good(policies)) => self.ledger.accept(source, text, policies, now),
            (said, Read::Wrong(mistakes)) => {
                let lines: Vec<String> = mistakes.sorted().into_iter().map(line).collect();
                let version = before;
                tracing::warn!(%source, version, mistakes = lines.join("; "), "policy document refused, the one before stays");
                self.ledger.refuse(source, said, &mistakes, now)
            }
            (_, Read::None) | (_, Read::Good(_)) => self.ledger.absent(source, now),
        };
        self.count(source, outcome);
        let in_force = self.ledger.in_force();
        if in_force.version != before {
            let rules = in_force.policies.rules().len();
            tracing::info!(source = %in_force.source, version = in_force.version, rules, "policy in force");
        }
        outcome
    }

    fn count(&self, source: &PolicySource, outcome: Outcome) {
        let Some(origin) = source.origin() else { return };
        let load = match outcome {
            Outcome::Nothing => return,
            Outcome::Accepted => PolicyLoad::Accepted,
            Outcome::Refused => PolicyLoad::Refused,
            Outcome::Removed => PolicyLoad::Removed,
        };
        self.metrics.loads(origin, load).inc();
    }

    fn publish(&self) {
        let in_force = self.ledger.in_force();
        self.metrics.version.set(i64::try_from(in_force.version).unwrap_or(i64::MAX));
        let standings = self.ledger.standings();
        for standing in &standings {
            if let Some(origin) = standing.source.origin() {
                self.metrics.refused(origin).set(i64::from(standing.refusal.is_some()));
            }
        }
        self.writer.publish_standings(standings);
        self.writer.publish(in_force);
    }

    async fn keep_again(&mut self) -> Result<(), KeeperPanicked> {
        for source in std::mem::take(&mut self.unkept) {
            self.keep(source).await?;
        }
        Ok(())
    }

    async fn keep(&mut self, source: PolicySource) -> Result<(), KeeperPanicked> {
        let (place, good) = (self.kept_in.clone(), self.ledger.good_of(&source).cloned());
        let (source, kept) = spawn_blocking(move || {
            let kept = keep(&place, &source, good.as_ref());
            (source, kept)
        })
        .await?;
        self.tell(source, kept);
        Ok(())
    }

    /// A document that cannot be kept is in force all the same.
    fn tell(&mut self, source: PolicySource, kept: Result<(), StorageError>) {
        let about = kept::path_of(&self.kept_in, &source);
        self.unkept.retain(|unkept| *unkept != source);
        let text = kept.err().map(|error| {
            format!(
                "the policy in {source} is not kept for a restart, at which the one before would count: {}",
                error.told()
            )
        });
        if text.is_some() {
            self.unkept.push(source);
        }
        self.troubles.set(TroubleKind::Storage, &about, text);
    }
}

/// Has the disk hold what is good of a source.
fn keep(place: &StoragePlace, source: &PolicySource, good: Option<&Good>) -> Result<(), StorageError> {
    match good {
        Some(good) => kept::write(place, source, good),
        None => kept::remove(place, source),
    }
}

/// What reading a source's word gave.
enum Read {
    None,
    Good(Arc<federation_core::routing::Policies>),
    Wrong(Mistakes),
}

fn read(source: &PolicySource, said: &Said) -> Read {
    let name = source.to_string();
    match said {
        Said::Absent => Read::None,
        Said::Unreadable(reason) => Read::Wrong(document::unusable(&name, reason)),
        Said::Text(text) => match document::from_text(&name, text) {
            Ok(policies) => Read::Good(Arc::new(policies)),
            Err(mistakes) => Read::Wrong(mistakes),
        },
    }
}

/// Never ready without a source, or once the one who tells is gone.
async fn changed(item: Option<&mut watch::Receiver<OwnItem>>) {
    if let Some(item) = item
        && item.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests;
