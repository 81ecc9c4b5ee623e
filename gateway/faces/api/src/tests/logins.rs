//! Users of the local Nacos log in, are known by a token or a cookie, and log out.

use std::sync::Mutex;

use axum::http::{Method, header};
use federation_access::authority::{AccessAuthority, ListenerPlace};
use federation_access::book::{AccessBook, BookParts};
use federation_access::document::bindings_from_text;
use federation_access::logins::{JudgedPassword, LoginDesk, PasswordJudge, PasswordRefused};
use federation_document::secret::Secret;
use serde_json::json;

use super::*;

/// The local Nacos: alice's password is `correct horse`; it can be away.
#[derive(Clone, Default)]
pub(super) struct Nacos(Arc<Mutex<bool>>);

impl PasswordJudge for Nacos {
    fn judge(&self, user: &str, password: &Secret) -> JudgedPassword {
        let judged = match (*self.0.lock().unwrap(), user, password.expose()) {
            (true, ..) => Err(PasswordRefused::Unjudged("the local nacos does not answer".to_owned())),
            (false, "alice", "correct horse") => Ok(()),
            _ => Err(PasswordRefused::Wrong),
        };
        Box::pin(std::future::ready(judged))
    }
}

/// A gateway that alice may operate, and her Nacos.
pub(super) fn with_logins() -> (Gateway, Nacos) {
    let mut gateway = Gateway::new();
    let (authority, nacos) = (AccessAuthority::default(), Nacos::default());
    let bindings = bindings_from_text("b", "bindings: [{to: ['nacos:alice'], role: operator}]").unwrap();
    authority.publish(AccessBook::new(BookParts { bindings: &[&bindings], ..BookParts::default() }));
    gateway.state.attach_logins(LoginDesk::new(authority.clone(), Arc::new(nacos.clone())));
    gateway.state.attach_access(authority);
    gateway.router =
        crate::http::router_beside(gateway.state.clone(), Router::new(), crate::http::no_page, ListenerPlace::Beyond);
    (gateway, nacos)
}

pub(super) async fn send(
    gateway: &Gateway,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    gateway.ask(request.body(Body::from(body.to_string())).unwrap()).await
}

pub(super) async fn log_in(gateway: &Gateway, user: &str, password: &str, cookie: bool) -> Answer {
    let body = json!({"username": user, "password": password, "cookie": cookie});
    send(gateway, Method::POST, "/v1/login", &[], &body).await
}

#[tokio::test]
async fn a_program_shows_the_token_of_its_login_until_it_logs_out() {
    let (gateway, _) = with_logins();
    let answer = log_in(&gateway, "alice", "correct horse", false).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"));
    assert!(!answer.headers.contains_key(header::SET_COOKIE));
    let session = answer.json();
    assert_eq!(
        (&session["identity"], &session["roles"], &session["csrfToken"]),
        (&json!("nacos:alice"), &json!(["operator"]), &json!(null))
    );
    let bearer = format!("Bearer {}", session["token"].as_str().unwrap());
    let shown = [("authorization", &*bearer)];
    assert_eq!(send(&gateway, Method::GET, "/v1/whoami", &shown, &Value::Null).await.json()["identity"], "nacos:alice");
    let order = json!({"cluster": "frankfurt", "excluded": true, "reason": "garbage"});
    assert_eq!(send(&gateway, Method::POST, "/v1/excluded", &shown, &order).await.status, StatusCode::OK);
    let ended = send(&gateway, Method::POST, "/v1/logout", &shown, &Value::Null).await;
    assert_eq!(ended.json(), json!({"identity": "nacos:alice", "ended": true}));
    for (method, path) in [(Method::GET, "/v1/session"), (Method::POST, "/v1/logout"), (Method::GET, "/v1/status")] {
        let over = send(&gateway, method, path, &shown, &Value::Null).await;
        assert!(over.status == StatusCode::UNAUTHORIZED && over.body.contains("log in again"), "{}", over.body);
    }
}

