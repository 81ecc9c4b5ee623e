//! Under which keys the config items of a fold are sealed, counted as they change; and items that are opened after they were folded.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config_item::{ConfigContent, ConfigItem, SealKeyId, SealReason};
use crate::id::ConfigKey;
use crate::log::entries::FoldEntry;
use crate::log::partition::{Fold, Partition};

/// How many config items of a fold, or of an origin, stand under each key. Only keys under which there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealCounts {
    /// Items under each key, by what can be done with them: opened, or why not.
    pub keys: BTreeMap<(SealKeyId, Option<SealReason>), u64>,
    /// Items that anybody can read.
    pub clear: u64,
}

impl SealCounts {
    /// Items that stand under `key`, opened or not; `None` for those that anybody can read.
    #[must_use]
    pub fn under(&self, key: Option<SealKeyId>) -> u64 {
        let Some(key) = key else { return self.clear };
        self.keys.iter().filter(|((of, _), _)| *of == key).map(|(_, count)| count).sum()
    }

    /// Items that are not readable for this reason.
    #[must_use]
    pub fn sealed(&self, reason: SealReason) -> u64 {
        self.keys.iter().filter(|((_, why), _)| *why == Some(reason)).map(|(_, count)| count).sum()
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.clear + self.keys.values().sum::<u64>()
    }

    /// Adds those of another fold.
    pub fn add(&mut self, other: &Self) {
        self.clear += other.clear;
        for (place, count) in &other.keys {
            *self.keys.entry(*place).or_default() += count;
        }
    }

    pub(super) fn replace(&mut self, before: Option<&FoldEntry<ConfigItem>>, after: Option<&FoldEntry<ConfigItem>>) {
        let [before, after] = [before, after].map(|entry| entry.and_then(|entry| entry.value.as_deref()).map(place));
        if before == after {
            return;
        }
        match after {
            Some(Some(place)) => *self.keys.entry(place).or_default() += 1,
            Some(None) => self.clear += 1,
            None => {}
        }
        match before {
            Some(Some(place)) => {
                let count = self.keys.entry(place).or_default();
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.keys.remove(&place);
                }
            }
            Some(None) => self.clear = self.clear.saturating_sub(1),
            None => {}
        }
    }
}

/// Where an item is counted; `None` for one that anybody can read.
fn place(item: &ConfigItem) -> Option<(SealKeyId, Option<SealReason>)> {
    match &item.content {
        ConfigContent::Plain(_) => item.sealed_under.map(|key| (key, None)),
        ConfigContent::Sealed(sealed) => Some((sealed.key, Some(sealed.reason))),
    }
}

impl Fold {
    /// Under which keys its config items stand.
    #[must_use]
    pub fn seals(&self) -> &SealCounts {
        &self.seals
    }

    /// Puts what was found in a sealed item in its place, if it is still that item. Returns whether it was.
    fn open(&mut self, key: &ConfigKey, sealed: &ConfigItem, opened: &Arc<ConfigItem>) -> bool {
        let Some(before) = self.configs.get(key) else { return false };
        if before.value.as_deref() != Some(sealed) {
            return false;
        }
        let mut entry = before.clone();
        entry.value = Some(Arc::clone(opened));
        let bytes = |entry: &FoldEntry<ConfigItem>| entry.share(crate::log::bounds::config_bytes).bytes;
        self.seals.replace(Some(before), Some(&entry));
        self.bytes += bytes(&entry);
        self.bytes -= self.configs.insert(key.clone(), entry).as_ref().map_or(0, bytes);
        true
    }
}

impl Partition {
    /// Puts what was found in a sealed item in its place, wherever it is still that item. Returns whether it was anywhere. The record is the
    /// same: its digest and its header stay.
    pub fn open(&mut self, key: &ConfigKey, sealed: &ConfigItem, opened: &Arc<ConfigItem>) -> bool {
        let shadow = self.shadow.as_mut().is_some_and(|shadow| shadow.fold.open(key, sealed, opened));
        self.served.open(key, sealed, opened) || shadow
    }

    /// Sealed items that were never tried with their key, wherever they are folded.
    pub fn unopened(&self) -> impl Iterator<Item = (&ConfigKey, &Arc<ConfigItem>)> {
        let shadow = self.shadow.as_ref().map(|shadow| &shadow.fold);
        let folds = [Some(&self.served), shadow].into_iter().flatten();
        let folds = folds.filter(|fold| fold.seals.sealed(SealReason::NoKey) > 0);
        let untried = |item: &ConfigItem| item.content.text().is_err_and(|it| it.reason == SealReason::NoKey);
        folds.flat_map(Fold::configs).filter_map(move |(key, entry)| {
            let item = entry.value.as_ref().filter(|item| untried(item))?;
            Some((key, item))
        })
    }
}
