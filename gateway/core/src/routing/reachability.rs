//! Which networks reach which directly. Input: the network of a caller and of an endpoint. Output: whether an address of
//! one can be used from the other, and the reason if not.

use std::sync::Arc;

/// Which networks are reached from which; each reaches itself, whatever is said here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reachability(Vec<NetworkReach>);

/// Callers of network `from` reach addresses of the networks `to`. Not the other way around.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkReach {
    /// The caller's network.
    pub from: Arc<str>,
    /// Networks of endpoints.
    pub to: Vec<Arc<str>>,
}

impl Reachability {
    /// No network reaches another one.
    pub const ONLY_ITSELF: &'static Self = &Self(Vec::new());

    /// What several entries of one network say adds up.
    #[must_use]
    pub fn new(reaches: Vec<NetworkReach>) -> Self {
        Self(reaches)
    }

    /// What was said, in its order.
    #[must_use]
    pub fn reaches(&self) -> &[NetworkReach] {
        &self.0
    }

    /// Whether callers of network `from` reach addresses of network `to`. A network that is not known is not looked at.
    #[must_use]
    pub fn allows(&self, from: Option<&str>, to: Option<&str>) -> bool {
        let (Some(from), Some(to)) = (from, to) else { return true };
        from == to || self.0.iter().any(|reach| &*reach.from == from && reach.to.iter().any(|network| &**network == to))
    }

    /// The reason by which an endpoint of network `to` is left out for callers of `from`; `None` if they reach it.
    #[must_use]
    pub fn barrier(&self, from: Option<&str>, to: Option<&str>) -> Option<Arc<str>> {
        match (from, to) {
            (Some(from), Some(to)) if !self.allows(Some(from), Some(to)) => {
                Some(format!("network {to} is not reachable from {from}, and no address is advertised for it").into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_reaches_itself_and_what_is_said_and_not_backwards() {
        let reach = |from: &str, to: &[&str]| NetworkReach {
            from: from.into(),
            to: to.iter().map(|to| (*to).into()).collect(),
        };
        let reachability = Reachability::new(vec![reach("n1", &["n2"]), reach("n1", &["n3"])]);
        for (from, to, want) in [
            (Some("n1"), Some("n1"), true),
            (Some("n1"), Some("n2"), true),
            (Some("n1"), Some("n3"), true),
            (Some("n2"), Some("n1"), false),
            (None, Some("n1"), true),
            (Some("n2"), None, true),
        ] {
            assert_eq!(reachability.allows(from, to), want, "{from:?} to {to:?}");
            assert_eq!(reachability.barrier(from, to).is_none(), want, "{from:?} to {to:?}");
        }
        assert!(!Reachability::ONLY_ITSELF.allows(Some("n1"), Some("n2")));
    }
}
