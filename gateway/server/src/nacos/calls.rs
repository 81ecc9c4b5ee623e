//! Which calls to Nacos work, which are refused and which fail.
//!
//! Input: the result of each call. Output: bars (a refused call is tried again only after a while), metrics, one log line per change, and
//! what `status` shows. Invariant: nothing here says that something is gone.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nacos_protocol::admin::AdminError;
use nacos_protocol::client::{CallError, Refusal};

use crate::metrics::NacosMetrics;

/// A refused call is tried again after this: a right may have been granted. Nacos itself takes up to 15 s to notice that.
const RETRY_REFUSED: Duration = Duration::from_secs(60);
/// Entries that `status` shows for each kind of trouble.
const SHOWN: usize = 8;

macro_rules! calls {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// A call, as metrics and `status` name it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum ApiCall {
            $($(#[$doc])* $variant,)*
        }

        impl ApiCall {
            /// Its name.
            pub(super) fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

calls! {
    /// User and password to a token.
    Login = "login",
    /// All namespaces (HTTP).
    ListNamespaces = "list_namespaces",
    /// All services of a namespace (HTTP).
    ListServices = "list_services",
    /// Services of one group (gRPC).
    ListGroup = "list_group",
    /// Which services appear and disappear (gRPC).
    FuzzyWatch = "fuzzy_watch",
    /// A service's pushes (gRPC).
    Subscribe = "subscribe",
    /// All instances of a service, disabled ones too (HTTP).
    ReadInstances = "read_instances",
    /// Enabled instances of a service (gRPC).
    QueryService = "query_service",
    /// All config items of a namespace (HTTP).
    ListConfigs = "list_configs",
    /// What is kept beside the content of a config item (HTTP).
    ReadConfigDetail = "read_config_detail",
    /// Content of a config item (gRPC).
    ReadConfig = "read_config",
    /// Changes of config items (gRPC).
    ListenConfigs = "listen_configs",
}

/// Why a call gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The account lacks the right.
    Refused(String),
    /// This server has no such call.
    NotOffered,
    /// No answer, an error, or nonsense.
    Failed(String),
    /// There is no connection: said elsewhere, and not worth a word for each call.
    NotConnected,
}

impl Trouble {
    /// Whether asking another way is the only chance.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::NotOffered)
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::NotOffered => "not offered",
            Self::Failed(_) => "failing",
            Self::NotConnected => "not connected",
        }
    }

    fn message(&self) -> &str {
        match self {
            Self::Refused(message) | Self::Failed(message) => message,
            Self::NotOffered | Self::NotConnected => "",
        }
    }
}

impl From<&AdminError> for Trouble {
    fn from(error: &AdminError) -> Self {
        match error {
            AdminError::Refused { .. } => Self::Refused(error.to_string()),
            AdminError::NotOffered => Self::NotOffered,
            _ => Self::Failed(with_causes(error)),
        }
    }
}

impl From<&CallError> for Trouble {
    fn from(error: &CallError) -> Self {
        match error {
            CallError::Refused { .. } => Self::Refused(error.to_string()),
            CallError::NotConnected => Self::NotConnected,
            _ => Self::Failed(with_causes(error)),
        }
    }
}

impl From<&Refusal> for Trouble {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::NoRight(message) => Self::Refused(message.clone()),
            Refusal::Overloaded(message) => Self::Failed(format!("overloaded: {message}")),
            Refusal::Failed { code, message } => Self::Failed(format!("error {code}: {message}")),
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

struct Standing {
    trouble: Trouble,
    barred_until: Option<Instant>,
}

/// All calls that do not work now.
pub(super) struct Calls {
    metrics: NacosMetrics,
    /// By call and by what it was about (a namespace, or a namespace and a group). Locked for one look-up or change.
    standing: Mutex<BTreeMap<(ApiCall, String), Standing>>,
}

impl Calls {
    pub(super) fn new(metrics: NacosMetrics) -> Self {
        Self { metrics, standing: Mutex::default() }
    }

    /// The call gave an answer.
    pub(super) fn worked(&self, call: ApiCall, about: &str) {
        let mut standing = self.standing();
        // Nearly always there is nothing to remove, and nothing to allocate for finding that out.
        if standing.is_empty() || standing.remove(&(call, about.to_owned())).is_none() {
            return;
        }
        drop(standing);
        tracing::info!(call = call.word(), about, "nacos answers this call again");
    }

