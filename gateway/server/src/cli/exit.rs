//! How a command ends: exit codes, and failures with what they mean for the caller.

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

use federation_answers::comparison::ServiceNameDocument;
use federation_answers::discovery::LookedAt;
use federation_answers::plan::UnusedDocument;
use federation_answers::problem::{self, ProblemDocument};
use federation_engine::recording::NoReplay;

use federation_answers::printable::{printable, printable_lines};
use federation_document::mistakes::Mistakes;
use federation_storage::ClaimRefused;

/// Exit codes; scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done, and the answer is good.
    Ok = 0,
    /// Done, and the finding is negative: a cluster that is not live, a demo in which regions do not see each other; or a
    /// gateway that stopped because of an error.
    Negative = 1,
    /// The arguments or the configuration are wrong, the data directory that it names included.
    WrongInput = 2,
    /// No gateway answers, or none that can answer now.
    Unreachable = 3,
    /// What was asked for does not exist.
    NotFound = 4,
    /// The gateway does not do it.
    Refused = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An RFC 9457 problem document.
#[derive(Clone, Debug, Default)]
pub(super) struct Problem {
    /// The HTTP status.
    pub(super) status: u16,
    /// What is known of it.
    pub(super) document: ProblemDocument,
}

impl Problem {
    /// What this program found out by itself, in the words of a gateway.
    pub(super) fn not_found(title: &'static str, detail: String) -> Failure {
        let document = ProblemDocument { title: title.into(), detail, ..ProblemDocument::default() };
        Failure::Problem(Box::new(Self { status: 404, document }))
    }

    /// Whether it is what was asked for: the gateway answers, and says that nothing can be used.
    fn is_finding(&self) -> bool {
        self.document.r#type == problem::NOTHING_USABLE
    }

    fn text(&self) -> String {
        let ProblemDocument { title, detail, .. } = &self.document;
        let title = if title.is_empty() { format!("HTTP status {}", self.status) } else { printable(title) };
        let mut text = if detail.is_empty() { title } else { format!("{title}: {}", printable(detail)) };
        for (name, shown) in self.about() {
            let _ = write!(text, "\n  {name}: {}", printable(&shown));
        }
        text
    }

    /// What else the document has, a line each.
    fn about(&self) -> Vec<(&'static str, String)> {
        let ProblemDocument { field, value, clusters, reasons, left_out, services, total, missing_right, .. } =
            &self.document;
        let seen = |it: &LookedAt| format!("{} ({})", it.cluster, it.freshness);
        let unused = |it: &UnusedDocument| format!("{} ({})", it.endpoint, it.reason);
        let parts = [
            ("field", field.clone()),
            ("value", value.clone()),
            ("clusters", clusters.as_deref().map(|all| joined(all, seen))),
            ("reasons", reasons.as_ref().map(|all| all.join(", "))),
            ("left out", left_out.as_deref().map(|all| joined(all, unused))),
            ("services", services.as_deref().map(|all| joined(all, service_name))),
            ("total", total.map(|total| total.to_string())),
            ("missing right", missing_right.as_ref().map(ToString::to_string)),
        ];
        parts.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
    }
}

fn joined<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// `namespace/group@@name`.
fn service_name(name: &ServiceNameDocument) -> String {
    let ServiceNameDocument { namespace_id, group_name, service_name } = name;
    format!("{namespace_id}/{group_name}@@{service_name}")
}

/// Why a command could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The arguments contradict each other.
    #[error("{0}")]
    Arguments(String),
    /// The configuration has mistakes.
    #[error(transparent)]
    Config(#[from] Mistakes),
    /// No connection, or it broke.
    #[error("no gateway answers at {server}")]
    Unreachable {
        /// Its address.
        server: String,
        /// What went wrong.
        #[source]
        source: reqwest::Error,
    },
    /// Something answers that is no gateway, or the answer ended early.
    #[error("{server} does not answer like a gateway: {reason}")]
    NotAGateway {
        /// Its address.
        server: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The gateway answered with a problem.
    #[error("{}", .0.text())]
    Problem(Box<Problem>),
    /// The data directory is not this gateway's: as wrong as the configuration that names it.
    #[error(transparent)]
    DataDir(#[from] ClaimRefused),
    /// The file is no recording.
    #[error(transparent)]
    Recording(#[from] NoReplay),
    /// What the gateway was doing ended by an error.
    #[error(transparent)]
    Failed(anyhow::Error),
    /// Standard output is closed: whoever read it has seen enough.
    #[error("standard output cannot be written")]
    Output(#[from] std::io::Error),
}

impl Failure {
    /// An error that has no meaning of its own for the caller.
    pub(super) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self::Failed(error.into())
    }

    /// The code that tells it.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Arguments(_) | Self::Config(_) | Self::DataDir(_) | Self::Recording(_) => Exit::WrongInput,
            Self::Unreachable { .. } | Self::NotAGateway { .. } => Exit::Unreachable,
            Self::Problem(problem) if problem.is_finding() => Exit::Negative,
            Self::Problem(problem) => match problem.status {
                404 | 410 => Exit::NotFound,
                401 | 403 | 405 | 409 | 412 | 423 | 501 => Exit::Refused,
                429 => Exit::Unreachable, // It would answer, but not now.
                400..=499 => Exit::WrongInput,
                _ => Exit::Unreachable,
            },
            Self::Failed(_) => Exit::Negative,
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Ok,
            Self::Output(_) => Exit::Negative,
        }
    }

    /// Tells a person. Standard error that cannot be written leaves nobody to tell.
    pub(super) fn report(&self, err: &mut dyn Write) {
        let _ = match self {
            Self::Config(mistakes) => writeln!(err, "{}", printable_lines(&mistakes.to_string())),
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Self::Failed(error) => writeln!(err, "error: {}", printable_lines(&format!("{error:#}"))),
            other => writeln!(err, "error: {}", printable_lines(&with_sources(other))),
        };
    }
}

/// The error and its causes in one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
