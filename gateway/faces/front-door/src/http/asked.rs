//! A lookup as it is asked for over HTTP: parameters, who asks, and where that is.
//!
//! A client says where it is as it would with the labels of a connection, by parameters `app_region`, `app_zone`, `app_sub_zone`, `app_network` and
//! `app_cluster`, and other labels by `app_` and their name; or, where a URL cannot be changed, by headers `nacos-fed-region` and so on. The
//! parameters count before the headers. Who says nothing is where the gateway is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::response::Response;
use http::HeaderMap;
use http::header::USER_AGENT;
use nacos_protocol::cluster::PassedRequest;
use nacos_protocol::server::{CallingClient, ConnectedClient, ConnectionId};
use nacos_protocol::web::{RequestParams, is_form, token_in, token_of};

use super::PeerAddress;
use super::answer::{WebFailure, version_of};
use super::passing::received;
use crate::place::{OF_APPLICATION, PLACE};

/// What names a cluster of the federation where a Nacos cluster is asked for.
const ORIGIN_MARK: char = '@';

/// Headers that say where a client is begin so.
const PLACE_HEADER: &str = "nacos-fed-";

/// What clients that sign send, in the query over HTTP and as headers over gRPC.
const SIGNED: [&str; 4] = ["ak", "data", "signature", "Spas-SecurityToken"];

/// See the module.
pub(super) struct Asked {
    pub(super) params: RequestParams,
    client: ConnectedClient,
    shown: HashMap<String, String>,
    /// The request as it came.
    pub(super) request: PassedRequest,
}

impl Asked {
    /// Who asks, with what it shows, for whoever says what it may.
    pub(super) fn caller(&self) -> CallingClient<'_> {
        CallingClient::of(&self.client, &self.shown)
    }
}

impl<S: Send + Sync> FromRequest<S> for Asked {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let PeerAddress(remote) = *request.extensions().get().expect("the listener tells who is connected");
        let version = version_of(request.uri().path());
        let request = received(request, remote.ip()).await?;
        let PassedRequest { headers, query, body, .. } = &request;
        let form: &[u8] = if is_form(headers) { body } else { b"" };
        let params = RequestParams::of(form, query.as_bytes());
        let checked = params.check_but(|cluster| cluster.strip_prefix(ORIGIN_MARK).unwrap_or(cluster));
        checked.map_err(|illegal| WebFailure::Param(illegal.into()).told(version))?;
        let token = token_of(headers, query).or_else(|| token_in(form));
        let said = |name: http::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let client = ConnectedClient {
            connection: ConnectionId::from(Arc::<str>::from(format!("http {remote}"))),
            remote,
            client_ip: String::new(),
            client_version: said(USER_AGENT).to_owned(),
            tenant: String::new(),
            labels: labels(&params, headers),
        };
        let shown = shown(&params, token);
        Ok(Self { params, client, shown, request })
    }
}

fn labels(params: &RequestParams, headers: &HeaderMap) -> BTreeMap<String, String> {
    let of_header = |part: &&str| {
        let value = headers.get(format!("{PLACE_HEADER}{}", part.replace('_', "-")))?.to_str().ok()?;
        Some((format!("{OF_APPLICATION}{part}"), value.to_owned()))
    };
    let mut labels: BTreeMap<String, String> = PLACE.iter().filter_map(of_header).collect();
    let of_param = params.iter().filter(|(name, _)| name.starts_with(OF_APPLICATION));
    labels.extend(of_param.map(|(name, value)| (name.to_owned(), value.to_owned())));
    labels
}

/// What shows who the client is, by the names that it has over gRPC.
fn shown(params: &RequestParams, token: Option<String>) -> HashMap<String, String> {
    let signed = SIGNED.iter().filter_map(|name| Some(((*name).to_owned(), params.given(name)?.to_owned())));
    let token = token.map(|token| ("accessToken".to_owned(), token));
    signed.chain(token).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_said_by_parameters_or_by_headers_and_the_parameters_count_first() {
        let headers: HeaderMap = [("nacos-fed-region", "eu"), ("nacos-fed-sub-zone", "r1"), ("nacos-fed-zone", "b")]
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let params = RequestParams::of(b"", b"app_zone=a&app_stage=canary&region=us&serviceName=s");
        let pairs = [("app_region", "eu"), ("app_stage", "canary"), ("app_sub_zone", "r1"), ("app_zone", "a")];
        let want = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(labels(&params, &headers), want);
    }
}
