use federation_core::cause::RecordPlace;
use federation_core::freshness::Freshness;
use federation_core::instance::{Health, Instance, Metadata, Weight};
use federation_core::log::record::TopicKind;
use federation_core::service::{
    ClusterStatus, FactSource, FederatedInstance, FederatedService, HeldRemoval, HoldReason, OriginInstances, Revision,
};

use super::*;
use crate::view::{ChangeCauses, ClusterTable, GatewayStatus, ViewChange, ViewReader, ViewWriter, new};

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("public", "g", name)
}

fn record(name: &str) -> ChangeRecord {
    ChangeRecord::new(ChangeKind::Instance, "health", ChangeSubject::Service(key(name)))
}

fn of(book: &ChangeBook, name: &str) -> usize {
    book.remembered(Some(&ChangeSubject::Service(key(name))), u64::MAX).changes.len()
}

#[test]
fn a_noisy_service_does_not_push_out_a_quiet_one_and_all_is_bounded() {
    let book = ChangeBook::default();
    book.add(Mono(1), vec![record("quiet")], 0);
    for _ in 0..MOST_RECENT * 2 {
        book.add(Mono(2), vec![record("noisy")], 0);
    }
    assert_eq!((of(&book, "quiet"), of(&book, "noisy")), (1, MOST_OF_ONE));
    for number in 0..MOST_RECENT + 10 {
        book.add(Mono(3), vec![record(&format!("s{number}"))], 0);
    }
    assert_eq!((of(&book, "quiet"), of(&book, "noisy")), (1, 1), "the last change of each lasts");
    let remembered = book.remembered(None, u64::MAX);
    assert!(remembered.changes.len() <= MOST_RECENT + MOST_LASTING);
    assert!(remembered.changes.windows(2).all(|pair| pair[0].id > pair[1].id), "newest first");
    let added = 1 + 2 * MOST_RECENT + MOST_RECENT + 10;
    assert_eq!(remembered.changes.len() + usize::try_from(remembered.forgotten).unwrap(), added, "each is counted");
    assert_eq!(remembered.oldest, Some(Mono(1)));
    book.add(Mono(4), vec![record("quiet")], 0);
    assert_eq!(of(&book, "quiet"), 1, "it was kept for being the last one");
    for number in 0..MOST_RECENT + MOST_LASTING {
        book.add(Mono(5), vec![record(&format!("t{number}"))], 0);
    }
    assert_eq!(of(&book, "quiet"), 0);
    assert_eq!(book.remembered(None, u64::MAX).changes.len(), MOST_RECENT + MOST_LASTING);
}

fn instance(port: u16, health: Health, held: bool) -> FederatedInstance {
    let held = held.then_some(HeldRemoval { since: Mono(0), reason: HoldReason::Asked });
    let instance = Arc::new(Instance {
        weight: Weight::DEFAULT,
        health,
        enabled: true,
        ephemeral: true,
        metadata: Metadata::default(),
    });
    FederatedInstance { id: InstanceId::new("10.0.0.1", port, "DEFAULT"), instance, effective: health, held }
}

fn service(instances: Vec<FederatedInstance>) -> Arc<FederatedService> {
    let origins = vec![OriginInstances { origin: "shanghai".parse().unwrap(), source: FactSource::Log, instances }];
    Arc::new(FederatedService { key: key("orders"), revision: Revision(1), origins })
}

/// A view that is ready or not, and shows these clusters.
fn view(ready: bool) -> (ViewWriter, ViewReader) {
    let (mut writer, reader) = new(Arc::new(|| Mono(70_000)));
    let gateway = Some(Arc::new(GatewayStatus { ready, ..GatewayStatus::default() }));
    writer.apply(ViewChange { gateway, clusters: Some(clusters(Freshness::Live)), ..ViewChange::default() });
    (writer, reader)
}

fn clusters(freshness: Freshness) -> Arc<ClusterTable> {
    let status = ClusterStatus {
        id: "shanghai".parse().unwrap(),
        locality: Default::default(),
        advertise: Default::default(),
        local: false,
        freshness,
        effective: freshness,
        reason: federation_core::reason::FreshnessCode::NoBeatRead.into(),
        freshness_revision: Revision(1),
        age: None,
        as_of: Mono(0),
        last_beat: None,
        services: 1,
        instances: 3,
        configs: 0,
        signing_key: None,
    };
    Arc::new(ClusterTable { clusters: vec![status] })
}

