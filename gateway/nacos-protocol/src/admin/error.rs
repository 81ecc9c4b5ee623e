//! Why an admin call gave no result. None of these says that something is gone.

use crate::cluster::HttpError;
use crate::paging::Incomplete;

/// An admin call that gave no result.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No server gave a whole answer: not reachable, too slow, broken off.
    #[error("the registry gave no answer")]
    Unreachable(#[from] HttpError),
    /// The account lacks the right, or there is no login.
    #[error("refused with status {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The server's words, cut to 200 characters.
        message: String,
    },
    /// The server knows this call in none of the dialects.
    #[error("the registry does not offer this call")]
    NotOffered,
    /// The server failed, or calls the request wrong.
    #[error("failed with status {status}: {message}")]
    Failed {
        /// HTTP status.
        status: u16,
        /// The server's words, cut to 200 characters.
        message: String,
    },
    /// The answer is not what this call answers.
    #[error("malformed answer to {path}")]
    Malformed {
        /// The call.
        path: &'static str,
        /// Where and why reading stopped.
        #[source]
        source: serde_json::Error,
    },
    /// A listing that is not whole: its pages do not add up. Try again.
    #[error("incomplete listing: {reason}, {received} of {announced}")]
    Incomplete {
        /// What does not add up.
        reason: &'static str,
        /// How many the server said there are.
        announced: usize,
        /// How many it sent.
        received: usize,
    },
}

impl From<Incomplete> for AdminError {
    fn from(Incomplete { reason, announced, received }: Incomplete) -> Self {
        Self::Incomplete { reason, announced, received }
    }
}
