//! Changes against a real folder, and what can be done to one.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::configs::{config_key, md5_hex};
use federation_ports::trouble::Trouble;

const PATIENCE: Duration = Duration::from_secs(20);

struct Kept {
    keeping: Keeping,
    configs: ConfigStore,
    troubles: TroubleBoard,
    folder: PathBuf,
}

fn key(data_id: &str) -> ConfigKey {
    config_key("", "g", data_id)
}

fn publication(content: &str, cas_md5: Option<String>) -> Order {
    Order::Publish { content: content.into(), labels: ConfigLabels::default(), cas_md5 }
}

type Told = oneshot::Receiver<Result<(), PublishError>>;

impl Kept {
    async fn open(folder: &Path) -> Self {
        let (troubles, mut configs) = (TroubleBoard::default(), ConfigStore::default());
        let keeping = Keeping::open(folder.into(), troubles.clone(), &mut configs).await;
        Self { keeping, configs, troubles, folder: folder.to_owned() }
    }

    fn order(&mut self, data_id: &str, order: Order) -> Told {
        let (reply, told) = oneshot::channel();
        let change = Change { key: key(data_id), order, reply };
        self.keeping.take(change, &mut self.configs, WallMs(7)).into_iter().for_each(Reply::send);
        told
    }

    async fn step(&mut self) {
        let woken = tokio::time::timeout(PATIENCE, self.keeping.woken()).await.expect("something happens");
        self.keeping.advance(woken, &mut self.configs, WallMs(7)).into_iter().for_each(Reply::send);
    }

    async fn outcome(&mut self, mut told: Told) -> Result<(), PublishError> {
        loop {
            if let Ok(outcome) = told.try_recv() {
                return outcome;
            }
            self.step().await;
        }
    }

    async fn publish(&mut self, data_id: &str, content: &str) -> Result<(), PublishError> {
        let told = self.order(data_id, publication(content, None));
        self.outcome(told).await
    }

    async fn remove(&mut self, data_id: &str) -> Result<(), PublishError> {
        let told = self.order(data_id, Order::Remove);
        self.outcome(told).await
    }

    /// What is due is done, without waiting for it.
    async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..20 {
            if holds(self) && self.keeping.job.is_empty() {
                return;
            }
            self.keeping.due = Instant::now();
            self.step().await;
        }
        panic!("{what}: {:?}, {:?}", self.keeping, self.troubles.all());
    }

    async fn until_fine(&mut self) {
        self.until("it is fine", |it| it.keeping.need == Need::Fine).await;
    }

    fn content(&self, data_id: &str) -> Result<Option<String>, UnreadableItem> {
        self.configs.look(&key(data_id)).map(|item| item.map(|item| item.content.to_string()))
    }

    fn trouble(&self) -> Option<Trouble> {
        let all = self.troubles.all();
        assert!(all.len() < 2, "{all:?}");
        all.into_iter().next()
    }

    /// What a process that starts now would find.
    fn on_disk(&self) -> Vec<(String, String)> {
        let loaded = ConfigDisk::new(self.folder.as_path().into()).load().unwrap();
        assert!(loaded.lost.is_empty(), "{loaded:?}");
        let shown = |(key, item): &(ConfigKey, crate::configs::ConfigItem)| {
            (key.data_id().to_owned(), item.content.to_string())
        };
        let mut found: Vec<_> = loaded.items.iter().map(shown).collect();
        found.sort();
        found
    }
}

fn pairs(items: &[(&str, &str)]) -> Vec<(String, String)> {
    items.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect()
}

