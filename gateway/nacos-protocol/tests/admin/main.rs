//! Admin calls against servers and proxies that answer in every wrong way: never a shorter listing, always the right error.

mod scripted;

use nacos_protocol::admin::AdminError;
use nacos_protocol::client::{ConfigName, ServiceName};
use nacos_protocol::cluster::HttpError;
use scripted::{Reply, Scripted, admin, ok, unknown_path};

/// A page of the 2.x catalog: services `from..to` of `count`.
fn page_v1(count: usize, from: usize, to: usize) -> String {
    let services: Vec<_> = (from..to).map(|n| format!(r#"{{"name":"s{n}","groupName":"G","ipCount":1}}"#)).collect();
    format!(r#"{{"count":{count},"serviceList":[{}]}}"#, services.join(","))
}

fn page_v3(count: usize, from: usize, to: usize) -> String {
    let services: Vec<_> = (from..to).map(|n| format!(r#"{{"name":"s{n}","groupName":"G","ipCount":1}}"#)).collect();
    let data =
        format!(r#"{{"totalCount":{count},"pageNumber":1,"pagesAvailable":1,"pageItems":[{}]}}"#, services.join(","));
    format!(r#"{{"code":0,"message":"success","data":{data}}}"#)
}

/// What a call came to, in one word.
fn word<T>(result: &Result<T, AdminError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(AdminError::Unreachable(HttpError::Timeout { .. })) => "timeout",
        Err(AdminError::Unreachable(HttpError::Unreachable { .. })) => "unreachable",
        Err(AdminError::Unreachable(_)) => "broken",
        Err(AdminError::Refused { .. }) => "refused",
        Err(AdminError::NotOffered) => "not offered",
        Err(AdminError::Failed { .. }) => "failed",
        Err(AdminError::Malformed { .. }) => "malformed",
        Err(AdminError::Incomplete { .. }) => "incomplete",
    }
}

#[tokio::test]
async fn a_listing_is_whole_or_an_error() {
    let html = "<html><body>Welcome</body></html>";
    let bare_array = r#"[{"name":"s","groupName":"G"}]"#;
    let cases: Vec<(&str, Vec<Reply>, &str)> = vec![
        (
            "three pages",
            vec![
                ok(&page_v1(25_000, 0, 10_000)),
                ok(&page_v1(25_000, 10_000, 20_000)),
                ok(&page_v1(25_000, 20_000, 25_000)),
            ],
            "ok",
        ),
        (
            "empty page 2 of 3",
            vec![ok(&page_v1(25_000, 0, 10_000)), ok(&page_v1(25_000, 0, 0)), ok(&page_v1(25_000, 20_000, 25_000))],
            "incomplete",
        ),
        ("page 2 fails", vec![ok(&page_v1(25_000, 0, 10_000)), Reply::Say(500, "oops".into())], "failed"),
        ("page 2 is silent", vec![ok(&page_v1(25_000, 0, 10_000)), Reply::Silence], "timeout"),
        ("page 2 is unknown", vec![ok(&page_v1(25_000, 0, 10_000)), unknown_path()], "not offered"),
        ("page 2 repeats page 1", vec![ok(&page_v1(20_000, 0, 10_000)), ok(&page_v1(20_000, 0, 10_000))], "incomplete"),
        (
            "page 2 is the whole list",
            vec![ok(&page_v1(10_001, 0, 10_000)), ok(&page_v1(10_001, 0, 10_001))],
            "incomplete",
        ),
        ("the count is over the items", vec![ok(&page_v1(2, 0, 1)), ok(&page_v1(2, 0, 0))], "incomplete"),
        (
            "the count is over the items, and all come again",
            vec![ok(&page_v1(2, 0, 1)), ok(&page_v1(2, 0, 1))],
            "incomplete",
        ),
        ("the count is under the items", vec![ok(&page_v1(1, 0, 2))], "incomplete"),
        ("no count", vec![ok(r#"{"serviceList":[]}"#)], "malformed"),
        ("no list", vec![ok(r#"{"count":0}"#)], "malformed"),
        ("null list", vec![ok(r#"{"count":0,"serviceList":null}"#)], "malformed"),
        ("a service without name", vec![ok(r#"{"count":1,"serviceList":[{"groupName":"G"}]}"#)], "malformed"),
        ("an array", vec![ok(bare_array)], "malformed"),
        ("empty body", vec![ok("")], "malformed"),
        ("truncated JSON", vec![ok(&page_v1(3, 0, 3)[..40])], "malformed"),
        ("broken off", vec![Reply::Cut(page_v1(3, 0, 3))], "broken"),
        ("HTML with 200", vec![ok(html)], "malformed"),
        ("HTML with 404", vec![Reply::Say(404, html.into())], "not offered"),
        ("redirect", vec![Reply::Say(302, html.into())], "failed"),
        ("refused", vec![Reply::Say(403, "no".into())], "refused"),
        ("unauthorized", vec![Reply::Say(401, "no".into())], "refused"),
        ("silent", vec![Reply::Silence], "timeout"),
        ("really empty", vec![ok(&page_v1(0, 0, 0))], "ok"),
    ];
    for (name, replies, want) in cases {
        let server = Scripted::start(move |asked| match &*asked.path {
            "v1/ns/catalog/services" => replies[asked.parameter("pageNo").parse::<usize>().unwrap() - 1].clone(),
            _ => unknown_path(),
        })
        .await;
        let result = server.admin().services("public").await;
        assert_eq!(word(&result), want, "{name}: {result:?}");
    }
}

#[tokio::test]
async fn pages_add_up_to_all_services() {
    let server = Scripted::start(|asked| match asked.parameter("pageNo") {
        "1" => ok(&page_v3(10_001, 1, 10_001)),
        _ => ok(&page_v3(10_001, 0, 1)),
    })
    .await;
    let services = server.admin().services("dev").await.unwrap();
    assert_eq!(services.len(), 10_001);
    assert_eq!(services[0].name, ServiceName::new("dev", "G", "s0"));
    assert_eq!((services[0].instances, services[0].healthy), (Some(1), None));
}

#[tokio::test]
async fn a_dialect_is_left_only_for_a_server_that_does_not_offer_it() {
    for (reply, want) in [
        (unknown_path(), "ok"),
        (Reply::Say(410, "gone".into()), "ok"),
        (Reply::Say(501, "what".into()), "ok"),
        (Reply::Say(403, "no".into()), "refused"),
        (Reply::Say(500, "oops".into()), "failed"),
        (Reply::Say(503, "oops".into()), "failed"),
        (Reply::Silence, "timeout"),
        (ok("<html>"), "malformed"),
        (ok(r#"{"code":30000,"message":"server error","data":null}"#), "failed"),
    ] {
        let name = match &reply {
            Reply::Say(status, _) => status.to_string(),
            _ => "silence".to_owned(),
        };
        let server = Scripted::start(move |asked| match &*asked.path {
            "v3/admin/ns/service/list" => reply.clone(),
            _ => ok(&page_v1(1, 0, 1)),
        })
        .await;
        assert_eq!(word(&server.admin().services("public").await), want, "{name}");
    }
}

#[tokio::test]
async fn the_dialect_that_worked_is_asked_first_the_next_time() {
    let server = Scripted::start(|asked| match &*asked.path {
        "v1/ns/catalog/services" => ok(&page_v1(1, 0, 1)),
        _ => unknown_path(),
    })
    .await;
    let admin = server.admin();
    for _ in 0..2 {
        admin.services("public").await.unwrap();
    }
    assert_eq!(server.paths(), ["v3/admin/ns/service/list", "v1/ns/catalog/services", "v1/ns/catalog/services"]);
}

#[tokio::test]
async fn servers_are_tried_in_turn() {
    let bad = Scripted::start(|_| Reply::Say(500, "oops".into())).await;
    let silent = Scripted::start(|_| Reply::Silence).await;
    let good = Scripted::start(|_| ok(&page_v3(1, 0, 1))).await;
    let closed = "127.0.0.1:1";
    let admin_of_all = admin(&[closed, &bad.address, &silent.address, &good.address], None);
    assert_eq!(admin_of_all.services("public").await.unwrap().len(), 1);
    admin_of_all.services("public").await.unwrap();
    assert_eq!((bad.paths().len(), good.paths().len()), (1, 2), "the server that answered is asked first");
    assert_eq!(word(&admin(&[closed], None).services("public").await), "unreachable");
}

#[tokio::test]
async fn a_missing_service_is_no_missing_call() {
    let words = "service G@@s is not found!";
    for (v3, v1, want) in [
        // 3.1: unknown service; the older call must not be asked.
        (Reply::Say(400, r#"{"code":21008,"message":"service not exist","data":"x"}"#.into()), Reply::Silence, "ok"),
        (
            Reply::Say(404, format!(r#"{{"code":30000,"message":"server error","data":"{words}"}}"#)),
            Reply::Silence,
            "ok",
        ),
        (unknown_path(), Reply::Say(404, words.into()), "ok"),
        (unknown_path(), unknown_path(), "not offered"),
        (unknown_path(), Reply::Say(404, "<html>".into()), "not offered"),
        (Reply::Say(400, r#"{"code":10000,"message":"parameter missing"}"#.into()), Reply::Silence, "failed"),
        (ok(r#"{"code":0,"message":"success","data":null}"#), Reply::Silence, "malformed"),
        (ok(r#"{"code":0,"message":"success","data":{}}"#), Reply::Silence, "malformed"),
    ] {
        let server = Scripted::start(move |asked| match &*asked.path {
            "v3/admin/ns/service" => v3.clone(),
            _ => v1.clone(),
        })
        .await;
        let result = server.admin().instances(&ServiceName::new("public", "G", "s")).await;
        assert_eq!(word(&result), want, "{result:?}");
        assert!(result.unwrap_or_default().is_empty());
    }
}

#[tokio::test]
async fn instances_of_all_clusters_are_read_or_none() {
    let one = |ip: &str| format!(r#"[{{"ip":"{ip}","port":80,"enabled":false,"healthy":false}}]"#);
    let wrapped = |data: String| ok(&format!(r#"{{"code":0,"message":"success","data":{data}}}"#));
    for (second, want) in [
        (wrapped(one("10.0.0.2")), "ok"),
        (Reply::Say(500, String::new()), "failed"),
        (ok(""), "malformed"),
        (wrapped(r#"[{"a":1}]"#.to_owned()), "malformed"),
        (Reply::Silence, "timeout"),
    ] {
        let first = wrapped(one("10.0.0.1"));
        let clusters = wrapped(r#"{"clusterMap":{"c1":{},"c2":{"hosts":null}}}"#.to_owned());
        let server = Scripted::start(move |asked| match (&*asked.path, asked.parameter("clusterName")) {
            ("v3/admin/ns/service", _) => clusters.clone(),
            (_, "c1") => first.clone(),
            _ => second.clone(),
        })
        .await;
        let result = server.admin().instances(&ServiceName::new("public", "G", "s")).await;
        assert_eq!(word(&result), want, "{result:?}");
        if let Ok(instances) = result {
            let seen: Vec<_> = instances.iter().map(|i| (&*i.ip, i.enabled, i.healthy)).collect();
            assert_eq!(seen, [("10.0.0.1", false, false), ("10.0.0.2", false, false)]);
        }
    }
}

/// A page of the instances that a 2.x server lists for a Nacos cluster.
fn instances_v1(count: usize, hosts: &[String]) -> String {
    format!(r#"{{"count":{count},"list":[{}]}}"#, hosts.join(","))
}

fn host(ip: &str, more: &str) -> String {
    format!(r#"{{"ip":"{ip}","port":80,"clusterName":"DEFAULT"{more}}}"#)
}

/// A 2.x server with one service of one Nacos cluster, whose instances it lists in these pages.
async fn catalog_v1(pages: Vec<String>) -> Scripted {
    Scripted::start(move |asked| match &*asked.path {
        "v1/ns/catalog/service" => ok(r#"{"clusters":[{"name":"DEFAULT"}]}"#),
        "v1/ns/catalog/instances" => match pages.get(asked.parameter("pageNo").parse::<usize>().expect("a page") - 1) {
            Some(page) => ok(page),
            None => Reply::Say(500, "no such page".into()),
        },
        _ => unknown_path(),
    })
    .await
}

#[tokio::test]
async fn an_address_that_two_clients_registered_hides_no_other_instance() {
    let hosts = [host("10.0.0.2", ""), host("10.0.0.1", r#","metadata":{"a":"1"}"#), host("10.0.0.1", "")];
    let same = [host("10.0.0.1", ""), host("10.0.0.1", ""), host("10.0.0.2", "")];
    for hosts in [hosts, same] {
        let server = catalog_v1(vec![instances_v1(3, &hosts)]).await;
        let listed = server.admin().instances(&ServiceName::new("public", "G", "s")).await.unwrap();
        let ips: Vec<&str> = listed.iter().map(|instance| &*instance.ip).collect();
        assert_eq!(ips, ["10.0.0.1", "10.0.0.1", "10.0.0.2"]);
    }
}

#[tokio::test]
async fn an_instance_without_an_address_hides_no_other() {
    let server = catalog_v1(vec![instances_v1(2, &[host("", ""), host("10.0.0.2", "")])]).await;
    let listed = server.admin().instances(&ServiceName::new("public", "G", "s")).await.unwrap();
    assert_eq!(listed.len(), 2);
    let server = catalog_v1(vec![instances_v1(1, &[r#"{"name":"no instance"}"#.to_owned()])]).await;
    let no_listing = server.admin().instances(&ServiceName::new("public", "G", "s")).await;
    assert_eq!(word(&no_listing), "malformed");
}

#[tokio::test]
async fn doubles_over_many_pages_are_read_and_a_page_that_comes_again_is_refused() {
    let many = |from: usize, to: usize| (from..to).map(|n| host(&format!("10.0.{}.{}", n / 256, n % 256), ""));
    let double = host("10.0.0.0", r#","weight":2.0"#);
    let first: Vec<String> = many(0, 10_000).collect();
    let second: Vec<String> = std::iter::once(double).chain(many(10_000, 10_004)).collect();
    let server = catalog_v1(vec![instances_v1(10_005, &first), instances_v1(10_005, &second)]).await;
    let service = ServiceName::new("public", "G", "s");
    assert_eq!(server.admin().instances(&service).await.unwrap().len(), 10_005);
    let again = catalog_v1(vec![instances_v1(20_000, &first), instances_v1(20_000, &first)]).await;
    assert_eq!(word(&again.admin().instances(&service).await), "incomplete");
}

#[tokio::test]
async fn a_config_item_that_is_listed_twice_is_the_one_that_was_changed_last() {
    let entry = |md5: &str, at: u32| {
        format!(r#"{{"dataId":"x","groupName":"G","namespaceId":"public","md5":"{md5}","modifyTime":{at}}}"#)
    };
    let no_group = r#"{"dataId":"y","groupName":null,"namespaceId":"public"}"#;
    for items in [[entry("old", 1), entry("new", 2)], [entry("new", 2), entry("old", 1)]] {
        let body = format!(r#"{{"code":0,"data":[{},{no_group},{}]}}"#, items[0], items[1]);
        let server = Scripted::start(move |_| ok(&body)).await;
        let entries = server.admin().config_keys("public").await.unwrap();
        assert_eq!(entries.iter().map(|entry| entry.md5.as_deref()).collect::<Vec<_>>(), [Some("new")]);
    }
    let of_none = Scripted::start(move |_| ok(&format!(r#"{{"code":0,"data":[{no_group}]}}"#))).await;
    assert_eq!(word(&of_none.admin().config_keys("public").await), "malformed");
}

#[tokio::test]
async fn the_nameless_namespace_is_never_taken_for_public() {
    let server = Scripted::start(|asked| match &*asked.path {
        "v1/ns/service/names" => ok(r#"{"META-INF/services":{"public":["G@@a"],"":["G@@b","c"]},"count":3}"#),
        _ => ok(&page_v3(1, 0, 1)),
    })
    .await;
    let admin = server.admin();
    let services = admin.services("").await.unwrap();
    let names: Vec<_> = services.into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, [ServiceName::new("", "G", "b"), ServiceName::new("", "DEFAULT_GROUP", "c")]);
    assert_eq!(word(&admin.instances(&ServiceName::new("", "G", "b")).await), "not offered");
}

#[tokio::test]
async fn config_items_are_listed_and_read_on_both_lines() {
    let v2 = r#"{"code":0,"data":[{"dataId":"x","group":"G","tenant":"","md5":null,"appName":"app","type":"yaml","lastModified":7}]}"#;
    let v3 = r#"{"code":0,"data":[{"dataId":"x","groupName":"G","namespaceId":"public","md5":"ab","type":null,"modifyTime":8}]}"#;
    for (path, listing, namespace, modified) in
        [("v2/cs/history/configs", v2, "", 7), ("v3/admin/cs/history/configs", v3, "public", 8)]
    {
        let server = Scripted::start(move |asked| if asked.path == path { ok(listing) } else { unknown_path() }).await;
        let entries = server.admin().config_keys("public").await.unwrap();
        assert_eq!(entries[0].name, ConfigName::new(namespace, "G", "x"));
        assert_eq!(entries[0].modified_ms, Some(modified));
    }
    let no_item = Scripted::start(|asked| if asked.path.starts_with("v1") { ok("") } else { unknown_path() }).await;
    assert_eq!(no_item.admin().config_detail(&ConfigName::new("public", "G", "x")).await.unwrap(), None);
    let cut = Scripted::start(|_| ok(r#"{"code":0,"data":[{"dataId":"x","groupName":"G"},{"dataId"#)).await;
    assert_eq!(word(&cut.admin().config_keys("public").await), "malformed");
    let absent = Scripted::start(|_| Reply::Say(404, r#"{"code":20004,"message":"resource not found"}"#.into())).await;
    assert_eq!(absent.admin().config_detail(&ConfigName::new("dev", "G", "x")).await.unwrap(), None);
    assert_eq!(word(&absent.admin().config_keys("dev").await), "not offered");
}

#[tokio::test]
async fn what_a_2x_server_keeps_under_the_name_public_is_listed_apart() {
    const ITEM: &str =
        r#"{"dataId":"x","group":"G","tenant":"public","md5":null,"appName":"","type":"yaml","content":"a"}"#;
    let v2 = Scripted::start(|asked| match &*asked.path {
        "v2/cs/history/configs" => ok(r#"{"code":0,"data":[]}"#),
        "v1/cs/configs" => ok(&format!(r#"{{"totalCount":1,"pageItems":[{ITEM}]}}"#)),
        _ => unknown_path(),
    })
    .await;
    let v3 = Scripted::start(|asked| match &*asked.path {
        "v3/admin/cs/history/configs" => ok(r#"{"code":0,"data":[]}"#),
        _ => unknown_path(),
    })
    .await;
    for (server, apart) in [(&v2, vec![ConfigName::new("public", "G", "x")]), (&v3, vec![])] {
        let admin = server.admin();
        assert_eq!(admin.config_keys("public").await.unwrap(), []);
        let names: Vec<_> = admin.config_keys_apart().await.unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, apart);
    }
    assert!(v3.paths().iter().all(|path| !path.starts_with("v1")), "{:?}", v3.paths());
}

#[tokio::test]
async fn namespaces_have_one_id_for_the_default_and_are_never_none() {
    let v1 = r#"{"code":200,"message":null,"data":[{"namespace":"","namespaceShowName":"public"},{"namespace":"dev","namespaceShowName":null}]}"#;
    let server = Scripted::start(|asked| if asked.path.starts_with("v1") { ok(v1) } else { unknown_path() }).await;
    let namespaces = server.admin().namespaces().await.unwrap();
    let seen: Vec<_> = namespaces.iter().map(|namespace| (&*namespace.id, &*namespace.name)).collect();
    assert_eq!(seen, [("dev", "dev"), ("public", "public")]);
    let none = Scripted::start(|_| ok(r#"{"code":0,"data":[]}"#)).await;
    assert_eq!(word(&none.admin().namespaces().await), "malformed");
}

#[tokio::test]
async fn one_login_serves_all_calls_and_a_wrong_password_does_not_hammer() {
    let login = |asked: &scripted::Asked| asked.path.ends_with("/login");
    let server = Scripted::start(move |asked| match asked.token.as_deref() {
        _ if login(asked) => ok(r#"{"accessToken":"t","tokenTtl":18000,"globalAdmin":true}"#),
        Some("t") => ok(&page_v3(1, 0, 1)),
        _ => Reply::Say(403, "no".into()),
    })
    .await;
    let trusted = admin(&[&server.address], Some("right"));
    trusted.services("public").await.unwrap();
    trusted.services("public").await.unwrap();
    assert_eq!(server.paths().iter().filter(|path| path.ends_with("login")).count(), 1);

    let server = Scripted::start(move |asked| Reply::Say(403, format!("no {}", asked.path))).await;
    let wrong = admin(&[&server.address], Some("wrong"));
    for _ in 0..3 {
        let result = wrong.services("public").await;
        assert!(
            matches!(&result, Err(AdminError::Refused { message, .. }) if message.contains("login was refused")),
            "{result:?}"
        );
    }
    assert_eq!(server.paths().iter().filter(|path| path.ends_with("login")).count(), 1);
}

#[tokio::test]
async fn a_login_is_paused_after_an_answer_and_not_after_a_closed_connection() {
    // 2.3 answers a wrong password with the status 0, which is no HTTP.
    for (first, second, logins) in [(Reply::HangUp, "ok", 2), (Reply::Say(0, String::new()), "refused", 1)] {
        let tried = std::sync::atomic::AtomicUsize::new(0);
        let server = Scripted::start(move |asked| match asked.path.ends_with("/login") {
            true if tried.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 => first.clone(),
            true => ok(r#"{"accessToken":"t","tokenTtl":18000}"#),
            false if asked.token.is_some() => ok(&page_v3(1, 0, 1)),
            false => Reply::Say(403, "no".into()),
        })
        .await;
        let admin = admin(&[&server.address], Some("right"));
        let logins_of = || server.paths().iter().filter(|path| path.ends_with("/login")).count();
        assert_ne!(word(&admin.services("public").await), "ok");
        assert_eq!(word(&admin.services("public").await), second);
        assert_eq!(logins_of(), logins, "{second}");
    }
}
