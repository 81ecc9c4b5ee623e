//! What is registered by the word of one witness: for each instance its states, each with the time from which it may be seen and the time
//! from which it has to be.
//!
//! A state may be seen from the moment its command is given; the one before may be seen until the command is acknowledged. In between both are
//! true: a command that fails is given again until it is acknowledged. Of a list that is asked for again and again the same holds between two
//! answers. Times are ms since the run began, by one clock that does not step.
//!
//! Invariant: the states of an instance begin in order, and each but the last is acknowledged.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// An instance of one cluster: `origin service ip:port/Nacos cluster`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(crate) struct InstanceName(Arc<str>);

impl InstanceName {
    pub(crate) fn new(origin: &str, service: &str, ip: &str, port: u64, nacos_cluster: &str) -> Self {
        Self(format!("{origin} {service} {ip}:{port}/{nacos_cluster}").into())
    }
}

impl InstanceName {
    /// The cluster that it is registered in.
    pub(crate) fn origin(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// All that a registrant says of an instance, as text. No two states of an instance have the same but that of being gone.
pub(crate) type Value = Arc<str>;

/// Whether anything ever happens to an instance on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// Registered once; its process is never stopped.
    Untouched,
    /// Registered, changed and deregistered all the time.
    Changed,
}

/// How far behind the truth something is that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lag {
    /// It is true, or was while it was asked for.
    None,
    /// It has been untrue for so many ms.
    Behind(u64),
    /// It was never true.
    Invented,
}

impl Lag {
    /// Whether it is more than what a change may take on its way.
    pub(crate) fn exceeds(self, allowed_ms: u64) -> bool {
        match self {
            Self::None => false,
            Self::Behind(ms) => ms > allowed_ms,
            Self::Invented => true,
        }
    }
}

#[derive(Clone, Debug)]
struct State {
    begun: u64,
    acknowledged: Option<u64>,
    value: Option<Value>,
}

#[derive(Clone, Debug)]
struct History {
    care: Care,
    states: Vec<State>,
}

impl History {
    fn lag(&self, shown: Option<&str>, asked: u64, answered: u64) -> Lag {
        let mut lag = Lag::Invented;
        for (index, state) in self.states.iter().enumerate().rev() {
            if state.value.as_deref() != shown || state.begun > answered {
                continue;
            }
            let until = self.states.get(index + 1).and_then(|next| next.acknowledged);
            let of_this = until.filter(|until| *until < asked).map_or(Lag::None, |until| Lag::Behind(asked - until));
            lag = lag.min(of_this);
            if lag == Lag::None {
                break; // Nothing is less; of a long history mostly the newest states are looked at.
            }
        }
        lag
    }
}

/// The states of all instances, by one witness.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histories {
    of: BTreeMap<InstanceName, History>,
}

/// A time in which an instance was not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Absence {
    /// From when on it may have been away, ms.
    pub(crate) from: u64,
    /// When it was surely back; `None` while it is away.
    pub(crate) to: Option<u64>,
}

impl Histories {
    /// A command is given: from now on `value`, none for a deregistration, may be seen.
    ///
    /// # Panics
    /// If the command before was not acknowledged.
    pub(crate) fn given(&mut self, name: &InstanceName, care: Care, value: Option<Value>, at: u64) {
        let unheard = || History { care, states: vec![State { begun: 0, acknowledged: Some(0), value: None }] };
        let history = self.of.entry(name.clone()).or_insert_with(unheard);
        let former = history.states.last().expect("a history begins with a state");
        assert!(former.acknowledged.is_some(), "{name} is given a command before the last one was acknowledged");
        history.states.push(State { begun: at, acknowledged: None, value });
    }

    /// Its last command was acknowledged: from now on the state before is untrue.
    pub(crate) fn acknowledged(&mut self, name: &InstanceName, at: u64) {
        let state = self.of.get_mut(name).and_then(|history| history.states.last_mut());
        state.expect("only what was given is acknowledged").acknowledged.get_or_insert(at);
    }

