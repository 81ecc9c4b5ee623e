use std::sync::atomic::{AtomicU64, Ordering};

use federation_core::freshness::Freshness::{self, Isolated, Live, Lost, Stale};
use federation_core::time::Mono;

use super::*;

fn empty() -> (ViewWriter, ViewReader) {
    new(Arc::new(|| Mono(0)))
}

fn service(name: &str) -> (ServiceKey, Option<Arc<FederatedService>>) {
    let key = ServiceKey::new("public", "g", name);
    let service = FederatedService { key: key.clone(), revision: Revision(1), origins: vec![] };
    (key, Some(Arc::new(service)))
}

#[test]
fn a_list_that_is_being_read_does_not_change_under_its_reader() {
    let (mut writer, reader) = empty();
    writer.apply(ViewChange { services: vec![service("a")], ..ViewChange::default() });
    let before = reader.service_names();
    let gone = (service("a").0, None);
    writer.apply(ViewChange { services: vec![service("b"), gone], ..ViewChange::default() });
    let names = |set: &BTreeSet<ServiceKey>| set.iter().map(|key| key.service().to_owned()).collect::<Vec<_>>();
    assert_eq!((names(&before), names(&reader.service_names())), (vec!["a".to_owned()], vec!["b".to_owned()]));
}

#[tokio::test]
async fn a_watch_tells_of_its_service_only_and_leaves_nothing_behind() {
    let (mut writer, reader) = empty();
    let mut watch = reader.watch_service(&service("a").0);
    writer.apply(ViewChange { services: vec![service("b")], ..ViewChange::default() });
    assert!(futures::poll!(std::pin::pin!(watch.changed())).is_pending());
    writer.apply(ViewChange { services: vec![service("a"), service("a")], ..ViewChange::default() });
    watch.changed().await;
    assert!(futures::poll!(std::pin::pin!(watch.changed())).is_pending());
    drop(watch);
    assert!(reader.shared.watched.is_empty());
}

/// A view whose clock is set by hand.
struct Held {
    writer: ViewWriter,
    reader: ViewReader,
    clock: Arc<AtomicU64>,
}

impl Held {
    fn new() -> Self {
        let clock = Arc::new(AtomicU64::new(0));
        let read = Arc::clone(&clock);
        let (writer, reader) = new(Arc::new(move || Mono(read.load(Ordering::SeqCst))));
        Self { writer, reader, clock }
    }

    fn service(&mut self, revision: u64) {
        let service = FederatedService { revision: Revision(revision), ..(*service("a").1.unwrap()).clone() };
        let services = vec![(service.key.clone(), Some(Arc::new(service)))];
        self.writer.apply(ViewChange { services, ..ViewChange::default() });
    }

    /// All clusters, as the engine tells them: each with its freshness and the number of its last change.
    fn clusters(&mut self, told: &[(&str, Freshness, u64)]) {
        let status = |(id, freshness, revision): &(&str, Freshness, u64)| ClusterStatus {
            id: id.parse().unwrap(),
            locality: Default::default(),
            advertise: Default::default(),
            local: false,
            freshness: *freshness,
            effective: *freshness,
            reason: federation_core::reason::FreshnessCode::Beating.into(),
            freshness_revision: Revision(*revision),
            age: None,
            as_of: Mono(0),
            last_beat: None,
            services: 1,
            instances: 1,
            configs: 0,
            signing_key: None,
        };
        let clusters = Some(Arc::new(ClusterTable { clusters: told.iter().map(status).collect() }));
        self.writer.apply(ViewChange { clusters, ..ViewChange::default() });
    }

    fn shown(&self) -> Vec<(Freshness, Freshness, u64)> {
        let table = self.reader.clusters();
        table.clusters.iter().map(|it| (it.freshness, it.effective, it.freshness_revision.0)).collect()
    }

    fn version(&self) -> u64 {
        self.reader.service(&service("a").0).unwrap().revision.0
    }
}

#[test]
fn while_the_engine_is_stuck_all_clusters_are_isolated_and_routing_goes_by_what_it_went_by() {
    let mut view = Held::new();
    let monitor = view.writer.monitor();
    assert_eq!(monitor.silence(), None, "what has not begun is not stuck");
    view.writer.turned();
    view.clusters(&[("a", Live, 3), ("b", Lost, 2)]);
    view.clock.store(7_000, Ordering::SeqCst);
    assert_eq!((monitor.silence(), view.reader.engine_stuck()), (Some(Millis(7_000)), None));
    monitor.show_stuck(Millis(7_000));
    assert_eq!(view.shown(), [(Isolated, Live, 4), (Isolated, Lost, 4)]);
    assert_eq!(&*view.reader.clusters().clusters[0].reason, "this gateway's engine has not turned for 7 s");
    assert_eq!((view.reader.engine_stuck(), view.reader.is_ready()), (Some(Millis(7_000)), false));
    monitor.show_stuck(Millis(8_000));
    assert_eq!(view.shown()[0].2, 4, "one change, though the reason grows");
    assert_eq!(&*view.reader.clusters().clusters[0].reason, "this gateway's engine has not turned for 8 s");

    view.writer.turned();
    view.writer.apply(ViewChange::default());
    assert_eq!(
        view.shown(),
        [(Live, Live, 5), (Lost, Lost, 5)],
        "as the engine told it, also where it says nothing new"
    );
    assert_eq!(view.reader.engine_stuck(), None);
}

#[test]
fn what_the_engine_numbers_after_it_was_stuck_comes_after_what_was_shown_meanwhile() {
    let mut view = Held::new();
    let monitor = view.writer.monitor();
    let clusters = [("a", Live, 1), ("b", Stale, 2)];
    view.clusters(&clusters);
    view.service(3);
    let mut newest = 3; // Of anything that was shown.
    for (round, revision) in (4..8).enumerate() {
        monitor.show_stuck(Millis(6_000));
        assert!(view.shown().iter().all(|it| it.2 > newest), "round {round}: {:?}", view.shown());
        newest = view.shown()[0].2;
        view.clusters(&clusters);
        assert!(view.shown().iter().all(|it| it.2 > newest), "round {round}: {:?}", view.shown());
        newest = view.shown()[0].2;
        view.service(revision);
        assert!(view.version() > newest, "round {round}: {}", view.version());
        newest = view.version();
    }
    view.clusters(&[("a", Stale, 9), ("b", Stale, 2)]);
    assert!(view.shown()[0].2 > newest, "a later change of freshness, too");
    assert!(view.shown()[1].2 < newest, "and what did not change keeps its number");
}

#[test]
fn watchers_of_clusters_and_of_the_gateway_are_woken_when_the_engine_is_stuck_and_when_it_turns_again() {
    let mut view = Held::new();
    let monitor = view.writer.monitor();
    view.clusters(&[("a", Live, 1)]);
    let (mut clusters, mut gateway) = (view.reader.watch_clusters(), view.reader.watch_gateway());
    clusters.mark_unchanged();
    gateway.mark_unchanged();
    monitor.show_stuck(Millis(6_000));
    assert!(clusters.has_changed().unwrap() && gateway.has_changed().unwrap());
    clusters.mark_unchanged();
    view.clusters(&[("a", Live, 1)]);
    assert!(clusters.has_changed().unwrap());
}
