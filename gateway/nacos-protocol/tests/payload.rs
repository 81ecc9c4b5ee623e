//! The codec: what goes in comes out, odd input is read or refused, nothing panics.

use std::collections::BTreeMap;

use nacos_protocol::message::config::{ConfigBatchListenRequest, ConfigChangeNotifyRequest, ConfigQueryResponse};
use nacos_protocol::message::internal::{ConnectResetRequest, ConnectionSetupRequest, ErrorResponse};
use nacos_protocol::message::naming::{
    BatchInstanceRequest, InstanceRequest, NacosInstance, NamingFuzzyWatchSyncRequest, NotifySubscriberRequest,
    QueryServiceResponse, ServiceInfo, ServiceListRequest, SubscribeServiceRequest, SubscribeServiceResponse,
};
use nacos_protocol::message::{Message, Response, ResponseOutcome};
use nacos_protocol::payload::{DecodeError, Payload};
use proptest::prelude::*;
use prost::Message as _;

fn payload(message_type: &str, json: &str) -> Payload {
    Payload::of_json(message_type, json.to_owned().into())
}

fn decode<M: Message>(json: &str) -> M {
    payload(M::TYPE, json).decode().expect("readable")
}

fn json<M: Message>(message: &M) -> serde_json::Value {
    serde_json::from_slice(&Payload::of(message).json()).expect("json")
}

