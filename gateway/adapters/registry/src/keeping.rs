//! The way of a change of a config item: asked for, written, and only then made and answered.
//!
//! The failure that it defends against is an answer that says *done* for what a full disk, or a crash a moment later, undoes. So a change is
//! in memory, told to listeners and answered only once it is on disk; one that the disk does not take is refused, and the former value
//! stays in both. There is one writer: changes are judged in the order in which they came, one batch at a time, and a second change
//! of an item waits for the first, so that what it expects (`casMd5`) is compared with what will be there. While the disk works, everything
//! else is answered.
//!
//! What is in memory was acknowledged, and is what the folder has to hold. States, beside "a job runs" (all jobs run on a thread of their
//! own, one at a time):
//!
//! ```text
//! Load     the folder could not be read: nothing is known of what was published ──loaded──▶ Probe
//! Restate  the folder is another one than before, or may hold anything after a failed sync ──all items written──▶ Fine
//! Probe    a write failed ──as many bytes as failed can be written──▶ Fine
//! Fine     looked at now and then: a folder that vanished is made again
//! ```
//!
//! All but `Fine` stand on the board of troubles and are tried again every few seconds and at each change.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use federation_core::id::ConfigKey;
use federation_core::time::WallMs;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::configs::{ConfigLabels, ConfigStore, ExpectedContent, PublishError, UnreadableItem, file_name};
use super::disk::{ConfigDisk, Loaded, Wanted, Written};
use federation_ports::metrics::TroubleKind;
use federation_ports::trouble::TroubleBoard;
use federation_storage::{ANSWERS_WITHIN, FolderId, StorageError, StoragePlace, TRY_AGAIN};

/// Changes of one batch: enough to share the sync of a folder, few enough to be done soon.
const BATCH: usize = 64;
/// Changes that wait for the disk; further ones are refused at once.
const MOST_WAITING: usize = 256;
/// Bytes of content that wait for the disk: a few of the largest items, or thousands of usual ones.
const MOST_WAITING_BYTES: usize = 64 << 20;
/// Largest write that is tried only to see whether the disk takes it again.
const MOST_PROBED: usize = 16 << 20;
/// How long an orderly stop waits for a batch that is being written.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// What is to become of an item.
#[derive(Debug)]
pub(super) enum Order {
    /// A new content.
    Publish {
        content: String,
        labels: ConfigLabels,
        /// The MD5 that the item must have now.
        cas_md5: Option<String>,
    },
    /// None; if there is none, nothing.
    Remove,
}

/// An order and who waits for its outcome.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: ConfigKey,
    pub(super) order: Order,
    pub(super) reply: oneshot::Sender<Result<(), PublishError>>,
}

/// An outcome to be told, once whoever must hear of the change has it queued.
#[must_use]
pub(super) struct Reply(oneshot::Sender<Result<(), PublishError>>, Result<(), PublishError>);

impl Reply {
    pub(super) fn send(self) {
        // An asker that has gone away needs no answer.
        drop(self.0.send(self.1));
    }
}

/// What the keeper waited for.
#[derive(Debug)]
pub(super) enum Woken {
    Done(Result<Done, JoinError>),
    /// It is time to look at the folder, or to try again.
    Due,
    /// The disk does not answer.
    Slow,
}

