//! One gateway process: a real core, its clocks, what is on its way to it, and a dumb fold of what its readers were given.

use std::collections::{BTreeMap, BTreeSet};

use federation_core::federation::{CensusPace, Federation, OriginSnapshot};
use federation_core::id::{ClusterId, InstanceId, ServiceKey};
use federation_core::input::Input;
use federation_core::local::service::RemovalPatience;
use federation_core::log::cursor::{FoundLog, LogCursor};
use federation_core::log::key::{DataKey, RecordKey};
use federation_core::log::record::{Epoch, HIGHEST_TERM, PartitionId, Record, RecordBody};
use federation_core::seed::Seed;
use federation_core::service::OriginInstances;
use federation_core::time::{Millis, Mono, Now, WallMs};

use super::late::LateMemory;
use crate::world::settings;

/// How long a removal is held after a connect; shorter than by default, so that a storm has many of them.
pub(crate) const HOLD: u64 = 4_000;
/// How often a service is read anew.
pub(crate) const SWEEP: u64 = 16_000;

/// How often censuses are written; shorter than by default, so that a storm has some.
const CENSUSES: CensusPace = CensusPace { first: Millis(30_000), every: Millis(70_000), complained: Millis(30_000) };

/// What a reader was given of one partition since it began, folded in the plainest way.
#[derive(Clone, Default)]
pub(crate) struct Reader {
    pub(crate) cursor: u64,
    pub(crate) life: u64,
    pub(crate) cuts: usize,
    pub(crate) keys: BTreeMap<DataKey, u128>,
    /// The same keys with their hashes, by census bucket.
    pub(crate) buckets: BTreeMap<u8, BTreeMap<DataKey, u64>>,
    pub(crate) sum: u128,
    pub(crate) began: bool,
    /// It is to begin anew, as its process asked.
    pub(crate) anew: bool,
    /// When it last said that it is at the end.
    pub(crate) said_end: u64,
    /// Whether its process was told which log this is.
    pub(crate) told_source: bool,
}

impl Reader {
    /// One that reads on where an earlier process stood.
    fn resumed(cursor: u64, keys: BTreeMap<DataKey, u128>, (life, cuts): (u64, usize)) -> Self {
        let sum = keys.values().fold(0, |sum: u128, digest| sum.wrapping_add(*digest));
        let mut reader = Self { cursor, life, cuts, sum, began: true, ..Self::default() };
        keys.keys().for_each(|key| reader.note_key(key, true));
        Self { keys, ..reader }
    }

    pub(crate) fn fold(&mut self, record: &Record) {
        if let (RecordKey::Census(bucket), RecordBody::Census(census)) = (&record.key, &record.body) {
            return self.sweep(*bucket, census.hashes());
        }
        let RecordKey::Data(key) = &record.key else { return };
        let before = if record.body == RecordBody::Tombstone {
            self.keys.remove(key)
        } else {
            self.sum = self.sum.wrapping_add(record.digest);
            self.keys.insert(key.clone(), record.digest)
        };
        self.sum = self.sum.wrapping_sub(before.unwrap_or(0));
        if before.is_some() != self.keys.contains_key(key) {
            self.note_key(key, before.is_none());
        }
    }
}

/// What was shown of one origin's services, and since when.
pub(crate) type Shown = BTreeMap<(ClusterId, ServiceKey), BTreeMap<InstanceId, u64>>;

