//! Instances and their subscribers.

use nacos_protocol::client::{CallError, ClientEvent, ServiceName};
use nacos_protocol::message::naming::{NacosInstance, ServiceInfo};

use crate::peer::{essence, instance};
use crate::subject::Subject;

fn service(subject: &Subject, stem: &str) -> ServiceName {
    ServiceName::new("public", "G", subject.unique(stem))
}

pub(crate) async fn a_registration_reaches_a_subscriber_with_every_field(subject: &mut Subject) {
    let (publisher, mut watcher) = (subject.peer().await, subject.peer().await);
    let name = service(subject, "fields");
    watcher.client.subscribe(&name);
    watcher.sees_addresses(0, &name, &[]).await;

    let registered = NacosInstance { cluster_name: "east-1".into(), ..instance("10.0.0.1") };
    publisher.client.register(&name, vec![registered.clone()]).await.unwrap();
    let seen = watcher.sees_addresses(0, &name, &["10.0.0.1"]).await;
    assert_eq!(essence(&seen.hosts[0]), registered);
    assert!(!seen.reach_protection_threshold);
    let read = watcher.client.query(&name).await.unwrap();
    assert_eq!(essence(&read.hosts[0]), registered);
}

pub(crate) async fn a_change_reaches_a_subscriber_as_a_change(subject: &mut Subject) {
    let (publisher, mut watcher) = (subject.peer().await, subject.peer().await);
    let name = service(subject, "changes");
    watcher.client.subscribe(&name);
    let mut wanted = [instance("10.0.0.1"), instance("10.0.0.2")];
    publisher.client.register(&name, wanted.to_vec()).await.unwrap();
    watcher.sees_addresses(0, &name, &["10.0.0.1", "10.0.0.2"]).await;

    let changes: [fn(&mut NacosInstance); 3] = [
        |instance| instance.weight = 7.25,
        |instance| instance.healthy = false,
        |instance| drop(instance.metadata.insert("version".into(), "2".into())),
    ];
    for change in changes {
        let before = watcher.told();
        change(&mut wanted[0]);
        publisher.client.register(&name, wanted.to_vec()).await.unwrap();
        watcher
            .until(before, |event| match event {
                ClientEvent::Service { service, info, .. } if *service == name => {
                    assert_eq!(info.hosts.len(), 2, "a change must not look like a removal");
                    info.hosts.iter().any(|host| essence(host) == wanted[0]).then_some(())
                }
                _ => None,
            })
            .await;
    }
}

pub(crate) async fn a_disabled_instance_leaves_the_pushes_but_not_the_admin_read(subject: &mut Subject) {
    let (publisher, mut watcher) = (subject.peer().await, subject.peer().await);
    let name = service(subject, "disabled");
    watcher.client.subscribe(&name);
    publisher.client.register(&name, vec![instance("10.0.0.1"), instance("10.0.0.2")]).await.unwrap();
    watcher.sees_addresses(0, &name, &["10.0.0.1", "10.0.0.2"]).await;

    let disabled = NacosInstance { enabled: false, ..instance("10.0.0.1") };
    publisher.client.register(&name, vec![disabled.clone(), instance("10.0.0.2")]).await.unwrap();
    watcher.sees_addresses(0, &name, &["10.0.0.2"]).await;
    let read = watcher.admin_sees(&name, |list| list.iter().any(|one| !one.enabled)).await;
    assert!(read.iter().any(|one| essence(one) == disabled), "{read:?}");
    assert_eq!(read.len(), 2);
}

pub(crate) async fn a_deregistered_instance_leaves_the_pushes_and_the_admin_read(subject: &mut Subject) {
    let (publisher, mut watcher) = (subject.peer().await, subject.peer().await);
    let name = service(subject, "deregistered");
    watcher.client.subscribe(&name);
    publisher.client.register(&name, vec![instance("10.0.0.1")]).await.unwrap();
    watcher.sees_addresses(0, &name, &["10.0.0.1"]).await;
    let before = watcher.told();
    publisher.client.deregister(&name).await.unwrap();
    watcher.sees_addresses(before, &name, &[]).await;
    watcher.admin_sees(&name, <[_]>::is_empty).await;
}

