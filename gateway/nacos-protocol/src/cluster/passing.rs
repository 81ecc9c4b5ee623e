//! Requests that are passed on as they came: somebody else's, to the HTTP API of the cluster, and its answers back.
//!
//! Input: a request, whole. Output: the answer, its body as it comes. Nothing of it is read here, and nothing is added but what HTTP needs between two
//! hosts. A request may be no good twice (a registration, a publication), so that the next server is tried only where nothing was sent.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Method, Response};

use super::{HttpError, NacosCluster};

/// What is meant for the next host alone (RFC 9110, 7.6.1), and what is said anew for each.
const OF_ONE_HOP: [HeaderName; 9] =
    [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, HOST, EXPECT];
const KEEP_ALIVE: &str = "keep-alive";

/// A request of somebody else.
#[derive(Clone, Debug)]
pub struct PassedRequest {
    /// Method.
    pub method: Method,
    /// Below the context path, without a leading slash, encoded as it came.
    pub path: String,
    /// As it came, without the question mark; empty for none.
    pub query: String,
    /// As they came; those of one hop are left out here.
    pub headers: HeaderMap,
    /// As it came.
    pub body: Bytes,
    /// How long a server may take, to the end of its answer.
    pub within: Duration,
}

/// The body of an answer, as it comes. It ends with an error where the server breaks off or its time is over. Dropped, it ends the call.
pub type PassedBody = reqwest::Body;

impl NacosCluster {
    /// Passes a request on to one of the servers: to the next one only where the connection to one fails. The answer is given back as it comes,
    /// but for headers of one hop.
    ///
    /// # Errors
    /// No server could be reached, or the one that was did not answer.
    pub async fn pass(&self, mut request: PassedRequest) -> Result<Response<PassedBody>, HttpError> {
        without_hop(&mut request.headers);
        request.headers.remove(CONTENT_LENGTH); // It is that of the body.
        let mut answer = self.http().pass(&request).await?;
        without_hop(answer.headers_mut());
        Ok(answer)
    }
}

fn without_hop(headers: &mut HeaderMap) {
    let named = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<HeaderName> =
        named.flat_map(|names| names.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    for name in named.iter().chain(&OF_ONE_HOP) {
        headers.remove(name);
    }
    headers.remove(KEEP_ALIVE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_one_hop_are_left_out_and_those_that_the_connection_names() {
        let pairs = [
            ("connection", "close, x-mine"),
            ("x-mine", "1"),
            ("keep-alive", "5"),
            ("transfer-encoding", "chunked"),
            ("host", "here"),
            ("accesstoken", "t"),
            ("content-type", "text/plain"),
        ];
        let mut headers: HeaderMap =
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        without_hop(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accesstoken", "content-type"]);
    }
}
