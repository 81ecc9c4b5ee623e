//! What can go wrong with a call, told apart by what the caller does about it.

use std::sync::Arc;
use std::time::Duration;

use crate::message::error_code;
use crate::paging;
use crate::payload::DecodeError;

/// A call that gave no result.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// There is no connection, or it was lost during the call: whether the server did it is not known. The client connects again by itself.
    #[error("not connected to the registry")]
    NotConnected,
    /// No answer in time: whether the server did it, or will do it later, is not known.
    #[error("no answer within {after:?}")]
    Timeout {
        /// The deadline.
        after: Duration,
    },
    /// The account lacks the right.
    #[error("refused: {message}")]
    Refused {
        /// The server's words.
        message: String,
    },
    /// Over a limit of the server; it also delayed this answer. Try again later.
    #[error("server overloaded: {message}")]
    Overloaded {
        /// The server's words.
        message: String,
    },
    /// The server says that it failed, or that the request is wrong.
    #[error("server error {code}: {message}")]
    Server {
        /// One of [`crate::message::error_code`], or 0 where the server says none.
        code: i32,
        /// The server's words.
        message: String,
        /// The `resultCode` of an answer that came as an `ErrorResponse`, which is what a server sends where a handler threw something; `None`
        /// where it came in the answer's own type.
        as_error: Option<i32>,
    },
    /// The answer cannot be read.
    #[error("malformed answer")]
    Malformed(#[source] Arc<DecodeError>),
    /// A paged listing that changed while it was read, or that the server did not give whole.
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

impl CallError {
    /// Whether a server that could judge said no. One that is starting cannot yet, and a status of the transport says nothing of the call.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Overloaded { .. } => true,
            Self::Server { code, .. } => ![0, error_code::NOT_READY].contains(code),
            Self::NotConnected | Self::Timeout { .. } | Self::Malformed(_) | Self::Incomplete { .. } => false,
        }
    }
}

impl From<DecodeError> for CallError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(Arc::new(error))
    }
}

impl From<paging::Incomplete> for CallError {
    fn from(paging::Incomplete { reason, announced, received }: paging::Incomplete) -> Self {
        Self::Incomplete { reason, announced, received }
    }
}
