//! A keeper with a file and a config item of a Nacos that is played.

use std::path::Path;
use std::time::Duration;

use federation_core::id::ServiceKey;
use federation_core::routing::StaleRule;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::InForce;
use federation_ports::facts::FactSource;
use federation_ports::metrics::PolicyOrigin;

const PATIENCE: Duration = Duration::from_secs(10);
const GOOD: &str = "stale: keep\n";
const OTHER: &str = "services: [{service: order, stale: keep}]\n";
const WRONG: &str = "locality: off\nstale: drop\n";

struct Running {
    reader: PolicyReader,
    item: watch::Sender<OwnItem>,
    metrics: PolicyMetrics,
    troubles: TroubleBoard,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), KeeperPanicked>>,
}

fn start(folder: &TempDir, file: Option<&Path>) -> Running {
    let (namespace, group, data_id) = ("public".into(), "g".into(), "d".into());
    let sources =
        PolicySources { file: file.map(Path::to_owned), item: Some(PolicyItem { namespace, group, data_id }) };
    let (item, heard) = watch::channel(OwnItem::NotHeard);
    let (metrics, troubles) = (PolicyMetrics::default(), TroubleBoard::default());
    let options = KeeperOptions {
        sources,
        item: heard,
        kept_in: folder.path().join("data").into(),
        troubles: troubles.clone(),
        metrics: metrics.clone(),
        clock: ProcessClock::start(),
    };
    let (keeper, reader) = PolicyKeeper::open(options);
    let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
    tasks.spawn(keeper.run(stop.clone()));
    Running { reader, item, metrics, troubles, stop, tasks }
}

impl Running {
    fn says(&self, content: &str) {
        self.item.send_replace(OwnItem::Content(content.into()));
    }

    async fn in_force(&self, kind: &str, holds: impl Fn(&InForce) -> bool) -> Arc<InForce> {
        let mut watch = self.reader.watch();
        let wanted = watch.wait_for(|it| it.source.kind() == kind && holds(it));
        let found = tokio::time::timeout(PATIENCE, wanted).await.expect("it is in force in time");
        Arc::clone(&found.expect("the keeper runs"))
    }

    async fn refuses(&self, refused: bool) -> Vec<String> {
        let mut standings = self.reader.standings_watch();
        let any = |standings: &Arc<[store::PolicyStanding]>| standings.iter().any(|it| it.refusal.is_some()) == refused;
        tokio::time::timeout(PATIENCE, standings.wait_for(any)).await.expect("in time").expect("the keeper runs");
        self.reader.limits().iter().map(ToString::to_string).collect()
    }

    async fn end(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap().unwrap();
        }
    }
}

fn stale(in_force: &InForce, service: &str) -> StaleRule {
    in_force.policies.effective(&ServiceKey::new("public", "G", service)).policy.stale
}

#[tokio::test]
async fn an_item_comes_into_force_a_wrong_one_does_not_and_a_deleted_one_gives_way() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(&folder, None);
    assert_eq!(running.reader.in_force().version, 0);
    running.says(GOOD);
    let first = running.in_force("config_item", |_| true).await;
    assert_eq!((first.version, stale(&first, "cart")), (1, StaleRule::Keep));
    running.says(WRONG);
    let limits = running.refuses(true).await;
    let want = "the policy in config item public/g/d is refused, version 1 from config item public/g/d stays in force: \
                line 2: stale: `drop` is not known (expected: one of demote, keep)";
    assert_eq!(limits, [want]);
    assert_eq!(running.reader.in_force().version, 1);
    assert_eq!(running.metrics.refused(PolicyOrigin::ConfigItem).get(), 1);
    running.says(OTHER);
    let second = running.in_force("config_item", |it| it.version == 2).await;
    assert_eq!((stale(&second, "cart"), stale(&second, "order")), (StaleRule::Demote, StaleRule::Keep));
    assert!(running.refuses(false).await.is_empty());
    running.item.send_replace(OwnItem::Absent);
    assert_eq!(running.in_force("defaults", |_| true).await.version, 3);
    let metrics = running.metrics.clone();
    running.end().await;
    let loads = [PolicyLoad::Accepted, PolicyLoad::Refused, PolicyLoad::Removed];
    assert_eq!(loads.map(|load| metrics.loads(PolicyOrigin::ConfigItem, load).get()), [2, 1, 1]);
    assert_eq!((metrics.version.get(), metrics.refused(PolicyOrigin::ConfigItem).get()), (3, 0));
}