pub(crate) async fn a_batch_replaces_the_whole_set(subject: &mut Subject) {
    let (publisher, mut watcher) = (subject.peer().await, subject.peer().await);
    let name = service(subject, "batch");
    watcher.client.subscribe(&name);
    publisher.client.register(&name, vec![instance("10.0.0.1"), instance("10.0.0.2")]).await.unwrap();
    watcher.sees_addresses(0, &name, &["10.0.0.1", "10.0.0.2"]).await;
    publisher.client.register(&name, vec![instance("10.0.0.2"), instance("10.0.0.3")]).await.unwrap();
    watcher.sees_addresses(0, &name, &["10.0.0.2", "10.0.0.3"]).await;

    // Another connection has a set of its own.
    let other = subject.peer().await;
    other.client.register(&name, vec![instance("10.0.0.4")]).await.unwrap();
    watcher.sees_addresses(0, &name, &["10.0.0.2", "10.0.0.3", "10.0.0.4"]).await;
}

pub(crate) async fn a_publisher_that_dies_takes_its_instances_along(subject: &mut Subject) {
    let (publisher, other, mut watcher) = (subject.peer().await, subject.peer().await, subject.peer().await);
    let name = service(subject, "death");
    watcher.client.subscribe(&name);
    publisher.client.register(&name, vec![instance("10.0.0.1")]).await.unwrap();
    other.client.register(&name, vec![instance("10.0.0.2")]).await.unwrap();
    watcher.sees_addresses(0, &name, &["10.0.0.1", "10.0.0.2"]).await;
    drop(publisher);
    watcher.sees_addresses(0, &name, &["10.0.0.2"]).await;
}

/// The admin read tells the truth; so do pushes of a service that nobody declared, even when nothing in it is healthy.
pub(crate) async fn a_protected_service_is_shown_healthy_and_says_so(subject: &mut Subject) {
    let sick = |ip| NacosInstance { healthy: false, ..instance(ip) };
    let half = vec![sick("10.0.0.1"), instance("10.0.0.2")];
    let none = vec![sick("10.0.0.1"), sick("10.0.0.2")];
    for (declared, instances, protected) in [
        (None, &half, false),
        (None, &none, false),
        (Some("0"), &half, false),
        (Some("0"), &none, true),
        (Some("0.6"), &half, true),
    ] {
        let (publisher, mut watcher) = (subject.peer().await, subject.peer().await);
        let name = service(subject, "protected");
        if let Some(threshold) = declared {
            subject.declare_protected(&name, threshold).await;
        }
        watcher.client.subscribe(&name);
        publisher.client.register(&name, instances.clone()).await.unwrap();
        let truth = instances.iter().filter(|one| one.healthy).count();
        let shown = if protected { 2 } else { truth };
        let healthy = |list: &[NacosInstance]| list.iter().filter(|one| one.healthy).count();
        let as_wanted = |info: &ServiceInfo| {
            (info.hosts.len(), healthy(&info.hosts), info.reach_protection_threshold) == (2, shown, protected)
        };
        watcher.sees(0, &name, as_wanted).await;
        assert!(as_wanted(&watcher.client.query(&name).await.unwrap()));
        let read = watcher.admin_sees(&name, |list| list.len() == 2).await;
        assert_eq!(healthy(&read), truth, "{declared:?}");
    }
}

pub(crate) async fn an_address_in_two_nacos_clusters_is_two_instances(subject: &mut Subject) {
    let (publisher, mut watcher) = (subject.peer().await, subject.peer().await);
    let name = service(subject, "clusters");
    watcher.client.subscribe(&name);
    let within = |cluster: &str| NacosInstance { cluster_name: cluster.into(), ..instance("10.0.0.1") };
    publisher.client.register(&name, vec![within("a"), within("b")]).await.unwrap();
    let seen = watcher.sees(0, &name, |info| info.hosts.len() == 2).await;
    let mut clusters: Vec<_> = seen.hosts.iter().map(|host| &*host.cluster_name).collect();
    clusters.sort_unstable();
    assert_eq!(clusters, ["a", "b"]);
    assert_eq!(watcher.admin_sees(&name, |list| !list.is_empty()).await.len(), 2);
}

