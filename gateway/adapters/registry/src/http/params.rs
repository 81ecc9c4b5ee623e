//! Parameters of a request as Nacos takes them: from a form in the body and from the query, alike. Of a name that is given twice the first counts, and the
//! form before the query. What is wrong with the characters, lengths and bounds of the usual ones is told before anything else, as by Nacos.

use std::collections::{BTreeMap, HashMap};

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use federation_core::id::{ConfigKey, InstanceId, ServiceKey};
use nacos_protocol::reading;
use nacos_protocol::server::DEFAULT_GROUP;

use super::answer::{Failure, V1};
use crate::check::{IllegalName, NamePart, checked};
use crate::configs::{DEFAULT_NAMESPACE, config_key};
use crate::wire::{DEFAULT_CLUSTER, cluster_or_default};

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
        let form: &[u8] = if is_form { &body } else { b"" };
        let params = Self::of(form, query.as_bytes());
        params.check().map_err(|illegal| V1::from(illegal).into_response())?;
        Ok(params)
    }
}

impl Params {
    fn of(form: &[u8], query: &[u8]) -> Self {
        let mut params = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(form).chain(url::form_urlencoded::parse(query)) {
            params.entry(name.into_owned()).or_insert_with(|| value.into_owned());
        }
        Self(params)
    }

    /// Checks characters, lengths and bounds. Where names are patterns (`search=blur`) they are not looked at.
    fn check(&self) -> Result<(), IllegalName> {
        if self.looked_at("search") == Some("blur") {
            return Ok(());
        }
        let (group, service) = self.looked_at("serviceName").map_or((None, ""), |name| match name.split_once("@@") {
            Some((group, service)) => (Some(group), service),
            None => (None, name),
        });
        for (part, text) in [
            (NamePart::Namespace, self.looked_at("namespaceId").or_else(|| self.looked_at("tenant"))),
            (NamePart::DataId, self.looked_at("dataId")),
            (NamePart::Service, Some(service)),
            (NamePart::Group, group.or_else(|| self.looked_at("groupName")).or_else(|| self.looked_at("group"))),
            (NamePart::Ip, self.looked_at("ip")),
        ] {
            checked(part, text.unwrap_or_default())?;
        }
        for name in ["clusters", "clusterName", "cluster"] {
            self.looked_at(name)
                .unwrap_or_default()
                .split(',')
                .try_for_each(|cluster| checked(NamePart::Cluster, cluster))?;
        }
        self.looked_at("port").map_or(Ok(()), |text| port(text).map(drop))
    }