#[test]
fn absent_null_and_unknown_fields_are_defaults() {
    for text in [
        r"{}",
        r#"{"resultCode":null,"errorCode":null,"requestId":null,"serviceInfo":null}"#,
        r#"{"somethingNew":{"a":[1,2]}}"#,
        "",
    ] {
        assert_eq!(decode::<SubscribeServiceResponse>(text), SubscribeServiceResponse::default(), "{text}");
    }
    for text in
        [r#"{"serviceInfo":{}}"#, r#"{"serviceInfo":{"hosts":null,"name":null,"allIPs":null,"lastRefTime":null}}"#]
    {
        assert_eq!(decode::<QueryServiceResponse>(text).service_info, Some(ServiceInfo::default()), "{text}");
    }
    let instance: NacosInstance =
        serde_json::from_str(r#"{"weight":null,"healthy":null,"metadata":null,"ip":null}"#).unwrap();
    assert_eq!(instance, NacosInstance::default());
}

#[test]
fn values_of_other_kinds_are_read_where_they_have_a_meaning() {
    let text = r#"{"weight":2,"metadata":{"n":1,"b":true,"f":0.5,"null":null,"o":{"a":[1]},"s":"x"}}"#;
    let instance: NacosInstance = serde_json::from_str(text).unwrap();
    let want = [("n", "1"), ("b", "true"), ("f", "0.5"), ("o", r#"{"a":[1]}"#), ("s", "x")];
    assert_eq!(instance.metadata, want.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    assert_eq!(instance.weight, 2.0);
    for (text, want) in [("0.5", 0.5), (r#""NaN""#, 0.0), (r#""Infinity""#, 0.0), (r#""3""#, 3.0), ("null", 1.0)] {
        let instance: NacosInstance = serde_json::from_str(&format!(r#"{{"weight":{text}}}"#)).unwrap();
        assert_eq!(instance.weight, want, "{text}");
    }
    assert_eq!(decode::<ConnectResetRequest>(r#"{"serverPort":8848}"#).server_port, "8848");
    let list = decode::<ServiceListRequest>(r#"{"pageNo":"2","pageSize":" 10 "}"#);
    assert_eq!((list.page_no, list.page_size), (2, 10));
    let list = decode::<ServiceListRequest>(r#"{"pageNo":2.9,"pageSize":""}"#);
    assert_eq!((list.page_no, list.page_size), (2, 0));
    for (text, want) in [("\"true\"", true), ("1", true), ("0", false), ("null", false), ("\"FALSE\"", false)] {
        let request = decode::<SubscribeServiceRequest>(&format!(r#"{{"subscribe":{text}}}"#));
        assert_eq!(request.subscribe, want, "{text}");
    }
    for odd in [r#"{"pageNo":"two"}"#, r#"{"pageNo":true}"#, r#"{"pageNo":4294967376}"#] {
        assert!(serde_json::from_str::<ServiceListRequest>(odd).is_err(), "{odd}");
    }
}

#[test]
fn output_never_says_null_and_leaves_absent_fields_out() {
    let all = [
        json(&SubscribeServiceResponse::default()),
        json(&ConfigQueryResponse::failed(300, "config data not exist")),
        json(&ConnectionSetupRequest::default()),
        json(&InstanceRequest::default()),
        json(&BatchInstanceRequest::default()),
        json(&NotifySubscriberRequest { service_info: Some(ServiceInfo::default()), ..Default::default() }),
        json(&QueryServiceResponse {
            service_info: Some(ServiceInfo {
                hosts: vec![NacosInstance { weight: f64::NAN, ..NacosInstance::default() }],
                ..ServiceInfo::default()
            }),
            ..Default::default()
        }),
    ];
    for value in all {
        assert!(!value.to_string().contains("null"), "{value}");
    }
    let response = json(&ErrorResponse::failed(302, "no handler").answering("7"));
    let want = serde_json::json!(
        {"resultCode": 500, "errorCode": 302, "message": "no handler", "requestId": "7", "success": false}
    );
    assert_eq!(response, want);
    assert_eq!(json(&ConfigChangeNotifyRequest::default())["module"], "config");
    assert_eq!(json(&SubscribeServiceRequest::default())["module"], "naming");
    let service = json(&ServiceInfo { all_ips: true, all_ips_v3: true, ..ServiceInfo::default() }.into_push());
    assert_eq!((&service["serviceInfo"]["allIPs"], &service["serviceInfo"]["allIps"]), (&true.into(), &true.into()));
}

trait IntoPush {
    fn into_push(self) -> NotifySubscriberRequest;
}

impl IntoPush for ServiceInfo {
    fn into_push(self) -> NotifySubscriberRequest {
        NotifySubscriberRequest { service_info: Some(self), ..NotifySubscriberRequest::default() }
    }
}

#[test]
fn a_payload_of_another_type_and_a_broken_body_are_told_apart() {
    let other = payload("ErrorResponse", "{}").decode::<QueryServiceResponse>();
    assert!(matches!(other, Err(DecodeError::OtherType { expected: "QueryServiceResponse", .. })), "{other:?}");
    for text in ["{", "[]", "null", "\u{1}", r#"{"serviceInfo":{"hosts":[{"port":"x"}]}}"#] {
        let broken = payload(QueryServiceResponse::TYPE, text).decode::<QueryServiceResponse>();
        assert!(matches!(broken, Err(DecodeError::Malformed { .. })), "{text}: {broken:?}");
    }
    assert_eq!(Payload::default().message_type(), "");
}

#[test]
fn responses_say_whether_their_request_failed() {
    assert_eq!(decode::<ErrorResponse>("{}").outcome(), ResponseOutcome::Ok);
    let refused: ErrorResponse = decode(r#"{"resultCode":500,"errorCode":403,"message":"no"}"#);
    assert_eq!(refused.outcome(), ResponseOutcome::Failed { error_code: 403, message: "no" });
}

#[test]
fn headers_travel_beside_the_json() {
    let payload = Payload::of(&SubscribeServiceRequest::default()).with_header("accessToken", "t");
    let read = Payload::decode_from(&payload.encode_to_vec());
    assert_eq!(read.header("accessToken"), Some("t"));
    assert!(!String::from_utf8_lossy(&read.json()).contains("accessToken"));
}

trait DecodeFrom {
    fn decode_from(bytes: &[u8]) -> Payload;
}

impl DecodeFrom for Payload {
    fn decode_from(bytes: &[u8]) -> Payload {
        <Payload as prost::Message>::decode(bytes).expect("a payload")
    }
}

fn instances() -> impl Strategy<Value = NacosInstance> {
    let metadata = proptest::collection::btree_map(any::<String>(), any::<String>(), 0..4);
    (any::<String>(), any::<i32>(), 0u32..1_000_000, any::<bool>(), any::<bool>(), any::<String>(), metadata).prop_map(
        |(ip, port, weight, healthy, enabled, cluster_name, metadata)| NacosInstance {
            ip,
            port,
            weight: f64::from(weight) / 100.0,
            healthy,
            enabled,
            cluster_name,
            metadata,
            ..NacosInstance::default()
        },
    )
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        if let Ok(payload) = <Payload as prost::Message>::decode(&bytes[..]) {
            let _ = payload.decode::<QueryServiceResponse>();
        }
        for message_type in [QueryServiceResponse::TYPE, NamingFuzzyWatchSyncRequest::TYPE, ConfigBatchListenRequest::TYPE] {
            let payload = Payload::of_json(message_type, bytes.clone().into());
            let _ = payload.decode::<QueryServiceResponse>();
            let _ = payload.decode::<NamingFuzzyWatchSyncRequest>();
            let _ = payload.decode::<ConfigBatchListenRequest>();
        }
    }

    #[test]
    fn what_goes_in_comes_out(hosts in proptest::collection::vec(instances(), 0..4), name in any::<String>()) {
        let message = ServiceInfo { name, hosts, ..ServiceInfo::default() }.into_push();
        let bytes = Payload::of(&message).encode_to_vec();
        prop_assert_eq!(Payload::decode_from(&bytes).decode::<NotifySubscriberRequest>().unwrap(), message);
    }

    #[test]
    fn a_damaged_message_is_read_or_refused(cut in 0usize..200, flip in 0usize..200, with in any::<u8>()) {
        let metadata: BTreeMap<_, _> = [("k".to_owned(), "v".to_owned())].into();
        let instance = NacosInstance { ip: "10.0.0.1".into(), metadata, ..NacosInstance::default() };
        let message = ServiceInfo { hosts: vec![instance], ..ServiceInfo::default() }.into_push();
        let mut bytes = Payload::of(&message).encode_to_vec();
        bytes.truncate(bytes.len() - cut.min(bytes.len()));
        if let Some(byte) = bytes.get_mut(flip) {
            *byte = with;
        }
        if let Ok(payload) = <Payload as prost::Message>::decode(&bytes[..]) {
            let _ = payload.decode::<NotifySubscriberRequest>();
        }
    }
}
