//! Users and passwords: where they are asked for, and where they are not.

use federation_harness::Credentials;
use nacos_protocol::admin::AdminError;
use nacos_protocol::client::{ClientEvent, ServiceName};
use nacos_protocol::cluster::{ClusterOptions, LoginCredentials, NacosCluster};

use crate::peer::{Peer, instance};
use crate::subject::{Kind, Subject};

pub(crate) async fn a_right_password_reads_and_writes(subject: &mut Subject) {
    let mut peer = subject.peer().await;
    let name = ServiceName::new("public", "G", subject.unique("right"));
    peer.client.subscribe(&name);
    peer.client.register(&name, vec![instance("10.0.0.1")]).await.unwrap();
    peer.sees_addresses(0, &name, &["10.0.0.1"]).await;
    assert!(peer.admin.services("public").await.unwrap().iter().any(|entry| entry.name == name));
}

pub(crate) async fn a_wrong_password_is_told_and_nothing_is_read(subject: &mut Subject) {
    let wrong = Credentials { password: "wrong".into(), ..Credentials::default() };
    let mut peer = Peer::of(&subject.address(), Some(wrong));
    peer.until(0, |event| matches!(event, ClientEvent::LoginFailed { .. }).then_some(())).await;
    let refused = peer.admin.services("public").await.unwrap_err();
    assert!(matches!(refused, AdminError::Refused { .. }), "{refused:?}");
}

/// 2.3.2 answers a login with a token that means nothing, 3.1.0 with a refusal; neither asks for one.
pub(crate) async fn a_login_that_fails_where_none_is_needed_does_not_matter(subject: &mut Subject) {
    for user in [None, Some(Credentials { password: "wrong".into(), ..Credentials::default() })] {
        let mut peer = Peer::of(&subject.address(), user);
        peer.connected(1).await;
        let name = ServiceName::new("public", "G", subject.unique("open"));
        peer.client.subscribe(&name);
        peer.client.register(&name, vec![instance("10.0.0.1")]).await.unwrap();
        peer.sees_addresses(0, &name, &["10.0.0.1"]).await;
        assert!(peer.admin.services("public").await.unwrap().iter().any(|entry| entry.name == name));
    }
}

/// What a gateway asks when somebody logs in to it.
pub(crate) async fn passwords_of_users_are_judged(subject: &mut Subject) {
    subject.peer().await; // It is up.
    let right = Credentials::default();
    let cluster = NacosCluster::new(ClusterOptions::new(vec![subject.address().parse().unwrap()])).unwrap();
    for (username, password, is_right) in [
        (&*right.username, &*right.password, true),
        (&right.username, "wrong", false),
        ("nobody", &right.password, false),
        ("no'body\" or 1=1", "a b&c=d%", false),
    ] {
        let shown = LoginCredentials { username: username.to_owned(), password: password.to_owned() };
        match cluster.judge_password(&shown).await {
            Ok(()) => assert!(is_right, "{username}"),
            Err(error) => assert!(!is_right && error.is_refusal(), "{username}: {error:?}"),
        }
    }
}

/// 2.3.2 answers a right password with a word that is no token, and what is wrong there is as good.
pub(crate) async fn no_password_is_right_where_nacos_asks_for_none(subject: &mut Subject) {
    subject.peer().await;
    let cluster = NacosCluster::new(ClusterOptions::new(vec![subject.address().parse().unwrap()])).unwrap();
    for password in [Credentials::default().password, "wrong".to_owned()] {
        let shown = LoginCredentials { username: Credentials::default().username, password };
        let judged = cluster.judge_password(&shown).await;
        println!("{:?}: {judged:?}", subject.kind());
        assert!(judged.is_err() || subject.kind() == Kind::Embedded, "{judged:?}");
    }
}