    /// A parameter that is there and not empty, without blanks around it.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).filter(|value| !value.is_empty()).map(|value| value.trim())
    }

    /// A parameter as it is checked: as it was given, unless it is empty.
    fn looked_at(&self, name: &str) -> Option<&str> {
        self.given(name).filter(|value| !value.is_empty())
    }

    /// A parameter as it was given, perhaps empty.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter that must be there and not be empty.
    pub(super) fn required(&self, name: &'static str) -> Result<&str, Failure> {
        self.get(name).ok_or(Failure::Missing(name))
    }

    /// A number as Java reads it, if it is given.
    pub(super) fn double(&self, name: &str) -> Result<Option<f64>, Failure> {
        let read = |text: &str| reading::double(text).ok_or_else(|| Failure::NotANumber(text.to_owned()));
        self.get(name).map(read).transpose()
    }

    /// A whole number, if it is given.
    pub(super) fn int(&self, name: &str) -> Result<Option<i32>, Failure> {
        let read = |text: &str| reading::int(text).ok_or_else(|| Failure::NotANumber(text.to_owned()));
        self.get(name).map(read).transpose()
    }

    /// Yes or no by the words that Nacos knows, `default` when it is absent.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, reading::flag)
    }

    /// `true` alone is yes, as Nacos has it for what is read and not registered.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// Number and size of the page that is asked for; both from 1.
    pub(super) fn page(&self) -> Result<(usize, usize), Failure> {
        let positive = |name: &'static str, default: usize| {
            let Some(number) = self.int(name)? else { return Ok(default) };
            let positive = usize::try_from(number).ok().filter(|number| *number > 0);
            positive.ok_or_else(|| {
                let words = format!("Required parameter '{name}' should be positive integer, current is {number}");
                Failure::Invalid(words)
            })
        };
        Ok((positive("pageNo", 1)?, positive("pageSize", 100)?.min(PAGE_MAX)))
    }

    /// The namespace; over HTTP absent and empty are `public`.
    pub(super) fn namespace(&self) -> &str {
        self.get("namespaceId").or_else(|| self.get("tenant")).unwrap_or(DEFAULT_NAMESPACE)
    }

    /// The group, where it stands by itself.
    pub(super) fn group(&self) -> &str {
        self.get("groupName").unwrap_or(DEFAULT_GROUP)
    }

    /// The service; its name may carry its group as `group@@service`.
    pub(super) fn service(&self) -> Result<ServiceKey, Failure> {
        let name = self.required("serviceName")?;
        if name.is_empty() {
            let words = "Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'";
            return Err(Failure::Invalid(words.into()));
        }
        let (group, service) = name.split_once("@@").unwrap_or((self.group(), name));
        if group.trim().is_empty() || service.trim().is_empty() {
            return Err(Failure::HalfAName);
        }
        Ok(ServiceKey::new(self.namespace(), group, service))
    }

    /// Address and Nacos cluster of an instance.
    pub(super) fn instance(&self) -> Result<InstanceId, Failure> {
        let (ip, port_text) = (self.required("ip")?, self.required("port")?);
        Ok(InstanceId::new(ip, port(port_text)?, self.cluster()))
    }

    /// The Nacos cluster, by its older name too.
    pub(super) fn cluster(&self) -> &str {
        let said = self.get("clusterName").or_else(|| self.get("cluster"));
        said.map_or(DEFAULT_CLUSTER, cluster_or_default)
    }

    /// Metadata of an instance or a service: a JSON object, or `a=b,c=d`.
    pub(super) fn metadata(&self) -> Result<BTreeMap<String, String>, Failure> {
        Ok(self.get("metadata").map_or(Ok(BTreeMap::new()), reading::metadata)?)
    }

    /// The config item by the names of versions 1 and 2, of which each must be there and may be blank.
    pub(super) fn config(&self) -> Result<ConfigKey, Failure> {
        let data_id = self.given("dataId").ok_or(Failure::Absent("dataId"))?;
        let group = self.given("group").ok_or(Failure::Absent("group"))?;
        Ok(config_key(self.namespace(), group, data_id))
    }

    /// The config item by the names of version 3.
    pub(super) fn config_v3(&self) -> Result<ConfigKey, Failure> {
        Ok(config_key(self.namespace(), self.required("groupName")?, self.required("dataId")?))
    }
}

/// # Errors
/// Nacos takes no other texts than of numbers from 0 to 65535.
fn port(text: &str) -> Result<u16, IllegalName> {
    reading::int(text).and_then(|port| u16::try_from(port).ok()).ok_or(IllegalName::Port)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_name_given_twice_the_first_counts_and_the_form_before_the_query() {
        let params = Params::of(b"ip=2&weight=3", b"ip=1&port=80&port=81");
        assert_eq!((params.get("ip"), params.get("port"), params.get("weight")), (Some("2"), Some("80"), Some("3")));
    }

    #[test]
    fn what_is_wrong_with_the_usual_parameters_is_told_first() {
        for (query, want) in [
            ("port=http", "Param 'port' is illegal, the value should be between 0 and 65535."),
            ("port=+80", "Param 'port' is illegal, the value should be between 0 and 65535."), // A plus is a blank there.
            ("port=%2B80&ip=10.0.0.1", ""),
            ("ip=%2010.0.0.1", "Param 'ip' is illegal, illegal characters should not appear in the param."),
            ("clusters=a,%20b", "Param 'cluster' is illegal, illegal characters should not appear in the param."),
            (
                "serviceName=g@@a@@b",
                "Param 'serviceName' is illegal, illegal characters should not appear in the param.",
            ),
            ("serviceName=a/b@@s", "Param 'group' is illegal, illegal characters should not appear in the param."),
            ("tenant=a.b", "Param 'namespaceId/tenant' is illegal, illegal characters should not appear in the param."),
            ("dataId=*a*&search=blur", ""),
        ] {
            let told = Params::of(b"", query.as_bytes())
                .check()
                .map_or_else(|illegal| illegal.to_string(), |()| String::new());
            assert_eq!(told, want, "{query}");
        }
    }
}
