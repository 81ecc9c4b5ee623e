//! One live connection and the calls over it. Once lost it stays lost.

use std::collections::{BTreeMap, HashMap};
use std::error::Error as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::codegen::http::Uri;

use super::pushes::Pushes;
use super::wire::Wire;
use super::{CallError, CallerHeaders, ServerAbilities};
use crate::cluster::{NacosCluster, ServerAddress};
use crate::message::internal::{ErrorResponse, HealthCheckRequest, ability};
use crate::message::{Message, Request, Response, ResponseOutcome, error_code};
use crate::payload::{BiRequestStreamClient, DecodeError, MAX_INBOUND_BYTES, Payload, RequestClient};

/// Time for a call that costs a server nothing, such as a health check, however long others may take: the bound of its silence follows from
/// it.
const OPEN_CALL_WITHIN: Duration = Duration::from_secs(3);

/// A connection to one server.
pub(super) struct Link {
    pub(super) generation: u64,
    pub(super) server: ServerAddress,
    cluster: Arc<NacosCluster>,
    caller: Option<CallerHeaders>,
    wire: Wire,
    origin: Uri,
    abilities: OnceLock<ServerAbilities>,
    request_ids: AtomicU64,
    /// When the server was last heard. Held for one read or write.
    heard: Mutex<Instant>,
    pushes: Pushes,
    lost: CancellationToken,
    reason: OnceLock<String>,
}

impl Link {
    pub(super) fn new(
        generation: u64,
        server: ServerAddress,
        cluster: Arc<NacosCluster>,
        caller: Option<CallerHeaders>,
        wire: Wire,
        origin: Uri,
    ) -> Arc<Self> {
        Arc::new(Self {
            generation,
            server,
            cluster,
            caller,
            wire,
            origin,
            abilities: OnceLock::new(),
            request_ids: AtomicU64::new(1),
            heard: Mutex::new(Instant::now()),
            pushes: Pushes::new(),
            lost: CancellationToken::new(),
            reason: OnceLock::new(),
        })
    }

    /// What the server said it can do; nothing until it said so.
    pub(super) fn abilities(&self) -> ServerAbilities {
        self.abilities.get().copied().unwrap_or_default()
    }

    pub(super) fn learn_abilities(&self, table: &BTreeMap<String, bool>) {
        let can = |key: &str| table.get(key).copied().unwrap_or(false);
        let persistent_instances = can(ability::PERSISTENT_INSTANCE);
        // Said once per connection.
        let _ = self.abilities.set(ServerAbilities { persistent_instances, fuzzy_watch: can(ability::FUZZY_WATCH) });
    }

    /// What was pushed on it, and what has to be.
    pub(super) fn pushes(&self) -> &Pushes {
        &self.pushes
    }

    /// Sends a request and waits for its answer, for as long as the cluster's options say, and for the login before it if there is no token.
    pub(super) async fn call<R: Request>(&self, request: R) -> Result<R::Response, CallError> {
        let after = self.cluster.options().request_timeout;
        let response = self.answer(request, after).await?;
        match response.outcome() {
            ResponseOutcome::Ok => Ok(response),
            ResponseOutcome::Failed { error_code, message } => Err(failure(error_code, message)),
        }
    }

    /// As [`Link::call`], but an answer of the expected type is returned whether it says success or failure: some messages give codes a
    /// meaning of their own.
    pub(super) async fn answer<R: Request>(&self, request: R, after: Duration) -> Result<R::Response, CallError> {
        let result = self.attempt_twice(request, after).await;
        if let Err(CallError::NotConnected) = result {
            self.lose("the server does not know this connection any more");
        }
        result
    }

    /// As [`Link::call`], for what every server answers to everybody: without a token, so that a login that hangs cannot hold it up. A
    /// "not registered" does not give the connection up: it may be registered in a moment.
    pub(super) async fn open_call<R: Request>(&self, request: R) -> Result<R::Response, CallError> {
        let after = self.cluster.options().request_timeout.min(OPEN_CALL_WITHIN);
        super::succeeded(self.attempt(request, HashMap::new(), after).await?)
    }

    /// Is the connection registered?
    pub(super) async fn check(&self) -> Result<(), CallError> {
        self.open_call(HealthCheckRequest::default()).await.map(drop)
    }

    /// As [`Link::answer`], with these headers and no login.
    pub(super) async fn relay<R: Request>(
        &self,
        request: R,
        headers: HashMap<String, String>,
        after: Duration,
    ) -> Result<R::Response, CallError> {
        let result = self.attempt(request, headers, after).await;
        if let Err(CallError::NotConnected) = result {
            self.lose("the server does not know this connection any more");
        }
        result
    }

