//! Registrations over HTTP: passed on like all else, and told to whoever puts them into the view once Nacos has acknowledged them, before Nacos
//! itself pushes them. So a client finds in its next lookup what it registered. That one was taken back is told too: then lists of Nacos count
//! again, which are taken for older than a registration for a while.

use axum::Extension;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_LENGTH;
use http::{Method, StatusCode};
use nacos_protocol::cluster::PassedRequest;
use nacos_protocol::message::naming::{GROUP_SEPARATOR, NacosInstance};
use nacos_protocol::names::port;
use nacos_protocol::reading;
use nacos_protocol::server::ServiceName;
use nacos_protocol::web::{RequestParams, is_form};

use super::answer::bare;
use super::passing::{passed_on, received};
use super::{PeerAddress, Web};
use crate::registrations::marking::unmark_text;

/// Answers to a registration are a word or two; what is larger is none.
const ANSWER_BYTES: usize = 64 << 10;

/// An instance is no larger: Nacos takes 1,024 characters of metadata, and where that is not looked at, a form of 64 KiB.
const INSTANCE_BYTES: usize = 1 << 20;

/// How an acknowledgement begins, in version 1 and in the others.
const ACKNOWLEDGED: [&[u8]; 2] = [b"ok", b"{\"code\":0,"];

/// What a call does once it is acknowledged.
#[derive(Debug, PartialEq)]
enum CallMeaning {
    Registers(ServiceName, NacosInstance),
    Withdraws(ServiceName, NacosInstance),
}

/// A call about one instance.
pub(super) async fn pass_instance(
    State(web): State<Web>,
    Extension(PeerAddress(peer)): Extension<PeerAddress>,
    request: Request,
) -> Response {
    let request = match received(request, peer.ip()).await {
        Ok(request) => request,
        Err(refused) => return refused,
    };
    let (meaning, reads) = (meaning_of(&request), request.method == Method::GET);
    let answer = passed_on(&web, request).await;
    match meaning {
        Some(meaning) if answer.status() == StatusCode::OK => {
            let (head, body) = answer.into_parts();
            let Ok(said) = to_bytes(body, ANSWER_BYTES).await else {
                return bare(StatusCode::BAD_GATEWAY);
            };
            if is_acknowledged(&said) {
                tell(&web, meaning).await;
            }
            (head, Body::from(said)).into_response()
        }
        None if reads && answer.status() == StatusCode::OK => without_mark(answer).await,
        _ => answer,
    }
}

/// One instance as Nacos tells it, without what gateways note on it.
async fn without_mark(answer: Response) -> Response {
    let (mut head, body) = answer.into_parts();
    let Ok(said) = to_bytes(body, INSTANCE_BYTES).await else {
        return bare(StatusCode::BAD_GATEWAY);
    };
    let Some(unmarked) = std::str::from_utf8(&said).ok().and_then(unmark_text) else {
        return (head, Body::from(said)).into_response();
    };
    head.headers.remove(CONTENT_LENGTH);
    (head, Body::from(unmarked)).into_response()
}

async fn tell(web: &Web, meaning: CallMeaning) {
    match meaning {
        CallMeaning::Registers(service, instance) => {
            let registered = [instance];
            web.news.registered(&service, &registered);
            web.door.naming.until_shown(&service, &registered).await;
        }
        CallMeaning::Withdraws(service, instance) => web.news.withdrawn(&service, &[instance]),
    }
}

fn is_acknowledged(said: &Bytes) -> bool {
    ACKNOWLEDGED.iter().any(|begin| said.starts_with(begin))
}

/// What a request registers or takes back, if Nacos can take it.
fn meaning_of(request: &PassedRequest) -> Option<CallMeaning> {
    let form: &[u8] = if is_form(&request.headers) { &request.body } else { b"" };
    let params = RequestParams::of(form, request.query.as_bytes());
    if params.flag("heartBeat", false) {
        return None;
    }
    let service = params.service().ok()?;
    let weight = params.double("weight").ok()?.filter(|weight| !weight.is_nan());
    let enabled = params.get("enabled").or_else(|| params.get("enable")); // The Go SDK says `enable`.
    let instance = NacosInstance {
        ip: params.get("ip")?.to_owned(),
        port: port(params.get("port")?).ok()?.into(),
        weight: weight.unwrap_or(1.0),
        healthy: params.flag("healthy", true),
        enabled: enabled.is_none_or(reading::flag),
        ephemeral: params.flag("ephemeral", true),
        cluster_name: params.cluster().to_owned(),
        service_name: format!("{}{GROUP_SEPARATOR}{}", service.group, service.service),
        metadata: params.metadata().ok()?,
        ..NacosInstance::default()
    };
    match request.method {
        Method::POST => Some(CallMeaning::Registers(service, instance)),
        Method::DELETE => Some(CallMeaning::Withdraws(service, instance)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, query: &str) -> PassedRequest {
        PassedRequest {
            method,
            path: "v1/ns/instance".into(),
            query: query.into(),
            headers: http::HeaderMap::new(),
            body: Bytes::new(),
            within: std::time::Duration::ZERO,
        }
    }

    #[test]
    fn a_registration_is_read_as_nacos_reads_it_and_nothing_else_is_one() {
        let one = "serviceName=g@@s&ip=10.0.0.1&port=80";
        let query = format!("{one}&weight=2&enable=false&metadata=a=b&namespaceId=n&clusterName=c");
        let Some(CallMeaning::Registers(service, instance)) = meaning_of(&request(Method::POST, &query)) else {
            panic!("it registers")
        };
        assert_eq!((&*service.namespace, &*service.group, &*service.service), ("n", "g", "s"));
        assert_eq!((&*instance.ip, instance.port, instance.weight), ("10.0.0.1", 80, 2.0));
        assert_eq!((instance.enabled, instance.healthy, instance.ephemeral), (false, true, true));
        assert_eq!((&*instance.cluster_name, &*instance.metadata["a"]), ("c", "b"));
        let withdraws = meaning_of(&request(Method::DELETE, one));
        assert!(matches!(withdraws, Some(CallMeaning::Withdraws(_, NacosInstance { port: 80, .. }))), "{withdraws:?}");
        for (method, query) in [
            (Method::PUT, one),
            (Method::POST, "serviceName=s&ip=10.0.0.1&port=80&heartBeat=true"),
            (Method::POST, "serviceName=s&ip=10.0.0.1&port=http"),
            (Method::POST, "serviceName=s&port=80"),
        ] {
            assert_eq!(meaning_of(&request(method, query)), None, "{query}");
        }
    }
}
