//! Services searched, sorted, counted and walked through; config items that differ.

use std::collections::BTreeMap;

use axum::http::header;
use serde_json::json;

use super::*;

fn only(name: &str, namespace: &str, origins: Vec<OriginInstances>) -> FederatedService {
    service(ServiceKey::new(namespace, "SHOP", name), 5, origins)
}

fn some(health: Health, count: u16) -> Vec<FederatedInstance> {
    (0..count).map(|port| instance("10.0.0.1", port, health)).collect()
}

/// Six services of two namespaces, each with something of its own.
fn shop() -> Gateway {
    let mut gateway = Gateway::new();
    let status = GatewayStatus { ready: false, ..GatewayStatus::default() };
    gateway.set_gateway(status.clone());
    let (shanghai, frankfurt) = ("shanghai", "frankfurt");
    gateway.put(only("Cart", "prod", vec![of(shanghai, FactSource::Nacos, some(Health::Healthy, 3))]));
    gateway.put(only("cart-batch", "test", vec![of(shanghai, FactSource::Nacos, some(Health::Unknown, 1))]));
    gateway.put(only("pay", "prod", vec![of(frankfurt, FactSource::Log, some(Health::Unhealthy, 2))]));
    let both = |count| {
        vec![
            of(frankfurt, FactSource::Log, some(Health::Healthy, count)),
            of(shanghai, FactSource::Nacos, some(Health::Healthy, 1)),
        ]
    };
    gateway.put(only("stock", "prod", both(4)));
    gateway.put(only("search", "prod", both(1)));
    let mut held = both(2);
    held[0].instances[1].held = Some(HeldRemoval { since: Mono(400), reason: HoldReason::Asked });
    gateway.put(only("held", "test", held));
    gateway.set_gateway(GatewayStatus { ready: true, ..status });
    gateway
}