#[tokio::test]
async fn a_change_is_made_and_answered_once_it_is_on_disk_and_not_before() {
    let root = tempfile::tempdir().unwrap();
    let mut kept = Kept::open(&root.path().join("registry")).await;
    let mut told = kept.order("a", publication("1", None));
    assert_eq!((kept.content("a"), told.try_recv().is_err()), (Ok(None), true));
    kept.outcome(told).await.unwrap();
    assert_eq!((kept.content("a"), kept.on_disk()), (Ok(Some("1".into())), pairs(&[("a", "1")])));
    assert_eq!(kept.configs.take_changed().len(), 1, "listeners hear of it");
    let mut told = kept.order("a", Order::Remove);
    assert_eq!((kept.content("a"), told.try_recv().is_err()), (Ok(Some("1".into())), true));
    kept.outcome(told).await.unwrap();
    assert_eq!((kept.content("a"), kept.on_disk()), (Ok(None), pairs(&[])));
    kept.remove("never there").await.unwrap();
    kept.until_fine().await;
    assert_eq!(kept.trouble(), None);
}

#[tokio::test]
async fn changes_of_one_item_are_made_in_order_and_compared_with_what_is_there_at_their_turn() {
    let root = tempfile::tempdir().unwrap();
    let mut kept = Kept::open(root.path()).await;
    let one = md5_hex("1");
    let told = [
        kept.order("a", publication("1", None)),
        kept.order("b", publication("2", None)),
        kept.order("a", publication("3", Some(one.clone()))),
        kept.order("a", publication("4", Some(one))),
        kept.order("b", Order::Remove),
        kept.order("b", publication("5", None)),
        kept.order("c", publication(" ", None)),
    ];
    let mut outcomes = Vec::new();
    for told in told {
        outcomes.push(kept.outcome(told).await.is_ok());
    }
    assert_eq!(outcomes, [true, true, true, false, true, true, false]);
    assert_eq!(kept.on_disk(), pairs(&[("a", "3"), ("b", "5")]));
    assert_eq!((kept.content("a"), kept.content("b")), (Ok(Some("3".into())), Ok(Some("5".into()))));
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_refused_and_told_and_nothing_changes_until_it_does() {
    let root = tempfile::tempdir().unwrap();
    let (folder, away) = (root.path().join("registry"), root.path().join("away"));
    let mut kept = Kept::open(&folder).await;
    kept.publish("a", "1").await.unwrap();
    fs::rename(&folder, &away).unwrap();
    fs::write(&folder, "a file where the folder should be").unwrap();
    let refused = [kept.publish("a", "2").await, kept.remove("a").await, kept.publish("b", "3").await];
    for refused in refused {
        let Err(PublishError::NotKept(reason)) = refused else { panic!("{refused:?}") };
        assert!(reason.contains("a file is where a folder should be"), "{reason}");
    }
    assert_eq!((kept.content("a"), kept.content("b")), (Ok(Some("1".into())), Ok(None)));
    kept.until("it says so", |it| it.trouble().is_some()).await;
    let trouble = kept.trouble().unwrap();
    assert_eq!((trouble.kind, trouble.about), (TroubleKind::Storage, folder.display().to_string()));
    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    kept.until_fine().await;
    assert_eq!((kept.trouble(), kept.on_disk()), (None, pairs(&[("a", "1")])), "healed without a new change");
    kept.publish("a", "4").await.unwrap();
    assert_eq!(kept.on_disk(), pairs(&[("a", "4")]));
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told_before_anybody_publishes() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("data"), "a file where the folder should be").unwrap();
    let mut kept = Kept::open(&root.path().join("data/registry")).await;
    assert!(kept.trouble().is_some());
    fs::remove_file(root.path().join("data")).unwrap();
    kept.until_fine().await;
    assert_eq!((kept.trouble(), kept.content("a")), (None, Ok(None)));
}

