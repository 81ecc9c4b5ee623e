use std::fs;
use std::path::Path;

use federation_core::federation::OriginSnapshot;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    engine: mpsc::Sender<SnapshotStream>,
    mark: Arc<SnapshotMark>,
    troubles: TroubleBoard,
    tasks: JoinSet<()>,
}

fn start(folder: &Path) -> Running {
    let (troubles, (engine, snapshots)) = (TroubleBoard::default(), mpsc::channel(1));
    let mut tasks = JoinSet::new();
    let mark = Arc::<SnapshotMark>::default();
    tasks.spawn(
        SnapshotKeeper::new(folder.into(), SealKeyring::default(), troubles.clone(), snapshots, Arc::clone(&mark))
            .run(),
    );
    Running { engine, mark, troubles, tasks }
}

fn snapshot(partitions: u32) -> Vec<OriginSnapshot> {
    let origin = "a".parse().unwrap();
    vec![OriginSnapshot {
        origin,
        descriptor: None,
        last_beat: None,
        partitions,
        facts: Vec::new(),
        intents: Vec::new(),
        places: Vec::new(),
    }]
}

fn on_disk(folder: &Path) -> Option<u32> {
    snapshot_file::read(&folder.into(), &Default::default()).map(|origins| origins[0].partitions)
}

impl Running {
    /// Hands a snapshot over as the engine does; false if it is not taken to its end.
    async fn send(&self, revision: u64, pieces: Vec<OriginSnapshot>) -> bool {
        let (to, stream) = SnapshotStream::of(revision);
        self.engine.send(stream).await.unwrap();
        let mut pieces = pieces.into_iter().peekable();
        while pieces.peek().is_some() {
            if to.is_closed() {
                return false;
            }
            if to.offer(|| pieces.next().map(Into::into)).is_err() {
                to.room().await;
            }
        }
        while to.end().is_err() {
            if to.is_closed() {
                return false;
            }
            to.room().await;
        }
        true
    }

    async fn until(&self, what: &str, holds: impl Fn(&TroubleBoard) -> bool) {
        let poll = async {
            while !holds(&self.troubles) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, poll).await.unwrap_or_else(|_| panic!("{what}: {:?}", self.troubles.all()));
    }

    async fn end(mut self) {
        drop(self.engine);
        tokio::time::timeout(PATIENCE, self.tasks.join_next()).await.expect("it ends").unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_snapshot_that_the_disk_does_not_take_is_told_and_written_by_itself_once_it_does() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("data");
    let running = start(&folder);
    assert!(running.send(1, snapshot(1)).await);
    let written = async {
        while on_disk(&folder) != Some(1) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.unwrap();
    fs::rename(&folder, root.path().join("away")).unwrap();
    fs::write(&folder, "a file where the folder should be").unwrap();
    running.send(2, snapshot(2)).await;
    running.until("it says so", |board| !board.all().is_empty()).await;
    let trouble = running.troubles.all().remove(0);
    assert_eq!((trouble.kind, &trouble.about), (TroubleKind::Storage, &folder.join("snapshot").display().to_string()));
    assert!(trouble.text.contains("a file is where a folder should be"), "{}", trouble.text);
    assert_eq!(on_disk(&root.path().join("away")), Some(1), "the former one stays");
    fs::remove_file(&folder).unwrap();
    fs::rename(root.path().join("away"), &folder).unwrap();
    running.until("it is healed, though the engine says nothing new", |board| board.all().is_empty()).await;
    assert!(running.mark.take_wanted() && !running.mark.is_blocked(), "the engine is asked for another");
    assert!(running.mark.has(1), "the last is not on disk");
    assert!(running.send(3, snapshot(3)).await);
    running.until("it is on disk", |_| on_disk(&folder) == Some(3)).await;
    running.end().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told_before_there_is_a_snapshot() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("data"), "a file where the folder should be").unwrap();
    let running = start(&root.path().join("data"));
    running.until("it says so", |board| !board.all().is_empty()).await;
    fs::remove_file(root.path().join("data")).unwrap();
    running.until("it is healed", |board| board.all().is_empty()).await;
    running.end().await;
}

#[tokio::test]
async fn the_last_snapshot_is_on_disk_when_it_ends_and_a_disk_that_takes_none_does_not_hold_it_up() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("data");
    let running = start(&folder);
    for number in 1..20 {
        assert!(running.send(u64::from(number), snapshot(number)).await);
    }
    running.end().await;
    assert_eq!(on_disk(&folder), Some(19));
    let broken = root.path().join("file");
    fs::write(&broken, "").unwrap();
    let running = start(&broken);
    running.send(1, snapshot(1)).await;
    running.end().await;
}

#[tokio::test]
async fn what_the_engine_does_not_bring_to_an_end_is_never_put_in_place() {
    let root = tempfile::tempdir().unwrap();
    let running = start(root.path());
    assert!(running.send(1, snapshot(1)).await);
    let (to, stream) = SnapshotStream::of(2);
    running.engine.send(stream).await.unwrap();
    to.offer(|| snapshot(2).pop().map(Into::into)).unwrap();
    to.room().await;
    drop(to);
    running.end().await;
    assert_eq!(on_disk(root.path()), Some(1));
    assert!(!root.path().join("snapshot.new").exists());
}
