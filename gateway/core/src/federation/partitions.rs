//! How many partitions an origin's topics have, and over how many it spreads its keys (rule R23).
//!
//! Input: what the topics were seen to have, and what the descriptor says. The descriptor decides: whoever writes hashes over
//! that many, and partitions that somebody added stay empty. Invariant: what is served goes on being served while the log is
//! read anew over another number.

use crate::federation::{Federation, Origin};
use crate::id::ClusterId;
use crate::log::key::{DataKey, RecordKey};
use crate::log::origin::OriginLog;
use crate::log::partition::Fold;
use crate::log::record::{Record, RecordBody};
use crate::seed::Seed;
use crate::time::{Millis, Now};

use super::snapshot::{KeptFact, facts_of};

/// A cluster whose topics do not have the partitions that it writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMismatch {
    /// Which cluster.
    pub cluster: ClusterId,
    /// Partitions of its data topics. More than `stated` is odd, and nothing is lost by it; fewer, and facts are missing.
    pub topics: u32,
    /// Partitions that its descriptor names.
    pub stated: u32,
}

impl Federation {
    /// Clusters whose topics have other numbers of partitions than their descriptors say.
    #[must_use]
    pub fn partition_mismatches(&self) -> Vec<PartitionMismatch> {
        let mismatch = |(id, origin): (&ClusterId, &Origin)| {
            let (topics, stated) = (origin.topics, origin.stated()?);
            (topics > 0 && topics != stated).then(|| PartitionMismatch { cluster: id.clone(), topics, stated })
        };
        self.origins.iter().filter_map(mismatch).collect()
    }

    /// Its topics have so many partitions, as told by the brokers; or its descriptor was read.
    pub(super) fn fit_partitions(&mut self, id: &ClusterId) {
        let own = id == self.cluster();
        let Some(origin) = self.origins.get_mut(id) else { return };
        // The own number is a setting; the descriptor in the log may be an older one.
        let wanted = origin.stated().filter(|_| !own).unwrap_or(origin.topics);
        for key in origin.spread_over(wanted, self.settings.seed) {
            self.changed.note(&key);
            self.recount(id, &key);
        }
    }
}

/// A cluster that says again and again that it writes to another number of partitions is read over another one this often at most: each
/// time all that is known of it moves.
const REFIT_EVERY: Millis = Millis::from_secs(60);

impl Federation {
    /// Its descriptor was read: at once if that is rare, else later.
    pub(super) fn refit_partitions(&mut self, now: Now, id: &ClusterId) {
        let Some(origin) = self.origins.get_mut(id) else { return };
        let not_before = origin.refitted.map_or(now.mono, |last| last + REFIT_EVERY);
        origin.refit_at = Some(not_before);
        self.refit_due(now);
    }

    /// Clusters whose descriptors wait to be followed.
    pub(super) fn refit_due(&mut self, now: Now) {
        let due = |origin: &Origin| origin.refit_at.is_some_and(|at| now.mono >= at);
        let ids: Vec<ClusterId> = self.origins.iter().filter(|(_, it)| due(it)).map(|(id, _)| id.clone()).collect();
        for id in ids {
            if let Some(origin) = self.origins.get_mut(&id) {
                let moves = origin.stated().is_some_and(|stated| stated != origin.log.partitions());
                origin.refit_at = None;
                if moves {
                    origin.refitted = Some(now.mono);
                }
            }
            self.fit_partitions(&id);
        }
    }
}

impl Origin {
    fn stated(&self) -> Option<u32> {
        self.descriptor.as_ref().map(|descriptor| descriptor.partitions).filter(|partitions| *partitions > 0)
    }

    /// Gives it a log of so many partitions, if it has another; the reader reads them anew. Returns what may be shown otherwise.
    fn spread_over(&mut self, partitions: u32, seed: Seed) -> Vec<DataKey> {
        if partitions == 0 || partitions == self.log.partitions() {
            return Vec::new();
        }
        let keys: Vec<DataKey> = self.log.folds().flat_map(Fold::keys).collect();
        let mut folds = OriginLog::new(partitions, seed);
        let facts = self.log.folds().flat_map(facts_of).filter(|fact| fact.body != RecordBody::Unreadable);
        let mut is_empty = true;
        for KeptFact { key, body, header, .. } in facts {
            let digest = 0; // Of no use: the shadow is compared with checkpoints, not this.
            folds.fold(&Record { offset: 0, key: RecordKey::Data(key), header, body, digest });
            is_empty = false;
        }
        self.log = if is_empty { folds } else { folds.into_snapshot() };
        self.weigh();
        keys // Of those that cannot be read nothing is kept.
    }
}
