//! Parameters of a request as Nacos takes them: from the query and from a form in the body, alike.

use std::collections::{BTreeMap, HashMap};

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use federation_core::id::{ConfigKey, InstanceId, ServiceKey};
use nacos_protocol::server::DEFAULT_GROUP;

use super::answer::Failure;
use crate::registry::configs::{DEFAULT_NAMESPACE, config_key};
use crate::registry::wire::DEFAULT_CLUSTER;

/// Largest page of a listing.
const PAGE_MAX: usize = 1_000_000;

/// See the module. An empty value is as good as none, as in Nacos.
pub(super) struct Params(HashMap<String, String>);

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let is_form = is_form(request.headers());
        let body = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        let mut params: HashMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        if is_form {
            params.extend(url::form_urlencoded::parse(&body).into_owned());
        }
        Ok(Self(params))
    }
}

impl Params {
    /// A parameter that is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter that must be there; it may be blank.
    pub(super) fn required(&self, name: &'static str) -> Result<&str, Failure> {
        self.0.get(name).map(String::as_str).ok_or(Failure::Missing(name))
    }

    /// A number, `default` when it is absent.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &'static str, default: T) -> Result<T, Failure> {
        self.get(name).map_or(Ok(default), |text| text.parse().map_err(|_| Failure::Malformed(name)))
    }

    /// `true` or `false`, `default` when it is absent.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, |text| text.eq_ignore_ascii_case("true"))
    }

    /// Number and size of the page that is asked for; both from 1.
    pub(super) fn page(&self) -> Result<(usize, usize), Failure> {
        Ok((self.number("pageNo", 1)?.max(1), self.number("pageSize", 100)?.clamp(1, PAGE_MAX)))
    }

    /// The namespace; over HTTP absent and empty are `public`.
    pub(super) fn namespace(&self) -> &str {
        self.get("namespaceId").or_else(|| self.get("tenant")).unwrap_or(DEFAULT_NAMESPACE)
    }

    /// The service; its name may carry its group as `group@@service`.
    pub(super) fn service(&self) -> Result<ServiceKey, Failure> {
        let name = self.get("serviceName").ok_or(Failure::Missing("serviceName"))?;
        let (group, service) = match name.split_once("@@") {
            Some((group, service)) => (group, service),
            None => (self.get("groupName").unwrap_or(DEFAULT_GROUP), name),
        };
        Ok(ServiceKey::new(self.namespace(), group, service))
    }

    /// Address and Nacos cluster of an instance.
    pub(super) fn instance(&self) -> Result<InstanceId, Failure> {
        let ip = self.get("ip").ok_or(Failure::Missing("ip"))?;
        let port = self.get("port").ok_or(Failure::Missing("port"))?.parse().map_err(|_| Failure::Malformed("port"))?;
        Ok(InstanceId::new(ip, port, self.cluster()))
    }

    /// The Nacos cluster, by its older name too.
    pub(super) fn cluster(&self) -> &str {
        self.get("clusterName").or_else(|| self.get("cluster")).unwrap_or(DEFAULT_CLUSTER)
    }

    /// Metadata of an instance: a JSON object, or `a=b,c=d`.
    pub(super) fn metadata(&self) -> Result<BTreeMap<String, String>, Failure> {
        let Some(text) = self.get("metadata") else { return Ok(BTreeMap::new()) };
        if text.trim_start().starts_with('{') {
            return serde_json::from_str(text).map_err(|_| Failure::Malformed("metadata"));
        }
        let pairs = text.split(',').map(|pair| pair.split_once('=').ok_or(Failure::Malformed("metadata")));
        pairs.map(|pair| pair.map(|(key, value)| (key.to_owned(), value.to_owned()))).collect()
    }

    /// The config item, by the names of version 1 or of version 3.
    pub(super) fn config(&self) -> Result<ConfigKey, Failure> {
        let group = self.get("groupName").or_else(|| self.get("group")).ok_or(Failure::Missing("groupName"))?;
        let data_id = self.get("dataId").ok_or(Failure::Missing("dataId"))?;
        Ok(config_key(self.namespace(), group, data_id))
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

/// A token in the form, where the Go SDK puts it; and the request with its body, whole again.
pub(super) async fn token_in_form(request: Request) -> Result<(Option<String>, Request), Response> {
    if !is_form(request.headers()) {
        return Ok((None, request));
    }
    let (parts, body) = request.into_parts();
    let limited = Request::from_parts(parts.clone(), body);
    let bytes = Bytes::from_request(limited, &()).await.map_err(IntoResponse::into_response)?;
    let token = url::form_urlencoded::parse(&bytes).find(|(name, _)| name == "accessToken");
    let token = token.map(|(_, token)| token.into_owned());
    Ok((token, Request::from_parts(parts, Body::from(bytes))))
}

/// The token of a request: header, bearer, or parameter of the query.
pub(super) fn token_of(request: &Request) -> Option<String> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let bearer = || header(AUTHORIZATION.as_str())?.strip_prefix("Bearer ").map(str::to_owned);
    let in_query = || {
        let query = request.uri().query()?;
        let found = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "accessToken");
        found.map(|(_, token)| token.into_owned())
    };
    header("accessToken").or_else(bearer).or_else(in_query)
}
