//! Why a request is not carried out although nobody has looked at what it asks for.

use std::time::Duration;

use http::StatusCode;

/// Each is an answer of its own, in the words of the face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenerRefusal {
    /// The body is larger than any request of its kind.
    #[error("a request here has at most {0} bytes")]
    TooLarge(usize),
    /// The body did not come in time.
    #[error("the body of the request did not come within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// There is no room for the body beside those of others.
    #[error("too many bytes of requests are under way; try again")]
    Busy,
    /// There is no room for the answer beside others that wait to be read.
    #[error("too many bytes of answers wait to be read; read them and try again")]
    Unread,
    /// The body ended early or makes no sense. Mostly nobody is left to read this.
    #[error("the body of the request cannot be read")]
    Broken,
    /// The host that it names is not this one.
    #[error(
        "nobody is asked here by this name: `listen.hosts` in the configuration has names beside addresses and local ones"
    )]
    Misdirected,
    /// A web page of another origin had a browser send it.
    #[error("web pages of other origins are not answered")]
    ForeignPage,
}

impl ListenerRefusal {
    /// How HTTP calls it.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Busy | Self::Unread => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::ForeignPage => StatusCode::FORBIDDEN,
        }
    }

    /// How gRPC calls it: RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED, PERMISSION_DENIED or INTERNAL.
    #[must_use]
    pub fn grpc_code(self) -> u8 {
        match self {
            Self::TooLarge(_) | Self::Busy | Self::Unread => 8,
            Self::TooSlow(_) => 4,
            Self::Misdirected | Self::ForeignPage => 7,
            Self::Broken => 13,
        }
    }

    /// Whether it may be asked again at once, and has to do with others rather than with this request.
    pub(crate) fn is_for_others(self) -> bool {
        matches!(self, Self::Busy | Self::Unread)
    }
}
