use federation_core::routing::StaleRule;
use serde_json::json;

use super::*;

/// One healthy instance in each of the clusters, of which `b` is behind another network.
fn pair(revision: u64) -> FederatedService {
    let of = |origin: &str, ip: &str| of(origin, FactSource::Log, vec![instance(ip, 80, Health::Healthy)]);
    service(key("pair"), revision, vec![of("frankfurt", "10.0.0.1"), of("shanghai", "10.1.0.1")])
}

fn live() -> Vec<ClusterStatus> {
    vec![cluster("frankfurt", Freshness::Live, 3), cluster("shanghai", Freshness::Live, 1)]
}

fn shares(answer: &Answer) -> Vec<(String, u64)> {
    let answer = answer.json();
    let share = |it: &Value| (it["origin"].as_str().unwrap().to_owned(), it["share"].as_u64().unwrap());
    answer["endpoints"].as_array().unwrap_or_else(|| panic!("{answer}")).iter().map(share).collect()
}

#[tokio::test]
async fn a_plan_says_whom_to_call_in_which_order_and_share() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    gateway.drain("shanghai", 25, 1);
    let answer = gateway.get("/v1/resolve?serviceName=orders&label.app=web").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"), "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-cache");
    let fingerprint = answer.json()["fingerprint"].as_str().unwrap().to_owned();
    // The text, not the value: the order of fields is a promise, too.
    let rest = r#""metadata":{"a":"1","quote":"\"ü\n\""},"ephemeral":true,"advertised":null,"#;
    let frankfurt = r#""origin":"frankfurt","priority":1,"locality":"frankfurt-region/z1","#;
    let want = [
        r#"{"namespaceId":"public","groupName":"DEFAULT_GROUP","serviceName":"orders","version":1031,"fingerprint":""#,
        &fingerprint,
        r#"","caller":{"region":"shanghai-region","zone":"z1","subZone":null,"network":"n1","cluster":"shanghai","labels":{"app":"web"}},"#,
        r#""policy":{"rule":null,"source":"defaults","version":0},"priorities":["#,
        r#"{"priority":0,"total":1,"healthy":0,"degraded":1,"excluded":0,"load":0,"degradedLoad":30,"panic":false,"#,
        r#""localities":[{"locality":"shanghai-region/z1","share":225000}]},"#,
        r#"{"priority":1,"total":2,"healthy":1,"degraded":0,"excluded":0,"load":70,"degradedLoad":0,"panic":false,"#,
        r#""localities":[{"locality":"frankfurt-region/z1","share":775000}]}],"endpoints":["#,
        r#"{"ip":"10.1.0.1","port":81,"clusterName":"DEFAULT","origin":"shanghai","priority":0,"locality":"shanghai-region/z1","#,
        r#""share":225000,"weight":0.5,"flatWeight":0.15,"health":"unknown","#,
        rest,
        r#""held":null},{"ip":"10.0.0.1","port":80,"clusterName":"DEFAULT","#,
        frankfurt,
        r#""share":775000,"weight":0.5,"flatWeight":0.5,"health":"healthy","#,
        rest,
        r#""held":null},{"ip":"10.0.0.2","port":80,"clusterName":"DEFAULT","#,
        frankfurt,
        r#""share":0,"weight":0.5,"health":"unhealthy","#,
        rest,
        r#""held":"connection to nacos is young, its clients may still be registering","heldCode":"after_connect"}],"leftOut":0,"notShown":0,"#,
        r#""drains":[{"target":"shanghai","cluster":"shanghai","percent":25,"ruling":"in_force","who":"ann","why":"disks","whenMs":5,"takenIn":"shanghai"}],"#,
        r#""origins":[{"origin":"frankfurt","freshness":"stale","effectiveFreshness":"stale","freshnessReason":"no beat of its leader for 40 s","freshnessCode":"leader_silent","freshnessParams":{"ageMs":40000},"ageMs":40},"#,
        r#"{"origin":"shanghai","freshness":"live","effectiveFreshness":"live","freshnessReason":"beating","freshnessCode":"beating","ageMs":40}]}"#,
    ];
    assert_eq!(answer.body, want.concat());
}

#[tokio::test]
async fn ages_are_those_of_the_request_although_the_plan_is_kept() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    let path = "/v1/resolve?serviceName=orders";
    gateway.get(path).await;
    gateway.pass(5000);
    assert_eq!(gateway.get(path).await.json()["origins"][0]["ageMs"], 5040);
    assert_eq!((gateway.state.metrics().resolve.plans.get(), gateway.state.metrics().resolve.hits.get()), (1, 1));
}

