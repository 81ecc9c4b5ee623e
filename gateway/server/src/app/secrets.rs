//! Secrets in files: read at the start, looked at again and again by their content, and told to whoever needs them.
//!
//! Input: the files that the configuration names, in sets that count as a whole: the password of the Nacos account, the properties of
//! Kafka's clients, the keys of sealed contents. Output: what they hold now, told by each set in its way. Invariants: what cannot be used changes
//! nothing and is a trouble that names the file, never what is in it; a set counts once two looks saw the same, because somebody may be writing
//! it. At the start there is nothing before it: a gateway that was told to seal must not begin to write in the clear, and does not start.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use federation_codec::seal::SealKeys;
use federation_document::secret::Secret;
use federation_document::text_file;
use federation_kafka::options::ClientProperties;
use federation_ports::metrics::TroubleKind;
use federation_ports::seal_keys::SealKeyring;
use federation_ports::trouble::TroubleBoard;
use nacos_protocol::cluster::LoginCredentials;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::config::{GatewayConfig, RegistryChoice, SealingConfig, refused_property};

/// How often files are looked at. A new password counts within twice this.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Largest file in bytes: a key with the certificates that lead to its authority.
const LARGEST_FILE_BYTES: u64 = 256 << 10;

/// What files hold, by name.
type Secrets = BTreeMap<String, Secret>;
/// What a look saw, by name, or why it is not known.
type Looked = BTreeMap<String, Result<Secret, String>>;

/// Says why a secret of this name cannot be used, for people, without its value.
type Judge = Box<dyn Fn(&str, &Secret) -> Result<(), String> + Send>;

/// Files that count as a whole.
struct SecretSet {
    /// Of the configuration.
    field: &'static str,
    files: BTreeMap<String, PathBuf>,
    judge: Judge,
    /// Of what is wrong with them.
    kind: TroubleKind,
    publish: Box<dyn Fn(Secrets) + Send>,
    last: Looked,
    /// What was last judged.
    taken: Looked,
}

/// All of them.
pub(super) struct SecretKeeper {
    sets: Vec<SecretSet>,
    troubles: TroubleBoard,
    /// Changes when an operator wants files to be read again now.
    asked: watch::Receiver<()>,
}

/// What is in files now, for those who log in by it.
#[derive(Default)]
pub(super) struct SecretsInFiles {
    /// The account at the local Nacos; `None` where its password is in no file.
    pub(super) nacos: Option<watch::Receiver<LoginCredentials>>,
    /// Properties of Kafka's clients; `None` where none is in a file.
    pub(super) kafka: Option<watch::Receiver<ClientProperties>>,
}

impl SecretKeeper {
    /// Reads the files that the configuration names, away from the tasks that serve.
    ///
    /// # Errors
    /// One cannot be used.
    pub(super) async fn open(
        config: &GatewayConfig,
        keyring: &SealKeyring,
        troubles: &TroubleBoard,
    ) -> anyhow::Result<(Self, SecretsInFiles)> {
        let mut found = SecretsInFiles::default();
        let mut sets = Vec::new();
        if let RegistryChoice::Remote(remote) = &config.nacos.registry
            && let Some((login, file)) = remote.login.as_ref().and_then(|login| Some((login, login.password.file()?)))
        {
            let files = BTreeMap::from([("password".to_owned(), file.clone())]);
            let account = |password: &Secret, username: &str| LoginCredentials {
                username: username.to_owned(),
                password: password.expose().to_owned(),
            };
            let (set, secrets) =
                SecretSet::open("nacos.password_file", TroubleKind::Access, files, no_line_breaks).await?;
            let (told, user) =
                (watch::Sender::new(account(&secrets["password"], &login.username)), login.username.clone());
            found.nacos = Some(told.subscribe());
            sets.push(set.publishing(move |secrets| {
                told.send_replace(account(&secrets["password"], &user));
            }));
        }
        let files = &config.kafka.properties_files.0;
        if !files.is_empty() {
            let (set, secrets) =
                SecretSet::open("kafka.properties_files", TroubleKind::Access, files.clone(), is_property).await?;
            let told = watch::Sender::new(properties(secrets));
            found.kafka = Some(told.subscribe());
            sets.push(set.publishing(move |secrets| {
                told.send_replace(properties(secrets));
            }));
        }
        if let Some(sealing) = &config.kafka.sealing {
            sets.push(seal_keys(sealing, keyring).await?);
        }
        Ok((Self { sets, troubles: troubles.clone(), asked: watch::channel(()).1 }, found))
    }

    /// Looks at once whenever this changes.
    pub(super) fn reload_on(&mut self, asked: watch::Receiver<()>) {
        self.asked = asked;
    }

