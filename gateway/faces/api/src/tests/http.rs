use std::collections::BTreeSet;

use federation_core::reason::GatewayReason;
use federation_ports::metrics::Route;
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_service_shows_every_instance_with_where_it_is_from_and_how_fresh_that_is() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    let answer = gateway.get("/v1/service?serviceName=orders").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
    // The text, not the value: the order of fields is a promise, too.
    let frankfurt = r#""origin":"frankfurt","locality":{"region":"frankfurt-region","zone":"z1","subZone":null},"freshness":"stale","freshnessReason":"no beat of its leader for 40 s","freshnessCode":"leader_silent","freshnessParams":{"ageMs":40000},"ageMs":40,"#;
    let shanghai = r#""origin":"shanghai","locality":{"region":"shanghai-region","zone":"z1","subZone":null},"freshness":"live","freshnessReason":"beating","freshnessCode":"beating","ageMs":40,"#;
    let rest = r#""enabled":true,"ephemeral":true,"metadata":{"a":"1","quote":"\"ü\n\""},"#;
    let want = [
        r#"{"namespaceId":"public","groupName":"DEFAULT_GROUP","serviceName":"orders","version":1031,"instances":["#,
        r#"{"ip":"10.0.0.1","port":80,"clusterName":"DEFAULT","weight":0.5,"health":"healthy","healthy":true,"#,
        rest,
        frankfurt,
        r#""held":null,"source":"log"},"#,
        r#"{"ip":"10.0.0.2","port":80,"clusterName":"DEFAULT","weight":0.5,"health":"unhealthy","healthy":false,"#,
        rest,
        frankfurt,
        r#""held":{"ageMs":600,"reason":"connection to nacos is young, its clients may still be registering","code":"after_connect"},"source":"log"},"#,
        r#"{"ip":"10.1.0.1","port":81,"clusterName":"DEFAULT","weight":0.5,"health":"unknown","healthy":false,"#,
        rest,
        shanghai,
        r#""held":null,"source":"nacos"}]}"#,
    ];
    assert_eq!(answer.body, want.concat());
}

#[tokio::test]
async fn ages_grow_while_nothing_is_heard() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    gateway.pass(5000);
    let clusters = gateway.get("/v1/clusters").await.json();
    assert_eq!(clusters["clusters"][0]["ageMs"], 5040);
    assert_eq!(gateway.get("/v1/service?serviceName=orders").await.json()["instances"][1]["held"]["ageMs"], 5600);
}

#[tokio::test]
async fn instances_are_filtered_by_origin_and_health() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    for (filter, want) in [
        ("", vec!["10.0.0.1", "10.0.0.2", "10.1.0.1"]),
        ("&origin=shanghai", vec!["10.1.0.1"]),
        ("&origin=shanghai&origin=frankfurt", vec!["10.0.0.1", "10.0.0.2", "10.1.0.1"]),
        ("&origin=shanghai,frankfurt&healthyOnly=true", vec!["10.0.0.1"]),
        ("&origin=mars", vec![]),
        ("&healthyOnly=false", vec!["10.0.0.1", "10.0.0.2", "10.1.0.1"]),
    ] {
        let answer = gateway.get(&format!("/v1/service?serviceName=orders{filter}")).await.json();
        let found: Vec<&str> =
            answer["instances"].as_array().unwrap().iter().map(|found| found["ip"].as_str().unwrap()).collect();
        assert_eq!(found, want, "{filter}");
    }
}

#[tokio::test]
async fn a_service_is_found_by_the_names_that_nacos_gives_it() {
    let mut gateway = Gateway::new();
    let healthy = || vec![of("shanghai", FactSource::Nacos, vec![instance("10.0.0.1", 1, Health::Healthy)])];
    for (namespace, group) in [("", "DEFAULT_GROUP"), ("public", "DEFAULT_GROUP"), ("public", "g&=+")] {
        gateway.put(service(ServiceKey::new(namespace, group, "s"), 1, healthy()));
    }
    for (query, namespace, group) in [
        ("serviceName=s", "public", "DEFAULT_GROUP"),
        ("namespaceId=&serviceName=s", "", "DEFAULT_GROUP"),
        ("namespaceId=public&groupName=g%26%3D%2B&serviceName=s", "public", "g&=+"),
        ("serviceName=g%26%3D%2B%40%40s", "public", "g&=+"),
    ] {
        let answer = gateway.get(&format!("/v1/service?{query}")).await.json();
        assert_eq!((&answer["namespaceId"], &answer["groupName"]), (&json!(namespace), &json!(group)), "{query}");
    }
}

