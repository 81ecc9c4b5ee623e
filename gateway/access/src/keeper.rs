//! The task that keeps accounts up to date: looks at the files again and again by their content, has them read, and publishes what follows.
//!
//! Notifications of file systems do not work on all of them, and not through the links by which Kubernetes mounts secrets. A file that is
//! wrong, or cannot be read, changes nothing: what was good before counts on, and the board of troubles says so. Duty of whoever runs it:
//! its end must end the process, or a revoked token would count for ever.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use federation_document::mistakes::Mistakes;
use federation_document::text_file;
use federation_ports::metrics::TroubleKind;
use federation_ports::trouble::TroubleBoard;
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::authority::AccessAuthority;
use crate::book::{AccessBook, BookParts};
use crate::document::{
    AccessSettings, JwtProvider, KeySource, LARGEST_FILE_BYTES, RoleBinding, TokenEntry, bindings_from_text,
    tokens_from_text,
};
use crate::jwt::{JwtExpectation, JwtKeySet};
use crate::key_sets::FetchedKeys;

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
    providers: Vec<(JwtExpectation, ProviderKeys)>,
    fetcher: Arc<dyn KeyFetcher>,
    fetches: JoinSet<(usize, Result<Vec<u8>, String>)>,
    troubles: TroubleBoard,
}

/// Fetches keys of identity providers. An answer takes some seconds at most, has at most
/// [`LARGEST_KEY_SET_BYTES`](crate::jwt::LARGEST_KEY_SET_BYTES), and came over TLS or from this machine: who writes it decides who everybody is.
pub trait KeyFetcher: Send + Sync {
    /// What is at the URL, or why it is not known.
    fn fetch(&self, url: &Url) -> FetchedText;
}

/// What comes of a fetch.
pub type FetchedText = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send>>;

enum ProviderKeys {
    File(WatchedFile<JwtKeySet>),
    Url(FetchedKeys),
}

impl ProviderKeys {
    fn keys(&self) -> Option<&JwtKeySet> {
        match self {
            Self::File(file) => file.good.as_ref(),
            Self::Url(fetched) => fetched.keys(),
        }
    }
}