/// What the checks remember of a process.
#[derive(Default)]
pub(crate) struct Memory {
    /// What watchers were told of last.
    pub(crate) told: BTreeMap<ServiceKey, Vec<OriginInstances>>,
    pub(crate) shown: Shown,
    /// When a tombstone of a key was handed over to it.
    pub(crate) tombstones: BTreeMap<(ClusterId, DataKey), u64>,
    /// What it was handed out of order.
    pub(crate) late: LateMemory,
    /// Keys whose removal it decided, and when.
    pub(crate) decided: BTreeMap<DataKey, u64>,
    /// When it last sent a record of a key, and with which number.
    pub(crate) sent: BTreeMap<DataKey, (u64, u64)>,
    /// Keys of the own log that a census took from readers, until they are written again.
    pub(crate) unlisted: BTreeSet<DataKey>,
    /// Since when a change of a key is sent and not read back.
    pub(crate) unlanded: BTreeMap<DataKey, u64>,
    /// Where its own partitions ended when a question for that was last due: at a claim, a takeover, a failed send.
    pub(crate) must_read: BTreeMap<PartitionId, (u64, (u64, usize))>,
    /// Sends that failed, by number, until the process hears of it.
    pub(crate) failing: BTreeMap<u64, (PartitionId, DataKey, Epoch)>,
    /// Of single keys, because a send of theirs failed.
    pub(crate) must_read_for: BTreeMap<DataKey, (PartitionId, u64, (u64, usize))>,
    /// Where the control topic ended when its question was put, and when that was.
    pub(crate) control_asked: Option<(u64, (u64, usize), u64)>,
    /// When the last read of a service was asked for, by the process's clock, and whether its list was believed then.
    pub(crate) reads_asked: BTreeMap<ServiceKey, (Mono, bool)>,
    /// The highest term in what it was handed of its own data topics.
    pub(crate) met_term: u32,
    pub(crate) leads_since: Option<u64>,
    /// Since when it has read all of its registry.
    pub(crate) warm_since: Option<u64>,
    /// Since when it may write.
    pub(crate) permitted: Option<u64>,
    /// When an answer of its registry was last handed over.
    pub(crate) heard: u64,
}

impl Memory {
    /// A record of the own data topics is handed over: whoever writes from now on does so above its term.
    pub(crate) fn note_term(&mut self, record: &Record) {
        let term = record.header.map_or(0, |header| header.epoch.term);
        if term <= HIGHEST_TERM {
            self.met_term = self.met_term.max(term);
        }
    }
}

/// One process.
pub(crate) struct Process {
    pub(crate) cluster: ClusterId,
    /// Of all processes of a storm, in the order of their starts.
    pub(crate) number: u64,
    pub(crate) core: Federation,
    mono_from: u64,
    pub(crate) skew: i64,
    /// Inputs under way, with the connection that they belong to; 0 if to none.
    inbox: BTreeMap<(u64, u64), (u64, Input)>,
    sequence: u64,
    pub(crate) connection: u64,
    pub(crate) connected: bool,
    pub(crate) connects_at: u64,
    pub(crate) watched: BTreeSet<ServiceKey>,
    pub(crate) catalog_due: u64,
    pub(crate) readers: BTreeMap<PartitionId, Reader>,
    /// What an earlier process kept of partitions that are not read yet: the place, and each key's digest.
    kept: BTreeMap<PartitionId, (LogCursor, BTreeMap<DataKey, u128>)>,
    pub(crate) members_due: u64,
    pub(crate) unreachable_due: u64,
    pub(crate) ends_due: u64,
    /// Its next sends land no earlier: one producer keeps its order.
    pub(crate) producer_free: u64,
    pub(crate) control_free: u64,
    /// Nor do pushes of its registry overtake each other.
    pub(crate) push_free: u64,
    pub(crate) memory: Memory,
}

/// Who starts.
pub(crate) struct Birth {
    pub(crate) number: u64,
    pub(crate) nonce: u32,
    pub(crate) skew: i64,
    pub(crate) hashed_with: Seed,
}

