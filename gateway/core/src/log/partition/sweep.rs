//! What a census takes from a partition (rule R20): keys that it does not list go from the fold that it is news to, and from views as R14 has it.

use crate::log::key::{DataKey, RecordKey};
use crate::log::partition::{AppliedRecord, Fold, Partition};
use crate::log::record::{Record, RecordBody};
use crate::time::Mono;

impl Fold {
    /// Drops a key, as its tombstone would.
    fn sweep(&mut self, key: &DataKey) {
        let nothing = Record { offset: 0, key: RecordKey::Other, header: None, body: RecordBody::Tombstone, digest: 0 };
        self.apply(key, &nothing);
    }
}

impl Partition {
    /// Whether a record, met next, would be in order (rule R14).
    pub(in crate::log) fn is_in_order(&self, record: &Record) -> bool {
        self.order.is_in_order(record.header.as_ref())
    }

    /// Whether a record is news to what is served.
    pub(in crate::log) fn is_news(&self, record: &Record) -> bool {
        self.shadow.as_ref().is_none_or(|shadow| shadow.old_reads_from.is_some_and(|from| record.offset >= from))
    }

    /// Drops what `unlisted` finds in the shadow, if there is one.
    pub(in crate::log) fn sweep_shadow(&mut self, unlisted: impl FnOnce(&Fold) -> Vec<DataKey>) {
        if let Some(shadow) = &mut self.shadow {
            unlisted(&shadow.fold).iter().for_each(|key| shadow.fold.sweep(key));
        }
    }

    /// Drops a key from what is served, by a record that is in order or not.
    pub(in crate::log) fn sweep_served(&mut self, now: Mono, key: DataKey, in_order: bool) -> AppliedRecord {
        let before = self.served.value_of(&key);
        self.served.sweep(&key);
        let applied = AppliedRecord::Changed(key.clone());
        match in_order || !self.at_end_once {
            true => self.late.overrule(&key, None, applied),
            false => self.late.keep_back(now, &key, (before, None), applied),
        }
    }
}