fn put(writer: &mut ViewWriter, service: Option<Arc<FederatedService>>, cause: ChangeCause) {
    let causes = ChangeCauses { services: vec![cause], configs: Vec::new() };
    writer.apply(ViewChange { services: vec![(key("orders"), service)], causes, ..ViewChange::default() });
}

/// What is remembered, oldest first, and of which instance.
fn told(reader: &ViewReader) -> Vec<(&'static str, Option<u16>)> {
    let remembered = reader.changes(None, u64::MAX).changes;
    remembered.iter().rev().map(|it| (it.what, it.instance.as_ref().map(|id| id.port))).collect()
}

#[test]
fn what_a_start_reads_is_not_remembered_and_what_happens_afterwards_is_with_its_cause() {
    let (mut writer, reader) = view(false);
    put(&mut writer, Some(service(vec![instance(1, Health::Healthy, false)])), ChangeCause::default());
    assert_eq!(told(&reader), []);
    writer.apply(ViewChange {
        gateway: Some(Arc::new(GatewayStatus { ready: true, ..GatewayStatus::default() })),
        ..ViewChange::default()
    });
    let place = RecordPlace { topic: TopicKind::Instances, partition: 3, offset: 70 };
    let cause = ChangeCause { through: ChangeThrough::Log, place: Some(place) };
    put(
        &mut writer,
        Some(service(vec![instance(1, Health::Unhealthy, false), instance(2, Health::Healthy, false)])),
        cause,
    );
    put(&mut writer, Some(service(vec![instance(1, Health::Unhealthy, true)])), ChangeThrough::Push.into());
    put(&mut writer, None, ChangeThrough::Guard.into());
    let want = [
        ("ready", None),
        ("health", Some(1)),
        ("added", Some(2)),
        ("held", Some(1)),
        ("removed", Some(2)),
        ("removed", Some(1)),
    ];
    assert_eq!(told(&reader), want);
    let remembered = reader.changes(Some(&ChangeSubject::Service(key("orders"))), u64::MAX).changes;
    let health = remembered.last().unwrap();
    assert_eq!((health.before.as_deref(), health.after.as_deref()), (Some("healthy"), Some("unhealthy")));
    assert_eq!((health.cause, remembered[0].cause.through), (cause, ChangeThrough::Guard));
    assert_eq!(health.origin, Some("shanghai".parse().unwrap()));
}

#[test]
fn of_one_change_of_a_large_service_a_bounded_number_of_instances_is_told_and_the_rest_is_counted() {
    let (mut writer, reader) = view(true);
    let many = (0..1000).map(|port| instance(port, Health::Healthy, false)).collect();
    put(&mut writer, Some(service(many)), ChangeCause::default());
    let remembered = reader.changes(Some(&ChangeSubject::Service(key("orders"))), u64::MAX);
    let forgotten = 1000 - MOST_OF_ONE;
    assert_eq!((remembered.changes.len(), remembered.forgotten), (MOST_OF_ONE, u64::try_from(forgotten).unwrap()));
}

#[test]
fn the_freshness_of_a_cluster_is_remembered_when_it_changes_and_stands_in_its_plot() {
    let (mut writer, reader) = view(true);
    for freshness in [Freshness::Live, Freshness::Lost, Freshness::Lost] {
        writer.apply(ViewChange { clusters: Some(clusters(freshness)), ..ViewChange::default() });
    }
    let remembered = reader.changes(None, u64::MAX).changes;
    let change = &remembered[0];
    assert_eq!((remembered.len(), change.kind, change.cause.through), (2, ChangeKind::Freshness, ChangeThrough::Beat));
    assert_eq!(
        (change.before.as_deref(), change.after.as_deref()),
        (Some("live"), Some("lost: no beat of its leader has been read yet"))
    );
    let plots = reader.plots();
    let points = &plots.clusters[&"shanghai".parse().unwrap()];
    assert_eq!((points.len(), points[0].unwrap().instances), (1, 3), "one for each ten seconds");
}
