//! Rows are what Nacos 2.3.2 and 3.1.0 took and refused.

use proptest::prelude::*;

use super::*;
use crate::message::Tolerant;

fn shown(pairs: &BTreeMap<String, String>) -> String {
    pairs.iter().map(|(key, value)| format!("{key}:{value}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn metadata_is_an_object_of_scalars_or_pairs_of_text() {
    for (text, want) in [
        (r#"{"a":"b"}"#, Some("a:b")),
        (
            r#"{"int":1,"float":1.50,"exp":1e3,"big":12345678901234567890123}"#,
            Some("big:12345678901234567890123 exp:1e3 float:1.50 int:1"),
        ),
        (r#"{"t":true,"f":false}"#, Some("f:false t:true")),
        (r#"{"a":null,"b":"c"}"#, Some("b:c")),
        (r#"{"a":"1","a":"2"}"#, Some("a:2")),
        (r#"{"":"b"}"#, Some(":b")),
        ("{}", Some("")),
        ("null", Some("")),
        (r#"{"a":"1"}xyz"#, Some("a:1")),
        (r#" {"a":"1"} "#, Some("a:1")),
        (r#"{"a":{"b":1}}"#, None),
        (r#"{"a":[1,2]}"#, None),
        ("[1]", None),
        (r#"{"a":"1""#, None),
        ("{'a':'1'}", None),
        ("a=b", Some("a:b")),
        ("a=b,c=d", Some("a:b c:d")),
        (" a = b , c=d", Some(" a : b   c:d")),
        ("a=b,a=d", Some("a:d")),
        ("a=b==", Some("a:b")),
        ("a=b,", Some("a:b")),
        ("=b", Some(":b")),
        (",", Some("")),
        ("a=", None),
        ("a=b=c", None),
        ("abc", None),
        ("=", None),
        ("a=b,,c=d", None),
    ] {
        assert_eq!(metadata(text).ok().as_ref().map(shown).as_deref(), want, "{text}");
    }
}

#[test]
fn numbers_and_flags_in_parameters_are_javas() {
    for (text, want) in [
        ("80", Some(80)),
        ("+80", Some(80)),
        ("0080", Some(80)),
        ("-1", Some(-1)),
        (" 80", None),
        ("80.0", None),
        ("", None),
        ("4294967376", None),
    ] {
        assert_eq!(int(text), want, "{text:?}");
    }
    for (text, want) in [
        ("2.5", Some(2.5)),
        (" 2.5d ", Some(2.5)),
        ("1e-12", Some(1e-12)),
        (".5f", Some(0.5)),
        ("-1", Some(-1.0)),
        ("Infinity", Some(f64::INFINITY)),
        ("-Infinity", Some(f64::NEG_INFINITY)),
        ("inf", None),
        ("infinity", None),
        ("nan", None),
        ("--1", None),
        ("heavy", None),
        ("", None),
    ] {
        assert_eq!(double(text), want, "{text:?}");
    }
    assert!(double("NaN").is_some_and(f64::is_nan));
    for (text, want) in [
        ("true", true),
        ("TRUE", true),
        ("yes", true),
        ("y", true),
        ("on", true),
        ("1", false),
        ("perhaps", false),
        ("", false),
    ] {
        assert_eq!(flag(text), want, "{text:?}");
    }
}

#[test]
fn a_beat_is_read_as_clients_of_all_ages_send_it() {
    let python = r#"{"serviceName":"s","ip":"10.0.0.1","port":"80","weight":1.0,"ephemeral":true,"cluster":null,"metadata":null}"#;
    let want = ClientBeat { ip: "10.0.0.1".into(), port: 80, weight: 1.0, ..ClientBeat::default() };
    assert_eq!(ClientBeat::parse(python), Ok(want.clone()));
    for (text, want) in [
        (r#"{"ip":"10.0.0.1","port":80}"#, Some(ClientBeat { weight: 0.0, ..want.clone() })),
        (r#"{"ip":"10.0.0.1","port":80.0,"weight":"1"}"#, Some(want.clone())),
        (r#"{"ip":"10.0.0.1","port":null,"weight":null}"#, Some(ClientBeat { port: 0, weight: 0.0, ..want.clone() })),
        (r#"{"ip":"10.0.0.1","port":65536,"weight":-1}"#, Some(ClientBeat { port: 65_536, weight: -1.0, ..want })),
        (r#"{"ip":"10.0.0.1","port":"http"}"#, None),
        (r#"{"ip":"10.0.0.1","port":80,"metadata":""}"#, None),
        (r#"{"ip":"10.0.0.1","port":80,"metadata":{"o":{"a":1}}}"#, None),
        ("ip=10.0.0.1", None),
        ("[]", None),
    ] {
        assert_eq!(ClientBeat::parse(text).ok(), want, "{text}");
    }
}

fn offered(json: &str) -> Option<NacosInstance> {
    let mut reader = serde_json::Deserializer::from_str(json);
    OfferedValue::<NacosInstance>::read(&mut reader).expect(json).0
}

#[test]
fn a_registration_over_grpc_is_read_by_the_same_rules() {
    let plain = NacosInstance { ip: "10.0.0.1".into(), port: 80, ..NacosInstance::default() };
    let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    for (json, want) in [
        (r#"{"ip":"10.0.0.1","port":80}"#, plain.clone()),
        (r#"{"ip":"10.0.0.1","port":" 80 ","metadata":null,"clusterName":null,"unknown":[]}"#, plain.clone()),
        (r#"{"ip":10,"port":80.9}"#, NacosInstance { ip: "10".into(), ..plain.clone() }),
        (r#"{"ip":"10.0.0.1","port":""}"#, NacosInstance { port: 0, ..plain.clone() }),
        (r#"{"ip":"10.0.0.1","port":80,"weight":"2.5"}"#, NacosInstance { weight: 2.5, ..plain.clone() }),
        (r#"{"ip":"10.0.0.1","port":80,"weight":null}"#, NacosInstance { weight: 0.0, ..plain.clone() }),
        (
            r#"{"ip":"10.0.0.1","port":80,"healthy":"false","enabled":1,"ephemeral":"TRUE"}"#,
            NacosInstance { healthy: false, ..plain.clone() },
        ),
        (r#"{"ip":"10.0.0.1","port":80,"enabled":null}"#, NacosInstance { enabled: false, ..plain.clone() }),
        (
            r#"{"ip":"10.0.0.1","port":80,"metadata":{"f":1.50,"t":true,"n":null}}"#,
            NacosInstance { metadata: [text("f", "1.50"), text("t", "true")].into(), ..plain },
        ),
    ] {
        assert_eq!(offered(json), Some(want), "{json}");
    }
    assert_eq!(offered("null"), None);
    for refused in [
        r#"{"port":"http"}"#,
        r#"{"port":4294967376}"#,
        r#"{"port":true}"#,
        r#"{"weight":"heavy"}"#,
        r#"{"healthy":"perhaps"}"#,
        r#"{"metadata":"a=b"}"#,
        r#"{"metadata":{"o":{"a":1}}}"#,
        r#"{"ip":{}}"#,
    ] {
        assert!(
            OfferedValue::<NacosInstance>::read(&mut serde_json::Deserializer::from_str(refused)).is_err(),
            "{refused}"
        );
    }
}

#[test]
fn half_of_a_surrogate_pair_is_no_text_and_refused_everywhere() {
    for half in [r#""\ud800""#, r#""a\udc00b""#] {
        assert!(metadata(&format!(r#"{{"a":{half}}}"#)).is_err(), "metadata {half}");
        for field in ["ip", "port", "weight", "cluster"] {
            assert!(ClientBeat::parse(&format!(r#"{{"{field}":{half}}}"#)).is_err(), "a beat with the {field} {half}");
        }
        let registration = format!(r#"{{"ip":{half},"port":80}}"#);
        let mut json = serde_json::Deserializer::from_str(&registration);
        assert!(OfferedValue::<NacosInstance>::read(&mut json).is_err(), "a registration with {half}");
    }
    assert_eq!(metadata(r#"{"a":"\ud83d\ude00"}"#).unwrap()["a"], "\u{1f600}");
}

proptest! {
    /// Whatever metadata an instance has, both doors read the same of its JSON.
    #[test]
    fn both_doors_read_the_same_metadata(pairs: BTreeMap<String, Option<i64>>) {
        let json = serde_json::to_string(&pairs).unwrap();
        let over_http = metadata(&json).unwrap();
        let over_grpc = offered(&format!(r#"{{"metadata":{json}}}"#)).unwrap().metadata;
        prop_assert_eq!(over_http, over_grpc);
    }

    #[test]
    fn no_text_is_too_odd_to_be_judged(text in "\\PC{0,60}") {
        let _ = (metadata(&text), ClientBeat::parse(&text), int(&text), double(&text));
    }
}
