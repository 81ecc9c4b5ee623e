use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::super::ClusterOptions;
use super::*;

/// A server that accepts and never answers, and how often it was connected to.
async fn mute() -> (Http, Arc<AtomicUsize>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let count = Arc::new(AtomicUsize::new(0));
    let (counted, mut tasks) = (Arc::clone(&count), JoinSet::new());
    tasks.spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            kept.push(stream);
        }
    });
    let mut options = ClusterOptions::new(vec![address.parse().expect("an address")]);
    options.http_timeout = Duration::from_millis(300);
    (Http::new(&options).expect("good options"), count, tasks)
}

fn login() -> Login {
    Login::new(Some(LoginCredentials { username: "u".to_owned(), password: "p".to_owned() }), None)
}

#[tokio::test]
async fn while_a_renewal_hangs_the_token_in_hand_serves_everybody_else() {
    let (http, _, _tasks) = mute().await;
    let login = login();
    login.keep(LoginAnswer { access_token: "t".to_owned(), token_ttl: 100 }, Instant::now());
    login.lock().as_mut().expect("just kept").renew_at = Instant::now();
    let mut renewing = std::pin::pin!(login.token(&http));
    assert!((&mut renewing).now_or_never().is_none(), "it waits for the server");
    let token = login.token(&http).now_or_never().expect("at once");
    assert_eq!(token.expect("it holds").as_deref(), Some("t"));
    assert_eq!(renewing.await.expect("it holds").as_deref(), Some("t"), "until its end");
}

#[tokio::test]
async fn a_login_that_hangs_is_waited_for_once_by_all() {
    let (http, connections, _tasks) = mute().await;
    let login = login();
    let all = futures::future::join_all((0..10).map(|_| login.token(&http)));
    assert!(all.await.iter().all(|result| matches!(result, Err(LoginError::Unanswered(_)))));
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}
