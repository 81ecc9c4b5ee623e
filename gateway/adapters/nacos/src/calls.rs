//! Which calls to Nacos work, which are refused and which fail.
//!
//! Input: the result of each call, with what it was about. Output: bars (a refused call is tried again only after a while), metrics, the
//! troubles that last, and what `status` shows.
//!
//! The failure that this defends against: the success of one call clears the trouble of another, so that nobody hears of what fails for as
//! long as its cause lasts. So each trouble stands under its call and its exact concern (this service, that namespace), and ends when that
//! concern is answered or is of no concern any more ([`Calls::forget`]). Told are refusals by the group that rights are given to, and failures
//! one by one once they last. Invariant: nothing here says that something is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nacos_protocol::admin::AdminError;
use nacos_protocol::client::{CallError, SubscriptionRefusal};

use super::about::About;
use federation_ports::metrics::{NacosMetrics, TroubleKind};
use federation_ports::trouble::TroubleBoard;

/// A refused call is tried again after this: a right may have been granted. Nacos itself takes up to 15 s to notice that.
const RETRY_REFUSED: Duration = Duration::from_secs(60);
/// A group of which nothing was ever allowed counts as refused as a whole after this many different concerns: else an account without a
/// right would have each service refused by itself, again and again. A right to some of a group shows at the first that is allowed.
const REFUSED_AS_A_WHOLE: u32 = 3;
/// A concern that fails for this long is a trouble. Nearly everything that fails is tried again within 3 s.
const LASTING: Duration = Duration::from_secs(10);
/// Entries that `status` shows for each kind of trouble.
const SHOWN: usize = 8;
/// Concerns that are kept one by one at most: some 8 MB, and more services than one gateway watches in practice. What fails beyond them is
/// counted by the metrics alone until others are healed.
const MOST_KEPT: usize = 50_000;

