//! Parameters of a request, as the handlers take them.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use federation_core::id::{ConfigKey, InstanceId, ServiceKey};
use nacos_protocol::names::port;
use nacos_protocol::web::{ParamFailure, RequestParams, is_form, token_in};

use super::answer::{Failure, V1};
use crate::configs::config_key;
use crate::wire;

/// See [`RequestParams`]; what is wrong with their characters, lengths and bounds was told before a handler sees them.
pub(super) struct Params(RequestParams);

impl std::ops::Deref for Params {
    type Target = RequestParams;

    fn deref(&self) -> &RequestParams {
        &self.0
    }
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let is_form = is_form(request.headers());
        let body = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        let form: &[u8] = if is_form { &body } else { b"" };
        let params = RequestParams::of(form, query.as_bytes());
        params.check().map_err(|illegal| V1::from(illegal).into_response())?;
        Ok(Self(params))
    }
}

impl Params {
    /// The service; its name may carry its group as `group@@service`.
    pub(super) fn service(&self) -> Result<ServiceKey, Failure> {
        Ok(wire::service_key(&self.0.service()?))
    }

    /// Address and Nacos cluster of an instance.
    pub(super) fn instance(&self) -> Result<InstanceId, Failure> {
        let (ip, port_text) = (self.required("ip")?, self.required("port")?);
        Ok(InstanceId::new(ip, port(port_text)?, self.cluster()))
    }

    /// The config item by the names of versions 1 and 2, of which each must be there and may be blank.
    pub(super) fn config(&self) -> Result<ConfigKey, Failure> {
        let data_id = self.given("dataId").ok_or(ParamFailure::Absent("dataId"))?;
        let group = self.given("group").ok_or(ParamFailure::Absent("group"))?;
        Ok(config_key(self.namespace(), group, data_id))
    }

    /// The config item by the names of version 3.
    pub(super) fn config_v3(&self) -> Result<ConfigKey, Failure> {
        Ok(config_key(self.namespace(), self.required("groupName")?, self.required("dataId")?))
    }
}

/// A token in the form, where the Go SDK puts it; and the request with its body, whole again.
pub(super) async fn token_in_form(request: Request) -> Result<(Option<String>, Request), Response> {
    if !is_form(request.headers()) {
        return Ok((None, request));
    }
    let (parts, body) = request.into_parts();
    let limited = Request::from_parts(parts.clone(), body);
    let bytes = Bytes::from_request(limited, &()).await.map_err(IntoResponse::into_response)?;
    let token = token_in(&bytes);
    Ok((token, Request::from_parts(parts, Body::from(bytes))))
}
