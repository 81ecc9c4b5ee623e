//! What was ordered: by whom, from where, and what came of it.
//!
//! Input: a record of each act and of each that was refused, from the layer around all routes, so that no path can be forgotten. Output: a line
//! of JSON in a file, an event of tracing, and the newest ones in memory for whoever asks. Invariants: recording never waits and never fails an
//! act; what is lost because the disk does not follow is counted and told; a line is one record whatever is in it.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use federation_ports::metrics::TroubleKind;
use federation_ports::trouble::TroubleBoard;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

/// Records in memory: days of what people order. A record has at most some KiB.
const MOST_RECENT: usize = 1_000;
/// Records that wait for the disk: a burst of scripts.
const MOST_WAITING: usize = 1_024;
/// Size from which a file is put aside.
const LARGEST_FILE_BYTES: u64 = 16 << 20;
/// Files that were put aside: `FILE.1`, the newest, to `FILE.5`.
const KEPT_FILES: usize = 5;

/// What became of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditOutcome {
    /// It was carried out, or tried as a dry run.
    Done,
    /// Whoever ordered it may not, or is not known.
    Refused,
    /// It was wrong, or could not be carried out.
    Failed,
}

impl AuditOutcome {
    /// As documents name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// By the HTTP status of the answer.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Done,
            401 | 403 => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// An act.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The identity: `token:ops`; of who is not known, `anonymous`.
    pub who: String,
    /// The other side's address.
    pub from: Option<String>,
    /// By what he is known: `token`.
    pub means: Option<String>,
    /// The cluster in whose log it was read; `None` if it was ordered at this gateway.
    pub taken_in: Option<String>,
    /// Method and path.
    pub act: String,
    /// The order as it came, without what is secret; a text if it is no JSON.
    pub order: Value,
    /// What was in force before, and what is after it; null where nothing changed, or that cannot be said in a word.
    pub before: Value,
    /// As `before`.
    pub after: Value,
    /// Why, for people.
    pub reason: Option<String>,
    /// What became of it.
    pub outcome: AuditOutcome,
    /// The HTTP status of the answer; 0 of what was read in the log.
    pub status: u16,
    /// The answer: what is in force now, or why nothing was done; null if it is long or secret.
    pub answer: Value,
}

impl AuditRecord {
    /// One line, without the break at its end. What moves a terminal's cursor or reorders its text is escaped, as it may be in JSON.
    #[must_use]
    pub fn line(&self) -> String {
        let json = serde_json::to_string(self).expect("texts and numbers can be written");
        let mut line = String::with_capacity(json.len());
        for character in json.chars() {
            match character {
                '\u{7f}'..='\u{9f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}' => {
                    line.push_str(&format!("\\u{:04x}", u32::from(character)));
                }
                character => line.push(character),
            }
        }
        line
    }
}

/// Takes records. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct AuditLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Locked for single operations.
    recent: Mutex<VecDeque<Arc<AuditRecord>>>,
    queue: Option<mpsc::Sender<Arc<AuditRecord>>>,
    troubles: TroubleBoard,
}

const LOST: &str = "audit";

impl AuditLog {
    /// Keeps records in memory, and has them written by the task that comes with it, if there is a file.
    #[must_use]
    pub fn new(file: Option<PathBuf>, troubles: TroubleBoard) -> (Self, Option<AuditWriter>) {
        let (queue, records) = mpsc::channel(MOST_WAITING);
        let writer = file.map(|path| AuditWriter { path, records, troubles: troubles.clone() });
        let queue = writer.is_some().then_some(queue);
        (Self(Arc::new(Shared { recent: Mutex::default(), queue, troubles })), writer)
    }

    /// Takes a record.
    pub fn record(&self, record: AuditRecord) {
        let line = record.line();
        tracing::info!(target: "nacos_fed::audit", record = line, "an act");
        let record = Arc::new(record);
        // While the gateway stops nobody writes any more: the last ones are in the log alone.
        if let Some(queue) = &self.0.queue
            && let Err(TrySendError::Full(_)) = queue.try_send(Arc::clone(&record))
        {
            let text = "acts are not written to the audit file: the disk does not follow";
            self.0.troubles.raise(TroubleKind::Access, LOST, text);
        }
        let mut recent = self.recent_ones();
        if recent.len() >= MOST_RECENT {
            recent.pop_front();
        }
        recent.push_back(record);
    }

    /// The newest records of this process, the oldest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Arc<AuditRecord>> {
        self.recent_ones().iter().cloned().collect()
    }

    fn recent_ones(&self) -> MutexGuard<'_, VecDeque<Arc<AuditRecord>>> {
        self.0.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes records to a file, and puts it aside when it is large.
