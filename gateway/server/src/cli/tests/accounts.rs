//! `token create`, `list` and `revoke` on a file, and what is shown to a gateway.

use axum::http::HeaderMap;
use federation_access::book::{AccessBook, BookParts};
use federation_access::token_file;
use federation_core::time::WallMs;

use super::*;

/// Exit code, standard output and standard error of a command that needs no gateway.
fn here(arguments: &[&str]) -> (Exit, String, String) {
    let cli = Cli::try_parse_from([&["nacos-fed"], arguments].concat()).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = crate::cli::run(&cli, &mut out).unwrap_or_else(|failure| {
        failure.report(&mut err);
        failure.exit()
    });
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn a_key_of_orders_is_made_once_and_its_public_half_is_printed() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.pem");
    let file = path.to_str().unwrap();
    let (exit, made, _) = here(&["signing-key", "--new", file]);
    assert!(exit == Exit::Ok && made.trim().parse::<federation_codec::signature::OrderPublicKey>().is_ok(), "{made}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(here(&["signing-key", file]).1, made);
    let private = std::fs::read_to_string(&path).unwrap();
    let (exit, _, err) = here(&["signing-key", "--new", file]);
    assert!(exit == Exit::WrongInput && err.contains("exists"), "{err}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), private, "it is not written over");
    std::fs::write(&path, "nothing").unwrap();
    let (exit, _, err) = here(&["signing-key", file]);
    assert!(exit == Exit::WrongInput && err.contains("it is no private key"), "{err}");
}

#[test]
fn a_token_is_made_shown_once_listed_and_revoked() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.yaml");
    let file = path.to_str().unwrap();
    let (exit, token, _) = here(&["token", "create", "ci", "--file", file, "--role", "viewer"]);
    assert_eq!(exit, Exit::Ok);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(token.trim()) && token.starts_with("nfed_"), "only the digest is kept: {text}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let ops =
        ["--role", "operator", "--cluster", "frankfurt", "-n", "pr'\"od", "--service", "order-*", "--expires", "1h"];
    assert_eq!(here(&[&["token", "create", "ops", "--file", file][..], &ops].concat()).0, Exit::Ok);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o640,
        "whoever could read it still can"
    );

    let tokens = token_file::read(&path).unwrap();
    let book = AccessBook::new(BookParts { tokens: &tokens, ..BookParts::default() });
    assert_eq!(book.bearer(token.trim(), WallMs(0)).unwrap().to_string(), "token:ci");
    assert_eq!(tokens[1].grants[0].to_string(), "operator (clusters frankfurt; services pr'\"od/*/order-*)");
    let (_, listed, _) = here(&["token", "list", "--file", file]);
    assert!(listed.contains("viewer") && listed.contains("in 59m 59s") || listed.contains("in 1h 0m"), "{listed}");

    for (arguments, exit, word) in [
        (vec!["create", "ci", "--role", "viewer"], Exit::WrongInput, "already"),
        (vec!["create", "a b", "--role", "viewer"], Exit::WrongInput, "1 to 63"),
        (vec!["create", "x", "--role", "admin", "-n", "prod"], Exit::WrongInput, "does not fit"),
        (vec!["create", "x", "--role", "viewer", "--cluster", "c"], Exit::WrongInput, "does not fit"),
        (vec!["revoke", "x"], Exit::NotFound, "no token x"),
    ] {
        let (found, _, err) = here(&[&["token"], &arguments[..], &["--file", file]].concat());
        assert!(found == exit && err.contains(word), "{arguments:?}: {err}");
    }
    assert_eq!(here(&["token", "revoke", "ci", "--file", file]).0, Exit::Ok);
    assert_eq!(token_file::read(&path).unwrap().len(), 1);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the file");
}

#[test]
fn of_two_who_change_the_tokens_at_a_time_one_is_refused_and_a_wrong_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.yaml");
    let file = path.to_str().unwrap();
    std::fs::write(&path, "tokens: [{name: x}]").unwrap();
    let create = || here(&["token", "create", "ci", "--file", file, "--role", "viewer"]);
    let (exit, _, err) = create();
    assert!(exit == Exit::WrongInput && err.contains("sha256"), "{err}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "tokens: [{name: x}]");
    std::fs::write(folder.path().join("tokens.yaml.new"), "").unwrap();
    let (exit, _, err) = create();
    assert!(exit == Exit::WrongInput && err.contains("somebody changes the tokens now"), "{err}");
}

#[test]
fn every_role_of_the_command_line_is_written_and_read_as_it_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.yaml");
    let file = path.to_str().unwrap();
    for (number, (options, want)) in [
        ("--role admin", "admin"),
        ("--role viewer -n prod", "viewer (services prod/*/*; configs prod/*/*)"),
        ("--role viewer --service s", "viewer (services */*/s; no configs)"),
        ("--role viewer --data-id d", "viewer (no services; configs */*/d)"),
        ("--role viewer -g G --service s --data-id d", "viewer (services */G/s; configs */G/d)"),
        ("--role config-reader -n prod", "config-reader (configs prod/*/*)"),
        ("--role operator --cluster a --cluster b*", "operator (clusters a b*)"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("t{number}");
        let options: Vec<&str> = options.split(' ').collect();
        let (exit, _, err) = here(&[&["token", "create", &name, "--file", file], &options[..]].concat());
        assert_eq!(exit, Exit::Ok, "{err}");
        let tokens = token_file::read(&path).unwrap();
        assert_eq!(tokens[number].grants[0].to_string(), want);
    }
}