#[tokio::test]
async fn a_page_acts_by_its_cookie_only_with_what_its_own_scripts_can_read() {
    let (gateway, _) = with_logins();
    let answer = log_in(&gateway, "alice", "correct horse", true).await;
    assert_eq!(answer.json()["token"], json!(null), "no script can read it");
    let set = answer.header("set-cookie").to_owned();
    assert!(set.contains("; HttpOnly; SameSite=Strict"), "{set}");
    let cookie = set.split(';').next().unwrap();
    let csrf = answer.json()["csrfToken"].as_str().unwrap().to_owned();
    let session = send(&gateway, Method::GET, "/v1/session", &[("cookie", cookie)], &Value::Null).await.json();
    assert_eq!((&session["csrfToken"], &session["token"]), (&json!(csrf), &json!(null)));

    let order = json!({"cluster": "frankfurt", "excluded": true});
    let proof = |proof: &'static str| [("cookie", cookie.to_owned()), ("x-nacos-fed-csrf", proof.to_owned())];
    for headers in [vec![("cookie", cookie.to_owned())], proof("").to_vec(), proof("wrong").to_vec()] {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        for path in ["/v1/excluded", "/v1/logout"] {
            let forged = send(&gateway, Method::POST, path, &headers, &order).await;
            assert!(forged.status == StatusCode::FORBIDDEN && forged.body.contains("csrf"), "{}", forged.body);
        }
    }
    let headers = [("cookie", cookie), ("x-nacos-fed-csrf", &*csrf)];
    assert_eq!(send(&gateway, Method::POST, "/v1/excluded", &headers, &order).await.status, StatusCode::OK);
    let ended = send(&gateway, Method::POST, "/v1/logout", &headers, &Value::Null).await;
    assert!(ended.status == StatusCode::OK && ended.header("set-cookie").contains("=; Path=/; Max-Age=0"));
    let over = send(&gateway, Method::GET, "/v1/clusters", &[("cookie", cookie)], &Value::Null).await;
    assert_eq!(over.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_cookie_is_worth_nothing_to_a_gateway_without_accounts() {
    let gateway = Gateway::new();
    let headers = [("cookie", "nacos-fed-session=of-something-else")];
    let who = send(&gateway, Method::GET, "/v1/whoami", &headers, &Value::Null).await;
    assert_eq!(who.json()["identity"], "local");
    let none = log_in(&gateway, "alice", "correct horse", false).await;
    assert!(none.status == StatusCode::NOT_FOUND && none.body.contains("nacos_login"), "{}", none.body);
}

#[tokio::test]
async fn what_is_wrong_is_refused_in_one_form_slowed_down_and_recorded_without_the_password() {
    let (gateway, nacos) = with_logins();
    let wrong = [("alice", "hunter2"), ("nobody", "hunter2"), ("al\nice", "hunter2"), ("alice", ""), ("", "hunter2")];
    let mut bodies = Vec::new();
    for (user, password) in wrong {
        let answer = log_in(&gateway, user, password, false).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        bodies.push(answer.body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    let braked = log_in(&gateway, "alice", "correct horse", false).await;
    assert_eq!((braked.status, braked.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    *nacos.0.lock().unwrap() = true;
    for body in
        [json!({"username": "a"}), json!({"username": "a", "password": "p", "cookie": "hunter2"}), json!("hunter2")]
    {
        let answer = send(&gateway, Method::POST, "/v1/login", &[], &body).await;
        assert!(answer.status == StatusCode::BAD_REQUEST && !answer.body.contains("hunter2"), "{}", answer.body);
    }
    let records = gateway.state.audit().recent();
    let lines: Vec<String> = records.iter().map(|record| record.line()).collect();
    assert!(!lines.iter().any(|line| line.contains("hunter2") || line.contains("correct horse")), "{lines:?}");
    assert_eq!((records.len(), records[0].status, &records[0].order["username"]), (9, 401, &json!("alice")));
}

#[tokio::test]
async fn while_nacos_is_away_nobody_logs_in_and_sessions_go_on() {
    let (gateway, nacos) = with_logins();
    let session = log_in(&gateway, "alice", "correct horse", false).await.json();
    *nacos.0.lock().unwrap() = true;
    let unjudged = log_in(&gateway, "alice", "correct horse", false).await;
    assert!(
        unjudged.status == StatusCode::SERVICE_UNAVAILABLE && unjudged.body.contains("sessions that are open go on")
    );
    let bearer = format!("Bearer {}", session["token"].as_str().unwrap());
    let shown = [("authorization", &*bearer)];
    assert_eq!(send(&gateway, Method::GET, "/v1/session", &shown, &Value::Null).await.status, StatusCode::OK);
}

#[tokio::test]
async fn records_say_who_logged_in_and_out_and_what_was_before() {
    let (gateway, _) = with_logins();
    let token = log_in(&gateway, "alice", "correct horse", false).await.json()["token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let shown = [("authorization", &*bearer)];
    for excluded in [true, false] {
        let order = json!({"cluster": "frankfurt", "excluded": excluded, "reason": "garbage"});
        assert_eq!(send(&gateway, Method::POST, "/v1/excluded", &shown, &order).await.status, StatusCode::OK);
    }
    send(&gateway, Method::POST, "/v1/logout", &shown, &Value::Null).await;
    let records = gateway.state.audit().recent();
    let told = |index: usize| (&*records[index].act, &*records[index].who, records[index].before["excluded"].clone());
    assert_eq!(told(0), ("POST /v1/login", "nacos:alice", json!(null)));
    assert_eq!(told(1), ("POST /v1/excluded", "nacos:alice", json!(false)));
    assert_eq!(records[1].after, records[2].before, "what one order did is what the next one undoes");
    assert_eq!((&records[2].before["reason"], &records[2].after["excluded"]), (&json!("garbage"), &json!(false)));
    assert_eq!(told(3), ("POST /v1/logout", "nacos:alice", json!(null)));
    assert!(!records.iter().any(|record| record.line().contains(&token)), "what is shown is recorded nowhere");
}