#[tokio::test]
async fn callers_are_told_apart_by_place_network_cluster_and_labels() {
    let mut gateway = Gateway::new();
    gateway.put(pair(7));
    gateway.set_clusters(live());
    for (query, caller, first) in [
        ("", json!(["shanghai-region", "z1", null, "n1", "shanghai"]), Some("shanghai")),
        ("&cluster=frankfurt", json!(["frankfurt-region", "z1", null, null, "frankfurt"]), Some("frankfurt")),
        ("&cluster=mars", json!(["shanghai-region", "z1", null, "n1", "mars"]), Some("shanghai")),
        ("&region=frankfurt-region&zone=z9", json!(["frankfurt-region", "z9", null, null, null]), Some("frankfurt")),
        ("&region=", json!([null, null, null, null, null]), None),
        ("&region=mars", json!(["mars", null, null, null, null]), None),
        ("&network=", json!(["shanghai-region", "z1", null, null, "shanghai"]), Some("shanghai")),
        ("&region=a%2Fb+c&network=n%202", json!(["a/b c", null, null, "n 2", null]), None),
    ] {
        let answer = gateway.get(&format!("/v1/resolve?serviceName=pair{query}")).await;
        let understood = answer.json()["caller"].clone();
        let parts = ["region", "zone", "subZone", "network", "cluster"].map(|part| understood[part].clone());
        assert_eq!(json!(parts), caller, "{query}");
        let used: Vec<_> = shares(&answer).into_iter().filter(|(_, share)| *share > 0).collect();
        match first {
            Some(origin) => assert_eq!(used, [(origin.to_owned(), 1_000_000)], "{query}"),
            None => assert_eq!(used.len(), 2, "{query}: equally near"),
        }
    }
}

#[tokio::test]
async fn an_excerpt_is_what_the_whole_answer_begins_with() {
    let mut gateway = Gateway::new();
    let many = |origin: &str, count: u16, health| {
        of(origin, FactSource::Log, (1..=count).map(|port| instance("10.0.0.1", port, health)).collect())
    };
    let origins = vec![many("frankfurt", 4, Health::Healthy), many("shanghai", 3, Health::Unhealthy)];
    gateway.put(service(key("s"), 7, origins));
    let whole = gateway.get("/v1/resolve?serviceName=s").await.json();
    let all = whole["endpoints"].as_array().unwrap().clone();
    assert_eq!((all.len(), &all[0]["origin"], &all[0]["share"]), (7, &json!("shanghai"), &json!(0)));
    let mut tags = std::collections::HashSet::new();
    for (query, shown) in [
        ("", 0..7),
        ("&limit=1", 0..1),
        ("&limit=2", 0..2),
        ("&limit=7", 0..7),
        ("&limit=4294967295", 0..7),
        ("&onlyTop=false", 0..7),
        ("&onlyTop=true", 3..7),
        ("&onlyTop=true&limit=2", 3..5),
    ] {
        for path in ["resolve", "explain"] {
            let answer = gateway.get(&format!("/v1/{path}?serviceName=s{query}")).await;
            let document = answer.json();
            let names = |all: &[Value]| {
                all.iter().map(|it| (it["ip"].clone(), it["port"].clone(), it["origin"].clone())).collect::<Vec<_>>()
            };
            let found = document["endpoints"].as_array().unwrap();
            assert_eq!(names(found), names(&all[shown.clone()]), "{path} {query}");
            assert_eq!(document["notShown"], 7 - shown.len(), "{path} {query}");
            if path == "resolve" {
                assert_eq!(found, &all[shown.clone()], "{query}");
                assert_eq!(document["origins"], whole["origins"]);
                tags.insert(answer.header("etag").to_owned());
            }
        }
    }
    assert_eq!((tags.len(), gateway.state.metrics().resolve.misses.get()), (7, 1), "cut out of one encoding");
}

#[tokio::test]
async fn a_client_that_has_the_plan_is_told_so_until_anything_but_ages_changes() {
    let mut gateway = Gateway::new();
    gateway.put(pair(7));
    gateway.set_clusters(live());
    let path = "/v1/resolve?serviceName=pair&region=";
    let mut tag = gateway.get(path).await.header("etag").to_owned();
    let policy = || Policy { stale: StaleRule::Keep, ..Policy::default() };
    let lost = || vec![cluster("frankfurt", Freshness::Lost, 30), cluster("shanghai", Freshness::Live, 1)];
    type Change = fn(&mut Gateway, Policy, Vec<ClusterStatus>);
    let changes: [(&str, Change); 4] = [
        ("a drain", |gateway, _, _| gateway.drain("frankfurt", 10, 1)),
        ("a policy", |gateway, policy, _| gateway.set_policy(policy, 2)),
        ("an instance", |gateway, _, _| gateway.put(pair(20))),
        ("an origin", |gateway, _, lost| gateway.set_clusters(lost)),
    ];
    for (name, change) in changes {
        let again = |tag: &str| Request::get(path).header("if-none-match", tag).body(Body::empty()).unwrap();
        gateway.pass(1000);
        let same = gateway.ask(again(&tag)).await;
        assert_eq!(
            (same.status, same.header("etag"), &*same.body),
            (StatusCode::NOT_MODIFIED, &*tag, ""),
            "before {name}"
        );
        change(&mut gateway, policy(), lost());
        let changed = gateway.ask(again(&tag)).await;
        assert_eq!(changed.status, StatusCode::OK, "{name}");
        tag = changed.header("etag").to_owned();
    }
}