macro_rules! calls {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// A call, as metrics and `status` name it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum ApiCall {
            $($(#[$doc])* $variant,)*
        }

        impl ApiCall {
            const ALL: &[Self] = &[$(Self::$variant),*];

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

impl ApiCall {
    /// Whether something that is exported stays unseen, or old, where this is refused. The other calls have another way to go, and
    /// `limits` says what that lacks: an account with few rights is no trouble.
    fn is_essential(self) -> bool {
        match self {
            Self::Login | Self::Subscribe | Self::QueryService | Self::ReadConfig | Self::ListenConfigs => true,
            Self::ListNamespaces
            | Self::ListServices
            | Self::ListGroup
            | Self::FuzzyWatch
            | Self::ReadInstances
            | Self::ListConfigs
            | Self::ReadConfigDetail => false,
        }
    }

    /// Whether many concerns of one scope are asked about, each by a call that has another way to go where it is refused.
    fn has_bars_by_scope(self) -> bool {
        matches!(self, Self::ReadInstances | Self::ReadConfigDetail)
    }
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

impl From<&SubscriptionRefusal> for Trouble {
    fn from(refusal: &SubscriptionRefusal) -> Self {
        match refusal {
            SubscriptionRefusal::NoRight(message) => Self::Refused(message.clone()),
            SubscriptionRefusal::Overloaded(message) => Self::Failed(format!("overloaded: {message}")),
            SubscriptionRefusal::Unanswered { times } => Self::Failed(format!("no answer, {times} times in a row")),
            SubscriptionRefusal::Failed { code, message } => Self::Failed(format!("error {code}: {message}")),
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
    scope: String,
    since: Instant,
    barred_until: Option<Instant>,
}

/// Refusals of one call in one scope.
#[derive(Default)]
struct Refused {
    count: usize,
    example: String,
    message: String,
}

/// What is known of the right to one call in one scope.
#[derive(Default)]
struct Right {
    was_allowed: bool,
    refused_in_a_row: u32,
    barred_until: Option<Instant>,
}

#[derive(Default)]
struct State {
    /// By call and concern.
    standing: BTreeMap<(ApiCall, String), Standing>,
    /// By call and scope.
    refused: BTreeMap<(ApiCall, String), Refused>,
    /// By call and scope, for concerns within one.
    rights: BTreeMap<(ApiCall, String), Right>,
    not_offered: BTreeSet<ApiCall>,
}

/// All calls that do not work now.
pub(super) struct Calls {
    metrics: NacosMetrics,
    board: TroubleBoard,
    /// Whether something stands: nearly always nothing does, and then finding that out costs nothing.
    is_clear: AtomicBool,
    /// Locked for one look-up or change.
    state: Mutex<State>,
}

impl Calls {
    pub(super) fn new(metrics: NacosMetrics, board: TroubleBoard) -> Self {
        Self { metrics, board, is_clear: AtomicBool::new(true), state: Mutex::default() }
    }

    /// The call gave an answer.
    pub(super) fn worked(&self, call: ApiCall, about: About<'_>) {
        if call.has_bars_by_scope() {
            let mut state = self.state();
            let right = state.rights.entry((call, about.scope())).or_default();
            *right = Right { was_allowed: true, ..Right::default() };
        }
        self.end(call, &about.to_string());
    }

    /// Whatever stands about this is of no concern any more: nobody asks for it.
    pub(super) fn forget(&self, about: About<'_>) {
        if self.is_clear.load(Ordering::Relaxed) {
            return;
        }
        let concern = about.to_string();
        ApiCall::ALL.iter().for_each(|call| self.end(*call, &concern));
    }

    /// Of the concerns of this call, only these are asked for any more.
    pub(super) fn keep_only(&self, call: ApiCall, keep: impl Fn(&str) -> bool) {
        if self.is_clear.load(Ordering::Relaxed) {
            return;
        }
        let left = |(of, concern): &&(ApiCall, String)| *of == call && !keep(concern);
        let left: Vec<String> = self.state().standing.keys().filter(left).map(|(_, concern)| concern.clone()).collect();
        left.iter().for_each(|concern| self.end(call, concern));
    }

    fn end(&self, call: ApiCall, concern: &str) {
        if self.is_clear.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.state();
        let Some(ended) = state.standing.remove(&(call, concern.to_owned())) else { return };
        self.is_clear.store(state.standing.is_empty(), Ordering::Relaxed);
        self.take_back(&mut state, call, concern, &ended);
        tracing::debug!(call = call.word(), concern, "nacos answers this call again");
    }

    /// What is told of a trouble that stands no more.
    fn take_back(&self, state: &mut State, call: ApiCall, concern: &str, ended: &Standing) {
        match ended.trouble {
            Trouble::Failed(_) => self.board.heal(TroubleKind::NacosCall, &titled(call, concern)),
            Trouble::Refused(_) => {
                let key = (call, ended.scope.clone());
                if let Some(refused) = state.refused.get_mut(&key) {
                    refused.count -= 1;
                    if refused.count == 0 {
                        state.refused.remove(&key);
                        tracing::info!(call = call.word(), scope = ended.scope, "nacos allows this call again");
                    }
                }
                self.tell_refused(state, call, &ended.scope);
            }
            Trouble::NotOffered | Trouble::NotConnected => {}
        }
    }

    /// The call gave none.
    pub(super) fn failed(&self, call: ApiCall, about: About<'_>, trouble: Trouble, now: Instant) {
        match &trouble {
            Trouble::Refused(_) => drop(self.metrics.calls_refused(call.word()).inc()),
            Trouble::Failed(_) => drop(self.metrics.calls_failed(call.word()).inc()),
            Trouble::NotOffered => {}
            Trouble::NotConnected => return,
        }
        let (concern, scope) = (about.to_string(), about.scope());
        tracing::debug!(call = call.word(), concern, message = trouble.message(), "nacos call {}", trouble.word());
        let mut state = self.state();
        let key = (call, concern.clone());
        let before = state.standing.remove(&key);
        let same = before.as_ref().filter(|before| before.trouble.word() == trouble.word());
        let since = same.map_or(now, |before| before.since);
        let is_new = same.is_none();
        if let Some(before) = before.filter(|_| is_new) {
            self.take_back(&mut state, call, &concern, &before);
        }
        if is_new && state.standing.len() >= MOST_KEPT {
            return;
        }
        match &trouble {
            Trouble::Refused(message) => {
                self.note_refused(&mut state, call, (&concern, &scope), message, is_new.then_some(now));
            }
            Trouble::Failed(message) if now.duration_since(since) >= LASTING => {
                let text = format!("{} fails: {message}", titled(call, &concern));
                self.board.raise(TroubleKind::NacosCall, &titled(call, &concern), text);
            }
            Trouble::NotOffered if state.not_offered.insert(call) => {
                tracing::info!(call = call.word(), concern, "this nacos does not offer the call");
            }
            _ => {}
        }
        let barred_until = trouble.is_final().then(|| now + RETRY_REFUSED);
        state.standing.insert(key, Standing { trouble, scope, since, barred_until });
        self.is_clear.store(false, Ordering::Relaxed);
    }

    /// `new_at` is set for a concern that was not refused before.
    fn note_refused(
        &self,
        state: &mut State,
        call: ApiCall,
        (concern, scope): (&str, &str),
        message: &str,
        new_at: Option<Instant>,
    ) {
        let key = (call, scope.to_owned());
        let refused = state.refused.entry(key.clone()).or_default();
        if let Some(now) = new_at {
            refused.count += 1;
            if refused.count == 1 {
                (refused.example, refused.message) = (concern.to_owned(), message.to_owned());
                tracing::warn!(call = call.word(), scope, message, "nacos refuses this call to this account");
            }
            if call.has_bars_by_scope() {
                let right = state.rights.entry(key).or_default();
                right.refused_in_a_row += 1;
                let whole = !right.was_allowed && right.refused_in_a_row >= REFUSED_AS_A_WHOLE;
                right.barred_until = whole.then(|| now + RETRY_REFUSED);
            }
        } else if call.has_bars_by_scope()
            && let Some(right) = state.rights.get_mut(&key).filter(|right| right.barred_until.is_some())
        {
            right.barred_until = Some(Instant::now() + RETRY_REFUSED); // Tried again, and still refused.
        }
        self.tell_refused(state, call, scope);
    }

    fn tell_refused(&self, state: &State, call: ApiCall, scope: &str) {
        if !call.is_essential() {
            return;
        }
        let text = state.refused.get(&(call, scope.to_owned())).map(|refused| told_refused(call, scope, refused));
        self.board.set(TroubleKind::NacosCall, &titled(call, scope), text);
    }

    /// Whether the call was refused so short a time ago that it is not worth trying.
    pub(super) fn is_barred(&self, call: ApiCall, about: About<'_>, now: Instant) -> bool {
        if self.is_clear.load(Ordering::Relaxed) {
            return false;
        }
        let state = self.state();
        let standing = state.standing.get(&(call, about.to_string())).and_then(|found| found.barred_until);
        let whole = || state.rights.get(&(call, about.scope())).and_then(|right| right.barred_until);
        let is_later = |until: Instant| now < until;
        standing.is_some_and(is_later) || (call.has_bars_by_scope() && whole().is_some_and(is_later))
    }

    /// Calls that the account may not make, for people.
    pub(super) fn refused(&self) -> Vec<String> {
        let state = self.state();
        let lines = state.refused.iter().map(|((call, scope), refused)| told_refused(*call, scope, refused));
        shortened(lines, state.refused.len())
    }

    /// Calls that fail, for people.
    pub(super) fn failing(&self) -> Vec<String> {
        let state = self.state();
        let failing = || {
            state.standing.iter().filter_map(|((call, concern), found)| match &found.trouble {
                Trouble::Failed(message) => Some((call, concern, message)),
                _ => None,
            })
        };
        let lines = failing().map(|(call, concern, message)| format!("{}: {message}", titled(*call, concern)));
        shortened(lines, failing().count())
    }

    /// Whether the account was refused this call for anything.
    pub(super) fn is_refused_anywhere(&self, call: ApiCall) -> bool {
        self.state().refused.keys().any(|(refused, _)| *refused == call)
    }

    /// Whether the call fails for such a concern, so that what it would tell is not known.
    pub(super) fn is_failing(&self, call: ApiCall, concerns: impl Fn(&str) -> bool) -> bool {
        if self.is_clear.load(Ordering::Relaxed) {
            return false;
        }
        let state = self.state();
        let of_call = state.standing.range((call, String::new())..).take_while(|((of, _), _)| *of == call);
        let fails = |found: &Standing| matches!(found.trouble, Trouble::Failed(_));
        of_call.into_iter().any(|((_, concern), found)| fails(found) && concerns(concern))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn titled(call: ApiCall, about: &str) -> String {
    if about.is_empty() { call.word().to_owned() } else { format!("{} of {about}", call.word()) }
}

fn told_refused(call: ApiCall, scope: &str, refused: &Refused) -> String {
    let Refused { count, example, message } = refused;
    let title = titled(call, scope);
    match *count {
        _ if example == scope => format!("{title}: {message}"),
        1 => format!("{title}: {message}, for {example}"),
        count => format!("{title}: {message}, for {example} and {} more", count - 1),
    }
}

fn shortened(lines: impl Iterator<Item = String>, count: usize) -> Vec<String> {
    let mut lines: Vec<String> = lines.take(SHOWN).collect();
    if count > SHOWN {
        lines.push(format!("and {} more", count - SHOWN));
    }
    lines
}

#[cfg(test)]
mod tests;