    /// Looks again and again until `stop`.
    ///
    /// # Errors
    /// Reading a file panicked: no new secret would ever be seen.
    pub(super) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut can_be_asked = true;
        loop {
            let at_once = tokio::select! { // All are cancel-safe.
                () = stop.cancelled() => return Ok(()),
                _ = looks.tick() => false,
                asked = self.asked.changed(), if can_be_asked => {
                    can_be_asked = asked.is_ok();
                    can_be_asked
                }
            };
            for set in &mut self.sets {
                set.look_again(at_once, &self.troubles).await?;
            }
        }
    }
}

impl SecretSet {
    async fn open(
        field: &'static str,
        kind: TroubleKind,
        files: BTreeMap<String, PathBuf>,
        judge: impl Fn(&str, &Secret) -> Result<(), String> + Send + 'static,
    ) -> anyhow::Result<(Self, Secrets)> {
        let looked = look(files.clone()).await?;
        let (judge, taken) = (Box::new(judge), looked.clone());
        let set = Self { field, files, judge, kind, publish: Box::new(|_| ()), last: looked.clone(), taken };
        let secrets = set.judged(&looked).map_err(|wrong| anyhow::anyhow!("{field} cannot be used: {wrong}"))?;
        Ok((set, secrets))
    }

    fn publishing(self, publish: impl Fn(Secrets) + Send + 'static) -> Self {
        Self { publish: Box::new(publish), ..self }
    }

    /// Takes what the files hold if that is new, and was the same when they were looked at before, unless that is to be done `at_once`.
    async fn look_again(&mut self, at_once: bool, troubles: &TroubleBoard) -> anyhow::Result<()> {
        let looked = look(self.files.clone()).await?;
        let is_settled = at_once || self.last == looked;
        self.last = looked;
        if is_settled && self.taken != self.last {
            let judged = self.judged(&self.last);
            self.taken = self.last.clone();
            match judged {
                Ok(secrets) => {
                    tracing::info!(field = self.field, "secrets in files were read again");
                    (self.publish)(secrets);
                    troubles.heal(self.kind, self.field);
                }
                Err(wrong) => {
                    let text = format!("{} cannot be used, what was there before counts on: {wrong}", self.field);
                    troubles.raise(self.kind, self.field, text);
                }
            }
        }
        Ok(())
    }

    fn judged(&self, looked: &Looked) -> Result<Secrets, String> {
        let judged = looked.iter().map(|(name, secret)| {
            let of_file = |wrong: String| format!("{}: {wrong}", self.files[name].display());
            let secret = secret.as_ref().map_err(|wrong| of_file(wrong.clone()))?;
            (self.judge)(name, secret).map_err(of_file)?;
            Ok((name.clone(), secret.clone()))
        });
        judged.collect()
    }
}

async fn look(files: BTreeMap<String, PathBuf>) -> anyhow::Result<Looked> {
    let read = move || files.into_iter().map(|(name, path)| (name, secret_of(&path))).collect();
    spawn_blocking(read).await.context("reading a file of a secret panicked")
}

/// What a file holds, without the break at the end of its last line.
fn secret_of(path: &Path) -> Result<Secret, String> {
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err("no plain file".to_owned()); // A pipe would be waited for for ever.
    }
    let text = text_file::read(path, LARGEST_FILE_BYTES)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    match text.strip_suffix('\r').unwrap_or(text) {
        "" => Err("it is empty".to_owned()),
        text => Ok(Secret::new(text.to_owned())),
    }
}

/// The keys of sealed contents, which count from now on.
async fn seal_keys(sealing: &SealingConfig, keyring: &SealKeyring) -> anyhow::Result<SecretSet> {
    let SealingConfig { key_file, seals } = sealing.clone();
    let files = BTreeMap::from([("keys".to_owned(), key_file.clone())]);
    let judge = move |_: &str, text: &Secret| match SealKeys::of_file(text.expose(), seals) {
        Ok(_) => Ok(()),
        Err(wrong) => Err(wrong.to_string()),
    };
    let (set, secrets) = SecretSet::open("kafka.encrypt_configs.key_file", TroubleKind::Sealed, files, judge).await?;
    let keyring = keyring.clone();
    let publish = move |secrets: Secrets| {
        let Ok(keys) = SealKeys::of_file(secrets["keys"].expose(), seals) else { return }; // They were judged.
        warn_if_open(&key_file);
        let names: Vec<String> = keys.names().map(|name| name.to_string()).collect();
        tracing::info!(keys = names.join(", "), "keys of sealed contents count from now on");
        keyring.replace(keys);
    };
    publish(secrets);
    Ok(set.publishing(publish))
}

/// As with private keys of certificates: it counts, for some mounts cannot be narrower.
fn warn_if_open(path: &Path) {
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0) {
        let path = path.display();
        tracing::warn!(%path, "everybody on this machine may read the keys of sealed contents: let their owner alone do so (chmod 600)");
    }
}

fn no_line_breaks(_: &str, secret: &Secret) -> Result<(), String> {
    match secret.expose().chars().any(char::is_control) {
        true => Err("one line with nothing else is needed".to_owned()),
        false => Ok(()),
    }
}