pub struct AuditWriter {
    path: PathBuf,
    records: mpsc::Receiver<Arc<AuditRecord>>,
    troubles: TroubleBoard,
}

impl AuditWriter {
    /// Runs until `stop`, then writes what waits. A disk that does not take records is a trouble, not an end.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let mut records = Vec::new();
            tokio::select! { // Both are cancel-safe.
                () = stop.cancelled() => {
                    self.records.close();
                    while self.records.recv_many(&mut records, MOST_WAITING).await > 0 {}
                    self.write(records).await;
                    return;
                }
                many = self.records.recv_many(&mut records, MOST_WAITING) => if many == 0 { return },
            }
            self.write(records).await;
        }
    }

    async fn write(&self, records: Vec<Arc<AuditRecord>>) {
        if records.is_empty() {
            return; // Nothing is written, which says nothing of the disk.
        }
        let (path, text) = (self.path.clone(), lines(&records));
        let written = spawn_blocking(move || append(&path, &text, LARGEST_FILE_BYTES)).await;
        let failure = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        let told = failure.map(|error| format!("acts are not written to {}: {error}", self.path.display()));
        self.troubles.set(TroubleKind::Access, LOST, told);
    }
}

fn lines(records: &[Arc<AuditRecord>]) -> String {
    records.iter().map(|record| record.line() + "\n").collect()
}

/// Adds the text to the file, which is for its owner alone; before that, a file that is too large is put aside.
fn append(path: &Path, text: &str, largest: u64) -> io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() >= largest) {
        put_aside(path)?;
    }
    let mut file: File = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

fn put_aside(path: &Path) -> io::Result<()> {
    let numbered = |number: usize| PathBuf::from(format!("{}.{number}", path.display()));
    for number in (1..KEPT_FILES).rev() {
        match std::fs::rename(numbered(number), numbered(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(path, numbered(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(who: &str) -> AuditRecord {
        AuditRecord {
            at_ms: 5,
            who: who.to_owned(),
            from: Some("10.0.0.1:5".to_owned()),
            means: Some("token".to_owned()),
            taken_in: None,
            act: "POST /v1/drains".to_owned(),
            order: serde_json::json!({"cluster": "frankfurt"}),
            before: Value::Null,
            after: Value::Null,
            reason: None,
            outcome: AuditOutcome::Done,
            status: 200,
            answer: Value::Null,
        }
    }

    #[test]
    fn a_record_is_one_line_whatever_is_in_it() {
        let line = record("a\nb\u{1b}[2J\u{9b}\u{7f}\u{202e}").line();
        assert!(line.chars().all(|character| !character.is_control() && character != '\u{202e}'), "{line}");
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["who"], "a\nb\u{1b}[2J\u{9b}\u{7f}\u{202e}");
    }

    #[test]
    fn a_file_that_is_large_is_put_aside_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        for number in 0..10 {
            append(&path, &format!("{number}\n"), 2).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(
            (read("audit.jsonl"), read("audit.jsonl.1"), read("audit.jsonl.5")),
            ("9\n".into(), "8\n".into(), "4\n".into())
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 6);
    }

    #[tokio::test]
    async fn records_are_in_memory_and_in_the_file_and_a_disk_that_fails_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let board = TroubleBoard::default();
        let (log, writer) = AuditLog::new(Some(path.clone()), board.clone());
        log.record(record("token:ops"));
        log.record(record("token:ci"));
        let stop = CancellationToken::new();
        stop.cancel();
        writer.unwrap().run(stop.clone()).await;
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!((text.lines().count(), log.recent().len()), (2, 2));
        assert!(
            text.starts_with(r#"{"atMs":5,"who":"token:ops","from":"10.0.0.1:5","means":"token","takenIn":null,"act":"POST /v1/drains""#),
            "{text}"
        );

        let (log, writer) = AuditLog::new(Some(folder.path().join("nowhere/audit.jsonl")), board.clone());
        log.record(record("token:ops"));
        writer.unwrap().run(stop).await;
        assert!(board.all()[0].text.contains("nowhere"), "{:?}", board.all());
    }

    #[test]
    fn memory_keeps_the_newest() {
        let (log, _) = AuditLog::new(None, TroubleBoard::default());
        for number in 0..MOST_RECENT + 5 {
            log.record(record(&number.to_string()));
        }
        assert_eq!((log.recent().len(), log.recent()[0].who.as_str()), (MOST_RECENT, "5"));
    }
}