    /// How far behind it is to show this of an instance, none for nothing, in an answer of that time.
    pub(crate) fn lag(&self, name: &InstanceName, shown: Option<&str>, asked: u64, answered: u64) -> Lag {
        match self.of.get(name) {
            Some(history) => history.lag(shown, asked, answered),
            None if shown.is_none() => Lag::None,
            None => Lag::Invented,
        }
    }

    /// All that was ever heard of.
    pub(crate) fn names(&self) -> impl Iterator<Item = &InstanceName> {
        self.of.keys()
    }

    /// The times in which an instance was not registered, in order; the first is the one before it came.
    pub(crate) fn absences(&self, name: &InstanceName) -> Vec<Absence> {
        let states = self.of.get(name).map(|history| &*history.states).unwrap_or_default();
        let absent = states.iter().enumerate().filter(|(_, state)| state.value.is_none());
        let until = |index: usize| states.get(index + 1).and_then(|next| next.acknowledged);
        absent.map(|(index, state)| Absence { from: state.begun, to: until(index) }).collect()
    }

    /// What is registered of one instance by the newest command.
    pub(crate) fn of(&self, name: &InstanceName) -> Option<&str> {
        self.of.get(name)?.states.last()?.value.as_deref()
    }

    /// The instances to which nothing happens.
    pub(crate) fn untouched(&self) -> impl Iterator<Item = &InstanceName> {
        self.of.iter().filter(|(_, history)| history.care == Care::Untouched).map(|(name, _)| name)
    }

    /// Commands acknowledged so far.
    pub(crate) fn commands(&self) -> usize {
        let acknowledged =
            |history: &History| history.states[1..].iter().filter(|it| it.acknowledged.is_some()).count();
        self.of.values().map(acknowledged).sum()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn name(text: &str) -> InstanceName {
        InstanceName(text.into())
    }

    /// Registered at 100 and acknowledged at 150 as `1`, changed at 300 to `2` (350), gone at 500 (550).
    pub(crate) fn life(truth: &mut Histories, of: &InstanceName) {
        for (value, given, acknowledged) in [(Some("1"), 100, 150), (Some("2"), 300, 350), (None, 500, 550)] {
            truth.given(of, Care::Changed, value.map(Into::into), given);
            truth.acknowledged(of, acknowledged);
        }
    }

    #[test]
    fn a_state_may_be_seen_from_its_command_until_the_next_is_acknowledged() {
        let (mut truth, of) = (Histories::default(), name("a"));
        life(&mut truth, &of);
        for (shown, asked, answered, want) in [
            (None, 50, 60, Lag::None),
            (None, 140, 141, Lag::None),
            (None, 160, 170, Lag::Behind(10)),
            (Some("1"), 50, 60, Lag::Invented),
            (Some("1"), 90, 110, Lag::None),
            (Some("1"), 340, 360, Lag::None),
            (Some("1"), 450, 460, Lag::Behind(100)),
            (Some("2"), 550, 560, Lag::None),
            (Some("2"), 2550, 2560, Lag::Behind(2000)),
            (Some("3"), 2550, 2560, Lag::Invented),
            (None, 400, 410, Lag::Behind(250)),
            (None, 9000, 9001, Lag::None),
        ] {
            assert_eq!(truth.lag(&of, shown, asked, answered), want, "{shown:?} from {asked} to {answered}");
        }
        assert_eq!(truth.lag(&name("b"), Some("1"), 1, 2), Lag::Invented);
        assert_eq!(truth.lag(&name("b"), None, 1, 2), Lag::None);
        assert_eq!((truth.of(&of), truth.commands()), (None, 3));
        let absent = [Absence { from: 0, to: Some(150) }, Absence { from: 500, to: None }];
        assert_eq!((truth.absences(&of), truth.absences(&name("b"))), (absent.to_vec(), Vec::new()));
    }

    #[test]
    fn while_a_command_is_under_way_both_states_are_true() {
        let (mut truth, of) = (Histories::default(), name("a"));
        truth.given(&of, Care::Changed, Some("1".into()), 100);
        for shown in [None, Some("1")] {
            assert_eq!(truth.lag(&of, shown, 5000, 5001), Lag::None, "{shown:?}");
        }
        truth.acknowledged(&of, 6000);
        assert_eq!(truth.lag(&of, None, 6500, 6501), Lag::Behind(500));
    }
}
