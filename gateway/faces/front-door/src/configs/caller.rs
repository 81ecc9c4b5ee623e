//! Who asks for config items, as the local Nacos tells callers apart.
//!
//! Nacos chooses the variant of an item (beta, tag, rules over labels) by what a *connection* said at its set-up, and judges what may be read
//! by the headers of each *call*. So two things are kept apart here: a [`CallerGroup`] is all callers whose connections say the same, who
//! are served over one connection to Nacos; and [`ShownHeaders`] stands for what a caller showed. Whatever is answered without asking Nacos is
//! answered only to whom it was allowed, over both: the same group, and the same headers.

use std::collections::{BTreeMap, HashMap};
#[cfg(test)]
use std::net::SocketAddr;
#[cfg(test)]
use std::sync::Arc;

use nacos_protocol::server::{CallingClient, ConnectedClient, ConnectionId};

/// By which a client chooses the variant of an item for a tag.
const TAG: &str = "vipserver-tag";
/// Who signs its calls shows the name of its key.
const ACCESS_KEY: &str = "spas-accesskey";
/// What changes with each call and is no credential: time, a digest of it, and whether a push is the reason of the call.
const OF_ONE_CALL: [&str; 3] = ["client-requestts", "client-requesttoken", "notify"];
/// What changes with each call of a caller that signs.
const OF_ONE_SIGNATURE: [&str; 2] = ["spas-signature", "timestamp"];

/// Callers that the local Nacos does not tell apart by what their connections said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CallerGroup {
    address: String,
    version: String,
    tenant: String,
    labels: BTreeMap<String, String>,
    tag: String,
}

/// What a caller showed with a call, without what differs from call to call. Equal ones were judged alike.
///
/// A caller that signs shows another signature each time, which only Nacos can judge: its connection stands for it, so that no other caller has
/// equal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ShownHeaders([u8; 32]);

/// Who asks, with the headers of this very call.
#[derive(Clone, Debug)]
pub(crate) struct ConfigCaller {
    peer: ConnectedClient,
    headers: HashMap<String, String>,
    shown: ShownHeaders,
}

impl From<&CallingClient<'_>> for ConfigCaller {
    fn from(caller: &CallingClient<'_>) -> Self {
        let shown = ShownHeaders::of(caller.headers(), Some(caller.connection()));
        Self { peer: caller.peer.clone(), headers: caller.headers().clone(), shown }
    }
}

impl ConfigCaller {
    /// A caller that showed these headers, over a connection that said no more than its address.
    #[cfg(test)]
    pub(crate) fn for_test(remote: SocketAddr, client_ip: &str, headers: HashMap<String, String>) -> Self {
        let peer = ConnectedClient {
            connection: ConnectionId::from(Arc::from("")),
            remote,
            client_ip: client_ip.to_owned(),
            client_version: "Nacos-Http-Client".to_owned(),
            tenant: String::new(),
            labels: BTreeMap::new(),
        };
        let shown = ShownHeaders::of(&headers, None);
        Self { peer, headers, shown }
    }

    pub(super) fn peer(&self) -> &ConnectedClient {
        &self.peer
    }

    pub(super) fn headers(&self) -> &HashMap<String, String> {
        &self.headers
    }

    pub(super) fn shown(&self) -> ShownHeaders {
        self.shown
    }

    pub(super) fn group(&self) -> CallerGroup {
        let address = match &*self.peer.client_ip {
            "" => self.peer.remote.ip().to_string(),
            said => said.to_owned(),
        };
        let tag = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(TAG));
        CallerGroup {
            address,
            version: self.peer.client_version.clone(),
            tenant: self.peer.tenant.clone(),
            labels: self.peer.labels.clone(),
            tag: tag.map(|(_, value)| value.clone()).unwrap_or_default(),
        }
    }
}

impl ShownHeaders {
    fn of(headers: &HashMap<String, String>, connection: Option<&ConnectionId>) -> Self {
        let mut named: Vec<(String, &String)> =
            headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        let signs = named.iter().any(|(name, _)| name == ACCESS_KEY);
        let signed_on = connection.filter(|_| signs);
        named.retain(|(name, _)| {
            let of_one_call = OF_ONE_CALL.contains(&name.as_str());
            let of_signature = signed_on.is_some() && OF_ONE_SIGNATURE.contains(&name.as_str());
            !of_one_call && !of_signature
        });
        named.sort_unstable();
        let mut hash = blake3::Hasher::new();
        let mut take = |text: &str| {
            hash.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        };
        for (name, value) in named {
            take(&name);
            take(value);
        }
        if let Some(connection) = signed_on {
            take(connection.text());
        }
        Self(*hash.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(headers: &[(&str, &str)], connection: Option<&str>) -> ShownHeaders {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let connection = connection.map(|name| ConnectionId::from(Arc::from(name)));
        ShownHeaders::of(&headers, connection.as_ref())
    }

    #[test]
    fn what_differs_from_call_to_call_is_not_what_a_caller_shows() {
        let token = shown(&[("accessToken", "t"), ("Client-RequestTS", "1"), ("notify", "true")], Some("c"));
        assert_eq!(token, shown(&[("Client-RequestTS", "2"), ("accessToken", "t")], Some("d")));
        for (name, other) in [
            ("another token", shown(&[("accessToken", "u")], Some("c"))),
            ("none", shown(&[], Some("c"))),
            ("a name of another plugin", shown(&[("accessToken", "t"), ("x-ticket", "1")], Some("c"))),
            ("the same letters, parted otherwise", shown(&[("accessTokent", "")], Some("c"))),
        ] {
            assert_ne!(token, other, "{name}");
        }
    }

    #[test]
    fn a_signature_is_the_callers_own_and_proves_nothing_for_others() {
        let signed = |key: &str, signature: &str, connection| {
            shown(&[("Spas-AccessKey", key), ("Spas-Signature", signature), ("Timestamp", signature)], connection)
        };
        assert_eq!(
            signed("k", "1", Some("c")),
            signed("k", "2", Some("c")),
            "over its own connection it is the same caller"
        );
        assert_ne!(signed("k", "1", Some("c")), signed("k", "1", Some("d")), "another connection was not judged");
        assert_ne!(signed("k", "1", Some("c")), signed("l", "1", Some("c")));
        assert_ne!(signed("k", "1", None), signed("k", "2", None), "without a connection each signature is judged");
    }

    #[test]
    fn callers_are_grouped_by_what_their_connections_said() {
        let remote: SocketAddr = "10.0.0.1:40000".parse().expect("an address");
        let at = |client_ip: &str, headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            ConfigCaller::for_test(remote, client_ip, headers).group()
        };
        assert_eq!(
            at("", &[("accessToken", "a")]),
            at("10.0.0.1", &[("accessToken", "b")]),
            "credentials are of calls"
        );
        assert_ne!(at("10.0.0.2", &[]), at("10.0.0.1", &[]));
        assert_ne!(at("", &[("Vipserver-Tag", "gray")]), at("", &[]));
    }
}