#[tokio::test]
async fn a_service_that_nobody_has_is_a_problem_that_lists_where_was_looked() {
    let gateway = Gateway::new();
    let answer = gateway.get("/v1/service?serviceName=orders").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let detail = "no cluster has an instance of public/DEFAULT_GROUP@@orders; looked at: frankfurt (stale, 40 ms old), shanghai (live, 40 ms old)";
    let want = json!({
        "type": "urn:federation:problem:service-not-found",
        "title": "There is no such service",
        "status": 404,
        "detail": detail,
        "clusters": [
            {"cluster": "frankfurt", "freshness": "stale", "freshnessReason": "no beat of its leader for 40 s", "freshnessCode": "leader_silent", "freshnessParams": {"ageMs": 40_000}, "ageMs": 40},
            {"cluster": "shanghai", "freshness": "live", "freshnessReason": "beating", "freshnessCode": "beating", "ageMs": 40},
        ],
    });
    assert_eq!(answer.json(), want);
}

#[tokio::test]
async fn what_cannot_be_understood_is_a_problem_that_names_the_field() {
    let gateway = Gateway::new();
    for (path, field, value) in [
        ("/v1/service", "serviceName", None),
        ("/v1/service?serviceName=", "serviceName", Some("")),
        ("/v1/service?serviceName=s&pageNo=1", "pageNo", Some("1")),
        ("/v1/service?serviceName=s&serviceName=t", "serviceName", Some("t")),
        ("/v1/service?serviceName=s&origin=A", "origin", Some("A")),
        ("/v1/service?serviceName=s&healthyOnly=yes", "healthyOnly", Some("yes")),
        ("/v1/service?serviceName=g@@s&groupName=h", "groupName", Some("h")),
        ("/v1/watch", "serviceName", None),
        ("/v1/services?pageNo=0", "pageNo", Some("0")),
        ("/v1/services?pageNo=-1", "pageNo", Some("-1")),
        ("/v1/services?pageNo=4294967296", "pageNo", Some("4294967296")),
        ("/v1/services?pageSize=0", "pageSize", Some("0")),
        ("/v1/services?pageSize=1001", "pageSize", Some("1001")),
        ("/v1/services?pageSize=ten", "pageSize", Some("ten")),
        ("/v1/services?namespace=x", "namespace", Some("x")),
        ("/v1/config", "dataId", None),
        ("/v1/configs?healthyOnly=true", "healthyOnly", Some("true")),
        ("/v1/clusters?x=%FF", "x", Some("\u{FFFD}")),
    ] {
        let answer = gateway.get(path).await;
        let (body, value) = (answer.json(), value.filter(|value| !value.is_empty()));
        assert_eq!((answer.status, body["status"].as_u64()), (StatusCode::BAD_REQUEST, Some(400)), "{path}");
        assert_eq!((body["field"].as_str(), body["value"].as_str()), (Some(field), value), "{path}");
        assert!(body["detail"].as_str().unwrap().contains(field), "{path}: {body}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let gateway = Gateway::new();
    let answer = gateway.get("/v1/nothing").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::NOT_FOUND, "application/problem+json"));
    let answer = gateway.ask(Request::post("/v1/services").body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET,HEAD"));
    assert_eq!(answer.json()["type"], "urn:federation:problem:no-such-method");
}

/// The tag changes with the instances and with the freshness of the origins, not with their ages.
#[tokio::test]
async fn a_client_that_has_the_version_is_told_so() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    let path = "/v1/service?serviceName=orders";
    let first = gateway.get(path).await;
    let tag = first.header("etag").to_owned();
    let again = |tag: String| Request::get(path).header("if-none-match", tag).body(Body::empty()).unwrap();
    gateway.pass(1000);
    let same = gateway.ask(again(format!("\"x\", {tag}"))).await;
    assert_eq!((same.status, same.header("etag"), same.body.as_str()), (StatusCode::NOT_MODIFIED, tag.as_str(), ""));
    assert_eq!(gateway.ask(again("*".to_owned())).await.status, StatusCode::NOT_MODIFIED);
    assert_ne!(gateway.get("/v1/service?serviceName=orders&healthyOnly=true").await.header("etag"), tag);
    gateway.set_clusters(vec![cluster("frankfurt", Freshness::Lost, 8), cluster("shanghai", Freshness::Live, 1)]);
    let changed = gateway.ask(again(tag)).await;
    assert_eq!((changed.status, changed.json()["version"].as_u64()), (StatusCode::OK, Some(FIRST_VERSION + 8)));
}

