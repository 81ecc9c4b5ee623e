//! The gRPC envelope: one protobuf [`Payload`] that names a message and holds it as JSON.
//!
//! Input: bytes of any peer. Output: a typed [`Message`], or a [`DecodeError`] that names the message; never a panic, whatever the bytes.

use std::collections::HashMap;

use bytes::Bytes;

use crate::message::Message;

/// Code generated from `proto/nacos_grpc_service.proto`.
#[allow(missing_docs, unreachable_pub, non_camel_case_types, clippy::all, reason = "nobody here writes it")]
mod wire {
    tonic::include_proto!("_");
}

pub use wire::bi_request_stream_client::BiRequestStreamClient;
pub use wire::bi_request_stream_server::{BiRequestStream, BiRequestStreamServer};
pub use wire::request_client::RequestClient;
pub use wire::request_server::{Request as RequestService, RequestServer};
pub use wire::{Body, Metadata, Payload};

/// Largest message taken, in bytes. Nacos itself stops at 10 MiB by default; operators raise it for services of tens of thousands of instances.
pub const MAX_INBOUND_BYTES: usize = 64 * 1024 * 1024;

/// Why a payload is not the message it was taken for.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The payload names another message; the connection is fine.
    #[error("expected {expected}, received {received:?}")]
    OtherType {
        /// The message that was asked for.
        expected: &'static str,
        /// The name in the payload, cut to 64 characters.
        received: String,
    },
    /// The body is not the JSON of this message.
    #[error("malformed {message}")]
    Malformed {
        /// The message that was asked for.
        message: &'static str,
        /// Where and why reading stopped.
        #[source]
        source: serde_json::Error,
    },
}

impl Payload {
    /// Puts a message into an envelope without headers.
    pub fn of<M: Message>(message: &M) -> Self {
        let json = serde_json::to_vec(message).expect("messages have string keys and no failing serializers");
        Self::of_json(M::TYPE, json.into())
    }

    /// Puts JSON that is already encoded into an envelope: many subscribers share one buffer.
    pub fn of_json(message_type: &str, json: Bytes) -> Self {
        let metadata = Metadata { r#type: message_type.to_owned(), ..Metadata::default() };
        Self { metadata: Some(metadata), body: Some(Body { type_url: String::new(), value: json }) }
    }

    /// Adds a header, for example `accessToken`.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.get_or_insert_default().headers.insert(name.into(), value.into());
        self
    }

    /// Puts these headers in place of those that are there.
    #[must_use]
    pub fn with_headers(mut self, headers: HashMap<String, String>) -> Self {
        self.metadata.get_or_insert_default().headers = headers;
        self
    }

    /// Says the address of the client, as it knows it itself.
    #[must_use]
    pub fn from_client(mut self, ip: &str) -> Self {
        ip.clone_into(&mut self.metadata.get_or_insert_default().client_ip);
        self
    }

    /// The address that the client says it has; empty if it says none.
    pub fn client_ip(&self) -> &str {
        self.metadata.as_ref().map_or("", |metadata| &metadata.client_ip)
    }

    /// The name of the message inside; empty if the payload says none.
    pub fn message_type(&self) -> &str {
        self.metadata.as_ref().map_or("", |metadata| &metadata.r#type)
    }

    /// A header of the request.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.metadata.as_ref()?.headers.get(name).map(String::as_str)
    }

    /// The message as JSON, shared, not copied; empty if there is no body.
    pub fn json(&self) -> Bytes {
        self.body.as_ref().map(|body| body.value.clone()).unwrap_or_default()
    }

    /// Reads the message inside. An empty body is read as a message without fields.
    ///
    /// # Errors
    ///
    /// [`DecodeError::OtherType`] if the payload names another message, [`DecodeError::Malformed`] if its body cannot be read.
    pub fn decode<M: Message>(&self) -> Result<M, DecodeError> {
        if self.message_type() != M::TYPE {
            let received = self.message_type().chars().take(64).collect();
            return Err(DecodeError::OtherType { expected: M::TYPE, received });
        }
        let json = self.body.as_ref().map_or(&b""[..], |body| &body.value);
        let json = if json.is_empty() { b"{}" } else { json };
        read_object(json).map_err(|source| DecodeError::Malformed { message: M::TYPE, source })
    }
}

/// Reads a JSON object. An array is refused: serde would take `[]` for a message without fields, and that reads as an empty success.
fn read_object<M: Message>(json: &[u8]) -> Result<M, serde_json::Error> {
    if json.trim_ascii_start().first() == Some(&b'[') {
        return Err(serde::de::Error::custom("an array in place of an object"));
    }
    serde_json::from_slice(json)
}
