//! Config items that are held by the word of the log, which this process could not read when it was given.

use std::sync::Arc;

use super::LocalObservation;
use crate::config_item::ConfigItem;
use crate::id::ConfigKey;

impl LocalObservation {
    /// Puts what was found in a sealed item in its place, if it is held as that. Returns whether it was.
    pub fn open_held(&mut self, key: &ConfigKey, sealed: &ConfigItem, opened: &Arc<ConfigItem>) -> bool {
        self.configs.get_mut(key).is_some_and(|config| config.open(sealed, opened))
    }
}
