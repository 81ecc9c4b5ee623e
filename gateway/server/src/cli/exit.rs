//! How a command ends: exit codes, and failures with what they mean for the caller.

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

use serde_json::{Map, Value};

use federation_engine::recording::NoReplay;

use super::printable::printable;
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
    /// All members as they came.
    pub(super) members: Map<String, Value>,
}

impl Problem {
    /// Whether it is what was asked for: the gateway answers, and says that nothing can be used.
    fn is_finding(&self) -> bool {
        self.members.get("type").and_then(Value::as_str) == Some("urn:federation:problem:nothing-usable")
    }

    fn text(&self) -> String {
        let member = |name: &str| self.members.get(name).and_then(Value::as_str).map(printable);
        let title = member("title").unwrap_or_else(|| format!("HTTP status {}", self.status));
        let mut text = match member("detail") {
            Some(detail) => format!("{title}: {detail}"),
            None => title,
        };
        for (name, value) in &self.members {
            if !matches!(name.as_str(), "type" | "title" | "status" | "detail" | "instance") {
                let shown = match value {
                    Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
                    other => plain(other),
                };
                let _ = write!(text, "\n  {}: {shown}", printable(name));
            }
        }
        text
    }
}

fn plain(value: &Value) -> String {
    let [service, endpoint, reason] = ["serviceName", "endpoint", "reason"].map(|name| value[name].as_str());
    match (value, service, endpoint) {
        (_, Some(_), _) => printable(&service_name(value)),
        (_, None, Some(endpoint)) => printable(&format!("{endpoint} ({})", reason.unwrap_or("no reason"))),
        (Value::String(text), None, None) => printable(text),
        (other, None, None) => other.to_string(),
    }
}

/// `namespace/group@@name` of a document that has the three.
pub(super) fn service_name(document: &Value) -> String {
    let part = |name: &str| document[name].as_str().unwrap_or("");
    format!("{}/{}@@{}", part("namespaceId"), part("groupName"), part("serviceName"))
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
    Problem(Problem),
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
            Self::Problem(Problem { status, .. }) => match status {
                404 | 410 => Exit::NotFound,
                401 | 403 | 405 | 409 | 412 | 501 => Exit::Refused,
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
            Self::Config(mistakes) => writeln!(err, "{mistakes}"),
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Self::Failed(error) => writeln!(err, "error: {error:#}"),
            other => writeln!(err, "error: {}", with_sources(other)),
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
