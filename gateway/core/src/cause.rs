//! What a change of an answer came of: through what this process learnt of it, and where that stands in the log.
//!
//! It is noted beside each key that changed and decides nothing. Of several changes of a key between two answers the last one's cause is kept.

use crate::input::{Input, LocalInput, OperatorOrder};
use crate::log::record::{PartitionId, TopicKind};

/// Through what this process learnt of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChangeThrough {
    /// Time passed: a hold ended, or what was kept for a moment.
    #[default]
    Time,
    /// The local Nacos pushed a list, or answered a subscription with it.
    Push,
    /// The local Nacos acknowledged what a client of this gateway's front door registered or withdrew.
    FrontDoor,
    /// A read of a service or config item: asked for because something was missing, or by the sweep.
    Sweep,
    /// The list of all services of a namespace, or the comparison of the own log with what Nacos says.
    Reconcile,
    /// The connection to the local Nacos began or ended.
    Connection,
    /// A decision of the guard, or about one of its holds.
    Guard,
    /// A census of all keys: what it does not name is gone.
    Census,
    /// A checkpoint proved that a partition which was read anew is what its origin states.
    Repair,
    /// An order of an operator of this cluster.
    Operator,
    /// A record of the log.
    Log,
    /// The snapshot file.
    Snapshot,
    /// A key of sealed contents came.
    Seal,
    /// An origin's beat, or that none came.
    Beat,
}

impl ChangeThrough {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Time,
        Self::Push,
        Self::FrontDoor,
        Self::Sweep,
        Self::Reconcile,
        Self::Connection,
        Self::Guard,
        Self::Census,
        Self::Repair,
        Self::Operator,
        Self::Log,
        Self::Snapshot,
        Self::Seal,
        Self::Beat,
    ];

    /// The word that answers use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Push => "push",
            Self::FrontDoor => "front_door",
            Self::Sweep => "sweep",
            Self::Reconcile => "reconcile",
            Self::Connection => "connection",
            Self::Guard => "guard",
            Self::Census => "census",
            Self::Repair => "repair",
            Self::Operator => "operator",
            Self::Log => "log",
            Self::Snapshot => "snapshot",
            Self::Seal => "seal",
            Self::Beat => "beat",
        }
    }
}

/// Where a record stands in its origin's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordPlace {
    /// Of which kind its topic is.
    pub topic: TopicKind,
    /// The topic's partition.
    pub partition: u32,
    /// Its offset there.
    pub offset: u64,
}

/// What a change came of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ChangeCause {
    /// Through what.
    pub through: ChangeThrough,
    /// The record, if it came through one.
    pub place: Option<RecordPlace>,
}

impl From<ChangeThrough> for ChangeCause {
    fn from(through: ChangeThrough) -> Self {
        Self { through, place: None }
    }
}

impl ChangeCause {
    /// Of a record of the log.
    #[must_use]
    pub fn of_record(through: ChangeThrough, partition: &PartitionId, offset: u64) -> Self {
        let place = RecordPlace { topic: partition.topic, partition: partition.partition, offset };
        Self { through, place: Some(place) }
    }

    /// Of an input that is no record.
    pub(crate) fn of_input(input: &Input) -> Self {
        let through = match input {
            Input::Local(LocalInput::Listed { .. }) => ChangeThrough::Push,
            Input::Local(LocalInput::Acknowledged { .. }) => ChangeThrough::FrontDoor,
            Input::Local(LocalInput::Read { .. } | LocalInput::Config { .. }) => ChangeThrough::Sweep,
            Input::Local(LocalInput::Catalog { .. } | LocalInput::Discovered(_)) => ChangeThrough::Reconcile,
            Input::Local(_) => ChangeThrough::Connection,
            Input::Log(_) => ChangeThrough::Log,
            Input::Order(OperatorOrder::Guard { .. }) => ChangeThrough::Guard,
            Input::Order(_) => ChangeThrough::Operator,
            Input::Seal(_) => ChangeThrough::Seal,
            Input::Look | Input::Tick | Input::Stop => ChangeThrough::Time,
        };
        through.into()
    }
}