    /// The call gave none.
    pub(super) fn failed(&self, call: ApiCall, about: &str, trouble: Trouble, now: Instant) {
        match &trouble {
            Trouble::Refused(_) => drop(self.metrics.calls_refused(call.word()).inc()),
            Trouble::Failed(_) => drop(self.metrics.calls_failed(call.word()).inc()),
            Trouble::NotOffered => {}
            Trouble::NotConnected => return,
        }
        let barred_until = trouble.is_final().then(|| now + RETRY_REFUSED);
        let (word, message) = (trouble.word(), trouble.message().to_owned());
        let not_offered = trouble == Trouble::NotOffered;
        let before = self.standing().insert((call, about.to_owned()), Standing { trouble, barred_until });
        if before.is_some_and(|before| before.trouble.word() == word) {
            tracing::debug!(call = call.word(), about, message, "nacos call {word}");
        } else if not_offered {
            tracing::info!(call = call.word(), about, "this nacos does not offer the call");
        } else {
            tracing::warn!(call = call.word(), about, message, standing = word, "nacos gives no answer to this call");
        }
    }

    /// Whether the call was refused so short a time ago that it is not worth trying.
    pub(super) fn is_barred(&self, call: ApiCall, about: &str, now: Instant) -> bool {
        let standing = self.standing();
        if standing.is_empty() {
            return false;
        }
        let found = standing.get(&(call, about.to_owned()));
        found.and_then(|found| found.barred_until).is_some_and(|until| now < until)
    }

    /// Calls that the account may not make, for people.
    pub(super) fn refused(&self) -> Vec<String> {
        self.shown(|trouble| matches!(trouble, Trouble::Refused(_)))
    }

    /// Calls that fail, for people.
    pub(super) fn failing(&self) -> Vec<String> {
        self.shown(|trouble| matches!(trouble, Trouble::Failed(_)))
    }

    /// Whether the account was refused this call for anything.
    pub(super) fn is_refused_anywhere(&self, call: ApiCall) -> bool {
        let standing = self.standing();
        standing.iter().any(|((refused, _), found)| *refused == call && matches!(found.trouble, Trouble::Refused(_)))
    }

    fn shown(&self, kind: impl Fn(&Trouble) -> bool) -> Vec<String> {
        let standing = self.standing();
        let matching = || standing.iter().filter(|(_, found)| kind(&found.trouble));
        let line = |((call, about), found): (&(ApiCall, String), &Standing)| match about.is_empty() {
            true => format!("{}: {}", call.word(), found.trouble.message()),
            false => format!("{} of {about}: {}", call.word(), found.trouble.message()),
        };
        let mut lines: Vec<String> = matching().take(SHOWN).map(line).collect();
        let count = matching().count();
        if count > SHOWN {
            lines.push(format!("and {} more", count - SHOWN));
        }
        lines
    }

    fn standing(&self) -> MutexGuard<'_, BTreeMap<(ApiCall, String), Standing>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_call_is_barred_for_a_minute_and_a_failed_one_is_not() {
        let (calls, now) = (Calls::new(NacosMetrics::default()), Instant::now());
        calls.failed(ApiCall::ListServices, "a", Trouble::Refused("no right".to_owned()), now);
        calls.failed(ApiCall::ListServices, "b", Trouble::Failed("500".to_owned()), now);
        let barred = |about, after| calls.is_barred(ApiCall::ListServices, about, now + Duration::from_secs(after));
        assert!(barred("a", 0) && barred("a", 59) && !barred("a", 60) && !barred("b", 0));
        assert_eq!(calls.refused(), ["list_services of a: no right"]);
        assert_eq!(calls.failing(), ["list_services of b: 500"]);
        let counted = [calls.metrics.calls_refused("list_services"), calls.metrics.calls_failed("list_services")];
        assert_eq!(counted.map(|counter| counter.get()), [1, 1]);
        calls.worked(ApiCall::ListServices, "a");
        assert!(!barred("a", 0) && calls.refused().is_empty());
    }

    #[test]
    fn a_lost_connection_is_no_trouble_of_a_call() {
        let (calls, now) = (Calls::new(NacosMetrics::default()), Instant::now());
        calls.failed(ApiCall::QueryService, "", Trouble::from(&CallError::NotConnected), now);
        assert!(calls.failing().is_empty());
    }
}