#[tokio::test]
async fn services_come_in_pages_with_counts_for_each_cluster() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    let want = concat!(
        r#"{"total":1,"pageNo":1,"pageSize":100,"services":[{"namespaceId":"public","groupName":"DEFAULT_GROUP","#,
        r#""serviceName":"orders","clusters":{"frankfurt":{"instances":2,"healthy":1,"unknown":0},"#,
        r#""shanghai":{"instances":1,"healthy":0,"unknown":1}},"instances":3,"healthy":1,"unhealthy":1,"unknown":1,"origins":2,"#,
        r#""states":["unhealthy","stale","held","changed"],"changedMs":1}],"nextCursor":null}"#,
    );
    let answer = gateway.get("/v1/services").await;
    assert_eq!(answer.body, want);
    let again = Request::get("/v1/services").header("if-none-match", answer.header("etag")).body(Body::empty());
    assert_eq!(gateway.ask(again.unwrap()).await.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn pages_hold_every_service_once_and_in_order() {
    let mut gateway = Gateway::new();
    let one = || vec![of("shanghai", FactSource::Nacos, vec![instance("10.0.0.1", 1, Health::Healthy)])];
    let names: Vec<String> = (0..25).map(|number| format!("s{number:02}")).collect();
    for name in names.iter().rev() {
        gateway.put(service(key(name), 1, one()));
    }
    for (size, pages) in [(1, 25), (10, 3), (24, 2), (25, 1), (1000, 1)] {
        let mut found = Vec::new();
        for page in 1..=pages + 1 {
            let answer = gateway.get(&format!("/v1/services?pageNo={page}&pageSize={size}")).await.json();
            assert_eq!((&answer["total"], &answer["pageNo"]), (&json!(25), &json!(page)));
            let services = answer["services"].as_array().unwrap();
            assert!(page <= pages || services.is_empty());
            found.extend(services.iter().map(|service| service["serviceName"].as_str().unwrap().to_owned()));
        }
        assert_eq!(found, names, "{size}");
    }
    assert_eq!(gateway.get("/v1/services?pageNo=4294967295&pageSize=1000").await.json()["services"], json!([]));
}

#[tokio::test]
async fn lists_are_filtered_by_namespace_patterns_origin_and_health() {
    let mut gateway = Gateway::new();
    for (namespace, group, name, origin, health) in [
        ("", "g", "empty", "shanghai", Health::Healthy),
        ("dev", "g", "orders", "shanghai", Health::Healthy),
        ("dev", "h", "orders", "frankfurt", Health::Unhealthy),
        ("dev2", "g", "payments", "frankfurt", Health::Healthy),
    ] {
        let origins = vec![of(origin, FactSource::Log, vec![instance("10.0.0.1", 1, health)])];
        gateway.put(service(ServiceKey::new(namespace, group, name), 1, origins));
    }
    for (query, want) in [
        ("", vec!["/g/empty", "dev/g/orders", "dev/h/orders", "dev2/g/payments"]),
        ("namespaceId=", vec!["/g/empty"]),
        ("namespaceId=dev", vec!["dev/g/orders", "dev/h/orders"]),
        ("namespaceId=de", vec![]),
        ("serviceName=*m*", vec!["/g/empty", "dev2/g/payments"]),
        ("groupName=h", vec!["dev/h/orders"]),
        ("groupName=&serviceName=", vec!["/g/empty", "dev/g/orders", "dev/h/orders", "dev2/g/payments"]),
        ("serviceName=g@@order?", vec!["dev/g/orders"]),
        ("origin=frankfurt", vec!["dev/h/orders", "dev2/g/payments"]),
        ("origin=frankfurt&healthyOnly=true", vec!["dev2/g/payments"]),
        ("namespaceId=dev&pageSize=1&pageNo=2", vec!["dev/h/orders"]),
        ("origin=frankfurt&pageSize=1&pageNo=2", vec!["dev2/g/payments"]),
    ] {
        let answer = gateway.get(&format!("/v1/services?{query}")).await.json();
        let name = |service: &Value| {
            let part = |name: &str| service[name].as_str().unwrap().to_owned();
            format!("{}/{}/{}", part("namespaceId"), part("groupName"), part("serviceName"))
        };
        let found: Vec<String> = answer["services"].as_array().unwrap().iter().map(name).collect();
        assert_eq!(found, want, "{query}");
        let paged = query.contains("pageSize");
        assert_eq!(answer["total"], if paged { 2 } else { want.len() }, "{query}");
    }
}

#[tokio::test]
async fn a_config_item_is_shown_byte_for_byte_as_each_cluster_has_it() {
    let mut gateway = Gateway::new();
    gateway.put_config(config("public", "app.yaml", 3, &["frankfurt", "shanghai"]));
    for namespace in ["", "&namespaceId=", "&namespaceId=public"] {
        let answer = gateway.get(&format!("/v1/config?dataId=app.yaml&groupName=g{namespace}")).await;
        let start = concat!(
            r#"{"namespaceId":"public","groupName":"g","dataId":"app.yaml","version":1027,"items":["#,
            r#"{"origin":"frankfurt","content":"a: 1\r\n# ü \"q\"\n","md5":"0123","type":"yaml","freshness":"stale","#,
            r#""freshnessReason":"no beat of its leader for 40 s","freshnessCode":"leader_silent","freshnessParams":{"ageMs":40000},"ageMs":40,"held":null,"source":"log","encryptedDataKey":"","#,
            r#""description":"","tags":"x,y","appName":"","lastModifiedMs":5},{"origin":"shanghai","#,
        );
        assert!(answer.body.starts_with(start), "{}", answer.body);
        let again = Request::get(format!("/v1/config?dataId=app.yaml&groupName=g{namespace}"));
        let again = again.header("if-none-match", answer.header("etag")).body(Body::empty()).unwrap();
        assert_eq!(gateway.ask(again).await.status, StatusCode::NOT_MODIFIED);
    }
    let only = gateway.get("/v1/config?dataId=app.yaml&groupName=g&origin=shanghai").await.json();
    assert_eq!(only["items"].as_array().map(Vec::len), Some(1));
    let missing = gateway.get("/v1/config?dataId=app.yaml").await;
    assert_eq!(missing.json()["type"], "urn:federation:problem:config-not-found");
}

#[tokio::test]
async fn config_items_come_in_pages_without_their_contents() {
    let mut gateway = Gateway::new();
    gateway.put_config(config("public", "app.yaml", 3, &["frankfurt", "shanghai"]));
    gateway.put_config(config("dev", "db.yaml", 3, &["frankfurt"]));
    let answer = gateway.get("/v1/configs?namespaceId=").await;
    let want = concat!(
        r#"{"total":1,"pageNo":1,"pageSize":100,"configs":[{"namespaceId":"public","groupName":"g","dataId":"app.yaml","#,
        r#""clusters":{"frankfurt":{"md5":"0123","type":"yaml","bytes":15,"lastModifiedMs":5,"freshness":"stale","ageMs":40,"held":false},"#,
        r#""shanghai":{"md5":"0123","type":"yaml","bytes":15,"lastModifiedMs":5,"freshness":"live","ageMs":40,"held":false}},"drift":false}]}"#,
    );
    assert_eq!(answer.body, want);
    for (query, total) in [("", 2), ("origin=shanghai", 1), ("dataId=d?.yaml", 1), ("groupName=h", 0)] {
        assert_eq!(gateway.get(&format!("/v1/configs?{query}")).await.json()["total"], total, "{query}");
    }
}

#[tokio::test]
async fn clusters_and_status_show_what_the_gateway_knows_of_itself_and_others() {
    let gateway = Gateway::new();
    gateway.pass(10);
    let clusters = gateway.get("/v1/clusters").await;
    let first = concat!(
        r#"{"clusters":[{"cluster":"frankfurt","locality":{"region":"frankfurt-region","zone":"z1","subZone":null},"#,
        r#""local":false,"freshness":"stale","freshnessReason":"no beat of its leader for 40 s","freshnessCode":"leader_silent","freshnessParams":{"ageMs":40000},"ageMs":50,"services":2,"instances":3,"#,
        r#""configs":1,"lastBeatMs":1700000000000},"#,
    );
    assert!(clusters.body.starts_with(first), "{}", clusters.body);
    let status = gateway.get("/v1/status").await;
    let start = concat!(
        r#"{"ready":true,"reasons":[],"reasonCodes":[],"troubles":[],"federation":"demo","cluster":"shanghai","replica":"shanghai-0","version":"0.1.0","#,
        r#""uptimeMs":10,"facts":{"nacos":"connected"},"clusters":[{"cluster":"frankfurt","#,
    );
    assert!(status.body.starts_with(start), "{}", status.body);
}

#[tokio::test]
async fn a_gateway_that_is_not_ready_says_why_and_still_answers() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    assert_eq!(
        gateway.get("/readyz").await.json(),
        json!({"ready": true, "reasons": [], "reasonCodes": [], "troubles": []})
    );
    let reasons = vec![GatewayReason::NacosUnread, GatewayReason::ChangesRefused(3)];
    gateway.set_gateway(GatewayStatus { reasons, ..GatewayStatus::default() });
    let answer = gateway.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let told = [GatewayReason::NacosUnread, GatewayReason::ChangesRefused(3)].map(|reason| reason.to_string());
    assert_eq!(answer.json()["reasons"], json!(told));
    let codes = json!([{"code": "nacos_unread"}, {"code": "changes_refused", "params": {"count": 3}}]);
    assert_eq!(answer.json()["reasonCodes"], codes);
    assert_eq!(gateway.get("/livez").await.status, StatusCode::OK);
    assert_eq!(gateway.get("/v1/service?serviceName=orders").await.status, StatusCode::OK);
}

