//! Which promises the checks demand. What is not promised, or not kept, is off, with the reason; whoever builds it turns it on here, and nowhere else.

/// What is demanded beside what has always held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// R11: a leader without its registry hands over to a warm standby.
    pub(crate) hand_over: bool,
    /// R14: a record that is out of order is not seen for two seconds, or until the next one that is in order.
    pub(crate) late_writes_unseen: bool,
    /// R16: a checkpoint follows each change within ten seconds. Off: storms with failing sends (seed 348) show one that does not.
    pub(crate) checkpoint_follows: bool,
    /// A registry that loses all it had, and confirms it when it is read, is not believed. Off: the namespaces of storms are below the guard's
    /// thresholds, where such a registry is believed; `tests/simulation/guard.rs` has larger ones.
    pub(crate) guard: bool,
}

/// What the rules in force promise today.
pub(crate) const IN_FORCE: Rules =
    Rules { hand_over: true, late_writes_unseen: true, checkpoint_follows: false, guard: false };