#[tokio::test]
async fn an_instance_behind_another_network_is_offered_by_its_advertised_address_or_left_out() {
    let mut gateway = Gateway::new();
    gateway.put(pair(7));
    let clusters = |advertise: &[(&str, &str)], revision| {
        let mut clusters = live();
        clusters[0].locality.network = Some("n2".into());
        clusters[0].advertise = advertise.iter().map(|(network, text)| ((*network).into(), (*text).into())).collect();
        clusters[0].freshness_revision = Revision(revision);
        clusters
    };
    gateway.set_clusters(clusters(&[], 4));
    let path = "/v1/resolve?serviceName=pair&cluster=frankfurt&network=n1";
    let answer = gateway.get(path).await.json();
    assert_eq!((answer["endpoints"].as_array().unwrap().len(), &answer["leftOut"]), (1, &json!(1)));
    gateway.set_clusters(clusters(&[("n1", "edge.example:8443")], 5));
    let answer = gateway.get(path).await.json();
    let first = &answer["endpoints"][0];
    assert_eq!(
        (&first["ip"], &first["port"], &first["share"]),
        (&json!("edge.example"), &json!(8443), &json!(1_000_000))
    );
    assert_eq!(first["advertised"], json!({"instance": "10.0.0.1:80", "by": "cluster"}));
    let explained = gateway.get("/v1/explain?serviceName=pair&network=n7&region=").await.json();
    let reason = "network n2 is not reachable from n7, and no address is advertised for it";
    assert_eq!(explained["leftOut"][0]["reason"], reason);
}