    async fn attempt_twice<R: Request>(&self, request: R, after: Duration) -> Result<R::Response, CallError> {
        if let Some(caller) = &self.caller {
            return self.attempt(request, caller.shown(), after).await;
        }
        let with = |token: &str| HashMap::from([("accessToken".to_owned(), token.to_owned())]);
        let (token, login_error) = match self.cluster.token().await {
            Ok(token) => (token, None),
            Err(error) => (None, Some(error)),
        };
        match (self.attempt(request.clone(), token.as_deref().map(with).unwrap_or_default(), after).await, &token) {
            // The token may have ended early, by a restart of the server with another secret.
            (Err(CallError::Refused { message }), Some(refused)) => {
                self.cluster.token_was_refused(refused);
                match self.cluster.token().await {
                    Ok(Some(fresh)) if fresh != *refused => self.attempt(request, with(&fresh), after).await,
                    _ => Err(CallError::Refused { message }),
                }
            }
            (Err(CallError::Refused { message }), None) => {
                let message = login_error.map_or(message.clone(), |error| format!("{message} ({error})"));
                Err(CallError::Refused { message })
            }
            (result, _) => result,
        }
    }

    async fn attempt<R: Request>(
        &self,
        mut request: R,
        headers: HashMap<String, String>,
        after: Duration,
    ) -> Result<R::Response, CallError> {
        request.set_request_id(self.request_ids.fetch_add(1, Ordering::Relaxed).to_string());
        let payload = Payload::of(&request).with_headers(headers);
        let mut client = RequestClient::with_origin(self.wire.clone(), self.origin.clone())
            .max_decoding_message_size(MAX_INBOUND_BYTES);
        match tokio::time::timeout(after, client.request(payload)).await {
            Err(_) => Err(CallError::Timeout { after }),
            Ok(Err(status)) => Err(self.judge(&status)),
            Ok(Ok(answer)) => {
                self.touch();
                Self::read::<R::Response>(&answer.into_inner())
            }
        }
    }

    /// Errors that an answer can hold whatever its type: those are no longer the caller's to interpret.
    fn read<A: Response>(payload: &Payload) -> Result<A, CallError> {
        match payload.decode::<A>() {
            Ok(response) => match response.outcome() {
                ResponseOutcome::Failed {
                    error_code: code @ (error_code::UNREGISTERED | error_code::NO_RIGHT),
                    message,
                } => Err(failure(code, message)),
                _ => Ok(response),
            },
            Err(DecodeError::OtherType { .. }) if payload.message_type() == ErrorResponse::TYPE => {
                let response: ErrorResponse = payload.decode()?;
                let error = failure(response.error_code, response.message.as_deref().unwrap_or_default());
                Err(error.came_as_error(response.result_code))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn judge(&self, status: &Status) -> CallError {
        // A status that came from the server has no source; one that came from a broken transport does.
        if status.source().is_some() || self.wire.is_closed() {
            let cause = status.source().map_or_else(|| status.message().to_owned(), super::with_causes);
            self.lose(&format!("transport failed: {cause}"));
            return CallError::NotConnected;
        }
        CallError::Server { code: 0, message: format!("{}: {}", status.code(), status.message()), as_error: None }
    }

    /// A client for the connection's stream.
    pub(super) fn stream_client(&self) -> BiRequestStreamClient<Wire> {
        BiRequestStreamClient::with_origin(self.wire.clone(), self.origin.clone())
            .max_decoding_message_size(MAX_INBOUND_BYTES)
    }

    /// Says that the server was heard just now.
    pub(super) fn touch(&self) {
        *self.heard.lock().expect("no panic happens while this is held") = Instant::now();
    }

    /// How long the server has been silent.
    pub(super) fn silence(&self) -> Duration {
        self.heard.lock().expect("no panic happens while this is held").elapsed()
    }

    /// Gives the connection up; the first reason stays.
    pub(super) fn lose(&self, reason: &str) {
        let _ = self.reason.set(reason.to_owned());
        self.lost.cancel();
    }

    /// The TCP connection is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.wire.is_closed()
    }

    /// Why the connection was given up, if it was.
    pub(super) fn lost_because(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }

    /// Waits until the connection has been given up.
    pub(super) async fn lost(&self) -> String {
        self.lost.cancelled().await;
        self.reason.get().cloned().unwrap_or_default()
    }
}

/// The error that an error code means.
pub(super) fn failure(code: i32, message: &str) -> CallError {
    let message = message.to_owned();
    match code {
        error_code::UNREGISTERED => CallError::NotConnected,
        error_code::NO_RIGHT => CallError::Refused { message },
        error_code::OVER_THRESHOLD => CallError::Overloaded { message },
        code => CallError::Server { code, message, as_error: None },
    }
}

impl CallError {
    fn came_as_error(mut self, result_code: i32) -> Self {
        if let Self::Server { as_error, .. } = &mut self {
            *as_error = Some(result_code);
        }
        self
    }
}