impl AccessKeeper {
    /// Reads the files once, so that who is known is known from the start. Blocks while it reads.
    #[must_use]
    pub fn open(
        settings: AccessSettings,
        fetcher: Arc<dyn KeyFetcher>,
        troubles: TroubleBoard,
    ) -> (Self, AccessAuthority) {
        let authority = AccessAuthority::default();
        let tokens = settings.tokens_file.clone().map(|path| WatchedFile::new(path, tokens_told));
        let bindings = settings.bindings_file.clone().map(|path| WatchedFile::new(path, bindings_told));
        let now = Instant::now();
        let provider = |it: &JwtProvider| {
            let keys = match it.keys.clone() {
                KeySource::File(path) => ProviderKeys::File(WatchedFile::new(path, keys_told)),
                KeySource::Url { url, refresh, keep } => ProviderKeys::Url(FetchedKeys::new(url, refresh, keep, now)),
            };
            (it.expected.clone(), keys)
        };
        let providers = settings.jwt.iter().map(provider).collect();
        let (authority_of, fetches) = (authority.clone(), JoinSet::new());
        let mut keeper =
            Self { authority: authority_of, settings, tokens, bindings, providers, fetcher, fetches, troubles };
        if let Some(file) = &mut keeper.tokens {
            let text = look(&file.path);
            file.take(text, &keeper.troubles);
        }
        if let Some(file) = &mut keeper.bindings {
            let text = look(&file.path);
            file.take(text, &keeper.troubles);
        }
        for (_, keys) in &mut keeper.providers {
            if let ProviderKeys::File(file) = keys {
                let text = look(&file.path);
                file.take(text, &keeper.troubles);
            }
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
        let authority = self.authority.clone();
        loop {
            tokio::select! { // All are cancel-safe: a token, a timer, a wish that is kept, a task whose end is kept.
                () = stop.cancelled() => return Ok(()),
                _ = looks.tick() => {
                    self.fetch(false);
                    self.look_again().await?;
                }
                () = authority.0.keys_wanted.notified() => self.fetch(true),
                Some(ended) = self.fetches.join_next() => {
                    let (index, answer) = ended?;
                    self.fetched(index, answer);
                }
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
        let now = Instant::now();
        for (_, keys) in &mut self.providers {
            changed |= match keys {
                ProviderKeys::File(file) => file.look_again(&self.troubles).await?,
                ProviderKeys::Url(fetched) => fetched.expire(now),
            };
        }
        if changed {
            self.publish();
        }
        Ok(())
    }

    /// Begins what is due; `wanted` is that somebody waits for keys that are not there.
    fn fetch(&mut self, wanted: bool) {
        let now = Instant::now();
        for (index, (_, keys)) in self.providers.iter_mut().enumerate() {
            if let ProviderKeys::Url(fetched) = keys
                && fetched.begins(wanted, now)
            {
                let fetching = self.fetcher.fetch(&fetched.url);
                self.fetches.spawn(async move { (index, fetching.await) });
            }
        }
        if wanted && self.fetches.is_empty() {
            self.tell_waiters(); // It was asked a moment ago.
        }
    }

    fn fetched(&mut self, index: usize, answer: Result<Vec<u8>, String>) {
        let (_, ProviderKeys::Url(fetched)) = &mut self.providers[index] else { return };
        let url = fetched.url.to_string();
        match fetched.ended(answer, Instant::now()) {
            Ok(()) => {
                self.troubles.heal(TroubleKind::Access, &url);
                self.publish();
            }
            Err(reason) => {
                let kept =
                    if fetched.keys().is_some() { "those known before count on" } else { "none of its tokens counts" };
                let text = format!("the keys of the identity provider at {url} cannot be had, {kept}: {reason}");
                self.troubles.raise(TroubleKind::Access, &url, text);
            }
        }
        self.tell_waiters();
    }

    fn tell_waiters(&self) {
        self.authority.0.keys_answered.send_modify(|count| *count += 1);
    }

    fn publish(&self) {
        let tokens = self.tokens.as_ref().and_then(|file| file.good.as_deref()).unwrap_or_default();
        let more = self.bindings.as_ref().and_then(|file| file.good.as_deref()).unwrap_or_default();
        let none = JwtKeySet::default();
        let providers: Vec<_> =
            self.providers.iter().map(|(expected, keys)| (expected, keys.keys().unwrap_or(&none))).collect();
        self.authority.publish(AccessBook::new(BookParts {
            anonymous: &self.settings.anonymous,
            tokens,
            bindings: &[&self.settings.bindings, more],
            providers: &providers,
            certificates: &self.settings.certificates,
        }));
    }
}

/// What a file holds, or why that is not known.
type FileText = Result<String, String>;

struct WatchedFile<T> {
    path: PathBuf,
    read: fn(&str, &str) -> Result<T, String>,
    /// What counts: nothing until a file was good.
    good: Option<T>,
    /// What the last look saw.
    last: Option<FileText>,
    /// What was last taken, good or not.
    taken: Option<FileText>,
}

impl<T> WatchedFile<T> {
    fn new(path: PathBuf, read: fn(&str, &str) -> Result<T, String>) -> Self {
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
        let read = text.as_ref().map_err(Clone::clone).and_then(|text| (self.read)(&name, text));
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

fn tokens_told(name: &str, text: &str) -> Result<Vec<TokenEntry>, String> {
    tokens_from_text(name, text).map_err(|mistakes| told(&mistakes))
}

fn bindings_told(name: &str, text: &str) -> Result<Arc<[RoleBinding]>, String> {
    bindings_from_text(name, text).map_err(|mistakes| told(&mistakes))
}

fn keys_told(_: &str, text: &str) -> Result<JwtKeySet, String> {
    JwtKeySet::of_json(text.as_bytes())
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