#[tokio::test]
async fn a_token_is_shown_to_near_gateways_and_to_others_over_tls_alone() {
    let shown = |headers: HeaderMap| {
        let identity = headers.get(header::AUTHORIZATION).map_or("nobody", |value| value.to_str().unwrap());
        std::future::ready(axum::Json(json!({"identity": identity, "roles": [], "expiresMs": null})))
    };
    let canned = Canned::start(Router::new().route("/v1/whoami", get(shown))).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let file = path.to_str().unwrap();
    std::fs::write(&path, "nfed_abc\n").unwrap();
    let (exit, out, _) = canned.run(&["whoami", "--token-file", file]).await;
    assert_eq!((exit, out.trim()), (Exit::Ok, "Bearer nfed_abc: no role"));
    let (exit, _, err) = run(&["nacos-fed", "whoami", "--server", "gateway.example:7070", "--token-file", file]).await;
    assert!(exit == Exit::WrongInput && err.contains("in clear") && !err.contains("nfed_abc"), "{err}");
    for wrong in ["", "a b", "a\nb"] {
        std::fs::write(&path, wrong).unwrap();
        let (exit, _, err) = canned.run(&["whoami", "--token-file", file]).await;
        assert!(exit == Exit::WrongInput && err.contains("no token in"), "{wrong:?}: {err}");
    }
}

#[tokio::test]
async fn a_refusal_tells_the_missing_right() {
    let document = json!({"type": "urn:federation:problem:not-allowed", "title": "Who asks may not", "status": 403,
        "detail": "token:ci: the right is missing", "missingRight": "operate"});
    let refuse = move || std::future::ready(problem(StatusCode::FORBIDDEN, &document));
    let canned = Canned::start(Router::new().route("/v1/excluded", axum::routing::post(refuse))).await;
    let (exit, _, err) = canned.run(&["exclude", "frankfurt"]).await;
    assert!(exit == Exit::Refused && err.contains("missing right: operate"), "{err}");
}

#[tokio::test]
async fn who_ordered_what_is_a_line_each_that_no_terminal_obeys() {
    let record = json!({"atMs": 5, "who": "token:ops", "from": "10.0.0.1:5", "act": "POST /v1/drains", "order": {"why": "\u{1b}[2J\n"},
        "outcome": "refused", "status": 403, "answer": null});
    let canned = Canned::start(echo("/v1/audit", json!({"records": [record]}))).await;
    let (exit, out, _) = canned.run(&["audit", "--since", "1h", "--who", "token:ops"]).await;
    assert!(exit == Exit::Ok && out.contains("token:ops") && out.contains("refused"), "{out}");
    assert!(out.lines().count() == 2 && !out.contains('\u{1b}'), "{out:?}");
    let (_, out, _) = canned.run(&["audit", "--who", "token:ops", "--format", "json"]).await;
    assert!(out.contains("who=token%3Aops"), "{out}");
}

#[tokio::test]
async fn a_session_is_kept_for_its_gateway_shown_by_other_commands_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (sessions, password) = (folder.path().join("sessions"), folder.path().join("password"));
    std::fs::write(&password, "correct horse\n").unwrap();
    let log_in = |axum::Json(body): axum::Json<Value>| {
        let right = body == json!({"username": "alice", "password": "correct horse"});
        let session = json!({"identity": "nacos:alice", "roles": ["viewer"], "expiresMs": 5, "idleEndsMs": 5, "token": "nfeds_x"});
        std::future::ready(if right {
            axum::Json(session).into_response()
        } else {
            StatusCode::IM_A_TEAPOT.into_response()
        })
    };
    let shown = |headers: HeaderMap| {
        let identity = headers.get(header::AUTHORIZATION).map_or("nobody", |value| value.to_str().unwrap());
        std::future::ready(axum::Json(json!({"identity": identity, "roles": [], "expiresMs": null, "ended": true})))
    };
    let router = Router::new()
        .route("/v1/login", axum::routing::post(log_in))
        .route("/v1/logout", axum::routing::post(shown))
        .route("/v1/whoami", get(shown));
    let canned = Canned::start(router).await;
    let kept = ["--session-dir", sessions.to_str().unwrap()];
    let login = ["login", "alice", "--password-file", password.to_str().unwrap()];
    let (exit, out, err) = canned.run(&[&login[..], &["--print"], &kept].concat()).await;
    assert_eq!((exit, out.trim()), (Exit::Ok, "nfeds_x"), "{err}");
    assert!(!sessions.exists(), "printed, and kept nowhere");
    let (exit, out, err) = canned.run(&[&login[..], &kept].concat()).await;
    assert!(exit == Exit::Ok && out.contains("nacos:alice: viewer") && !out.contains("nfeds_x"), "{out} {err}");
    let (_, out, _) = canned.run(&[&["whoami"][..], &kept].concat()).await;
    assert_eq!(out.trim(), "Bearer nfeds_x: no role");
    let (exit, out, err) = canned.run(&[&["logout"][..], &kept].concat()).await;
    assert!(exit == Exit::Ok && out.contains("is logged out"), "{out} {err}");
    let (_, out, _) = canned.run(&[&["whoami"][..], &kept].concat()).await;
    assert_eq!(out.trim(), "nobody: no role");
    let (exit, _, err) = canned.run(&[&["logout"][..], &kept].concat()).await;
    assert!(exit == Exit::NotFound && err.contains("no session is kept"), "{err}");
    let elsewhere = [&["nacos-fed"], &login[..], &["--server", "gateway.example:7070"]].concat();
    let (exit, _, err) = run(&elsewhere).await;
    assert!(exit == Exit::WrongInput && err.contains("the password would be sent"), "{err}");
}
