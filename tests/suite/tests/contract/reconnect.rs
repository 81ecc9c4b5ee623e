//! What a client sees around restarts and pauses of a server: the true, the empty, the partial and the late.

use federation_harness::{FaultProxy, Link};
use nacos_protocol::client::{CallError, ClientEvent, ConfigName, ConfigWrite, ServiceName};

use crate::peer::{Peer, eventually, instance};
use crate::subject::Subject;

pub(crate) async fn after_a_restart_lists_are_true_but_empty_and_partial_until_clients_are_back(subject: &mut Subject) {
    let proxy = FaultProxy::start(subject.port()).await.unwrap();
    let (prompt, mut watcher) = (subject.peer().await, subject.peer().await);
    let mut late = Peer::of(&proxy.address(), subject.user());
    late.connected(1).await;
    let shared = ServiceName::new("public", "G", subject.unique("shared"));
    let lonely = ServiceName::new("public", "G", subject.unique("lonely"));
    watcher.client.subscribe(&shared);
    watcher.client.subscribe(&lonely);
    prompt.client.register(&shared, vec![instance("10.0.0.1")]).await.unwrap();
    late.client.register(&shared, vec![instance("10.0.0.2")]).await.unwrap();
    late.client.register(&lonely, vec![instance("10.0.0.3")]).await.unwrap();
    watcher.sees_addresses(0, &shared, &["10.0.0.1", "10.0.0.2"]).await;
    watcher.sees_addresses(0, &lonely, &["10.0.0.3"]).await;

    // One of the publishers cannot come back yet: what the server says meanwhile is all it knows, and yet not all there is.
    proxy.set_link(Link::Cut);
    let before = watcher.told();
    subject.kill().await;
    watcher.until(before, |event| matches!(event, ClientEvent::Disconnected { .. }).then_some(())).await;
    subject.start_again().await;
    let generation = watcher.connected(2).await;
    let (list, _) = watcher.first_list(generation, &lonely).await;
    assert!(list.hosts.is_empty() && !list.reach_protection_threshold, "a true, valid, empty list: {list:?}");
    watcher.sees_addresses(before, &shared, &["10.0.0.1"]).await;

    let before = watcher.told();
    proxy.set_link(Link::Open);
    watcher.sees_addresses(before, &shared, &["10.0.0.1", "10.0.0.2"]).await;
    watcher.sees_addresses(before, &lonely, &["10.0.0.3"]).await;
}

pub(crate) async fn a_write_to_a_frozen_server_times_out_and_may_happen_later(subject: &mut Subject) {
    let mut peer = subject.peer().await;
    let name = ConfigName::new("public", "G", subject.unique("frozen"));
    let write = |content: &str, cas_md5: Option<String>| ConfigWrite {
        content: content.into(),
        cas_md5,
        ..ConfigWrite::default()
    };
    peer.client.publish_config(&name, write("before", None)).await.unwrap();
    peer.reads(&name, Some("before")).await;

    subject.freeze();
    let timed_out = peer.client.publish_config(&name, write("late", None)).await.unwrap_err();
    subject.thaw();
    assert!(matches!(timed_out, CallError::Timeout { .. } | CallError::NotConnected), "{timed_out}");

    // Whether it was done is not known from the error: the item is either, and a write on condition settles it.
    let settled = eventually("a conditional write is done", async || {
        let now = peer.client.query_config(&name).await.ok()??;
        assert!(["before", "late"].contains(&&*now.content), "{now:?}");
        peer.client.publish_config(&name, write("after", Some(now.md5))).await.ok()?;
        Some(now.content)
    })
    .await;
    peer.reads(&name, Some("after")).await;
    println!("the write that timed out {}", if settled == "late" { "was done" } else { "was not done" });

    let other = ServiceName::new("public", "G", subject.unique("thawed"));
    peer.client.subscribe(&other);
    eventually("registrations work again", async || {
        peer.client.register(&other, vec![instance("10.0.0.1")]).await.ok()
    })
    .await;
    peer.sees_addresses(0, &other, &["10.0.0.1"]).await;
}

pub(crate) async fn configs_changed_while_away_are_told_after_the_reconnect(subject: &mut Subject) {
    let proxy = FaultProxy::start(subject.port()).await.unwrap();
    let writer = subject.peer().await;
    let mut away = Peer::of(&proxy.address(), subject.user());
    away.connected(1).await;
    let name = ConfigName::new("public", "G", subject.unique("away"));
    let write = |content: &str| ConfigWrite { content: content.into(), ..ConfigWrite::default() };
    writer.client.publish_config(&name, write("old")).await.unwrap();
    away.client.listen_config(&name, "");
    away.hears_of(0, &name).await;
    let old = eventually("it can be read", async || away.client.query_config(&name).await.ok()?).await;
    away.client.listen_config(&name, &old.md5);

    proxy.set_link(Link::Cut);
    away.until(0, |event| matches!(event, ClientEvent::Disconnected { .. }).then_some(())).await;
    let before = away.told();
    writer.client.publish_config(&name, write("new")).await.unwrap();
    writer.reads(&name, Some("new")).await;
    proxy.set_link(Link::Open);
    away.hears_of(before, &name).await;
    away.reads(&name, Some("new")).await;
}