fn is_property(name: &str, secret: &Secret) -> Result<(), String> {
    refused_property(name, secret.expose()).map_or(Ok(()), Err)
}

fn properties(secrets: Secrets) -> ClientProperties {
    secrets.into_iter().map(|(name, secret)| (name, secret.expose().to_owned())).collect::<BTreeMap<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use federation_codec::seal::SealsOwn;
    use federation_core::config_item::SealPolicy;

    use super::*;

    async fn opened(path: &Path) -> (SecretSet, Arc<Mutex<Vec<String>>>) {
        let files = BTreeMap::from([("password".to_owned(), path.to_owned())]);
        let (set, secrets) =
            SecretSet::open("nacos.password_file", TroubleKind::Access, files, no_line_breaks).await.unwrap();
        assert_eq!(secrets["password"].expose(), "first");
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let set = set.publishing(move |secrets| heard.lock().unwrap().push(secrets["password"].expose().to_owned()));
        (set, told)
    }

    #[tokio::test]
    async fn a_new_password_counts_once_it_is_settled_and_a_wrong_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, troubles) = (folder.path().join("password"), TroubleBoard::default());
        std::fs::write(&path, "first\n").unwrap();
        let (mut set, told) = opened(&path).await;
        let told = || told.lock().unwrap().clone();
        set.look_again(false, &troubles).await.unwrap();
        assert!(told().is_empty());
        std::fs::write(&path, "second\r\n").unwrap();
        set.look_again(false, &troubles).await.unwrap();
        assert!(told().is_empty(), "somebody may be writing it");
        set.look_again(false, &troubles).await.unwrap();
        assert_eq!(told(), ["second"]);
        for wrong in ["", "\n", "two\nlines", "\u{1b}"] {
            std::fs::write(&path, wrong).unwrap();
            set.look_again(true, &troubles).await.unwrap();
            let trouble = troubles.all().pop().unwrap().text;
            assert!(trouble.contains("password: ") && !trouble.contains("lines"), "{trouble}");
        }
        std::fs::remove_file(&path).unwrap();
        set.look_again(true, &troubles).await.unwrap();
        assert!(troubles.all().pop().unwrap().text.contains("cannot be read"));
        assert_eq!(told(), ["second"]);
        std::fs::write(&path, "third").unwrap();
        set.look_again(true, &troubles).await.unwrap();
        assert_eq!((told(), troubles.all().len()), (vec!["second".to_owned(), "third".to_owned()], 0));
    }

    #[tokio::test]
    async fn keys_that_are_wrong_change_nothing_and_new_ones_count_at_once_when_asked_for() {
        let line = |byte: char| format!("{}01", byte.to_string().repeat(62));
        let folder = tempfile::tempdir().unwrap();
        let (path, keyring, troubles) = (folder.path().join("k"), SealKeyring::default(), TroubleBoard::default());
        let sealing = SealingConfig { key_file: path.clone(), seals: SealsOwn::Yes };
        let missing = format!("{:#}", seal_keys(&sealing, &keyring).await.err().expect("there is no file"));
        assert!(missing.starts_with("kafka.encrypt_configs.key_file cannot be used"), "{missing}");
        assert_eq!(keyring.load().policy(), SealPolicy::Unkeyed);
        std::fs::write(&path, line('a')).unwrap();
        let mut set = seal_keys(&sealing, &keyring).await.unwrap();
        let first = keyring.load().policy();
        let Some(old) = first.key() else { panic!("{first:?}") };
        let mut look = async |text: &str| {
            std::fs::write(&path, text).unwrap();
            set.look_again(true, &troubles).await.unwrap();
            (keyring.load().policy(), troubles.all().into_iter().map(|it| it.text).collect::<Vec<_>>())
        };
        let (policy, told) = look(&format!("{}\nsecret-looking\n", line('a'))).await;
        assert_eq!(policy, first);
        assert!(told[0].contains("line 2 is no key") && !told[0].contains("secret-looking"), "{told:?}");
        let (policy, told) = look(&format!("# next\n{}\n{}\n", line('b'), line('a'))).await;
        assert!(policy != first && told.is_empty(), "{told:?}");
        assert!(keyring.load().has(old));
        look(&line('b')).await;
        assert!(!keyring.load().has(old), "a key that is no longer in the file opens nothing");
    }

    #[tokio::test]
    async fn what_cannot_be_used_at_the_start_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let files = BTreeMap::from([("sasl.password".to_owned(), folder.path().join("none"))]);
        let refused = SecretSet::open("kafka.properties_files", TroubleKind::Access, files, is_property)
            .await
            .map(|_| ())
            .unwrap_err();
        assert!(refused.to_string().starts_with("kafka.properties_files cannot be used: "), "{refused}");
        assert!(is_property("sasl.mechanism", &Secret::new("hunter2".to_owned())).is_ok());
        let wrong = is_property("socket.timeout.ms", &Secret::new("hunter2".to_owned())).unwrap_err();
        assert!(!wrong.contains("hunter2"), "{wrong}");
    }
}
