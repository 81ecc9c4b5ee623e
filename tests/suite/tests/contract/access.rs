//! Users and passwords: where they are asked for, and where they are not.

use federation_harness::Credentials;
use nacos_protocol::admin::AdminError;
use nacos_protocol::client::{ClientEvent, ServiceName};

use crate::peer::{Peer, instance};
use crate::subject::Subject;

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