#[tokio::test]
async fn items_of_a_folder_that_cannot_be_read_are_neither_there_nor_absent_until_it_can_be() {
    let root = tempfile::tempdir().unwrap();
    let (folder, away) = (root.path().join("registry"), root.path().join("away"));
    let mut before = Kept::open(&folder).await;
    before.publish("a", "1").await.unwrap();
    fs::rename(&folder, &away).unwrap();
    fs::write(&folder, "a file where the folder should be").unwrap();
    let mut kept = Kept::open(&folder).await;
    assert!(kept.content("a").is_err() && kept.content("never there").is_err());
    for refused in [kept.publish("b", "2").await, kept.remove("a").await] {
        assert!(matches!(refused, Err(PublishError::Unreadable(_))), "{refused:?}");
    }
    assert!(kept.trouble().unwrap().text.contains("what was published cannot be read"));
    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    kept.publish("b", "2").await.unwrap();
    assert_eq!(kept.content("a"), Ok(Some("1".into())));
    assert_eq!(kept.configs.take_changed().len(), 2, "listeners hear of what came back too");
    kept.until_fine().await;
    assert_eq!((kept.trouble(), kept.on_disk()), (None, pairs(&[("a", "1"), ("b", "2")])));
}

#[tokio::test]
async fn a_folder_that_vanishes_is_made_again_with_all_that_was_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("registry");
    let mut kept = Kept::open(&folder).await;
    for (name, content) in [("a", "1"), ("b", "2"), ("gone", "3")] {
        kept.publish(name, content).await.unwrap();
    }
    kept.remove("gone").await.unwrap();
    kept.until_fine().await;
    fs::remove_dir_all(&folder).unwrap();
    kept.until("it is there again", |it| it.folder.exists()).await; // Though nobody publishes anything.
    assert_eq!(kept.on_disk(), pairs(&[("a", "1"), ("b", "2")]));
    fs::remove_dir_all(&folder).unwrap();
    kept.publish("b", "4").await.unwrap();
    assert_eq!(kept.on_disk(), pairs(&[("a", "1"), ("b", "4")]), "not only what came after");
    kept.until_fine().await;
    assert_eq!(kept.trouble(), None);
}

#[tokio::test]
async fn a_folder_whose_disk_is_mounted_late_is_read_and_what_came_before_joins_it() {
    for (before, after, want) in [
        (None, None, &[("a", "1")][..]),
        (None, Some(("b", "2")), &[("a", "1"), ("b", "2")]),
        (Some(("c", "3")), None, &[("a", "1"), ("c", "3")]),
        (Some(("a", "4")), Some(("b", "2")), &[("a", "4"), ("b", "2")]),
    ] {
        let root = tempfile::tempdir().unwrap();
        let [folder, late, away] = ["registry", "late", "away"].map(|name| root.path().join(name));
        Kept::open(&late).await.publish("a", "1").await.unwrap();
        let mut kept = Kept::open(&folder).await;
        if let Some((name, content)) = before {
            kept.publish(name, content).await.unwrap();
        }
        kept.until_fine().await;
        fs::rename(&folder, &away).unwrap();
        fs::rename(&late, &folder).unwrap();
        if let Some((name, content)) = after {
            kept.publish(name, content).await.unwrap();
        }
        kept.until("it is found", |it| it.content("a").is_ok_and(|found| found.is_some())).await;
        kept.until_fine().await;
        assert_eq!((kept.on_disk(), kept.trouble()), (pairs(want), None));
        for (name, content) in want {
            assert_eq!(kept.content(name), Ok(Some((*content).to_owned())));
        }
    }
}

#[tokio::test]
async fn a_lost_item_is_told_and_not_absent_until_it_is_published_or_removed() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join(file_name(&key("a")));
    for by in ["publishing", "removing"] {
        let mut before = Kept::open(root.path()).await;
        before.publish("a", "1").await.unwrap();
        drop(before);
        fs::write(&file, "half of it").unwrap();
        let mut kept = Kept::open(root.path()).await;
        assert!(kept.content("a").is_err(), "{by}");
        assert_eq!(kept.trouble().unwrap().about, file.display().to_string(), "{by}");
        kept.publish("b", "2").await.unwrap();
        assert!(kept.trouble().is_some(), "{by}: another's success says nothing of it");
        match by {
            "publishing" => kept.publish("a", "3").await.unwrap(),
            _ => kept.remove("a").await.unwrap(),
        }
        assert_eq!((kept.trouble(), kept.content("a").is_ok()), (None, true), "{by}");
        kept.until_fine().await;
    }
}

