//! Listings and reads over HTTP. A listing is whole or an error: a shorter one would look like a removal.

use std::time::Duration;

use federation_harness::{Fault, FaultProxy};
use nacos_protocol::admin::AdminError;
use nacos_protocol::client::ServiceName;
use nacos_protocol::cluster::{self, ClusterOptions};

use crate::peer::{Peer, eventually, instance};
use crate::subject::{Kind, Subject};

/// The part of the path that both dialects of the listing have.
const LISTING: [&str; 2] = ["/ns/", "pageNo=1"];

pub(crate) async fn all_groups_of_a_namespace_are_listed_by_page(subject: &mut Subject) {
    let peer = subject.peer().await;
    let namespace = subject.unique("listed");
    subject.create_namespace(&namespace).await;
    assert_eq!(peer.admin.services(&namespace).await.unwrap().len(), 0);
    let mut names: Vec<_> =
        (0..30).map(|index| ServiceName::new(&*namespace, format!("G{}", index % 3), format!("s-{index}"))).collect();
    for name in &names {
        peer.client.register(name, vec![instance("10.0.0.1"), instance("10.0.0.2")]).await.unwrap();
    }
    names.sort();
    let listed = peer.admin.services(&namespace).await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>(), names);
    assert!(listed.iter().all(|entry| entry.instances == Some(2) && entry.healthy == Some(2)), "{listed:?}");
}

pub(crate) async fn a_listing_that_is_not_whole_is_an_error(subject: &mut Subject) {
    let proxy = FaultProxy::start(subject.port()).await.unwrap();
    let mut options = ClusterOptions::new(vec![proxy.address().parse().unwrap()]);
    options.http_timeout = Duration::from_secs(2);
    options.credentials =
        subject.user().map(|user| cluster::LoginCredentials { username: user.username, password: user.password });
    let mut peer = Peer::with(options);
    peer.connected(1).await;
    let name = ServiceName::new("public", "G", subject.unique("whole"));
    peer.client.register(&name, vec![instance("10.0.0.1")]).await.unwrap();
    let listed = peer.admin.services("public").await.unwrap();
    assert!(listed.iter().any(|entry| entry.name == name));

    for (fault, expected) in [
        (Fault::Status500, "Failed"),
        (Fault::Html200, "Malformed"),
        (Fault::TruncatedJson, "Malformed"),
        (Fault::EmptyPage, "Incomplete"),
        (Fault::Delay(Duration::from_secs(3)), "Unreachable"),
    ] {
        proxy.inject(&LISTING, fault, 1);
        let error = peer.admin.services("public").await.expect_err(expected);
        assert_eq!(proxy.pending(), 0, "{fault:?} was asked for");
        let kind = match error {
            AdminError::Unreachable(_) => "Unreachable",
            AdminError::Refused { .. } => "Refused",
            AdminError::NotOffered => "NotOffered",
            AdminError::Failed { .. } => "Failed",
            AdminError::Malformed { .. } => "Malformed",
            AdminError::Incomplete { .. } => "Incomplete",
        };
        assert_eq!(kind, expected, "{fault:?}");
        let again = peer.admin.services("public").await.unwrap();
        assert!(again.iter().any(|entry| entry.name == name), "{fault:?} was once only");
    }
}

pub(crate) async fn a_new_namespace_is_listed(subject: &mut Subject) {
    let peer = subject.peer().await;
    let has = async |id: &str| peer.admin.namespaces().await.unwrap().iter().any(|namespace| namespace.id == id);
    let id = subject.unique("new");
    assert!(has("public").await && !has(&id).await);
    subject.create_namespace(&id).await;
    eventually("the new namespace is listed", async || has(&id).await.then_some(())).await;
}

pub(crate) async fn the_version_and_the_readiness_are_told(subject: &mut Subject) {
    let peer = subject.peer().await;
    peer.admin.readiness().await.unwrap();
    let version = peer.admin.version().await.unwrap();
    match subject.kind() {
        Kind::Nacos(line) => assert!(version.starts_with(line.version()), "{version}"),
        Kind::Embedded => assert!(!version.is_empty()),
    }
}