pub(crate) async fn empty_and_public_are_two_namespaces_over_grpc(subject: &mut Subject) {
    let (publisher, mut watcher) = (subject.peer().await, subject.peer().await);
    let public = service(subject, "nameless");
    let nameless = ServiceName { namespace: String::new(), ..public.clone() };
    watcher.client.subscribe(&public);
    publisher.client.register(&public, vec![instance("10.0.0.1")]).await.unwrap();
    watcher.sees_addresses(0, &public, &["10.0.0.1"]).await;

    publisher.client.register(&nameless, vec![instance("10.0.0.2")]).await.unwrap();
    let of = async |name: &ServiceName| {
        let info = watcher.client.query(name).await.unwrap();
        info.hosts.into_iter().map(|host| host.ip).collect::<Vec<_>>()
    };
    assert_eq!(of(&public).await, ["10.0.0.1"]);
    assert_eq!(of(&nameless).await, ["10.0.0.2"]);
    let listed = watcher.admin.services("public").await.unwrap();
    assert_eq!(listed.iter().filter(|entry| entry.name.service == public.service).count(), 1);
}

pub(crate) async fn one_namespace_does_not_show_another_s_service_of_the_same_name(subject: &mut Subject) {
    let (publisher, mut watcher) = (subject.peer().await, subject.peer().await);
    let here = service(subject, "twins");
    let there = ServiceName { namespace: "elsewhere".into(), ..here.clone() };
    watcher.client.subscribe(&here);
    watcher.client.subscribe(&there);
    publisher.client.register(&here, vec![instance("10.0.0.1")]).await.unwrap();
    publisher.client.register(&there, vec![instance("10.0.0.2")]).await.unwrap();
    watcher.sees_addresses(0, &here, &["10.0.0.1"]).await;
    watcher.sees_addresses(0, &there, &["10.0.0.2"]).await;
    // Pushes do not name a namespace: whichever came, no list may mix them.
    for (name, stranger) in [(&here, "10.0.0.2"), (&there, "10.0.0.1")] {
        let mixed = |info: &ServiceInfo| info.hosts.iter().any(|host| host.ip == stranger);
        assert!(!mixed(&watcher.client.query(name).await.unwrap()));
        assert!(!watcher.lists_of(name).iter().any(mixed), "{name}");
    }
}

pub(crate) async fn metadata_over_the_limit_is_refused(subject: &mut Subject) {
    let publisher = subject.peer().await;
    let name = service(subject, "metadata");
    let with = |length: usize| {
        let metadata = [("k".to_owned(), "v".repeat(length - 1))].into();
        vec![NacosInstance { metadata, ..instance("10.0.0.1") }]
    };
    publisher.client.register(&name, with(1024)).await.unwrap();
    let refused = publisher.client.register(&name, with(1025)).await.unwrap_err();
    assert!(matches!(refused, CallError::Server { .. }), "{refused}");
}

pub(crate) async fn names_with_every_legal_character_come_back(subject: &mut Subject) {
    let (publisher, mut watcher) = (subject.peer().await, subject.peer().await);
    let name = ServiceName::new("ns-1_A", "G-1_a.b:c", subject.unique("consumers:com.acme.Order:1.0-x_y/$z~"));
    watcher.client.subscribe(&name);
    let odd = NacosInstance { cluster_name: "c-1-A".into(), ..instance("host.name.example") };
    publisher.client.register(&name, vec![odd.clone()]).await.unwrap();
    let seen = watcher.sees_addresses(0, &name, &["host.name.example"]).await;
    assert_eq!(essence(&seen.hosts[0]), odd);
    let listed = watcher.admin.services(&name.namespace).await.unwrap();
    assert!(listed.iter().any(|entry| entry.name == name), "{listed:?}");
    assert_eq!(watcher.admin_sees(&name, |list| !list.is_empty()).await.len(), 1);
}

pub(crate) async fn the_services_of_one_group_are_listed(subject: &mut Subject) {
    let publisher = subject.peer().await;
    let group = subject.unique("LISTED");
    assert_eq!(publisher.client.list_services("public", &group).await.unwrap(), [""; 0]);
    for service in ["b", "a"] {
        publisher
            .client
            .register(&ServiceName::new("public", &*group, service), vec![instance("10.0.0.1")])
            .await
            .unwrap();
    }
    assert_eq!(publisher.client.list_services("public", &group).await.unwrap(), ["a", "b"]);
}