#[tokio::test]
async fn after_a_sync_that_failed_the_disk_is_made_to_hold_what_was_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let mut kept = Kept::open(root.path()).await;
    kept.publish("a", "1").await.unwrap();
    kept.until_fine().await;
    let told = kept.order("a", publication("2", None));
    let Some(Ok(_)) = kept.keeping.job.join_next().await else { panic!("it is written") };
    assert_eq!(kept.on_disk(), pairs(&[("a", "2")]), "the disk has it, and does not say for how long");
    let error = StorageError::NotAFile { path: "folder".into(), what: "not synced" };
    let done = Woken::Done(Ok(Done::Written(Written::Unsure(error))));
    kept.keeping.advance(done, &mut kept.configs, WallMs(7)).into_iter().for_each(Reply::send);
    assert!(matches!(kept.outcome(told).await, Err(PublishError::NotKept(_))));
    assert!(kept.trouble().is_some());
    kept.until_fine().await;
    assert_eq!((kept.trouble(), kept.on_disk(), kept.content("a")), (None, pairs(&[("a", "1")]), Ok(Some("1".into()))));
}

#[tokio::test]
async fn a_small_success_says_nothing_of_a_large_failure() {
    let root = tempfile::tempdir().unwrap();
    let mut kept = Kept::open(root.path()).await;
    kept.until_fine().await;
    let error = StorageError::NotAFile { path: "x".into(), what: "as if there were no room" };
    kept.keeping.fail(Need::Probe(5), &error);
    kept.publish("a", "1").await.unwrap();
    assert!(kept.trouble().is_some(), "one byte fits");
    kept.publish("b", "12345").await.unwrap();
    assert_eq!(kept.trouble(), None);
}

#[tokio::test]
async fn changes_that_nobody_waits_for_any_more_are_not_made_and_too_many_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let mut kept = Kept::open(root.path()).await;
    kept.until_fine().await;
    let first = kept.order("first", publication("1", None)); // Being written: all others wait.
    drop(kept.order("given up", publication("2", None)));
    let waiting: Vec<Told> =
        (1..MOST_WAITING).map(|number| kept.order(&format!("d{number}"), publication("3", None))).collect();
    let refused = kept.order("one more", publication("4", None)).await.unwrap();
    assert_eq!(refused, Err(PublishError::TooManyWait));
    kept.outcome(first).await.unwrap();
    for told in waiting {
        kept.outcome(told).await.unwrap();
    }
    assert_eq!((kept.content("given up"), kept.content("one more")), (Ok(None), Ok(None)));
    let large = "x".repeat(MOST_WAITING_BYTES / 8);
    let first = kept.order("first", publication("5", None));
    let outcomes: Vec<bool> =
        (0..9).map(|_| kept.order("large", publication(&large, None)).try_recv().is_err()).collect();
    assert_eq!(outcomes.iter().filter(|waits| **waits).count(), 8, "bytes are bounded too");
    kept.outcome(first).await.unwrap();
}

#[tokio::test]
async fn without_a_folder_changes_are_made_at_once() {
    let (mut keeping, mut configs) = (Keeping::nowhere(), ConfigStore::default());
    for (order, want) in [(publication("1", None), Some("1")), (Order::Remove, None)] {
        let (reply, told) = oneshot::channel();
        let change = Change { key: key("a"), order, reply };
        keeping.take(change, &mut configs, WallMs(7)).into_iter().for_each(Reply::send);
        told.await.unwrap().unwrap();
        assert_eq!(configs.look(&key("a")).unwrap().map(|item| &*item.content), want);
    }
}
