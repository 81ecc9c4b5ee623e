//! The local Nacos as callers of the front door reach it: a connection that acts for one caller, and what its refusals say.
//!
//! How to use it. [`upstream_for`] gives a handle for calls, and a connection to run, in a task that its owner awaits:
//!
//! ```text
//! let (client, connection) = upstream_for(&cluster, UpstreamCaller::of(caller.peer, &headers));
//! tasks.spawn(connection.run(stop, |event| …));      // events must not wait: each is handed over at once, or dropped
//! client.connected_within(patience).await;           // else the first call fails with `NotConnected`
//! client.relay(request, caller.headers().clone())    // one call with the headers that came with it
//! ```
//!
//! What such a client does by itself (registering anew, listening anew) it does with the headers that [`CallerHeaders::show`] was told
//! last; the owner tells it with each call of its caller. It never shows the gateway's own login. How many connect at a time is bounded for all
//! clients of one [`NacosCluster`] together (`connecting_at_once`), so that they may be made freely.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nacos_protocol::client::{ActsFor, CallError, CallerHeaders, ClientConnection, ClientEvent, ClientEvents};
use nacos_protocol::client::{ClientOptions, NacosClient};
use nacos_protocol::cluster::NacosCluster;
use nacos_protocol::message::{Response, ResponseOutcome, error_code};
use nacos_protocol::server::{ConnectedClient, RefusalComes, RegistryRefusal};
use tokio_util::sync::CancellationToken;

/// In what time a caller is answered whatever the local Nacos does: SDKs wait for 3 s, and some of it passes on the way.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_millis(2_500);

/// What a caller is told for whom no connection to the local Nacos can be made, for want of descriptors.
pub(crate) const NO_PLACE: &str = "this gateway has as many connections as it may have, please try another server";

/// Events of one connection that wait. They are taken at once, so this is room for one burst.
const EVENTS: usize = 64;
/// Calls of one connection in flight while everything is asked for again. There may be thousands of such connections, and a Nacos that just
/// started has all of them come back at once.
const CALLS_IN_FLIGHT: usize = 4;

/// Whom the local Nacos sees.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamCaller {
    client_version: String,
    labels: BTreeMap<String, String>,
    acts_for: ActsFor,
}

impl UpstreamCaller {
    /// This client, as it says of itself, with what it shows.
    pub(crate) fn of(peer: &ConnectedClient, headers: &CallerHeaders) -> Self {
        let client_ip = match &*peer.client_ip {
            "" => peer.remote.ip().to_string(),
            said => said.to_owned(),
        };
        Self {
            client_version: peer.client_version.clone(),
            labels: peer.labels.clone(),
            acts_for: ActsFor { client_ip, headers: headers.clone() },
        }
    }

    /// No one caller, for calls that are all relayed. It shows nothing by itself.
    pub(crate) fn nobody() -> Self {
        let acts_for = ActsFor { client_ip: String::new(), headers: CallerHeaders::default() };
        let (client_version, labels) = (ClientOptions::default().client_version, BTreeMap::new());
        Self { client_version, labels, acts_for }
    }
}

/// A connection to the local Nacos; it does nothing until it is run.
pub(crate) struct UpstreamConnection {
    events: ClientEvents,
    connection: ClientConnection,
}

/// Makes a client of the local Nacos that acts for a caller.
pub(crate) fn upstream_for(cluster: &Arc<NacosCluster>, caller: UpstreamCaller) -> (NacosClient, UpstreamConnection) {
    let options = ClientOptions {
        app_name: "nacos-fed-front-door".to_owned(),
        client_version: caller.client_version,
        labels: caller.labels,
        acts_for: Some(caller.acts_for),
        event_capacity: EVENTS,
        calls_in_flight: CALLS_IN_FLIGHT,
        ..ClientOptions::default()
    };
    let (client, events, connection) = NacosClient::new(Arc::clone(cluster), options);
    (client, UpstreamConnection { events, connection })
}

/// Makes a client of the local Nacos that acts for the gateway, with its login; calls of callers are relayed over it as over any.
pub(crate) fn upstream_of_gateway(cluster: &Arc<NacosCluster>) -> (NacosClient, UpstreamConnection) {
    let options = ClientOptions { app_name: "nacos-fed-front-door".to_owned(), ..ClientOptions::default() };
    let (client, events, connection) = NacosClient::new(Arc::clone(cluster), options);
    (client, UpstreamConnection { events, connection })
}

impl UpstreamConnection {
    /// Keeps it connected until `stop`; then it is closed, and what was registered through it is gone from Nacos. `tell` hears each event and
    /// must not wait.
    pub(crate) async fn run(self, stop: CancellationToken, mut tell: impl FnMut(ClientEvent)) {
        let Self { mut events, connection } = self;
        let telling = async {
            while let Some(event) = events.recv().await {
                tell(event);
            }
        };
        // The events end with the connection, which alone sends them.
        tokio::join!(connection.run(stop), telling);
    }
}

/// The answer to a relayed request if it says success, else what the caller is told.
pub(crate) fn answered<A: Response>(answer: Result<A, CallError>) -> Result<A, RegistryRefusal> {
    let answer = answer.map_err(refusal_of)?;
    match answer.outcome() {
        ResponseOutcome::Ok => Ok(answer),
        ResponseOutcome::Failed { error_code, message } => Err(RegistryRefusal::new(error_code, message)),
    }
}

/// What the caller is told of a call that the local Nacos did not carry out: Nacos's own code and words in the form in which they came, or that
/// Nacos was not reached.
pub(crate) fn refusal_of(error: CallError) -> RegistryRefusal {
    match error {
        CallError::Refused { message } => RegistryRefusal::no_right(message),
        CallError::Overloaded { message } => RegistryRefusal::new(error_code::OVER_THRESHOLD, message),
        CallError::Server { code, message, as_error } => {
            let code = if code == 0 { error_code::SERVER_ERROR } else { code };
            let comes = as_error.map_or(RefusalComes::InKind, |result_code| RefusalComes::AsError { result_code });
            RegistryRefusal { code, message, comes }
        }
        CallError::NotConnected => RegistryRefusal::failed("the local nacos is not reached, please try later"),
        CallError::Timeout { .. } => RegistryRefusal::failed("the local nacos does not answer, please try later"),
        CallError::Malformed(_) | CallError::Incomplete { .. } => {
            RegistryRefusal::failed(format!("the local nacos answered what cannot be read: {error}"))
        }
    }
}
