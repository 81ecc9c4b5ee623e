//! How this state machine learns the digest of a record that it is about to send: bytes are the business of whoever encodes.

use std::fmt;
use std::sync::Arc;

use crate::input::OutgoingRecord;

/// Gives the digest of a record as it is written (rule R15). Duty of whoever makes one: the same record has the same digest each time, and
/// that of the bytes that are sent for it.
#[derive(Clone)]
pub struct RecordDigest(Arc<dyn Fn(&OutgoingRecord) -> u128 + Send + Sync>);

impl RecordDigest {
    /// As `digest` says.
    pub fn new(digest: impl Fn(&OutgoingRecord) -> u128 + Send + Sync + 'static) -> Self {
        Self(Arc::new(digest))
    }

    pub(super) fn of(&self, record: &OutgoingRecord) -> u128 {
        (self.0)(record)
    }
}

impl fmt::Debug for RecordDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordDigest")
    }
}

/// Of settings that were read: whoever reads them puts the real one in its place.
#[cfg(feature = "serde")]
impl Default for RecordDigest {
    fn default() -> Self {
        Self::new(|_| 0)
    }
}
