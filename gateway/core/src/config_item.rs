//! One config item, as its origin knows it, or as somebody without its key does.
//!
//! Input: what Nacos says, or what a record of the log holds. A record's content may be sealed; whoever has the key opens it when the record is
//! decoded, so that a content is either there for all to use, or visibly not there.

use std::fmt;
use std::sync::Arc;

/// Content of a config item and what else Nacos keeps of it. Immutable: a change is a new value.
///
/// Of one whose content is sealed nothing else is known: all further fields are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ConfigItem {
    /// The content.
    pub content: ConfigContent,
    /// Hexadecimal MD5 of the content: Nacos's own way to tell versions apart.
    pub md5: Arc<str>,
    /// Nacos's `type`: `text`, `json`, `yaml`, …; empty if none was given.
    pub content_type: Arc<str>,
    /// Key of the client-side encryption plugin, carried unchanged; empty if unencrypted.
    pub encrypted_data_key: Arc<str>,
    /// Description, empty if none.
    pub description: Arc<str>,
    /// Tags, as Nacos joins them with commas; empty if none.
    pub tags: Arc<str>,
    /// Name of the application, empty if none.
    pub application: Arc<str>,
    /// When the origin's Nacos says it was changed last, unix ms; 0 if it does not say.
    pub last_modified_ms: u64,
    /// Of a readable content: the key under which its record of the log was sealed, or is to be. `None` for a record that anybody can read,
    /// and for what Nacos says.
    #[cfg_attr(feature = "serde", serde(default))]
    pub sealed_under: Option<SealKeyId>,
}

impl ConfigItem {
    /// An item of which nothing is known but that it is there.
    #[must_use]
    pub fn sealed(sealed: SealedContent) -> Self {
        Self { content: ConfigContent::Sealed(Arc::new(sealed)), ..Self::default() }
    }

    /// The key under which its record of the log is sealed, opened or not; `None` if anybody can read that.
    #[must_use]
    pub fn seal(&self) -> Option<SealKeyId> {
        match &self.content {
            ConfigContent::Plain(_) => self.sealed_under,
            ConfigContent::Sealed(sealed) => Some(sealed.key),
        }
    }

    /// What it says, as it is to be sealed; an item that is sealed already stays under its key.
    #[must_use]
    pub fn under(self: &Arc<Self>, key: Option<SealKeyId>) -> Arc<Self> {
        match &self.content {
            ConfigContent::Plain(_) if self.sealed_under != key => {
                Arc::new(Self { sealed_under: key, ..Self::clone(self) })
            }
            ConfigContent::Plain(_) | ConfigContent::Sealed(_) => Arc::clone(self),
        }
    }

    /// Whether both say the same to whoever reads them, however their records are sealed.
    #[must_use]
    pub fn says_as(&self, other: &Self) -> bool {
        match (&self.content, &other.content) {
            (ConfigContent::Plain(_), ConfigContent::Plain(_)) if self.sealed_under != other.sealed_under => {
                *self == Self { sealed_under: self.sealed_under, ..other.clone() }
            }
            _ => self == other,
        }
    }
}

/// What is in a config item.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ConfigContent {
    /// The content, byte for byte (any UTF-8, line ends untouched).
    Plain(Arc<str>),
    /// This gateway cannot read it.
    Sealed(Arc<SealedContent>),
}

impl ConfigContent {
    /// The text.
    ///
    /// # Errors
    /// What is there in its place.
    pub fn text(&self) -> Result<&str, &SealedContent> {
        match self {
            Self::Plain(text) => Ok(text),
            Self::Sealed(sealed) => Err(sealed),
        }
    }
}

impl Default for ConfigContent {
    fn default() -> Self {
        Self::Plain(Arc::default())
    }
}

impl From<Arc<str>> for ConfigContent {
    fn from(text: Arc<str>) -> Self {
        Self::Plain(text)
    }
}

impl From<&str> for ConfigContent {
    fn from(text: &str) -> Self {
        Self::Plain(text.into())
    }
}

impl From<String> for ConfigContent {
    fn from(text: String) -> Self {
        Self::Plain(text.into())
    }
}

/// Names a key: made of the key itself, so that one name never stands for two keys. Tells nothing of the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SealKeyId(pub [u8; 8]);

/// Sixteen hexadecimal digits.
impl fmt::Display for SealKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SealKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A content that this gateway cannot read, kept as it came: it is opened once the key is there.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SealedContent {
    /// The key that it says to be sealed under.
    pub key: SealKeyId,
    /// What stands in the record.
    pub bytes: Arc<[u8]>,
    /// Why it is not open.
    pub reason: SealReason,
}

impl fmt::Debug for SealedContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sealed({}, {} bytes, {})", self.key, self.bytes.len(), self.reason.as_str())
    }
}

impl SealedContent {
    /// Why it cannot be read, for people.
    #[must_use]
    pub fn told(&self) -> String {
        match self.reason {
            SealReason::NoKey => format!("sealed under key {}, which this gateway does not have", self.key),
            SealReason::CannotBeOpened => format!("sealed and cannot be opened by key {}", self.key),
        }
    }
}

/// Why a content is not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SealReason {
    /// This gateway does not have the key, or did not when the record was read.
    NoKey,
    /// The key that it names is here and does not open it: it was changed, belongs to another item or cluster, or is of a later format.
    CannotBeOpened,
}

impl SealReason {
    /// All reasons.
    pub const ALL: [Self; 2] = [Self::NoKey, Self::CannotBeOpened];

    /// For labels and documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::CannotBeOpened => "cannot_be_opened",
        }
    }
}

/// How this process writes contents of config items to the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SealPolicy {
    /// It has no keys: in the clear, unless the item stands sealed on the log. Such an item is left as it is, for who forgot to give a
    /// process the key did not mean to publish it.
    #[default]
    Unkeyed,
    /// In the clear, also what stands sealed on the log: sealing was turned off on purpose.
    Clear,
    /// Under this key.
    Under(SealKeyId),
}

impl SealPolicy {
    /// The key to seal with.
    #[must_use]
    pub fn key(self) -> Option<SealKeyId> {
        if let Self::Under(key) = self { Some(key) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_says_the_same_whatever_its_record_is_sealed_under() {
        let plain = Arc::new(ConfigItem { content: "a".into(), md5: "m".into(), ..ConfigItem::default() });
        let under = plain.under(Some(SealKeyId([1; 8])));
        assert_eq!((under.seal(), plain.seal()), (Some(SealKeyId([1; 8])), None));
        assert!(under != plain && under.says_as(&plain) && plain.says_as(&under));
        assert!(!under.says_as(&ConfigItem { md5: "n".into(), ..ConfigItem::clone(&plain) }));
        let content = SealedContent { key: SealKeyId([2; 8]), bytes: [1].into(), reason: SealReason::NoKey };
        let sealed = Arc::new(ConfigItem::sealed(content));
        assert_eq!(sealed.under(None).seal(), Some(SealKeyId([2; 8])), "nobody can seal it anew");
        assert!(!sealed.says_as(&plain) && sealed.says_as(&sealed.under(None)));
    }
}
