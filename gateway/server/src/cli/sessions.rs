//! Sessions that `login` keeps: a file with a token for each gateway, so that no gateway is shown the token of another.
//!
//! Invariant: folder and files are for their owner alone.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use url::Url;

use super::args::Credentials;
use super::exit::Failure;

/// The folder of them.
pub(super) struct KeptSessions(PathBuf);

impl KeptSessions {
    /// Where the arguments say, or in the user's own configuration.
    ///
    /// # Errors
    /// There is no such place.
    pub(super) fn of(credentials: &Credentials) -> Result<Self, Failure> {
        Self::found(credentials).ok_or_else(|| {
            Failure::Arguments("neither --session-dir nor $HOME says where sessions are kept".to_owned())
        })
    }

    /// As [`KeptSessions::of`], or nothing.
    pub(super) fn found(credentials: &Credentials) -> Option<Self> {
        let own = || {
            let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
            let folder = named("XDG_CONFIG_HOME").or_else(|| named("HOME").map(|home| home.join(".config")))?;
            Some(folder.join("nacos-fed").join("sessions"))
        };
        credentials.session_dir.clone().or_else(own).map(Self)
    }

    /// The file of the session at this gateway, if one is kept.
    pub(super) fn file_of(&self, server: &Url) -> Option<PathBuf> {
        let file = self.0.join(name_of(server));
        file.is_file().then_some(file)
    }

    /// Keeps the token of a session, in place of the one before; returns where.
    pub(super) fn keep(&self, server: &Url, token: &str) -> Result<PathBuf, Failure> {
        let file = self.0.join(name_of(server));
        self.write(&file, token).map_err(|error| {
            Failure::Arguments(format!("the session cannot be kept in {}: {error}", file.display()))
        })?;
        Ok(file)
    }

    fn write(&self, file: &Path, token: &str) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let new = file.with_extension("new");
        let _ = std::fs::remove_file(&new); // Of a login that was interrupted.
        let mut written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        written.write_all(format!("{token}\n").as_bytes())?;
        std::fs::rename(&new, file)
    }

    /// Keeps it no longer.
    pub(super) fn forget(&self, file: &Path) -> Result<(), Failure> {
        std::fs::remove_file(file)
            .map_err(|error| Failure::Arguments(format!("{} cannot be removed: {error}", file.display())))
    }
}

/// Scheme, host and port: what a browser calls an origin.
fn name_of(server: &Url) -> String {
    let place = server.origin().ascii_serialization();
    let legal = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-');
    let name: String = place.chars().map(|character| if legal(character) { character } else { '_' }).collect();
    format!("{name}.session")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn each_gateway_has_a_file_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let kept = KeptSessions(folder.path().join("a").join("sessions"));
        let [one, other, same] =
            ["http://[::1]:7070", "https://[::1]:7070", "http://[::1]:7070/base"].map(|url| Url::parse(url).unwrap());
        let file = kept.keep(&one, "first").unwrap();
        assert_eq!(kept.keep(&one, "second").unwrap(), file);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "second\n");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&kept.0)), (0o600, 0o700));
        assert_eq!((kept.file_of(&same), kept.file_of(&other)), (Some(file.clone()), None));
        kept.forget(&file).unwrap();
        assert_eq!(kept.file_of(&one), None);
        assert_eq!(std::fs::read_dir(&kept.0).unwrap().count(), 0);
    }
}
