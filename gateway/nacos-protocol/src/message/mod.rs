//! Every message of the protocol as a struct, for both directions.
//!
//! Input is read tolerantly: an absent, null or unknown field is no error, because Java leaves nulls out and every line adds fields. Output
//! is strict: never null, an absent optional field is left out, because the Python and Rust SDKs stumble over null.
//!
//! Requests carry `requestId` and `module`; responses carry `requestId`, `resultCode`, `errorCode`, `message` and `success`.

use serde::Serialize;
use serde::de::DeserializeOwned;

pub mod config;
pub mod internal;
pub mod naming;
mod tolerant;

pub(crate) use tolerant::Tolerant;

/// A message with a name on the wire.
pub trait Message: Serialize + DeserializeOwned + Clone + std::fmt::Debug + Send + Sync + 'static {
    /// The simple Java class name that travels in the payload's metadata.
    const TYPE: &'static str;
}

/// A message that asks for an answer, sent by either side.
pub trait Request: Message {
    /// What answers it. Not always the name one would guess: `ServiceQueryRequest` is answered by `QueryServiceResponse`.
    type Response: Response;

    /// The id that the answer repeats; empty if there is none.
    fn request_id(&self) -> &str;

    /// Sets the id that the answer repeats.
    fn set_request_id(&mut self, id: String);
}

/// A message that answers a [`Request`].
pub trait Response: Message + Default {
    /// Whether and how the request failed.
    fn outcome(&self) -> ResponseOutcome<'_>;

    /// The answer to the request with this id.
    #[must_use]
    fn answering(self, request_id: impl Into<String>) -> Self;

    /// An answer that says that the request failed.
    fn failed(error_code: i32, message: impl Into<String>) -> Self;

    /// The id of the request that this answers.
    fn request_id(&self) -> &str;
}

/// What a response says of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseOutcome<'a> {
    /// `resultCode` is 200.
    Ok,
    /// Anything else.
    Failed {
        /// One of [`error_code`], or 0 where the server says no more than that it failed.
        error_code: i32,
        /// The server's words.
        message: &'a str,
    },
}

/// `resultCode` of a success.
pub const RESULT_OK: i32 = 200;
/// `resultCode` of a failure.
pub const RESULT_FAIL: i32 = 500;

/// Values of `errorCode`.
pub mod error_code {
    /// The server is not ready yet. In a `ConfigQueryResponse` it means "no such config".
    pub const NOT_READY: i32 = 300;
    /// The TCP connection is not registered (any more): connect again.
    pub const UNREGISTERED: i32 = 301;
    /// No handler for this message.
    pub const NO_HANDLER: i32 = 302;
    /// A parameter is wrong. In a `ConfigQueryResponse` it means "being modified, ask again".
    pub const BAD_PARAMETER: i32 = 400;
    /// No right, or an expired token.
    pub const NO_RIGHT: i32 = 403;
    /// Not found.
    pub const NOT_FOUND: i32 = 404;
    /// Lost against another writer.
    pub const CONFLICT: i32 = 409;
    /// The server failed.
    pub const SERVER_ERROR: i32 = 500;
    /// The request cannot be read.
    pub const UNREADABLE: i32 = 502;
    /// Over a limit of the server.
    pub const OVER_THRESHOLD: i32 = 503;
    /// Too many fuzzy-watch patterns on this server.
    pub const FUZZY_PATTERNS_OVER_LIMIT: i32 = 50310;
    /// A fuzzy-watch pattern matches more keys than the server will follow.
    pub const FUZZY_KEYS_OVER_LIMIT: i32 = 50311;
}

/// Declares requests: struct, wire name and answer. Every field is read tolerantly.
macro_rules! requests {
    ($module:literal $($(#[$meta:meta])* $name:ident -> $response:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase", default, tag = "module", rename = $module)]
        pub struct $name {
            /// Repeated by the answer; empty is left out.
            #[serde(deserialize_with = "super::tolerant::read", skip_serializing_if = "String::is_empty")]
            pub request_id: String,
            $($(#[$field_meta])* #[serde(deserialize_with = "super::tolerant::read")] pub $field: $type,)*
        }

        impl super::Message for $name {
            const TYPE: &'static str = stringify!($name);
        }

        impl super::Request for $name {
            type Response = $response;

            fn request_id(&self) -> &str {
                &self.request_id
            }

            fn set_request_id(&mut self, id: String) {
                self.request_id = id;
            }
        }
    )* };
}
pub(crate) use requests;

/// Declares responses: struct and wire name, with the five fields that all responses have.
macro_rules! responses {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            /// [`super::RESULT_OK`] or a failure.
            #[serde(deserialize_with = "super::read_result_code")]
            pub result_code: i32,
            /// One of [`super::error_code`]; 0 for success.
            #[serde(deserialize_with = "super::tolerant::read")]
            pub error_code: i32,
            /// The server's words about a failure.
            #[serde(deserialize_with = "super::tolerant::read", skip_serializing_if = "Option::is_none")]
            pub message: Option<String>,
            /// The id of the request that this answers; empty is left out.
            #[serde(deserialize_with = "super::tolerant::read", skip_serializing_if = "String::is_empty")]
            pub request_id: String,
            /// Says the same as `result_code`; written for clients, not relied on.
            #[serde(deserialize_with = "super::tolerant::read")]
            pub success: bool,
            $($(#[$field_meta])* #[serde(deserialize_with = "super::tolerant::read")] pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    result_code: super::RESULT_OK,
                    error_code: 0,
                    message: None,
                    request_id: String::new(),
                    success: true,
                    $($field: Default::default(),)*
                }
            }
        }

        impl super::Message for $name {
            const TYPE: &'static str = stringify!($name);
        }

        impl super::Response for $name {
            fn outcome(&self) -> super::ResponseOutcome<'_> {
                match self.result_code {
                    super::RESULT_OK => super::ResponseOutcome::Ok,
                    _ => super::ResponseOutcome::Failed {
                        error_code: self.error_code,
                        message: self.message.as_deref().unwrap_or_default(),
                    },
                }
            }

            fn answering(mut self, request_id: impl Into<String>) -> Self {
                self.request_id = request_id.into();
                self
            }

            fn failed(error_code: i32, message: impl Into<String>) -> Self {
                Self {
                    result_code: super::RESULT_FAIL,
                    error_code,
                    message: Some(message.into()),
                    success: false,
                    ..Self::default()
                }
            }

            fn request_id(&self) -> &str {
                &self.request_id
            }
        }
    )* };
}
pub(crate) use responses;

/// An absent or null `resultCode` is a success, as in Java.
fn read_result_code<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    Ok(<Option<i32> as serde::Deserialize>::deserialize(deserializer)?.unwrap_or(RESULT_OK))
}
