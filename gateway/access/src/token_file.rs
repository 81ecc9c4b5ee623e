//! Changes to a file of tokens, for the command line: the gateway only reads it.
//!
//! A change is written beside the file and put in its place at once, so that no gateway ever reads half of it. The file that is written
//! beside is also the lock: of two who change it at a time one is refused. What a person added as remarks is not kept.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use federation_core::pattern::{ConfigPattern, Glob, ServicePattern};
use federation_document::mistakes::Mistakes;
use federation_document::text_file;

use crate::document::{LARGEST_FILE_BYTES, TokenEntry, tokens_from_text};
use crate::role::{PatternScope, RoleGrant};

const HEAD: &str = "# Static tokens of nacos-fed, by their digests. Changed by `nacos-fed token`; read again by gateways whenever it changes.\n";

/// Why a file of tokens was not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It has mistakes.
    #[error(transparent)]
    Wrong(#[from] Mistakes),
    /// It cannot be read, and is not simply missing.
    #[error("{path}: {reason}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// Somebody else changes it, or was interrupted doing so.
    #[error("{path} is there: somebody changes the tokens now; if nobody does, remove it")]
    Locked {
        /// The file that is written beside.
        path: String,
    },
    /// It cannot be written.
    #[error("{path} cannot be written")]
    Unwritable {
        /// Which.
        path: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// All tokens of a file; none of one that is not there.
///
/// # Errors
/// It cannot be read, or has mistakes.
pub fn read(path: &Path) -> Result<Vec<TokenEntry>, TokenFileError> {
    if std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(Vec::new());
    }
    let name = path.display().to_string();
    let text = text_file::read(path, LARGEST_FILE_BYTES)
        .map_err(|reason| TokenFileError::Unreadable { path: name.clone(), reason })?;
    Ok(tokens_from_text(&name, &text)?)
}

/// Puts what `change` makes of the tokens in the place of the file. A new file is for its owner alone; of another its permissions stay.
///
/// # Errors
/// As [`read`]; what `change` says; it cannot be written. Nothing is changed then.
pub fn change<E: From<TokenFileError>>(
    path: &Path,
    change: impl FnOnce(Vec<TokenEntry>) -> Result<Vec<TokenEntry>, E>,
) -> Result<(), E> {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()); // Not the link is replaced.
    let beside = PathBuf::from(format!("{}.new", path.display()));
    let unwritable = |source| TokenFileError::Unwritable { path: beside.display().to_string(), source };
    let file = match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(TokenFileError::Locked { path: beside.display().to_string() }.into());
        }
        Err(error) => return Err(unwritable(error).into()),
    };
    let written = read(&path)
        .map_err(E::from)
        .and_then(change)
        .and_then(|tokens| put(file, &beside, &path, &render(&tokens)).map_err(|source| unwritable(source).into()));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside); // What is said is why it was not written.
    }
    written
}

fn put(mut file: File, beside: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    file.write_all(text.as_bytes())?;
    if let Ok(metadata) = std::fs::metadata(path) {
        file.set_permissions(metadata.permissions())?;
    }
    file.sync_all()?;
    std::fs::rename(beside, path)
}

/// The file's text.
#[must_use]
pub fn render(tokens: &[TokenEntry]) -> String {
    let mut text = format!("{HEAD}tokens:\n");
    if tokens.is_empty() {
        return format!("{HEAD}tokens: []\n");
    }
    for token in tokens {
        let TokenEntry { name, digest, created, expires, grants } = token;
        let _ = writeln!(
            text,
            "  - name: {}\n    sha256: {}\n    created_ms: {}",
            quoted(name),
            quoted(&digest.to_string()),
            created.0
        );
        if let Some(expires) = expires {
            let _ = writeln!(text, "    expires_ms: {}", expires.0);
        }
        if !grants.is_empty() {
            text.push_str("    roles:\n");
            grants.iter().for_each(|grant| text.push_str(&role(grant)));
        }
    }
    text
}

fn role(grant: &RoleGrant) -> String {
    let mut text = format!("      - role: {}\n", grant.role);
    let mut part = |name: &str, patterns: Option<Vec<String>>| {
        if let Some(patterns) = patterns {
            let _ = writeln!(text, "        {name}: [{}]", patterns.join(", "));
        }
    };
    let service =
        |it: &ServicePattern| named([("namespace", &it.namespace), ("group", &it.group), ("service", &it.service)]);
    let config =
        |it: &ConfigPattern| named([("namespace", &it.namespace), ("group", &it.group), ("data_id", &it.data_id)]);
    part("clusters", patterns(&grant.clusters, |it| quoted(it.as_str())));
    // Of a viewer, none beside the other is what is meant where it is left out; of others there is none to write.
    part("services", patterns(&grant.services, service).filter(|some| !some.is_empty() || grant.configs.is_all()));
    part("configs", patterns(&grant.configs, config).filter(|some| !some.is_empty() || grant.services.is_all()));
    text
}

fn patterns<P>(scope: &PatternScope<P>, text: impl Fn(&P) -> String) -> Option<Vec<String>> {
    match scope {
        PatternScope::All => None,
        PatternScope::Only(patterns) => Some(patterns.iter().map(text).collect()),
    }
}

fn named(parts: [(&str, &Glob); 3]) -> String {
    format!("{{{}}}", parts.map(|(name, glob)| format!("{name}: {}", quoted(glob.as_str()))).join(", "))
}

/// A text in double quotes, with what YAML would take for something else escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character.is_control() || matches!(character, '\u{feff}' | '\u{2028}' | '\u{2029}') => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(character));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
