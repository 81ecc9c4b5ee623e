//! Who may do what: every path and call, for every role.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use axum::http::{Method, header};
use federation_access::authority::{AccessAuthority, ListenerPlace};
use federation_access::book::{AccessBook, BookParts};
use federation_access::document::tokens_from_text;
use federation_access::judge::judge_declared;
use federation_access::right::DeclaredRight;
use federation_access::tokens::TokenDigest;
use federation_golden::Golden;
use federation_proto::federation::v1 as pb;
use prost::Message;
use serde_json::json;

use super::*;
use crate::grpc;
use crate::http::rights;

/// Callers by the tokens that they show; the name is the token.
const CALLERS: [(&str, &str); 8] = [
    ("nobody", ""),
    ("no-role", ""),
    ("viewer", "{role: viewer}"),
    ("viewer-prod", "{role: viewer, services: [{namespace: prod}]}"),
    ("config-reader", "{role: config-reader, configs: [{namespace: public, group: g, data_id: 'app*'}]}"),
    ("operator", "{role: operator}"),
    ("operator-prod", "{role: operator, clusters: [frankfurt], services: [{namespace: prod, service: 'order-*'}]}"),
    ("admin", "{role: admin}"),
];

/// Every path and method of the API, and some more parameters and bodies where a part is asked for.
pub(super) const REQUESTS: [(&str, &str, &str); 52] = [
    ("GET", "/livez", ""),
    ("GET", "/readyz", ""),
    ("GET", "/openapi.json", ""),
    ("GET", "/docs/", ""),
    ("GET", "/v1/whoami", ""),
    ("GET", "/v1/me", ""),
    ("POST", "/v1/login", r#"{"username": "alice", "password": "x"}"#),
    ("POST", "/v1/logout", ""),
    ("GET", "/v1/session", ""),
    ("GET", "/v1/audit", ""),
    ("GET", "/metrics", ""),
    ("GET", "/v1/status", ""),
    ("GET", "/v1/clusters", ""),
    ("GET", "/v1/services", ""),
    ("GET", "/v1/service?serviceName=orders", ""),
    ("GET", "/v1/service?serviceName=order-a&namespaceId=prod", ""),
    ("GET", "/v1/watch?serviceName=orders", ""),
    ("GET", "/v1/watch?serviceName=order-a&namespaceId=prod", ""),
    ("GET", "/v1/configs", ""),
    ("GET", "/v1/config?dataId=app.yaml&groupName=g", ""),
    ("GET", "/v1/config?dataId=secrets.yaml&groupName=g", ""),
    ("GET", "/v1/policy", ""),
    ("GET", "/v1/policy?serviceName=order-a&namespaceId=prod", ""),
    ("GET", "/v1/resolve?serviceName=orders", ""),
    ("GET", "/v1/resolve?serviceName=order-a&namespaceId=prod", ""),
    ("GET", "/v1/explain?serviceName=orders", ""),
    ("GET", "/v1/explain?serviceName=order-a&namespaceId=prod", ""),
    ("GET", "/v1/drains?effects=false", ""),
    ("POST", "/v1/drains", r#"{"cluster": "frankfurt", "percent": 30}"#),
    (
        "POST",
        "/v1/drains",
        r#"{"cluster": "frankfurt", "percent": 30, "services": {"namespaceId": "prod", "serviceName": "order-*"}}"#,
    ),
    (
        "POST",
        "/v1/drains",
        r#"{"cluster": "shanghai", "percent": 30, "services": {"namespaceId": "prod", "serviceName": "order-*"}}"#,
    ),
    ("GET", "/v1/what-if?lost=frankfurt", ""),
    ("GET", "/v1/guard", ""),
    ("POST", "/v1/guard", r#"{"id": "frankfurt/prod", "action": "keep"}"#),
    ("GET", "/v1/excluded", ""),
    ("POST", "/v1/excluded", r#"{"cluster": "frankfurt", "excluded": false}"#),
    ("GET", "/v1/front-door", ""),
    ("POST", "/v1/front-door/drain", "{}"),
    ("POST", "/v1/front-door/undrain", "{}"),
    ("GET", "/v1/descriptor", ""),
    ("POST", "/v1/descriptor", r#"{"cluster": "shanghai", "dryRun": true}"#),
    ("GET", "/v1/changes", ""),
    ("GET", "/v1/changes?serviceName=orders", ""),
    ("GET", "/v1/changes?serviceName=order-a&namespaceId=prod", ""),
    ("GET", "/v1/history", ""),
    ("GET", "/v1/events", ""),
    ("GET", "/v1/links", ""),
    ("GET", "/v1/verify", ""),
    ("GET", "/v1/verify/nacos", ""),
    ("POST", "/v1/verify/nacos", "{}"),
    ("GET", "/v1/nothing", ""),
    ("DELETE", "/v1/drains", ""),
];

fn book(but: &[&str]) -> AccessBook {
    let mut text = "tokens:\n".to_owned();
    for (name, role) in CALLERS.iter().skip(1).filter(|(name, _)| !but.contains(name)) {
        let digest = TokenDigest::of(name);
        writeln!(text, "- {{name: {name}, sha256: {digest}, created_ms: 0, roles: [{role}]}}").unwrap();
    }
    AccessBook::new(BookParts { tokens: &tokens_from_text("t", &text).unwrap(), ..BookParts::default() })
}

/// A gateway that others reach, with all callers of [`CALLERS`].
fn reached() -> (Gateway, AccessAuthority) {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    for (name, namespace) in [("order-a", "prod"), ("pay", "prod")] {
        let origins = vec![of("frankfurt", FactSource::Log, vec![instance("10.0.0.1", 80, Health::Healthy)])];
        gateway.put(service(ServiceKey::new(namespace, "DEFAULT_GROUP", name), 8, origins));
    }
    for data_id in ["app.yaml", "secrets.yaml"] {
        gateway.put_config(config("public", data_id, 3, &["frankfurt"]));
    }
    let authority = AccessAuthority::default();
    authority.publish(book(&[]));
    gateway.state.attach_access(authority.clone());
    gateway.router =
        crate::http::router_beside(gateway.state.clone(), Router::new(), crate::http::no_page, ListenerPlace::Beyond);
    (gateway, authority)
}

fn request(method: &str, path: &str, body: &str, caller: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    if caller != "nobody" {
        request = request.header(header::AUTHORIZATION, format!("Bearer {caller}"));
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

/// The status of the answer, whose body may not end.
async fn status(gateway: &Gateway, method: &str, path: &str, body: &str, caller: &str) -> StatusCode {
    gateway.router().oneshot(request(method, path, body, caller)).await.unwrap().status()
}

fn word(status: u16) -> &'static str {
    match status {
        401 => "401",
        403 => "403",
        _ => "yes",
    }
}

/// Who gets what: the table that people read.
#[tokio::test]
async fn every_path_and_call_lets_in_whom_the_table_says() {
    let (gateway, _) = reached();
    let mut table = format!("{:<78}", "");
    CALLERS.iter().for_each(|(caller, _)| write!(table, " {caller:>13}").unwrap());
    table.push('\n');
    for (method, path, body) in REQUESTS {
        let asked = format!("{method} {path} {}", body.replace("\"", ""));
        write!(table, "{:<78}", asked.trim_end().chars().take(77).collect::<String>()).unwrap();
        for (caller, _) in CALLERS {
            let status = status(&gateway, method, path, body, caller).await;
            write!(table, " {:>13}", word(status.as_u16())).unwrap();
        }
        table.push('\n');
    }
    for (path, message) in calls() {
        write!(table, "{:<78}", path.trim_start_matches('/')).unwrap();
        for (caller, _) in CALLERS {
            let code = call(&gateway, path, &message, caller).await;
            let word = match code {
                16 => "401",
                7 => "403",
                _ => "yes",
            };
            write!(table, " {word:>13}").unwrap();
        }
        table.push('\n');
    }
    println!("{table}");
    let mut golden = Golden::default();
    golden.text("rights.txt", &table.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));
    golden.hold(&[env!("CARGO_MANIFEST_DIR"), "golden", "access"].iter().collect::<std::path::PathBuf>());
}

#[tokio::test]
async fn a_path_that_is_in_no_table_fails_this_test() {
    let (gateway, _) = reached();
    let asked: BTreeSet<(String, String)> = REQUESTS
        .iter()
        .map(|(method, path, _)| ((*method).to_owned(), path.split('?').next().unwrap().to_owned()))
        .collect();
    let table = crate::http::rights_table(&gateway.state);
    for (path, methods) in &table {
        for (method, _) in methods {
            assert!(asked.contains(&(method.to_string(), (*path).to_owned())), "nobody asks {method} {path}");
        }
    }
    let description = gateway.ask(request("GET", "/openapi.json", "", "nobody")).await.json();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let declared = table.get(path.as_str()).and_then(|all| all.iter().find(|(known, _)| *known == method));
            assert!(declared.is_some(), "{method} {path} declares no right");
        }
    }
    let beside = rights::declared(&table, Some("/beside"), &Method::GET);
    assert!(
        judge_declared(
            &gateway.state.access().admit_now(Some(b"Bearer operator"), None, ListenerPlace::Beyond).unwrap().grants,
            beside
        )
        .is_err()
    );
    assert!(
        judge_declared(
            &gateway.state.access().admit_now(Some(b"Bearer admin"), None, ListenerPlace::Beyond).unwrap().grants,
            beside
        )
        .is_ok()
    );
}

#[test]
fn a_call_that_is_in_no_table_fails_this_test() {
    let mut found = BTreeSet::new();
    for text in [
        include_str!("../../../../../proto/proto/federation/v1/discovery.proto"),
        include_str!("../../../../../proto/proto/federation/v1/routing.proto"),
    ] {
        let mut service = "";
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("service ") {
                service = name.split_whitespace().next().unwrap();
            } else if let Some(call) = line.trim_start().strip_prefix("rpc ") {
                found.insert(format!("/federation.v1.{service}/{}", call.split('(').next().unwrap().trim()));
            }
        }
    }
    let declared: BTreeSet<String> = grpc::rights::CALLS.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(found, declared);
    assert_eq!(calls().into_iter().map(|(path, _)| path.to_owned()).collect::<BTreeSet<_>>(), declared);
    assert_eq!(grpc::rights::declared("/grpc.health.v1.Health/Check"), DeclaredRight::Open);
    assert_ne!(grpc::rights::declared("/federation.v1.Discovery/New"), DeclaredRight::Open);
}

fn calls() -> Vec<(&'static str, Vec<u8>)> {
    let service = pb::GetServiceRequest {
        namespace_id: Some("prod".to_owned()),
        service_name: "order-a".to_owned(),
        ..pb::GetServiceRequest::default()
    };
    let watch = pb::WatchServiceRequest {
        namespace_id: Some("prod".to_owned()),
        service_name: "order-a".to_owned(),
        ..pb::WatchServiceRequest::default()
    };
    let config = pb::GetConfigRequest {
        group_name: "g".to_owned(),
        data_id: "app.yaml".to_owned(),
        ..pb::GetConfigRequest::default()
    };
    let resolve = pb::ResolveRequest { service_name: "orders".to_owned(), ..pb::ResolveRequest::default() };
    let watch_resolve =
        pb::WatchResolveRequest { service_name: "orders".to_owned(), ..pb::WatchResolveRequest::default() };
    let explain = pb::ExplainRequest { service_name: "orders".to_owned(), ..pb::ExplainRequest::default() };
    vec![
        ("/federation.v1.Discovery/ListClusters", Vec::new()),
        ("/federation.v1.Discovery/ListServices", Vec::new()),
        ("/federation.v1.Discovery/GetService", service.encode_to_vec()),
        ("/federation.v1.Discovery/WatchService", watch.encode_to_vec()),
        ("/federation.v1.Discovery/ListConfigs", Vec::new()),
        ("/federation.v1.Discovery/GetConfig", config.encode_to_vec()),
        ("/federation.v1.Routing/Resolve", resolve.encode_to_vec()),
        ("/federation.v1.Routing/WatchResolve", watch_resolve.encode_to_vec()),
        ("/federation.v1.Routing/Explain", explain.encode_to_vec()),
    ]
}

/// The status code of a refusal; 0 for an answer.
async fn call(gateway: &Gateway, path: &str, message: &[u8], caller: &str) -> i32 {
    let (routes, _) = grpc::routes(&gateway.state, ListenerPlace::Beyond);
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let mut call = Request::post(path).header(header::CONTENT_TYPE, "application/grpc").header("te", "trailers");
    if caller != "nobody" {
        call = call.header(header::AUTHORIZATION, format!("Bearer {caller}"));
    }
    let call = call.body(Body::from([&[0], &length[..], message].concat())).unwrap();
    let answer = routes.prepare().into_axum_router().oneshot(call).await.unwrap();
    answer.headers().get("grpc-status").map_or(0, |code| code.to_str().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_list_shows_what_its_asker_may_see_and_says_that_it_is_filtered() {
    let (gateway, _) = reached();
    for (caller, path, list, name, want, filtered) in [
        ("viewer", "/v1/services", "services", "serviceName", vec!["order-a", "orders", "pay"], json!(null)),
        ("viewer-prod", "/v1/services", "services", "serviceName", vec!["order-a", "pay"], json!(true)),
        ("operator-prod", "/v1/services", "services", "serviceName", vec!["order-a"], json!(true)),
        ("config-reader", "/v1/services", "services", "serviceName", vec![], json!(true)),
        ("viewer", "/v1/configs", "configs", "dataId", vec!["app.yaml", "secrets.yaml"], json!(null)),
        ("config-reader", "/v1/configs", "configs", "dataId", vec!["app.yaml"], json!(true)),
        ("viewer-prod", "/v1/configs", "configs", "dataId", vec![], json!(true)),
    ] {
        let answer = gateway.ask(request("GET", path, "", caller)).await.json();
        let mut found: Vec<&str> =
            answer[list].as_array().unwrap().iter().map(|item| item[name].as_str().unwrap()).collect();
        found.sort_unstable();
        assert_eq!((found, &answer["total"]), (want.clone(), &json!(want.len())), "{caller} {path}");
        assert_eq!(answer["filtered"], filtered, "{caller} {path}");
    }
    let page = |number: usize| format!("/v1/services?pageSize=1&pageNo={number}");
    let second = gateway.ask(request("GET", &page(2), "", "viewer-prod")).await.json();
    assert_eq!((&second["total"], &second["services"][0]["serviceName"]), (&json!(2), &json!("pay")));
    assert_eq!(gateway.ask(request("GET", &page(3), "", "viewer-prod")).await.json()["services"], json!([]));
    for (caller, namespaces) in [("viewer-prod", json!({"prod": 2})), ("config-reader", json!({}))] {
        let counted = gateway.ask(request("GET", "/v1/services?facets=true&sort=instances", "", caller)).await.json();
        assert_eq!(counted["facets"]["namespaces"], namespaces, "{caller}");
        let counts =
            ["unhealthy", "stale", "held", "drained", "single", "changed"].map(|it| counted["facets"][it].as_u64());
        assert!(counts.iter().all(|count| *count <= counted["total"].as_u64()), "{caller}: {counted}");
    }
}

#[tokio::test]
async fn drains_of_services_that_may_not_be_seen_are_left_out() {
    let (mut gateway, _) = reached();
    for (target, seen) in [("frankfurt/prod/*/order-*", true), ("frankfurt/dev/*/*", false), ("frankfurt", true)] {
        gateway.drain(target, 50, 1);
        let answer = gateway.ask(request("GET", "/v1/drains?effects=false", "", "viewer-prod")).await.json();
        assert_eq!(
            (answer["drains"].as_array().unwrap().len() == 1, &answer["filtered"]),
            (seen, &json!(true)),
            "{target}"
        );
    }
}

#[tokio::test]
async fn a_refusal_names_who_what_and_which_role_would_do() {
    let (gateway, _) = reached();
    let nobody = gateway.ask(request("GET", "/v1/status", "", "nobody")).await;
    assert_eq!(
        (nobody.status, nobody.header("www-authenticate")),
        (StatusCode::UNAUTHORIZED, "Bearer realm=\"nacos-fed\"")
    );
    let problem = nobody.json();
    assert_eq!(
        (&problem["type"], &problem["missingRight"]),
        (&json!("urn:federation:problem:not-known"), &json!("view"))
    );

    let wrong = gateway.ask(request("GET", "/v1/status", "", "someone")).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.json()["detail"].as_str().unwrap().contains("revoked"), "{}", wrong.body);
    assert!(!wrong.body.contains("someone"), "what was shown is not told on");

    let order = r#"{"cluster": "frankfurt", "percent": 30}"#;
    let refused = gateway.ask(request("POST", "/v1/drains", order, "operator-prod")).await;
    let problem = refused.json();
    assert_eq!(
        problem["detail"],
        "token:operator-prod: the right `operate` for all services of cluster frankfurt is missing; a role that has it: operator, admin"
    );
    assert_eq!((refused.status, &problem["missingRight"]), (StatusCode::FORBIDDEN, &json!("operate")));
    assert_eq!(problem["type"], "urn:federation:problem:not-allowed");
    let metrics = gateway.ask(request("GET", "/metrics", "", "viewer")).await.body;
    for want in ["reason=\"unauthenticated\"} 2", "reason=\"forbidden\"} 1"] {
        assert!(metrics.contains(&format!("federation_access_refused_total{{{want}")), "{want}");
    }
}

#[tokio::test]
async fn nobody_learns_more_from_probes_than_whether_it_is_ready() {
    let (gateway, _) = reached();
    gateway.troubles.raise(federation_ports::metrics::TroubleKind::NacosCall, "prod/secret-service", "refused");
    let probe = gateway.ask(request("GET", "/readyz", "", "nobody")).await;
    assert_eq!(
        (probe.status, probe.json()),
        (StatusCode::OK, json!({"ready": true, "reasons": [], "reasonCodes": [], "troubles": []}))
    );
    assert!(gateway.ask(request("GET", "/readyz", "", "viewer")).await.body.contains("secret-service"));
    assert_eq!(status(&gateway, "GET", "/livez", "", "someone").await, StatusCode::OK, "a probe with an old token");
}

#[tokio::test]
async fn who_asks_is_told_who_he_is() {
    let (gateway, _) = reached();
    let who = gateway.ask(request("GET", "/v1/whoami", "", "operator-prod")).await.json();
    let roles = json!(["operator (clusters frankfurt; services prod/*/order-*)"]);
    assert_eq!(who, json!({"identity": "token:operator-prod", "roles": roles, "expiresMs": null}));
    assert_eq!(gateway.ask(request("GET", "/v1/whoami", "", "nobody")).await.json()["identity"], "anonymous");
    assert_eq!(status(&gateway, "GET", "/v1/whoami", "", "someone").await, StatusCode::UNAUTHORIZED);
    let local = Gateway::new();
    let who = local.get("/v1/whoami").await.json();
    assert_eq!((&who["identity"], &who["roles"]), (&json!("local"), &json!(["admin"])));
}

#[tokio::test]
async fn an_order_is_signed_by_who_gives_it_whatever_it_says() {
    let (gateway, _) = reached();
    let order = r#"{"cluster": "frankfurt", "excluded": true, "who": "token:admin"}"#;
    assert_eq!(gateway.ask(request("POST", "/v1/excluded", order, "operator")).await.status, StatusCode::OK);
    let excluded = gateway.ask(request("GET", "/v1/excluded", "", "viewer")).await.json();
    assert_eq!(excluded["excluded"][0]["who"], "token:operator (says token:admin)");
}

#[tokio::test]
async fn a_watch_ends_when_its_token_is_revoked_and_others_go_on() {
    let (gateway, authority) = reached();
    let watch = |caller: &'static str| {
        let request = request("GET", "/v1/watch?serviceName=order-a&namespaceId=prod", "", caller);
        async { gateway.router().oneshot(request).await.unwrap().into_body() }
    };
    let (revoked, other) = (watch("viewer-prod").await, watch("viewer").await);
    authority.publish(book(&["viewer-prod"]));
    let told = to_bytes(revoked, usize::MAX).await.unwrap();
    assert!(told.is_empty() || told.starts_with(b"event: service"), "{told:?}");
    assert_eq!(status(&gateway, "GET", "/v1/services", "", "viewer-prod").await, StatusCode::UNAUTHORIZED);
    let mut other = Box::pin(to_bytes(other, usize::MAX));
    let pending = futures::poll!(&mut other).is_pending();
    assert!(pending, "who still may goes on watching");
}

#[tokio::test]
async fn a_stream_of_signals_tells_what_its_reader_may_see_and_ends_when_he_may_not() {
    let (mut gateway, authority) = reached();
    let events = |caller: &'static str| {
        let request = request("GET", "/v1/events", "", caller);
        let router = gateway.router();
        async { router.oneshot(request).await.unwrap().into_body() }
    };
    let (part, all) = (events("viewer-prod").await, events("viewer").await);
    gateway.put(service(key("orders"), 20, vec![])); // Of the namespace public, not prod.
    gateway.set_verification(verify::one_differs());
    let mut all = Box::pin(to_bytes(all, usize::MAX));
    assert!(futures::poll!(&mut all).is_pending());
    authority.publish(book(&["viewer-prod"]));
    let told = String::from_utf8(to_bytes(part, usize::MAX).await.unwrap().into()).unwrap();
    assert!(!told.contains("services\",") && !told.contains("links"), "{told}");
    assert!(futures::poll!(&mut all).is_pending(), "who still may goes on watching");
}

#[tokio::test]
async fn every_order_is_recorded_with_who_gave_it_and_what_came_of_it_and_so_is_every_refused_one() {
    let (gateway, _) = reached();
    let order = r#"{"cluster": "frankfurt", "excluded": true, "who": "token:admin"}"#;
    for caller in ["operator", "viewer", "nobody", "someone"] {
        gateway.ask(request("POST", "/v1/excluded", order, caller)).await;
    }
    gateway.ask(request("POST", "/v1/excluded", "{", "operator")).await;
    gateway.ask(request("GET", "/v1/status", "", "viewer")).await;
    let audit = gateway.ask(request("GET", "/v1/audit", "", "admin")).await.json();
    let told: Vec<_> = audit["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["who"].as_str().unwrap(), it["outcome"].as_str().unwrap(), it["status"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("token:operator", "done", 200),
            ("token:viewer", "refused", 403),
            ("anonymous", "refused", 401),
            ("unknown", "refused", 401),
            ("token:operator", "failed", 400),
        ],
        "reading is no act"
    );
    let first = &audit["records"][0];
    assert_eq!((&first["act"], &first["order"]["cluster"]), (&json!("POST /v1/excluded"), &json!("frankfurt")));
    assert_eq!(first["answer"]["excluded"], json!(true));
    assert_eq!(audit["records"][1]["answer"]["missingRight"], "operate");
    assert_eq!(audit["records"][4]["order"], "{");
    let only = gateway.ask(request("GET", "/v1/audit?who=token:viewer", "", "admin")).await.json();
    assert_eq!(only["records"].as_array().map(Vec::len), Some(1));
    let later = first["atMs"].as_u64().unwrap() + 1;
    let none = gateway.ask(request("GET", &format!("/v1/audit?sinceMs={later}"), "", "admin")).await.json();
    assert_eq!(none["records"], json!([]));
    assert_eq!(gateway.ask(request("GET", "/v1/audit?sinceMs=x", "", "admin")).await.status, StatusCode::BAD_REQUEST);
}
