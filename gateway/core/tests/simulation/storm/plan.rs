//! What goes wrong in one storm, and when: a list that follows from a seed, of which single faults can be left out.

use crate::world::Dice;

/// A kind of fault. Those with a length are over by themselves; `target` chooses a replica or a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A replica ends without a last word; what it had sent may land later, or never.
    Killed,
    /// A replica ends in order, and starts again with what it kept.
    Stopped,
    /// A replica ends without a last word and starts with what an earlier one had kept a while before.
    OldSnapshot,
    /// A replica's process stands still, with what it was about to send.
    Paused,
    /// A replica's connection to its registry breaks.
    NacosCut,
    /// A registry restarts: its clients come back one by one, and until then no list has them.
    NacosRestarted,
    /// Nobody reaches the log.
    LogDown,
    /// A replica does not reach the log.
    LinkDown,
    /// A replica's reader gets nothing; it can write, and its questions are answered.
    Deaf,
    /// A replica gets records in small batches, and late.
    SlowReader,
    /// No question of a replica for an end is answered.
    NoEnds,
    /// Answers for ends come late, and say what was true when they were asked.
    OldEnds,
    /// Some sends of a replica fail: they land at once, later, or never.
    SendsFail,
    /// Sends of a replica take seconds.
    SendsLate,
    /// The log says of some records of a replica that it cannot take them.
    SendsRefused,
    /// Nothing is heard of some sends of a replica: they landed or not.
    SendsUnheard,
    /// A replica's producer is made anew, its sends under way.
    ProducerReplaced,
    /// The log is compacted.
    Compacted,
    /// The data topics of a cluster are deleted and created anew.
    DataRecreated,
    /// The control topic of a cluster is deleted and created anew.
    ControlRecreated,
    /// The last records of a partition get lost: an unclean election.
    Truncated,
    /// A reader begins a partition anew.
    PlaceLost,
    /// A record that cannot be read, has no header, or an absurd term.
    Poisoned,
    /// Somebody writes an instance that no registry ever had, or an older value, or a removal.
    ForeignWrite,
    /// Lists of a registry lack some instances.
    PartialLists,
    /// Lists of a registry are empty.
    EmptyLists,
    /// Lists of a registry are those of a while ago.
    OldLists,
    /// A registry protects: its lists call everybody healthy.
    ProtectedLists,
    /// The catalogs of a registry lack living services.
    LyingCatalog,
    /// A registry answers once that there is no such config item.
    ConfigLie,
    /// Reads of a registry fail, or are not answered.
    ReadsFail,
    /// Reads of a registry take seconds, and say what was true when they were asked.
    ReadsOld,
    /// Pushes of a registry get lost.
    PushesLost,
    /// The wall clock of a replica jumps by minutes.
    WallJumped,
    /// The mirror copies nothing, and then some records twice.
    MirrorStopped,
    /// The mirror was away for longer than removals are kept: it never meets those of now.
    MirrorLosesRemovals,
}

/// How many there are.
pub(crate) const KINDS: usize = 36;

impl Kind {
    pub(crate) const ALL: [Self; KINDS] = [
        Self::Killed,
        Self::Stopped,
        Self::OldSnapshot,
        Self::Paused,
        Self::NacosCut,
        Self::NacosRestarted,
        Self::LogDown,
        Self::LinkDown,
        Self::Deaf,
        Self::SlowReader,
        Self::NoEnds,
        Self::OldEnds,
        Self::SendsFail,
        Self::SendsLate,
        Self::SendsRefused,
        Self::SendsUnheard,
        Self::ProducerReplaced,
        Self::Compacted,
        Self::DataRecreated,
        Self::ControlRecreated,
        Self::Truncated,
        Self::PlaceLost,
        Self::Poisoned,
        Self::ForeignWrite,
        Self::PartialLists,
        Self::EmptyLists,
        Self::OldLists,
        Self::ProtectedLists,
        Self::LyingCatalog,
        Self::ConfigLie,
        Self::ReadsFail,
        Self::ReadsOld,
        Self::PushesLost,
        Self::WallJumped,
        Self::MirrorStopped,
        Self::MirrorLosesRemovals,
    ];

    /// Its place among all.
    pub(crate) fn number(self) -> usize {
        Self::ALL.iter().position(|kind| *kind == self).unwrap()
    }
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) step: u64,
    pub(crate) kind: Kind,
    pub(crate) target: u64,
    pub(crate) millis: u64,
    /// What else is left to chance in it.
    pub(crate) salt: u64,
}

/// One storm.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) steps: u64,
    /// Replicas of each cluster.
    pub(crate) replicas: Vec<usize>,
    pub(crate) faults: Vec<Fault>,
}

/// Steps of a storm; a step is 400 ms.
pub(crate) const STEPS: u64 = 500;
const FEWEST_FAULTS: u64 = 22;

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice(seed ^ 0x51ed_270b_7e4d_3c11);
        let clusters = 2 + dice.roll(2);
        let replicas = (0..clusters).map(|_| usize::try_from(1 + dice.roll(3)).unwrap()).collect();
        let count = FEWEST_FAULTS + dice.roll(20);
        // Half of the storms have a few favourites: faults of one kind meet each other more often than chance would have it.
        let favourites: Vec<Kind> = (0..4).map(|_| any_kind(&mut dice)).collect();
        let has_favourites = dice.one_in(2);
        let mut faults: Vec<Fault> = (0..count)
            .map(|_| {
                let kind = if has_favourites && !dice.one_in(3) {
                    favourites[usize::try_from(dice.roll(4)).unwrap()]
                } else {
                    any_kind(&mut dice)
                };
                let (step, target, salt) = (dice.roll(STEPS - 20), dice.roll(1 << 16), dice.roll(1 << 32));
                let longest = if dice.one_in(4) { 25_000 } else { 6_000 };
                Fault { step, kind, target, millis: 400 + dice.roll(longest), salt }
            })
            .collect();
        faults.sort_by_key(|fault| fault.step);
        Self { seed, steps: STEPS, replicas, faults }
    }

    /// The same without these faults.
    pub(crate) fn with(&self, faults: Vec<Fault>) -> Self {
        Self { faults, ..self.clone() }
    }
}

fn any_kind(dice: &mut Dice) -> Kind {
    Kind::ALL[usize::try_from(dice.roll(KINDS as u64)).unwrap()]
}
