//! The file of keys of sealed contents: read at the start, looked at again and again by its content, and what is wrong with it told.
//!
//! A file that is wrong, or cannot be read, changes nothing while the gateway runs: the keys before it count on. At the start there are none
//! before it, and a gateway that was told to seal must not begin to write in the clear: it does not start.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use federation_codec::seal::{SealKeys, SealsOwn};
use federation_document::text_file;
use federation_ports::metrics::TroubleKind;
use federation_ports::seal_keys::SealKeyring;
use federation_ports::trouble::TroubleBoard;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::config::SealingConfig;

/// How often the file is looked at. Twice this passes at most until a key counts.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Sixteen keys with remarks.
const LARGEST_FILE_BYTES: u64 = 64 << 10;
/// What the trouble is about.
const ABOUT: &str = "kafka.encrypt_configs.key_file";

/// See the module.
pub(super) struct SealKeyKeeper {
    file: Option<KeyFile>,
    keyring: SealKeyring,
    troubles: TroubleBoard,
}

struct KeyFile {
    path: PathBuf,
    seals: SealsOwn,
    /// What the last look saw.
    last: FileText,
    /// What was last taken, good or not.
    taken: FileText,
}

/// What a file holds, or why that is not known. Never printed.
type FileText = Result<String, String>;

impl SealKeyKeeper {
    /// Reads the file that the configuration names, away from the tasks that serve; without one, nothing is sealed or opened.
    ///
    /// # Errors
    /// It cannot be used.
    pub(super) async fn open(
        sealing: Option<&SealingConfig>,
        keyring: SealKeyring,
        troubles: TroubleBoard,
    ) -> anyhow::Result<Self> {
        let Some(SealingConfig { key_file: path, seals }) = sealing.cloned() else {
            return Ok(Self { file: None, keyring, troubles });
        };
        let opened = tokio::task::spawn_blocking(move || {
            let text = look(&path);
            let keys = read(&text, seals).map_err(|reason| anyhow::anyhow!("{}: {reason}", path.display()))?;
            warn_if_open(&path);
            keyring.replace(keys);
            let file = KeyFile { path, seals, last: text.clone(), taken: text };
            anyhow::Ok(Self { file: Some(file), keyring, troubles })
        });
        opened.await.context("reading keys panicked")?.context("kafka.encrypt_configs cannot be used")
    }

    /// Looks until `stop`.
    ///
    /// # Errors
    /// A look panicked: no new key would ever count.
    pub(super) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! { // Both are cancel-safe.
                () = stop.cancelled() => return Ok(()),
                _ = looks.tick(), if self.file.is_some() => {}
            }
            let look = tokio::task::spawn_blocking(move || {
                self.look_again();
                self
            });
            self = look.await.context("reading keys panicked")?;
        }
    }

    /// A file counts once two looks saw the same: somebody may be writing it.
    fn look_again(&mut self) {
        let Some(file) = &mut self.file else { return };
        let text = look(&file.path);
        let settled = file.last == text;
        file.last.clone_from(&text);
        if !settled || file.taken == text {
            return;
        }
        match read(&text, file.seals) {
            Ok(keys) => {
                warn_if_open(&file.path);
                let names: Vec<String> = keys.names().map(|name| name.to_string()).collect();
                tracing::info!(file = %file.path.display(), keys = names.join(", "), "keys of sealed contents read anew");
                self.keyring.replace(keys);
                self.troubles.heal(TroubleKind::Sealed, ABOUT);
            }
            Err(reason) => {
                let text = format!("{} cannot be used, the keys before it count on: {reason}", file.path.display());
                self.troubles.raise(TroubleKind::Sealed, ABOUT, text);
            }
        }
        file.taken = text;
    }
}

/// Reads the file; blocks. A pipe would be waited for for ever.
fn look(path: &Path) -> FileText {
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err("no plain file".to_owned());
    }
    text_file::read(path, LARGEST_FILE_BYTES)
}

fn read(text: &FileText, seals: SealsOwn) -> Result<SealKeys, String> {
    let text = text.as_ref().map_err(Clone::clone)?;
    SealKeys::of_file(text, seals).map_err(|error| error.to_string())
}

/// As with private keys of certificates: it counts, for some mounts cannot be narrower.
fn warn_if_open(path: &Path) {
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0) {
        let path = path.display();
        tracing::warn!(%path, "everybody on this machine may read the keys of sealed contents: let their owner alone do so (chmod 600)");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use federation_core::config_item::SealPolicy;

    use super::*;

    fn line(byte: char) -> String {
        format!("{}01", byte.to_string().repeat(62))
    }

    #[tokio::test]
    async fn a_file_that_is_wrong_changes_nothing_and_is_told_until_it_is_well() {
        let folder = tempfile::tempdir().unwrap();
        let (path, keyring, troubles) = (folder.path().join("k"), SealKeyring::default(), TroubleBoard::default());
        let sealing = SealingConfig { key_file: path.clone(), seals: SealsOwn::Yes };
        let open = || SealKeyKeeper::open(Some(&sealing), keyring.clone(), troubles.clone());
        let missing = format!("{:#}", open().await.err().expect("there is no file"));
        assert!(missing.starts_with("kafka.encrypt_configs cannot be used"), "{missing}");
        assert_eq!(keyring.load().policy(), SealPolicy::Unkeyed);
        fs::write(&path, line('a')).unwrap();
        let mut keeper = open().await.unwrap();
        let first = keyring.load().policy();
        let mut look_twice = |text: &str| {
            fs::write(&path, text).unwrap();
            (0..2).for_each(|_| keeper.look_again());
            (keyring.load().policy(), troubles.all().into_iter().map(|it| it.text).collect::<Vec<_>>())
        };
        let (policy, told) = look_twice(&format!("{}\nsecret-looking\n", line('a')));
        assert_eq!(policy, first);
        assert!(told[0].contains("line 2 is no key") && !told[0].contains("secret-looking"), "{told:?}");
        let (policy, told) = look_twice(&format!("# next\n{}\n{}\n", line('b'), line('a')));
        assert!(policy != first && told.is_empty(), "{told:?}");
        let Some(old) = first.key() else { panic!("{first:?}") };
        assert!(keyring.load().has(old));
        look_twice(&line('b'));
        assert!(!keyring.load().has(old), "a key that is no longer in the file opens nothing");
    }
}