#[tokio::test]
async fn requests_are_counted_by_route_never_by_path() {
    let gateway = Gateway::new();
    for path in ["/v1/service?serviceName=a", "/v1/service?serviceName=b", "/made/up", "/docs/", "/livez"] {
        gateway.get(path).await;
    }
    let answer = gateway.get("/metrics").await;
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    for line in [
        r#"federation_http_requests_total{route="/v1/service",code="404"} 2"#,
        r#"federation_http_requests_total{route="other",code="404"} 1"#,
        r#"federation_http_requests_total{route="/docs",code="200"} 1"#,
        r#"federation_http_requests_total{route="/livez",code="200"} 1"#,
        r#"federation_origin_age_seconds{origin="frankfurt"} 0.04"#,
        r#"federation_origin_freshness{origin="frankfurt",freshness="stale"} 1"#,
        r#"federation_origin_freshness{origin="frankfurt",freshness="live"} 0"#,
        r#"federation_instances{origin="shanghai"} 3"#,
    ] {
        assert!(answer.body.lines().any(|found| found == line), "{line} is missing in\n{}", answer.body);
    }
}

#[tokio::test]
async fn the_description_lists_every_route_and_every_parameter() {
    let gateway = Gateway::new();
    let description = gateway.get("/openapi.json").await.json();
    let paths: BTreeSet<&str> = description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let routes = [
        "/livez",
        "/metrics",
        "/v1/audit",
        "/readyz",
        "/v1/clusters",
        "/v1/config",
        "/v1/configs",
        "/v1/explain",
        "/v1/policy",
        "/v1/resolve",
        "/v1/descriptor",
        "/v1/drains",
        "/v1/excluded",
        "/v1/front-door",
        "/v1/front-door/drain",
        "/v1/front-door/undrain",
        "/v1/guard",
        "/v1/login",
        "/v1/logout",
        "/v1/me",
        "/v1/service",
        "/v1/services",
        "/v1/session",
        "/v1/status",
        "/v1/changes",
        "/v1/history",
        "/v1/events",
        "/v1/links",
        "/v1/verify",
        "/v1/verify/nacos",
        "/v1/watch",
        "/v1/what-if",
        "/v1/whoami",
    ];
    assert_eq!(paths, routes.into());
    let unnamed: Vec<_> = paths.iter().filter(|path| Route::of(path) == Route::Other).collect();
    assert_eq!(unnamed, Vec::<&&str>::new(), "requests for these are not told apart by metrics");
    let is_read = |path: &&&str| path.starts_with("/v1/") && description["paths"][path]["get"].is_object();
    for path in paths.iter().filter(is_read) {
        let described = description["paths"][path]["get"]["parameters"].as_array().cloned().unwrap_or_default();
        let in_query = |parameter: &&Value| parameter["in"] == "query";
        let described: BTreeSet<String> =
            described.iter().filter(in_query).map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect();
        let problem = gateway.get(&format!("{path}?unknown=1")).await.json();
        let known = problem["detail"].as_str().unwrap().split("known are: ").nth(1).unwrap();
        let known = known.split(", ").filter(|name| *name != "none").map(str::to_owned).collect();
        assert_eq!(described, known, "{path}");
    }
    let fields = description["components"]["schemas"]["Instance"]["properties"].as_object().unwrap().len();
    assert_eq!(fields, 18);
}

