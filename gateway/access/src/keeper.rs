//! The task that keeps accounts up to date: looks at the files again and again by their content, has them read, and publishes what follows.
//!
//! Notifications of file systems do not work on all of them, and not through the links by which Kubernetes mounts secrets. A file that is
//! wrong, or cannot be read, changes nothing: what was good before counts on, and the board of troubles says so. Duty of whoever runs it:
//! its end must end the process, or a revoked token would count for ever.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use federation_document::mistakes::Mistakes;
use federation_document::text_file;
use federation_ports::metrics::TroubleKind;
use federation_ports::trouble::TroubleBoard;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::authority::AccessAuthority;
use crate::book::AccessBook;
use crate::document::{
    AccessSettings, LARGEST_FILE_BYTES, RoleBinding, TokenEntry, bindings_from_text, tokens_from_text,
};

/// How often files are looked at. Twice this passes at most until a revoked token counts no more.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Mistakes of a file that the trouble names.
const NAMED: usize = 3;

/// A part of the keeper panicked; a file that does so is a defect of this program.
#[derive(Debug, thiserror::Error)]
#[error("reading a file of accounts panicked")]
pub struct AccessKeeperPanicked(#[from] JoinError);

/// See the module.
pub struct AccessKeeper {
    authority: AccessAuthority,
    settings: AccessSettings,
    tokens: Option<WatchedFile<Vec<TokenEntry>>>,
    bindings: Option<WatchedFile<Arc<[RoleBinding]>>>,
    troubles: TroubleBoard,
}

impl AccessKeeper {
    /// Reads the files once, so that who is known is known from the start. Blocks while it reads.
    #[must_use]
    pub fn open(settings: AccessSettings, troubles: TroubleBoard) -> (Self, AccessAuthority) {
        let authority = AccessAuthority::default();
        let watched = |path: &Option<PathBuf>| path.clone();
        let tokens = watched(&settings.tokens_file).map(|path| WatchedFile::new(path, tokens_from_text));
        let bindings = watched(&settings.bindings_file).map(|path| WatchedFile::new(path, bindings_from_text));
        let mut keeper = Self { authority: authority.clone(), settings, tokens, bindings, troubles };
        if let Some(file) = &mut keeper.tokens {
            let text = look(&file.path);
            file.take(text, &keeper.troubles);
        }
        if let Some(file) = &mut keeper.bindings {
            let text = look(&file.path);
            file.take(text, &keeper.troubles);
        }
        keeper.publish();
        (keeper, authority)
    }

    /// Runs until `stop`.
    ///
    /// # Errors
    /// If a file makes its reader panic.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), AccessKeeperPanicked> {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! { // Both are cancel-safe: a token and a timer.
                () = stop.cancelled() => return Ok(()),
                _ = looks.tick() => self.look_again().await?,
            }
        }
    }

    async fn look_again(&mut self) -> Result<(), AccessKeeperPanicked> {
        let mut changed = false;
        if let Some(file) = &mut self.tokens {
            changed |= file.look_again(&self.troubles).await?;
        }
        if let Some(file) = &mut self.bindings {
            changed |= file.look_again(&self.troubles).await?;
        }
        if changed {
            self.publish();
        }
        Ok(())
    }

    fn publish(&self) {
        let tokens = self.tokens.as_ref().and_then(|file| file.good.as_deref()).unwrap_or_default();
        let more = self.bindings.as_ref().and_then(|file| file.good.as_deref()).unwrap_or_default();
        self.authority.publish(AccessBook::new(&self.settings.anonymous, tokens, &[&self.settings.bindings, more]));
    }
}

/// What a file holds, or why that is not known.
type FileText = Result<String, String>;

struct WatchedFile<T> {
    path: PathBuf,
    read: fn(&str, &str) -> Result<T, Mistakes>,
    /// What counts: nothing until a file was good.
    good: Option<T>,
    /// What the last look saw.
    last: Option<FileText>,
    /// What was last taken, good or not.
    taken: Option<FileText>,
}

impl<T> WatchedFile<T> {
    fn new(path: PathBuf, read: fn(&str, &str) -> Result<T, Mistakes>) -> Self {
        Self { path, read, good: None, last: None, taken: None }
    }

    /// Whether something else counts now. A file counts once two looks saw the same: somebody may be writing it.
    async fn look_again(&mut self, troubles: &TroubleBoard) -> Result<bool, AccessKeeperPanicked> {
        let path = self.path.clone();
        let text = spawn_blocking(move || look(&path)).await?;
        let settled = self.last.as_ref() == Some(&text);
        let news = settled && self.taken.as_ref() != Some(&text);
        self.last = Some(text.clone());
        Ok(news && self.take(text, troubles))
    }

    fn take(&mut self, text: FileText, troubles: &TroubleBoard) -> bool {
        let name = self.path.display().to_string();
        let read =
            text.as_ref().map_err(Clone::clone).and_then(|text| (self.read)(&name, text).map_err(|it| told(&it)));
        (self.last, self.taken) = (Some(text.clone()), Some(text));
        match read {
            Ok(good) => {
                tracing::info!(file = name, "accounts read");
                troubles.heal(TroubleKind::Access, &name);
                self.good = Some(good);
                true
            }
            Err(reason) => {
                let kept = if self.good.is_some() { "what it held before counts on" } else { "nobody is known by it" };
                troubles.raise(TroubleKind::Access, &name, format!("{name} cannot be used, {kept}: {reason}"));
                false
            }
        }
    }
}

/// Reads the file; blocks. A pipe would be waited for for ever.
fn look(path: &Path) -> FileText {
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err("no plain file".to_owned());
    }
    text_file::read(path, LARGEST_FILE_BYTES)
}

fn told(mistakes: &Mistakes) -> String {
    let all = mistakes.sorted();
    let some = all.iter().take(NAMED).map(|it| format!("line {}: {}: {}", it.line, it.field, it.problem));
    let mut lines: Vec<String> = some.collect();
    if all.len() > NAMED {
        lines.push(format!("{} more", all.len() - NAMED));
    }
    lines.join("; ")
}