#[tokio::test]
async fn a_file_counts_until_there_is_an_item_and_is_read_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.yaml");
    std::fs::write(&file, GOOD).unwrap();
    let running = start(&folder, Some(&file));
    assert_eq!(running.reader.in_force().source.kind(), "file", "before anything runs");
    std::fs::write(&file, OTHER).unwrap();
    let changed = running.in_force("file", |it| it.version == 2).await;
    assert_eq!(stale(&changed, "order"), StaleRule::Keep);
    std::fs::write(&file, WRONG).unwrap();
    assert!(running.refuses(true).await[0].contains("p.yaml is refused, version 2 from file"));
    std::fs::remove_file(&file).unwrap();
    let missing = async {
        while !running.reader.limits().iter().map(ToString::to_string).collect::<String>().contains("cannot be read") {
            running.reader.standings_watch().changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, missing).await.unwrap();
    assert_eq!(running.reader.in_force().version, 2, "a missing file is no word");
    running.says(GOOD);
    running.in_force("config_item", |_| true).await;
    std::fs::write(&file, "").unwrap();
    running.refuses(false).await;
    running.item.send_replace(OwnItem::Absent);
    let empty = running.in_force("file", |_| true).await;
    assert_eq!(stale(&empty, "order"), StaleRule::Demote, "an emptied file gives the defaults back");
    running.end().await;
}

#[tokio::test]
async fn a_restart_keeps_what_was_good_while_its_source_is_silent_or_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.yaml");
    std::fs::write(&file, GOOD).unwrap();
    let running = start(&folder, Some(&file));
    running.says(OTHER);
    let before = running.in_force("config_item", |_| true).await;
    running.end().await;

    std::fs::write(&file, WRONG).unwrap();
    let running = start(&folder, Some(&file));
    let kept = running.reader.in_force();
    assert_eq!((kept.source.kind(), &kept.md5, kept.since), ("config_item", &before.md5, before.since));
    running.says(WRONG);
    running.refuses(true).await;
    assert_eq!(running.reader.in_force().version, kept.version);
    running.item.send_replace(OwnItem::Absent);
    let of_file = running.in_force("file", |_| true).await;
    assert_eq!(stale(&of_file, "cart"), StaleRule::Keep, "the file's last good document");
    running.end().await;

    let running = start(&folder, Some(&file));
    assert_eq!(running.reader.in_force().source.kind(), "file", "what is gone was not kept");
    running.end().await;
}

#[tokio::test]
async fn a_policy_that_the_disk_does_not_take_is_in_force_told_and_kept_once_there_is_a_disk() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::write(&data, "a file where the folder should be").unwrap();
    let running = start(&folder, None);
    running.says(GOOD);
    running.in_force("config_item", |_| true).await;
    let told = async || {
        while running.troubles.all().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        running.troubles.all()
    };
    let told = tokio::time::timeout(PATIENCE, told()).await.expect("the trouble is told");
    let about = data.join("policy-config_item.json").display().to_string();
    assert_eq!((told.len(), told[0].kind, &told[0].about), (1, TroubleKind::Storage, &about));
    assert!(told[0].text.contains("a file is where a folder should be"), "{}", told[0].text);
    std::fs::remove_file(&data).unwrap();
    let healed = async || {
        while !running.troubles.all().is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(2 * TRY_AGAIN, healed()).await.expect("it is tried again without a new document");
    running.end().await;
    let again = start(&folder, None);
    assert_eq!(again.reader.in_force().source.kind(), "config_item");
    again.end().await;
}
