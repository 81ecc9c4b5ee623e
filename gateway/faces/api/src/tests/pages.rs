//! What pages are told first, and that they only look where the configuration says so.

use axum::http::Method;
use serde_json::json;

use super::logins::{log_in, send, with_logins};
use super::*;
use crate::PageRules;

const RIGHTS: [&str; 4] = ["view", "readContents", "operate", "administer"];

async fn me(gateway: &Gateway, headers: &[(&str, &str)]) -> Value {
    let answer = send(gateway, Method::GET, "/v1/me", headers, &Value::Null).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.json()
}

fn rights(me: &Value) -> Vec<&'static str> {
    RIGHTS.into_iter().filter(|right| me["may"][right] == true).collect()
}

#[tokio::test]
async fn a_page_learns_who_looks_what_that_may_do_and_who_answers() {
    let local = me(&Gateway::new(), &[]).await;
    assert_eq!((&local["identity"], rights(&local)), (&json!("local"), RIGHTS.to_vec()));
    assert_eq!([&local["accounts"], &local["nacosLogin"], &local["session"], &local["readOnly"]], [false; 4]);
    let names = ["cluster", "replica", "federation", "version"].map(|name| local[name].as_str().unwrap());
    assert_eq!(names, ["shanghai", "shanghai-0", "demo", "0.1.0"]);

    let (gateway, _) = with_logins();
    let nobody = me(&gateway, &[]).await;
    assert_eq!((&nobody["identity"], rights(&nobody)), (&json!("anonymous"), vec![]));
    assert_eq!([&nobody["accounts"], &nobody["nacosLogin"], &nobody["session"]], [true, true, false]);
    let answer = log_in(&gateway, "alice", "correct horse", true).await;
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let alice = me(&gateway, &[("cookie", &cookie)]).await;
    assert_eq!((&alice["identity"], rights(&alice)), (&json!("nacos:alice"), vec!["view", "operate"]));
    assert_eq!((&alice["session"], &alice["refused"]), (&json!(true), &json!(null)));
    let over = me(&gateway, &[("cookie", "nacos-fed-session=of-yesterday")]).await;
    assert_eq!((&over["identity"], rights(&over)), (&json!("anonymous"), vec![]));
    assert!(over["refused"].as_str().unwrap().contains("log in again"), "{over}");
}

#[tokio::test]
async fn where_pages_may_only_look_they_order_nothing_and_programs_do() {
    let order = json!({"cluster": "frankfurt", "excluded": true, "reason": "garbage"});
    for read_only in [false, true] {
        let (gateway, _) = with_logins();
        gateway.state.attach_pages(PageRules { read_only });
        let page = log_in(&gateway, "alice", "correct horse", true).await;
        let cookie = page.header("set-cookie").split(';').next().unwrap().to_owned();
        let csrf = page.json()["csrfToken"].as_str().unwrap().to_owned();
        let program = log_in(&gateway, "alice", "correct horse", false).await.json();
        let bearer = format!("Bearer {}", program["token"].as_str().unwrap());
        let by_cookie = [("cookie", &*cookie), ("x-nacos-fed-csrf", &*csrf)];
        let same_site = [("authorization", &*bearer), ("sec-fetch-site", "same-origin")];
        let of_origin = [("authorization", &*bearer), ("origin", "http://127.0.0.1:7070")];
        for (what, headers, is_page) in [
            ("a session's page", &by_cookie[..], true),
            ("a page with a token", &same_site, true),
            ("a page by its origin", &of_origin, true),
            ("a program", &[("authorization", &*bearer)], false),
        ] {
            let answer = send(&gateway, Method::POST, "/v1/excluded", headers, &order).await;
            if read_only && is_page {
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{what}");
                assert_eq!(answer.json()["type"], "urn:federation:problem:read-only", "{what}");
                let record = gateway.state.audit().recent().last().cloned().unwrap();
                assert_eq!((record.status, &*record.who), (403, "nacos:alice"), "{what}");
            } else {
                assert_eq!(answer.status, StatusCode::OK, "{what}: {}", answer.body);
            }
            assert_eq!(me(&gateway, headers).await["readOnly"], read_only, "{what}");
        }
        let looked = send(&gateway, Method::GET, "/v1/excluded", &by_cookie, &Value::Null).await;
        let ended = send(&gateway, Method::POST, "/v1/logout", &by_cookie, &Value::Null).await;
        assert_eq!((looked.status, ended.status), (StatusCode::OK, StatusCode::OK));
    }
}