#[tokio::test]
async fn the_policy_is_shown_whole_or_for_a_service_that_need_not_exist() {
    let gateway = Gateway::new();
    let whole = gateway.get("/v1/policy").await.json();
    assert_eq!((&whole["version"], &whole["source"]), (&json!(0), &json!({"kind": "defaults", "name": null})));
    let defaults = json!({
        "overprovisioning": 140, "panic_threshold": 50, "weighted_health": false, "locality": "on", "failover": [],
        "failover_priority": [], "distribute": [], "locality_weights": {}, "stale": "demote", "prefer_degraded_local": false,
    });
    let of_service = gateway.get("/v1/policy?serviceName=G@@nowhere&namespaceId=dev").await.json();
    let names = ["namespaceId", "groupName", "serviceName", "rule"].map(|name| of_service[name].clone());
    assert_eq!(names, [json!("dev"), json!("G"), json!("nowhere"), json!(null)]);
    assert_eq!(of_service["policy"], defaults);
    let mut document = defaults;
    document["services"] = json!([]);
    assert_eq!(whole["document"], document);
    assert_eq!(gateway.get("/v1/policy?groupName=G").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_pages_of_the_description_need_no_network() {
    let gateway = Gateway::new();
    let page = gateway.get("/docs/").await;
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.status, StatusCode::OK);
    for asset in page.body.split(['"', '\'']).filter(|text| text.ends_with(".js") || text.ends_with(".css")) {
        assert!(!asset.contains("//"), "{asset}");
        let path = format!("/docs/{}", asset.trim_start_matches("./"));
        assert_eq!(gateway.get(&path).await.status, StatusCode::OK, "{path}");
    }
    assert!(gateway.get("/docs/swagger-initializer.js").await.body.contains("../openapi.json"));
    assert_eq!(gateway.get("/docs").await.status, StatusCode::SEE_OTHER);
}