#[tokio::test]
async fn where_nothing_can_be_used_the_answer_is_no_plan_and_explain_says_why() {
    let mut gateway = Gateway::new();
    let mut disabled = instance("10.0.0.9", 80, Health::Healthy);
    disabled.instance = Arc::new(Instance { enabled: false, ..(*disabled.instance).clone() });
    let origins = vec![of("shanghai", FactSource::Nacos, vec![disabled, instance("10.0.0.1", 80, Health::Unhealthy)])];
    gateway.put(service(key("s"), 7, origins));
    let never =
        Policy { panic_threshold: federation_core::routing::PanicThreshold(Percent::default()), ..Policy::default() };
    gateway.set_policy(never, 1);
    let answer = gateway.get("/v1/resolve?serviceName=s").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (StatusCode::SERVICE_UNAVAILABLE, "application/problem+json")
    );
    let want = json!({
        "type": "urn:federation:problem:nothing-usable",
        "title": "No instance can be used",
        "status": 503,
        "detail": "no instance of public/DEFAULT_GROUP@@s can be used by a caller at shanghai-region/z1 in network n1; not used: 1 disabled, 1 unhealthy and without a share",
        "leftOut": [
            {"endpoint": "shanghai/10.0.0.1:80@DEFAULT", "origin": "shanghai", "reason": "unhealthy and without a share", "code": "without_share"},
            {"endpoint": "shanghai/10.0.0.9:80@DEFAULT", "origin": "shanghai", "reason": "disabled", "code": "disabled"},
        ],
    });
    assert_eq!(answer.json(), want);
    let explained = gateway.get("/v1/explain?serviceName=s").await;
    assert_eq!((explained.status, &explained.json()["usable"]), (StatusCode::OK, &json!(false)));
    gateway.put(service(
        key("s"),
        8,
        vec![of("shanghai", FactSource::Nacos, vec![instance("10.0.0.1", 80, Health::Healthy)])],
    ));
    assert_eq!(gateway.get("/v1/resolve?serviceName=s").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_explanation_has_the_raw_words_beside_the_effective_ones_and_every_drain() {
    let mut gateway = Gateway::new();
    let mut service = orders(7);
    service.origins[0].instances[0].effective = Health::Unhealthy;
    gateway.put(service);
    let mut clusters = live();
    clusters[0].effective = Freshness::Lost;
    gateway.set_clusters(clusters);
    gateway.drain("shanghai", 40, 9);
    let answer = gateway.get("/v1/explain?serviceName=orders&region=mars&label.k=v").await.json();
    assert_eq!(
        answer["notes"],
        json!(["the caller is at mars: as it was given", "no cluster or instance is in region mars"])
    );
    assert_eq!(answer["caller"]["labels"], json!({"k": "v"}));
    let endpoint = answer["endpoints"].as_array().unwrap().iter().find(|it| it["ip"] == "10.0.0.1").unwrap();
    let words = ["endpoint", "rawHealth", "health", "freshness", "effectiveFreshness", "rank", "priority"];
    assert_eq!(
        json!(words.map(|word| endpoint[word].clone())),
        json!(["frankfurt/10.0.0.1:80@DEFAULT", "healthy", "unhealthy", "live", "lost", "lost 3", 1])
    );
    assert_eq!((&answer["drains"][0]["ruling"], &answer["drains"][0]["who"]), (&json!("void"), &json!("ann")));
    assert_eq!(answer["rounding"]["sum"], 1_000_000);
    let steps: Vec<&str> = answer["trace"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap().split(':').next().unwrap())
        .collect();
    assert_eq!(steps, ["filter", "rank", "compact", "load", "localities", "drain", "flatten"]);
    let resolved = gateway.get("/v1/resolve?serviceName=orders&region=mars&label.k=v").await.json();
    for field in ["version", "fingerprint", "caller", "policy", "priorities", "origins"] {
        assert_eq!(answer[field], resolved[field], "{field}");
    }
    assert_eq!(resolved["drains"], json!([]), "only those in force");
}

#[tokio::test]
async fn what_cannot_be_understood_of_a_caller_is_a_problem_that_names_the_field() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    let long = "x".repeat(1025);
    for path in ["resolve", "explain"] {
        for (query, field) in [
            ("zone=z", "zone"),
            ("region=&zone=z", "zone"),
            ("region=r&subZone=s", "subZone"),
            ("subZone=s", "subZone"),
            ("region=r&region=s", "region"),
            ("limit=0", "limit"),
            ("limit=-1", "limit"),
            ("limit=4294967296", "limit"),
            ("onlyTop=1", "onlyTop"),
            ("label.=x", "label.<k>"),
            ("label.k=x&label.k=y", "label.<k>"),
            (&format!("network={long}"), "network"),
            (&format!("label.k={long}"), "label.<k>"),
            ("origin=frankfurt", "origin"),
            ("label=x", "label"),
        ] {
            let answer = gateway.get(&format!("/v1/{path}?serviceName=orders&{query}")).await;
            assert_eq!((answer.status, &answer.json()["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{query}");
        }
        assert_eq!(gateway.get(&format!("/v1/{path}")).await.json()["field"], "serviceName");
        let absent = gateway.get(&format!("/v1/{path}?serviceName=other")).await;
        assert_eq!(absent.json()["type"], "urn:federation:problem:service-not-found");
    }
}

#[tokio::test]
async fn documents_have_the_fields_that_are_described() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    gateway.drain("shanghai", 5, 1);
    let description = gateway.get("/openapi.json").await.json();
    let fields = |name: &str| {
        let schema = &description["components"]["schemas"][name];
        let parts: Vec<&Value> = match &schema["allOf"] {
            Value::Array(parts) => parts.iter().collect(),
            _ => vec![schema],
        };
        let own = |part: &Value| -> Vec<String> {
            let part = part["$ref"]
                .as_str()
                .map_or(part, |name| &description["components"]["schemas"][name.rsplit('/').next().unwrap()]);
            part["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
        };
        parts.into_iter().flat_map(own).collect::<std::collections::BTreeSet<_>>()
    };
    let plan = gateway.get("/v1/resolve?serviceName=orders").await.json();
    let explained = gateway.get("/v1/explain?serviceName=orders").await.json();
    // What one endpoint does not have, because it is held or has no share, another one has.
    let endpoints = plan["endpoints"].as_array().unwrap().iter().filter_map(Value::as_object);
    let endpoint = Value::Object(endpoints.flat_map(Clone::clone).collect());
    for (name, document) in [
        ("Plan", &plan),
        ("Caller", &plan["caller"]),
        ("PolicyInForce", &plan["policy"]),
        ("Priority", &plan["priorities"][0]),
        ("PlannedEndpoint", &endpoint),
        ("Drain", &plan["drains"][0]),
        ("OriginState", &plan["origins"][0]),
        ("Explanation", &explained),
    ] {
        let found = document.as_object().unwrap().keys().cloned().collect();
        assert_eq!(fields(name), found, "{name}");
    }
}