impl Process {
    pub(crate) fn start(now: u64, cluster: &ClusterId, birth: &Birth, kept: Option<Vec<OriginSnapshot>>) -> Self {
        let patience = RemovalPatience { removal_hold: Millis(HOLD), sweep_interval: Millis(SWEEP) };
        let mut settings = settings(cluster, birth.nonce, birth.hashed_with);
        settings.patience = patience;
        settings.census = CENSUSES;
        let mut core = Federation::new(settings);
        let late = LateMemory::of_process(kept.is_none());
        let mut digests = BTreeMap::new();
        if let Some(pieces) = kept {
            for piece in &pieces {
                let of = piece.places.first().map(|kept| kept.of(&piece.origin));
                let facts = piece.facts.iter().map(|fact| (fact.key.clone(), fact.digest));
                digests.extend(of.map(|of| (of, facts.collect::<BTreeMap<_, _>>())));
            }
            core.restore(pieces);
        }
        let kept = core.cursors().map(|(place, cursor)| {
            let keys = digests.remove(&place).expect("a place comes with its facts");
            (place, (cursor, keys))
        });
        let kept = kept.collect();
        Self {
            cluster: cluster.clone(),
            number: birth.number,
            core,
            mono_from: now,
            skew: birth.skew,
            inbox: BTreeMap::new(),
            sequence: 0,
            connection: 0,
            connected: false,
            connects_at: now + 300,
            watched: BTreeSet::new(),
            catalog_due: 0,
            readers: BTreeMap::new(),
            kept,
            members_due: 0,
            unreachable_due: 0,
            ends_due: 0,
            producer_free: 0,
            control_free: 0,
            push_free: 0,
            memory: Memory { late, ..Memory::default() },
        }
    }

    /// Its own clocks: the monotonic one begins with the process, the wall clock is wrong.
    pub(crate) fn clocks(&self, now: u64) -> Now {
        let wall = 1_700_000_000_000 + i64::try_from(now).unwrap() + self.skew;
        Now { mono: Mono(self.mono(now)), wall: WallMs(u64::try_from(wall).unwrap()) }
    }

    /// When it started.
    pub(crate) fn started(&self) -> u64 {
        self.mono_from
    }

    pub(crate) fn mono(&self, now: u64) -> u64 {
        now - self.mono_from + 1_000
    }

    /// An answer of its registry is on its way, over the connection of now.
    pub(crate) fn expect(&mut self, due: u64, input: Input) {
        self.put(due, self.connection, input);
    }

    /// Something else is on its way.
    pub(crate) fn expect_anyway(&mut self, due: u64, input: Input) {
        self.put(due, 0, input);
    }

    fn put(&mut self, due: u64, connection: u64, input: Input) {
        self.sequence += 1;
        self.inbox.insert((due, self.sequence), (connection, input));
    }

    /// What has arrived. What came over a connection that ended is lost.
    pub(crate) fn arrived(&mut self, now: u64) -> Vec<Input> {
        let later = self.inbox.split_off(&(now + 1, 0));
        let due = std::mem::replace(&mut self.inbox, later);
        let live = |connection: u64| connection == 0 || (self.connected && connection == self.connection);
        due.into_values().filter(|(connection, _)| live(*connection)).map(|(_, input)| input).collect()
    }

    /// Its reader begins where an earlier process stood, if something was kept and this log is found to be the same; gives the offset.
    pub(crate) fn resume(&mut self, place: &PartitionId, found: &FoundLog, shape: (u64, usize)) -> Option<u64> {
        let (cursor, keys) = self.kept.remove(place)?;
        // Wall clocks are wrong by minutes here and change nothing (invariant 15): what they do to places, traces show.
        cursor.judge(found, cursor.at_end).ok()?;
        self.readers.insert(place.clone(), Reader::resumed(cursor.next_offset, keys, shape));
        Some(cursor.next_offset)
    }

    /// Whether its reader of the partition has read up to there, if offsets still mean what they meant.
    pub(crate) fn has_read(&self, place: &PartitionId, end: u64, shape: (u64, usize), now: (u64, usize)) -> bool {
        shape != now || self.readers.get(place).is_some_and(|reader| reader.cursor >= end)
    }
}
