use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::documents::token_file;
use crate::authority::{AccessAuthority, ListenerPlace};
use crate::book::CredentialRefused;
use crate::document::AccessSettings;
use crate::keeper::{AccessKeeper, FetchedText, KeyFetcher};
use federation_ports::trouble::TroubleBoard;

/// Far longer than two looks take.
const PATIENCE: Duration = Duration::from_secs(20);

struct NoProvider;

impl KeyFetcher for NoProvider {
    fn fetch(&self, url: &url::Url) -> FetchedText {
        unreachable!("nobody asks {url}")
    }
}

fn settings(tokens: &std::path::Path) -> AccessSettings {
    AccessSettings {
        anonymous: Vec::new(),
        tokens_file: Some(tokens.to_owned()),
        jwt: Vec::new(),
        certificates: Vec::new(),
        bindings: Vec::new(),
        bindings_file: None,
        audit_file: None,
        nacos_login: false,
    }
}

fn admit(authority: &AccessAuthority, token: &str) -> Result<String, CredentialRefused> {
    let shown = format!("Bearer {token}");
    authority.admit_now(Some(shown.as_bytes()), None, ListenerPlace::Beyond).map(|identity| identity.to_string())
}

#[test]
fn without_accounts_a_loopback_address_is_everybodys_and_another_nobodys() {
    let authority = AccessAuthority::default();
    let shown = |shown, place| authority.admit_now(shown, None, place).map(|identity| identity.to_string());
    assert_eq!(shown(None, ListenerPlace::Loopback).unwrap(), "local");
    assert_eq!(shown(Some(b"Basic x"), ListenerPlace::Loopback).unwrap(), "local");
    assert_eq!(shown(None, ListenerPlace::Beyond).unwrap(), "anonymous");
    assert!(authority.admit_now(None, None, ListenerPlace::Beyond).unwrap().grants.is_empty());
    assert_eq!(shown(Some(b"Bearer x"), ListenerPlace::Beyond), Err(CredentialRefused::Unknown));
    for (address, place) in [
        ("127.0.0.1:1", ListenerPlace::Loopback),
        ("[::1]:1", ListenerPlace::Loopback),
        ("[::ffff:127.0.0.2]:1", ListenerPlace::Loopback),
        ("0.0.0.0:1", ListenerPlace::Beyond),
        ("[::]:1", ListenerPlace::Beyond),
        ("10.0.0.1:1", ListenerPlace::Beyond),
    ] {
        assert_eq!(ListenerPlace::of(address.parse().unwrap()), place, "{address}");
    }
}

#[test]
fn what_is_shown_and_wrong_is_never_taken_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.yaml");
    std::fs::write(&path, token_file("ci", "good")).unwrap();
    let (_keeper, authority) = AccessKeeper::open(settings(&path), Arc::new(NoProvider), TroubleBoard::default());
    for place in [ListenerPlace::Loopback, ListenerPlace::Beyond] {
        assert!(authority.admit_now(None, None, place).unwrap().is_nobody(), "with accounts nobody is local");
        for shown in ["bearer good", "Bearer  good", "BEARER good "] {
            assert_eq!(authority.admit_now(Some(shown.as_bytes()), None, place).unwrap().to_string(), "token:ci");
        }
        for shown in [&b"good"[..], b"Basic good", b"", b"Bearer", b"Bearer ", b"\xff \xff", b"Bearergood"] {
            assert_eq!(
                authority.admit_now(Some(shown), None, place),
                Err(CredentialRefused::NotUnderstood),
                "{shown:?}"
            );
        }
        assert_eq!(authority.admit_now(Some(b"Bearer bad"), None, place), Err(CredentialRefused::Unknown));
    }
}

#[tokio::test]
async fn a_token_counts_until_it_is_revoked_and_a_wrong_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.yaml");
    let board = TroubleBoard::default();
    let (keeper, authority) = AccessKeeper::open(settings(&path), Arc::new(NoProvider), board.clone());
    assert_eq!(board.all().len(), 1, "the file is not there");
    assert_eq!(admit(&authority, "good"), Err(CredentialRefused::Unknown));
    let (stop, mut tasks) = (CancellationToken::new(), tokio::task::JoinSet::new());
    tasks.spawn(keeper.run(stop.clone()));

    let mut changes = authority.changes();
    changes.borrow_and_update();
    std::fs::write(&path, token_file("ci", "good")).unwrap();
    tokio::time::timeout(PATIENCE, changes.changed()).await.unwrap().unwrap();
    assert_eq!(admit(&authority, "good").unwrap(), "token:ci");
    assert!(board.all().is_empty());
    let identity = authority.admit_now(Some(b"Bearer good"), None, ListenerPlace::Beyond).unwrap();

    std::fs::write(&path, "tokens: [{}]").unwrap();
    tokio::time::timeout(PATIENCE, async {
        while board.all().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(admit(&authority, "good").unwrap(), "token:ci", "what was good before counts on");
    assert!(board.all()[0].text.contains("a required field is missing"), "{}", board.all()[0].text);

    std::fs::write(&path, token_file("ci", "better")).unwrap();
    tokio::time::timeout(PATIENCE, authority.ended(&identity)).await.expect("whoever showed it hears of it");
    assert_eq!(admit(&authority, "good"), Err(CredentialRefused::Unknown));
    assert_eq!(admit(&authority, "better").unwrap(), "token:ci");
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap().unwrap();
}
