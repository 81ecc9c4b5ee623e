//! The keys of sealed contents, as all parts that encode or decode have them: replaced as a whole, while they go on.

use std::sync::Arc;

use arc_swap::ArcSwap;
use federation_codec::seal::SealKeys;

/// The keys that count now. Cheap to clone; without keys at first, which opens nothing and seals nothing.
#[derive(Clone, Debug, Default)]
pub struct SealKeyring(Arc<ArcSwap<SealKeys>>);

impl SealKeyring {
    /// The keys that count now.
    #[must_use]
    pub fn load(&self) -> Arc<SealKeys> {
        self.0.load_full()
    }

    /// These count from now on; what was opened with the former ones is kept sealed under them. To be called by the one who reads the file
    /// of keys.
    pub fn replace(&self, keys: SealKeys) {
        self.0.store(Arc::new(keys.after(&self.0.load())));
    }
}