async fn names(gateway: &Gateway, question: &str) -> Vec<String> {
    let answer = gateway.get(&format!("/v1/services?{question}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{question}: {}", answer.body);
    let answer = answer.json();
    let name = |it: &Value| it["serviceName"].as_str().unwrap().to_owned();
    let names: Vec<String> = answer["services"].as_array().unwrap().iter().map(name).collect();
    assert_eq!(answer["total"], names.len(), "{question}");
    names
}

#[tokio::test]
async fn services_are_found_by_a_part_of_their_names_and_by_what_they_are() {
    let mut gateway = shop();
    gateway.drain("frankfurt/prod/*/s*", 50, 1);
    gateway.put(only("Cart", "prod", vec![of("shanghai", FactSource::Nacos, some(Health::Healthy, 2))]));
    let all = ["Cart", "pay", "search", "stock", "cart-batch", "held"];
    for (question, want) in [
        ("", &all[..]),
        ("q=", &all),
        ("q=CART", &["Cart", "cart-batch"]),
        ("q=shop", &all),
        ("q=EST", &["cart-batch", "held"]),
        ("q=shopc", &[]),
        ("q=cart&namespaceId=prod", &["Cart"]),
        ("state=unhealthy", &["pay"]),
        ("state=stale", &["pay", "search", "stock", "held"]),
        ("state=stale&origin=shanghai", &[]),
        ("state=held", &["held"]),
        ("state=held&origin=shanghai", &[]),
        ("state=drained", &["search", "stock"]),
        ("state=drained&origin=shanghai", &[]),
        ("state=single", &["Cart", "pay", "cart-batch"]),
        ("state=single&origin=shanghai", &["Cart", "cart-batch"]),
        ("state=changed", &["Cart"]),
        ("state=single,unhealthy", &["pay"]),
        ("state=single&state=held", &[]),
        ("healthyOnly=true&state=single", &["Cart"]),
        ("serviceName=s*&state=stale&q=ARCH", &["search"]),
        ("sort=instances", &["stock", "held", "Cart", "pay", "search", "cart-batch"]),
        ("sort=instances&origin=shanghai", &["Cart", "search", "stock", "cart-batch", "held"]),
        ("sort=unhealthy", &["pay", "Cart", "search", "stock", "cart-batch", "held"]),
        ("sort=changed", &all),
    ] {
        assert_eq!(names(&gateway, question).await, want, "{question}");
    }
    gateway.pass(600_000);
    assert_eq!(names(&gateway, "state=changed").await, ["Cart"]);
    gateway.pass(1);
    assert_eq!(names(&gateway, "state=changed").await, [""; 0], "ten minutes are over");
}

#[tokio::test]
async fn the_latest_change_comes_first_and_has_its_time() {
    let mut gateway = shop();
    for (name, namespace) in [("pay", "prod"), ("held", "test")] {
        gateway.pass(10);
        gateway.put(only(name, namespace, vec![of("shanghai", FactSource::Nacos, some(Health::Healthy, 9))]));
    }
    let answer = gateway.get("/v1/services?sort=changed&pageSize=3").await.json();
    let seen: Vec<_> =
        answer["services"].as_array().unwrap().iter().map(|it| (&it["serviceName"], &it["changedMs"])).collect();
    // The process began at 1 ms by the wall clock, when its own was at 1,000.
    assert_eq!(seen, [(&json!("held"), &json!(21)), (&json!("pay"), &json!(11)), (&json!("Cart"), &json!(null))]);
}

#[tokio::test]
async fn a_row_has_sums_of_the_clusters_that_are_wanted_with_or_without_each() {
    let gateway = shop();
    let row = |question: &str| {
        let path = format!("/v1/services?q=held{question}");
        let gateway = &gateway;
        async move { gateway.get(&path).await.json()["services"][0].clone() }
    };
    let whole = row("").await;
    let sums = json!({
        "namespaceId": "test", "groupName": "SHOP", "serviceName": "held", "instances": 3, "healthy": 3, "unhealthy": 0,
        "unknown": 0, "origins": 2, "states": ["stale", "held"], "changedMs": null,
    });
    assert_eq!(row("&fields=summary").await, sums);
    let mut with_clusters = sums;
    with_clusters["clusters"] = json!({
        "frankfurt": {"instances": 2, "healthy": 2, "unknown": 0}, "shanghai": {"instances": 1, "healthy": 1, "unknown": 0},
    });
    assert_eq!(whole, with_clusters);
    let one = row("&origin=shanghai").await;
    assert_eq!((&one["instances"], &one["origins"], &one["states"]), (&json!(1), &json!(1), &json!([])));
}

#[tokio::test]
async fn facets_count_what_passes_the_filter() {
    let gateway = shop();
    assert_eq!(gateway.get("/v1/services").await.json()["facets"], json!(null));
    let facets =
        async |question: &str| gateway.get(&format!("/v1/services?facets=true&pageSize=1{question}")).await.json();
    let all = json!({
        "unhealthy": 1, "stale": 4, "held": 1, "drained": 0, "single": 3, "changed": 0,
        "namespaces": {"prod": 4, "test": 2}, "origins": {"frankfurt": 4, "shanghai": 5},
    });
    assert_eq!(facets("").await["facets"], all);
    assert_eq!(facets("&sort=instances").await["facets"], all);
    let some = json!({
        "unhealthy": 0, "stale": 1, "held": 1, "drained": 0, "single": 0, "changed": 0,
        "namespaces": {"test": 1}, "origins": {"frankfurt": 1, "shanghai": 1},
    });
    assert_eq!(facets("&q=h&state=held").await["facets"], some);
}

#[tokio::test]
async fn whoever_follows_cursors_sees_everything_once_in_the_order_of_numbered_pages() {
    let mut gateway = Gateway::new();
    for number in 0_u16..61 {
        let health = if number % 4 == 0 { Health::Unhealthy } else { Health::Healthy };
        let origins = vec![of("shanghai", FactSource::Nacos, some(health, number % 5 + 1))];
        gateway.pass(u64::from(number % 2));
        gateway.put(only(&format!("s{number}\"ä"), ["b", "a", ""][usize::from(number % 3)], origins));
    }
    for question in
        ["", "sort=instances", "sort=unhealthy", "sort=changed", "q=1&sort=unhealthy", "q=1", "state=single"]
    {
        let (mut cursor, mut followed, mut numbered) = (String::new(), Vec::new(), Vec::new());
        for number in 1.. {
            let rows = |answer: &Value| answer["services"].as_array().unwrap().clone();
            let by_cursor = gateway.get(&format!("/v1/services?pageSize=7&{question}{cursor}")).await.json();
            let by_number = gateway.get(&format!("/v1/services?pageSize=7&pageNo={number}&{question}")).await.json();
            assert_eq!(
                (&by_cursor["total"], &by_cursor["nextCursor"]),
                (&by_number["total"], &by_number["nextCursor"])
            );
            followed.extend(rows(&by_cursor));
            numbered.extend(rows(&by_number));
            let Some(next) = by_cursor["nextCursor"].as_str() else {
                assert_eq!(by_cursor["total"], followed.len(), "{question}");
                break;
            };
            cursor = format!("&cursor={next}");
        }
        let by_name: BTreeMap<String, ()> = followed.iter().map(|row| (row.to_string(), ())).collect();
        assert_eq!((by_name.len(), &followed), (numbered.len(), &numbered), "{question}");
    }
}

#[tokio::test]
async fn a_page_after_a_cursor_is_not_moved_by_what_comes_and_goes_before_it() {
    let mut gateway = shop();
    let first = gateway.get("/v1/services?pageSize=2").await.json();
    let cursor = first["nextCursor"].as_str().unwrap().to_owned();
    gateway.remove(&ServiceKey::new("prod", "SHOP", "Cart"));
    gateway.remove(&ServiceKey::new("prod", "SHOP", "pay"));
    gateway.put(only("Aaa", "prod", vec![of("shanghai", FactSource::Nacos, some(Health::Healthy, 1))]));
    let second = gateway.get(&format!("/v1/services?pageSize=2&cursor={cursor}")).await.json();
    let names: Vec<&Value> = second["services"].as_array().unwrap().iter().map(|it| &it["serviceName"]).collect();
    assert_eq!(names, ["search", "stock"]);
}

#[tokio::test]
async fn what_cannot_be_listed_names_the_parameter() {
    let gateway = shop();
    let by_name = gateway.get("/v1/services?pageSize=1").await.json()["nextCursor"].as_str().unwrap().to_owned();
    let long = "x".repeat(257);
    for (question, field) in [
        (format!("q={long}"), "q"),
        ("state=ill".to_owned(), "state"),
        ("sort=size".to_owned(), "sort"),
        ("sort=name&sort=name".to_owned(), "sort"),
        ("fields=all".to_owned(), "fields"),
        ("facets=1".to_owned(), "facets"),
        ("cursor=".to_owned(), "cursor"),
        ("cursor=zz".to_owned(), "cursor"),
        ("cursor=abc".to_owned(), "cursor"),
        ("cursor=5b5d".to_owned(), "cursor"),
        (format!("sort=changed&cursor={by_name}"), "cursor"),
        (format!("pageNo=1&cursor={by_name}"), "pageNo"),
    ] {
        let answer = gateway.get(&format!("/v1/services?{question}")).await;
        assert_eq!((answer.status, &answer.json()["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{question}");
    }
}

/// The same item in two clusters, with another content in frankfurt.
pub(super) fn forked(data_id: &str) -> FederatedConfig {
    let mut forked = config("public", data_id, 3, &["frankfurt", "shanghai"]);
    forked.items[0].item =
        Arc::new(ConfigItem { content: "a: 2".into(), md5: "4567".into(), ..(*forked.items[0].item).clone() });
    forked
}

#[tokio::test]
async fn config_items_that_differ_are_told_and_listed_alone() {
    let mut gateway = Gateway::new();
    gateway.put_config(config("public", "alike", 3, &["frankfurt", "shanghai"]));
    gateway.put_config(forked("forked"));
    gateway.put_config(config("public", "one", 3, &["shanghai"]));
    let mut sealed = forked("sealed");
    let content = SealedContent { key: SealKeyId([1; 8]), bytes: [1; 40].into(), reason: SealReason::NoKey };
    sealed.items[0].item = Arc::new(ConfigItem::sealed(content));
    gateway.put_config(sealed);
    let listed = async |question: &str| {
        let answer = gateway.get(&format!("/v1/configs?{question}")).await.json();
        let row = |it: &Value| (it["dataId"].as_str().unwrap().to_owned(), it["drift"].as_bool().unwrap());
        let rows: Vec<(String, bool)> = answer["configs"].as_array().unwrap().iter().map(row).collect();
        assert_eq!(answer["total"], rows.len());
        rows
    };
    let rows = |rows: &[(&str, bool)]| rows.iter().map(|(id, drift)| ((*id).to_owned(), *drift)).collect::<Vec<_>>();
    let all = rows(&[("alike", false), ("forked", true), ("one", false), ("sealed", false)]);
    assert_eq!(listed("").await, all);
    assert_eq!(listed("drift=false").await, all);
    assert_eq!(listed("drift=true").await, rows(&[("forked", true)]));
    assert_eq!(listed("drift=true&origin=shanghai").await, rows(&[]));
    let clusters = gateway.get("/v1/configs?drift=true").await.json()["configs"][0]["clusters"].clone();
    let frankfurt = json!({
        "md5": "4567", "type": "yaml", "bytes": 4, "lastModifiedMs": 5, "freshness": "stale", "ageMs": 40, "held": false,
    });
    assert_eq!(clusters["frankfurt"], frankfurt);
}

#[tokio::test]
async fn a_list_of_config_items_is_the_same_while_only_ages_grow() {
    let mut gateway = Gateway::new();
    gateway.put_config(forked("forked"));
    let answer = gateway.get("/v1/configs").await;
    let tag = answer.header("etag").to_owned();
    let again = async |gateway: &Gateway, path: &str| {
        gateway.ask(Request::get(path).header(header::IF_NONE_MATCH, &tag).body(Body::empty()).unwrap()).await.status
    };
    gateway.pass(5_000);
    assert_eq!(again(&gateway, "/v1/configs").await, StatusCode::NOT_MODIFIED);
    assert_eq!(again(&gateway, "/v1/configs?drift=true").await, StatusCode::OK, "another question");
    gateway.put_config(FederatedConfig { revision: Revision(9), ..config("public", "forked", 9, &["shanghai"]) });
    assert_eq!(again(&gateway, "/v1/configs").await, StatusCode::OK);
}
