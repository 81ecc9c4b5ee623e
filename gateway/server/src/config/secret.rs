//! Secrets of the configuration: written in it, or each in a file of its own.
//!
//! A field that is secret has a sibling with `_file` behind its name. The file is read at the start, and again whenever it changes; what is
//! written in the configuration, also as `${NAME}`, counts until the gateway ends.

use std::path::PathBuf;

use federation_document::reader::MappingFields;
use federation_document::secret::Secret;

/// Where a secret is.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// In the configuration.
    Written(Secret),
    /// In this file, which has not been looked at.
    File(PathBuf),
}

impl SecretSource {
    /// Of a field and its sibling; nothing if neither is there.
    pub(super) fn read(
        fields: &mut MappingFields<'_>,
        name: &'static str,
        sibling: &'static str,
    ) -> Option<Option<Self>> {
        let written = fields.maybe::<Secret>(name);
        let file = fields.maybe::<PathBuf>(sibling);
        match (written?, file?) {
            (None, None) => Some(None),
            (Some(secret), None) => Some(Some(Self::Written(secret))),
            (None, Some(file)) => Some(Some(Self::File(file))),
            (Some(_), Some(_)) => {
                fields.mistake(sibling, &format!("{name} is there as well"), "one of the two");
                None
            }
        }
    }

    /// What is written; nothing of one in a file.
    #[must_use]
    pub fn written(&self) -> Option<&Secret> {
        match self {
            Self::Written(secret) => Some(secret),
            Self::File(_) => None,
        }
    }

    /// The file, if it is in one.
    #[must_use]
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::Written(_) => None,
            Self::File(file) => Some(file),
        }
    }
}
