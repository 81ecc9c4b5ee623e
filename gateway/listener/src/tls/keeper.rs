//! Looks at the files of a listener's certificate again and again.
//!
//! ```text
//!              other contents, good
//!   ┌────────────────────────────────────────┐
//!   ▼                                        │
//! in force ── other contents, bad ──▶ suspected ── bad at the next look too ──▶ refused, and told
//!   ▲                                                                            │
//!   └── the contents in force again, or good ones ◀──────────────────────────────┘
//! ```
//!
//! A certificate and its key are two files, and who replaces one after the other has a pair that does not fit for a moment. So what is
//! bad counts from the second look on, unless somebody has asked for the look.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::files::{TlsContents, TlsProblem, UsableTls};
use super::told::{expiring, with_causes};
use super::{ListenerTls, TlsFiles};

/// How often files are looked at: new connections have a new certificate within two seconds. Three small files are read each time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is known of a certificate now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateState {
    /// Seconds until it expires; negative when it has.
    pub left_seconds: i64,
    /// Why other contents of the files are not used, while the ones before are.
    pub refused: Option<String>,
    /// What to do about its end, if that is near or past.
    pub expiring: Option<String>,
}

/// Is told what became of a certificate. Called each second; must not wait.
pub trait CertificateObserver: Send + Sync + 'static {
    /// After each look.
    fn looked(&self, state: &CertificateState);
}

impl<F: Fn(&CertificateState) + Send + Sync + 'static> CertificateObserver for F {
    fn looked(&self, state: &CertificateState) {
        self(state);
    }
}

/// Why there is a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occasion {
    /// It was time.
    Again,
    /// Somebody says that files have changed.
    Asked,
}

/// Keeps a [`ListenerTls`] as its files are. See the module.
pub struct CertificateKeeper {
    files: TlsFiles,
    tls: ListenerTls,
    contents: TlsContents,
    until: i64,
    suspected: Option<String>,
    refused: Option<String>,
    observer: Box<dyn CertificateObserver>,
}

impl CertificateKeeper {
    /// Reads the files for the first time. A certificate that is expired, or not valid yet, is used and told: a gateway that does not
    /// start helps its clients less. Waits for the disk.
    ///
    /// # Errors
    /// They cannot be used.
    pub fn open(files: TlsFiles, observer: impl CertificateObserver) -> Result<Self, TlsProblem> {
        let contents = TlsContents::read(&files)?;
        let UsableTls { config, validity } = contents.use_as(&files)?;
        contents.warn_of_open_key(&files.key);
        let (tls, observer) = (ListenerTls::new(config), Box::new(observer));
        let keeper = Self { files, tls, contents, until: validity.until, suspected: None, refused: None, observer };
        keeper.tell(now());
        Ok(keeper)
    }

    /// What listeners ask.
    #[must_use]
    pub fn tls(&self) -> ListenerTls {
        self.tls.clone()
    }

    /// Looks each second, and when it is `asked` to, until `stop`.
    ///
    /// # Errors
    /// A look panicked. What is in force stays, and nothing else would ever come.
    pub async fn run(self, mut asked: watch::Receiver<()>, stop: CancellationToken) -> Result<(), JoinError> {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut keeper = self;
        loop {
            let occasion = tokio::select! { // All are cancel-safe.
                () = stop.cancelled() => return Ok(()),
                Ok(()) = asked.changed() => Occasion::Asked,
                _ = looks.tick() => Occasion::Again,
            };
            let look = tokio::task::spawn_blocking(move || {
                keeper.look(now(), occasion);
                keeper
            });
            keeper = look.await?;
        }
    }

    fn look(&mut self, now: i64, occasion: Occasion) {
        match self.changed(now) {
            Ok(None) => (self.suspected, self.refused) = (None, None),
            Ok(Some((contents, usable))) => self.put(contents, usable),
            Err(problem) => {
                let text = with_causes(&problem);
                let again = self.suspected.as_ref() == Some(&text);
                if again || occasion == Occasion::Asked {
                    self.refused =
                        Some(format!("what the files hold now is not used, but what they held before: {text}"));
                }
                self.suspected = Some(text);
            }
        }
        self.tell(now);
    }

    /// What the files hold if that is not in force.
    fn changed(&self, now: i64) -> Result<Option<(TlsContents, UsableTls)>, TlsProblem> {
        let contents = TlsContents::read(&self.files)?;
        if contents == self.contents {
            return Ok(None);
        }
        let usable = contents.use_as(&self.files)?.valid_at(now, &self.files)?;
        Ok(Some((contents, usable)))
    }

    fn put(&mut self, contents: TlsContents, usable: UsableTls) {
        contents.warn_of_open_key(&self.files.key);
        self.tls.put(usable.config);
        (self.contents, self.until) = (contents, usable.validity.until);
        (self.suspected, self.refused) = (None, None);
        let days_left = (self.until - now()) / 86_400;
        let certificate = self.files.certificate.display();
        tracing::info!(%certificate, days_left, "new connections get a new certificate");
    }

    fn tell(&self, now: i64) {
        self.observer.looked(&CertificateState {
            left_seconds: self.until.saturating_sub(now),
            refused: self.refused.clone(),
            expiring: expiring(self.until, now),
        });
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
