//! The policies in force and what became of the last document of each source, as readers see them.
//!
//! One writer, the task of this module's parent; any number of readers, who get whole immutable values and can wait for the next.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use federation_core::reason::GatewayReason;
use federation_core::routing::Policies;
use federation_core::time::WallMs;
use tokio::sync::watch;

use crate::sources::PolicyItem;
use federation_document::mistakes::Mistake;
use federation_ports::facts::{FactSource, NamedFacts};
use federation_ports::metrics::PolicyOrigin;

/// Mistakes that `status` repeats; `GET /v1/policy` has all of them.
const MISTAKES_IN_STATUS: usize = 3;

/// Where policies come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicySource {
    /// No document: every service has the default policy.
    Defaults,
    /// A document on disk.
    File(PathBuf),
    /// A document in the local Nacos.
    ConfigItem(PolicyItem),
}

impl PolicySource {
    /// Its kind, as programs are told it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Defaults => "defaults",
            Self::File(_) => "file",
            Self::ConfigItem(_) => "config_item",
        }
    }

    /// Which file or config item; `None` for the defaults.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Defaults => None,
            Self::File(path) => Some(path.display().to_string()),
            Self::ConfigItem(PolicyItem { namespace, group, data_id }) => {
                Some(format!("{namespace}/{group}/{data_id}"))
            }
        }
    }
}

impl fmt::Display for PolicySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => f.write_str("defaults"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::ConfigItem(PolicyItem { namespace, group, data_id }) => {
                write!(f, "config item {namespace}/{group}/{data_id}")
            }
        }
    }
}

/// The policies that services are planned by.
#[derive(Clone, Debug)]
pub struct InForce {
    /// All of them.
    pub policies: Arc<Policies>,
    /// Grows with every change in the life of the process; 0 is what it began with before anything was read.
    pub version: u64,
    /// Where they come from.
    pub source: PolicySource,
    /// Of the document, lower-case hex, as Nacos shows it; `None` for the defaults.
    pub md5: Option<Arc<str>>,
    /// When they came into force; `None` for the defaults of a process that never had others.
    pub since: Option<WallMs>,
}

impl Default for InForce {
    fn default() -> Self {
        Self { policies: Arc::default(), version: 0, source: PolicySource::Defaults, md5: None, since: None }
    }
}

/// A document that was refused, while the one before stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRefusal {
    /// Whose it is.
    pub source: PolicySource,
    /// When it was met first.
    pub at: WallMs,
    /// What is wrong with it, in its order; at least one.
    pub mistakes: Arc<[Mistake]>,
}

/// What is known of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyStanding {
    /// Which.
    pub source: PolicySource,
    /// What its last document holds.
    pub word: PolicyWord,
    /// Set while its newest document is refused.
    pub refusal: Option<PolicyRefusal>,
}

/// What was last learned of a source's document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyWord {
    /// Nothing yet in the life of this process.
    NotHeard,
    /// There is none.
    Absent,
    /// There is one.
    Present,
}

/// Reads what is in force. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PolicyReader {
    in_force: watch::Receiver<Arc<InForce>>,
    standings: watch::Receiver<Arc<[PolicyStanding]>>,
}

/// The only way to change what is in force. Deliberately not `Clone`.
#[derive(Debug)]
pub(super) struct PolicyWriter {
    in_force: watch::Sender<Arc<InForce>>,
    standings: watch::Sender<Arc<[PolicyStanding]>>,
}

/// The two sides of a store in which the defaults are in force.
pub(super) fn new() -> (PolicyWriter, PolicyReader) {
    let (in_force, in_force_reader) = watch::channel(Arc::default());
    let (standings, standings_reader) = watch::channel(Arc::from([]));
    let reader = PolicyReader { in_force: in_force_reader, standings: standings_reader };
    (PolicyWriter { in_force, standings }, reader)
}

impl PolicyReader {
    /// The defaults, for ever: for gateways without a policy.
    #[must_use]
    pub fn of_defaults() -> Self {
        new().1
    }

    /// What is in force now.
    #[must_use]
    pub fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.borrow())
    }

    /// Changes with what is in force.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<InForce>> {
        self.in_force.clone()
    }

    /// Changes with what is known of any source.
    #[must_use]
    pub fn watch_standings(&self) -> watch::Receiver<Arc<[PolicyStanding]>> {
        self.standings.clone()
    }

    /// What is known of each source that is configured, the one that counts first first.
    #[must_use]
    pub fn standings(&self) -> Arc<[PolicyStanding]> {
        Arc::clone(&self.standings.borrow())
    }
}

impl PolicyWriter {
    /// Wakes those who wait only if the version is another.
    pub(super) fn publish(&self, in_force: &InForce) {
        self.in_force.send_if_modified(|published| {
            let is_new = published.version != in_force.version;
            if is_new {
                *published = Arc::new(in_force.clone());
            }
            is_new
        });
    }

    pub(super) fn publish_standings(&self, standings: Vec<PolicyStanding>) {
        self.standings.send_replace(standings.into());
    }
}

impl PolicySource {
    /// As metrics name it; `None` for the defaults.
    pub(super) fn origin(&self) -> Option<PolicyOrigin> {
        match self {
            Self::Defaults => None,
            Self::File(_) => Some(PolicyOrigin::File),
            Self::ConfigItem(_) => Some(PolicyOrigin::ConfigItem),
        }
    }
}

impl FactSource for PolicyReader {
    fn facts(&self) -> NamedFacts {
        let in_force = self.in_force();
        let rules = in_force.policies.rules().len();
        let plural = if rules == 1 { "rule" } else { "rules" };
        let mut text = format!("version {} from {}, {rules} {plural}", in_force.version, in_force.source);
        if let Some(md5) = &in_force.md5 {
            text.push_str(&format!(", md5 {md5}"));
        }
        let mut facts = vec![("policy", text)];
        let unheard = |standing: &&PolicyStanding| standing.word == PolicyWord::NotHeard;
        facts.extend(self.standings().iter().filter(unheard).map(|it| ("policyNotHeard", it.source.to_string())));
        let absent = |standing: &&PolicyStanding| standing.word == PolicyWord::Absent;
        facts.extend(self.standings().iter().filter(absent).map(|it| ("policyAbsent", it.source.to_string())));
        facts
    }

    fn limits(&self) -> Vec<GatewayReason> {
        let in_force = self.in_force();
        let standings = self.standings();
        let refusals = standings.iter().filter_map(|standing| standing.refusal.as_ref());
        refusals.map(|refusal| limit(refusal, &in_force)).collect()
    }
}

fn limit(refusal: &PolicyRefusal, in_force: &InForce) -> GatewayReason {
    let lines: Vec<String> = refusal.mistakes.iter().take(MISTAKES_IN_STATUS).map(line).collect();
    let more = refusal.mistakes.len().saturating_sub(MISTAKES_IN_STATUS);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let (source, version, stays) = (&refusal.source, in_force.version, &in_force.source);
    let lines = lines.join("; ");
    let text =
        format!("the policy in {source} is refused, version {version} from {stays} stays in force: {lines}{more}");
    GatewayReason::PolicyRefused { source: source.to_string().into(), version, text: text.into() }
}

/// One mistake in one line.
pub(super) fn line(mistake: &Mistake) -> String {
    let Mistake { line, field, problem, expected, .. } = mistake;
    let place = if *line > 0 { format!("line {line}: ") } else { String::new() };
    let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
    format!("{place}{field}{problem} (expected: {expected})")
}