/// What a job found.
#[derive(Debug)]
pub(super) enum Done {
    Loaded(Result<Loaded, StorageError>),
    Written(Written),
    Restated(Result<FolderId, StorageError>),
    Probed(Result<(), StorageError>),
    Looked(Result<Option<FolderId>, StorageError>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Fine,
    Load,
    Restate,
    Probe(usize),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Keeping {
    /// `None`: items are in memory only.
    disk: Option<ConfigDisk>,
    troubles: TroubleBoard,
    need: Need,
    /// The folder that holds the items.
    folder: Option<FolderId>,
    waiting: VecDeque<Change>,
    waiting_bytes: usize,
    /// At most one.
    job: JoinSet<Done>,
    job_since: Instant,
    is_slow: bool,
    /// The batch that the job writes.
    in_flight: Vec<(Change, Wanted)>,
    due: Instant,
    /// The disk did not give some file when the folder was read.
    more_may_come: bool,
    /// Nothing was in the folder when it was read first: perhaps its disk is mounted late.
    began_empty: bool,
    /// Troubles about single files, by the files' names.
    lost: BTreeSet<String>,
}

impl Keeping {
    /// Items in memory only.
    pub(super) fn nowhere() -> Self {
        Self::new(None, TroubleBoard::default())
    }

    /// Reads what is in the folder into `configs`. A folder that cannot be read is told, and read again later.
    pub(super) async fn open(place: StoragePlace, troubles: TroubleBoard, configs: &mut ConfigStore) -> Self {
        let mut keeping = Self::new(Some(ConfigDisk::new(place)), troubles);
        configs.set_all_unreadable(Some("the folder of the config items was not read yet".into()));
        keeping.need = Need::Load;
        keeping.begin(configs, WallMs(0)).into_iter().for_each(Reply::send);
        if let Some(done) = keeping.job.join_next().await {
            let replies = keeping.advance(Woken::Done(done), configs, WallMs(0));
            replies.into_iter().for_each(Reply::send); // Nobody can have asked yet.
        }
        keeping
    }

    fn new(disk: Option<ConfigDisk>, troubles: TroubleBoard) -> Self {
        let now = Instant::now();
        Self {
            disk,
            troubles,
            need: Need::Fine,
            folder: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            job: JoinSet::new(),
            job_since: now,
            is_slow: false,
            in_flight: Vec::new(),
            due: now,
            more_may_come: false,
            began_empty: true,
            lost: BTreeSet::new(),
        }
    }

    /// Waits until there is something for [`Keeping::advance`]. Cancel-safe: a job that has ended stays in its set.
    pub(super) async fn woken(&mut self) -> Woken {
        let (runs, slow_at) = (!self.job.is_empty(), self.job_since + ANSWERS_WITHIN);
        tokio::select! {
            Some(done) = self.job.join_next() => Woken::Done(done),
            () = tokio::time::sleep_until(slow_at), if runs && !self.is_slow => Woken::Slow,
            () = tokio::time::sleep_until(self.due), if !runs && self.disk.is_some() => Woken::Due,
            else => std::future::pending().await,
        }
    }

    /// Takes an order in.
    pub(super) fn take(&mut self, change: Change, configs: &mut ConfigStore, now: WallMs) -> Vec<Reply> {
        let bytes = change.bytes();
        if self.waiting.len() >= MOST_WAITING || self.waiting_bytes + bytes > MOST_WAITING_BYTES {
            return vec![change.answered(Err(PublishError::TooManyWait))];
        }
        self.waiting_bytes += bytes;
        self.waiting.push_back(change);
        self.begin(configs, now)
    }

    /// Goes on after [`Keeping::woken`].
    pub(super) fn advance(&mut self, woken: Woken, configs: &mut ConfigStore, now: WallMs) -> Vec<Reply> {
        let mut replies = Vec::new();
        match woken {
            Woken::Slow => {
                self.is_slow = true;
                self.raise(&format!("the disk has not answered for {ANSWERS_WITHIN:?}; changes wait for it"));
            }
            Woken::Due => self.look(),
            Woken::Done(done) => {
                let was_slow = std::mem::take(&mut self.is_slow);
                replies = self.note(done, configs);
                if was_slow && self.need == Need::Fine {
                    self.heal();
                }
            }
        }
        replies.extend(self.begin(configs, now));
        replies
    }

    /// Waits a moment for what is being written.
    pub(super) async fn finish(&mut self, configs: &mut ConfigStore) -> Vec<Reply> {
        match tokio::time::timeout(STOP_WITHIN, self.job.join_next()).await {
            Ok(Some(done)) => self.note(done, configs),
            Ok(None) | Err(_) => Vec::new(),
        }
    }

    /// Begins the next job, if none runs.
    fn begin(&mut self, configs: &mut ConfigStore, now: WallMs) -> Vec<Reply> {
        let Some(disk) = self.disk.clone() else { return self.make_all(configs, now) };
        if !self.job.is_empty() {
            return Vec::new();
        }
        let is_due = Instant::now() >= self.due || !self.waiting.is_empty();
        match self.need {
            Need::Load if is_due => self.spawn(move || Done::Loaded(disk.load())),
            Need::Restate if is_due => {
                let items: Vec<_> = configs.all().map(|(key, item)| (key.clone(), item.clone())).collect();
                self.spawn(move || Done::Restated(disk.restate(&items)));
            }
            Need::Load | Need::Restate => {}
            Need::Fine | Need::Probe(_) => return self.begin_batch(disk, configs, now),
        }
        Vec::new()
    }

    fn begin_batch(&mut self, disk: ConfigDisk, configs: &ConfigStore, now: WallMs) -> Vec<Reply> {
        let replies = self.choose_batch(configs, now);
        if !self.in_flight.is_empty() {
            let wanted: Vec<Wanted> = self.in_flight.iter().map(|(_, wanted)| wanted.clone()).collect();
            let known = self.folder.clone();
            self.spawn(move || Done::Written(disk.write(known, &wanted)));
        } else if let Need::Probe(bytes) = self.need
            && Instant::now() >= self.due
        {
            self.spawn(move || Done::Probed(disk.probe(bytes)));
        }
        replies
    }

    /// Puts the changes in flight that can be written together, each item once; what needs no write is answered at once.
    fn choose_batch(&mut self, configs: &ConfigStore, now: WallMs) -> Vec<Reply> {
        let (mut replies, mut later, mut keys) = (Vec::new(), VecDeque::new(), BTreeSet::new());
        for change in std::mem::take(&mut self.waiting) {
            if self.in_flight.len() >= BATCH || keys.contains(&change.key) {
                keys.insert(change.key.clone()); // What comes after it for the same item stays after it.
                later.push_back(change);
                continue;
            }
            self.waiting_bytes -= change.bytes();
            if change.reply.is_closed() {
                continue; // Whoever asked has given up, and was not told that it is done.
            }
            match change.judged(configs, now) {
                Ok(Some(wanted)) => {
                    keys.insert(change.key.clone());
                    self.in_flight.push((change, wanted));
                }
                Ok(None) => replies.push(change.answered(Ok(()))),
                Err(refused) => replies.push(change.answered(Err(refused))),
            }
        }
        self.waiting = later;
        replies
    }

    /// Makes all changes at once where nothing is kept.
    fn make_all(&mut self, configs: &mut ConfigStore, now: WallMs) -> Vec<Reply> {
        let changes = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let make = |change: Change| {
            let made = change.judged(configs, now).map(|wanted| {
                wanted.into_iter().for_each(|(key, item)| configs.put(&key, item));
            });
            change.answered(made)
        };
        changes.into_iter().map(make).collect()
    }

    fn look(&mut self) {
        let Some(disk) = self.disk.clone() else { return };
        match self.need {
            Need::Fine if self.job.is_empty() => {
                self.due = Instant::now() + TRY_AGAIN;
                match self.more_may_come {
                    true => self.spawn(move || Done::Loaded(disk.load())),
                    false => self.spawn(move || Done::Looked(disk.look())),
                }
            }
            _ => {} // What is needed is due, which `begin` sees.
        }
    }

    fn spawn(&mut self, job: impl FnOnce() -> Done + Send + 'static) {
        self.job_since = Instant::now();
        self.job.spawn_blocking(job);
    }

    fn note(&mut self, done: Result<Done, JoinError>, configs: &mut ConfigStore) -> Vec<Reply> {
        match done {
            Ok(Done::Written(written)) => return self.note_written(written, configs),
            Ok(Done::Loaded(Ok(loaded))) => self.note_loaded(loaded, configs),
            Ok(Done::Loaded(Err(error))) => return self.note_unread(&error, configs),
            Ok(Done::Restated(Ok(folder))) => {
                self.folder = Some(folder);
                self.fine();
            }
            Ok(Done::Restated(Err(error))) => {
                self.fail(Need::Restate, &error);
                return self.refuse_waiting(|| PublishError::NotKept(error.told()));
            }
            Ok(Done::Probed(Ok(()))) => self.fine(),
            Ok(Done::Probed(Err(error))) => self.fail(self.need, &error),
            Ok(Done::Looked(looked)) => self.note_looked(looked, configs),
            Err(panicked) => {
                tracing::error!(error = %panicked, "keeping config items panicked");
                self.folder = None;
                self.need = Need::Restate;
                return self.refuse_in_flight("writing it panicked");
            }
        }
        Vec::new()
    }

    fn note_loaded(&mut self, loaded: Loaded, configs: &mut ConfigStore) {
        let (had_items, is_same) = (configs.all().next().is_some(), loaded.folder == self.folder);
        self.began_empty &= loaded.items.is_empty() && loaded.lost.is_empty();
        loaded.items.into_iter().for_each(|(key, item)| configs.restore(&key, item));
        configs.set_all_unreadable(None);
        self.folder = loaded.folder;
        for (file, reason) in &loaded.lost {
            let path = self.disk.as_ref().map_or_else(String::new, |disk| disk.path_of(file));
            let text = format!("a config item is lost: {path}: {reason}; publish it again, or remove it");
            self.troubles.raise(TroubleKind::Storage, &path, text);
        }
        let healed: Vec<String> = self.lost.iter().filter(|file| !loaded.lost.contains_key(*file)).cloned().collect();
        healed.iter().for_each(|file| self.heal_file(file));
        self.lost.extend(loaded.lost.keys().cloned());
        configs.set_unreadable(loaded.lost);
        self.more_may_come = loaded.may_come;
        // What was published before it came is not in it. Whether it can be written at all is known only once it was tried.
        self.need = if had_items && !is_same { Need::Restate } else { Need::Probe(1) };
        self.due = Instant::now();
    }

    /// Whatever was published before is not known now, and nothing can be said of any item.
    fn note_unread(&mut self, error: &StorageError, configs: &mut ConfigStore) -> Vec<Reply> {
        let reason: Arc<str> = error.told().into();
        if configs.all_readable().is_err() {
            configs.set_all_unreadable(Some(Arc::clone(&reason)));
        }
        self.fail(Need::Load, error);
        self.refuse_waiting(|| PublishError::Unreadable(UnreadableItem(Arc::clone(&reason))))
    }

    fn note_written(&mut self, written: Written, configs: &mut ConfigStore) -> Vec<Reply> {
        match written {
            Written::Done(results) => self.note_results(results, configs),
            Written::Elsewhere => {
                self.look_elsewhere(configs);
                for (change, _) in std::mem::take(&mut self.in_flight).into_iter().rev() {
                    self.waiting_bytes += change.bytes();
                    self.waiting.push_front(change); // Judged again when its turn comes.
                }
                Vec::new()
            }
            Written::Failed(error) => {
                let bytes = self.in_flight.iter().map(|(_, wanted)| bytes_of(wanted)).max().unwrap_or_default();
                self.fail(Need::Probe(bytes), &error);
                self.refuse_in_flight(&error.told())
            }
            Written::Unsure(error) => {
                self.fail(Need::Restate, &error);
                self.refuse_in_flight(&error.told())
            }
        }
    }

    fn note_results(&mut self, results: Vec<Result<(), StorageError>>, configs: &mut ConfigStore) -> Vec<Reply> {
        let (mut replies, mut largest_kept, mut failed) = (Vec::new(), 0, None);
        for ((change, wanted), result) in std::mem::take(&mut self.in_flight).into_iter().zip(results) {
            let bytes = bytes_of(&wanted);
            let outcome = result.as_ref().map_err(|error| PublishError::NotKept(error.told())).copied();
            match result {
                Ok(()) => {
                    largest_kept = largest_kept.max(bytes);
                    self.note_kept(wanted, configs);
                }
                Err(error) => failed = failed.filter(|(most, _)| *most >= bytes).or(Some((bytes, error))),
            }
            replies.push(change.answered(outcome));
        }
        match (failed, self.need) {
            (Some((bytes, error)), _) => self.fail(Need::Probe(bytes), &error),
            // What is smaller than what failed says nothing of that.
            (None, Need::Probe(bytes)) if largest_kept >= bytes => self.fine(),
            (None, _) => {}
        }
        replies
    }

    fn note_kept(&mut self, (key, item): Wanted, configs: &mut ConfigStore) {
        if !self.lost.is_empty() {
            self.heal_file(&file_name(&key));
        }
        configs.put(&key, item);
    }

    fn note_looked(&mut self, looked: Result<Option<FolderId>, StorageError>, configs: &mut ConfigStore) {
        match looked {
            Ok(found) if found == self.folder => {}
            Ok(_) => self.look_elsewhere(configs),
            // A folder that cannot be looked at can still be written, or the next change tells.
            Err(error) => self.fail(Need::Probe(1), &error),
        }
    }

    /// The folder is not the one that the items are in. If that one was empty at first, this one may be what was to be there then.
    fn look_elsewhere(&mut self, configs: &mut ConfigStore) {
        self.due = Instant::now();
        if self.folder.is_some() {
            self.raise("it vanished, or another folder is in its place; what was published is written anew");
        }
        if self.began_empty {
            configs.set_all_unreadable(Some("another folder of config items is there now and was not read yet".into()));
            self.need = Need::Load;
            return;
        }
        self.need = Need::Restate;
    }

    fn refuse_waiting(&mut self, why: impl Fn() -> PublishError) -> Vec<Reply> {
        self.waiting_bytes = 0;
        std::mem::take(&mut self.waiting).into_iter().map(|change| change.answered(Err(why()))).collect()
    }

    fn refuse_in_flight(&mut self, why: &str) -> Vec<Reply> {
        let refused = |(change, _): (Change, Wanted)| change.answered(Err(PublishError::NotKept(why.to_owned())));
        std::mem::take(&mut self.in_flight).into_iter().map(refused).collect()
    }

    fn fail(&mut self, need: Need, error: &StorageError) {
        self.need = match (self.need, need) {
            (Need::Probe(before), Need::Probe(bytes)) => Need::Probe(before.max(bytes).min(MOST_PROBED)),
            (_, Need::Probe(bytes)) => Need::Probe(bytes.clamp(1, MOST_PROBED)),
            _ => need,
        };
        self.due = Instant::now() + TRY_AGAIN;
        let what = if need == Need::Load { "what was published cannot be read" } else { "changes are refused" };
        self.raise(&format!("{}; {what}", error.told()));
    }

    fn fine(&mut self) {
        self.need = Need::Fine;
        self.due = Instant::now() + TRY_AGAIN;
        self.heal();
    }

    fn raise(&self, what: &str) {
        let Some(disk) = &self.disk else { return };
        let text = format!("config items of the embedded registry, {}: {what}", disk.path());
        self.troubles.raise(TroubleKind::Storage, &disk.path(), text);
    }

    fn heal(&self) {
        let Some(disk) = &self.disk else { return };
        self.troubles.heal(TroubleKind::Storage, &disk.path());
    }

    fn heal_file(&mut self, file: &str) {
        if let Some(disk) = &self.disk
            && self.lost.remove(file)
        {
            self.troubles.heal(TroubleKind::Storage, &disk.path_of(file));
        }
    }
}

impl Change {
    fn answered(self, outcome: Result<(), PublishError>) -> Reply {
        Reply(self.reply, outcome)
    }

    fn bytes(&self) -> usize {
        match &self.order {
            Order::Publish { content, .. } => content.len(),
            Order::Remove => 0,
        }
    }

    /// What is to be written; `None` if nothing is.
    fn judged(&self, configs: &ConfigStore, now: WallMs) -> Result<Option<Wanted>, PublishError> {
        match &self.order {
            Order::Publish { content, labels, cas_md5 } => {
                let expect = cas_md5.as_deref().map_or(ExpectedContent::Anything, ExpectedContent::Md5);
                let item = configs.prepare(&self.key, content, labels.clone(), expect, now)?;
                Ok(Some((self.key.clone(), Some(item))))
            }
            Order::Remove => {
                configs.all_readable()?;
                let is_there = configs.look(&self.key).map_or(true, |item| item.is_some());
                Ok(is_there.then(|| (self.key.clone(), None)))
            }
        }
    }
}

fn bytes_of((_, item): &Wanted) -> usize {
    item.as_ref().map_or(0, |item| item.content.len())
}

#[cfg(test)]
mod tests;
