//! Many services of twenty namespaces in three clusters: always the same ones.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use federation_api::{ApiState, GatewayIdentity};
use federation_core::drains::IntentTable;
use federation_core::freshness::Freshness;
use federation_core::id::{ClusterId, InstanceId, ServiceKey};
use federation_core::instance::{Health, Instance, Metadata, Weight};
use federation_core::intents::{DrainIntent, DrainTarget, OrderCounter, OrderGiver};
use federation_core::locality::Locality;
use federation_core::log::intents::LoggedDrain;
use federation_core::routing::{DrainGuard, Percent, PlaceRules};
use federation_core::service::{
    ClusterStatus, FactSource, FederatedInstance, FederatedService, OriginInstances, Revision,
};
use federation_core::time::{Millis, Mono, WallMs};
use federation_policy::PolicyReader;
use federation_policy::exclusions::Exclusions;
use federation_ports::trouble::TroubleBoard;
use federation_view::resolve::{OwnPlace, Resolver, kept_bytes};
use federation_view::view::{self, ClusterTable, GatewayStatus, ViewChange, ViewReader, ViewWriter};

/// Clusters by id, each in a region of its own.
pub(crate) const CLUSTERS: [&str; 3] = ["frankfurt", "shanghai", "virginia"];

/// The view, and what answers from it.
pub(crate) struct Shop;

impl Shop {
    /// A view of so many services, with a drain of some.
    pub(crate) fn open(services: usize) -> Result<(ViewWriter, ApiState)> {
        let epoch = Instant::now();
        let now = move || Mono(u64::try_from(epoch.elapsed().as_millis()).unwrap_or(u64::MAX));
        let (mut writer, reader) = view::new(Arc::new(now));
        let clusters = CLUSTERS.iter().map(|id| status(id, services)).collect::<Result<Vec<_>>>()?;
        writer.apply(ViewChange {
            services: (0..services).map(|number| put(number, 0)).collect(),
            clusters: Some(Arc::new(ClusterTable { clusters })),
            intents: Some(Arc::new(drained()?)),
            ..ViewChange::default()
        });
        let gateway = Some(Arc::new(GatewayStatus { ready: true, ..GatewayStatus::default() }));
        writer.apply(ViewChange { gateway, ..ViewChange::default() });
        Ok((writer, answering(&reader)?))
    }
}

/// Service `number` as it is after its change `turn`.
pub(crate) fn changed(number: usize, turn: usize) -> ViewChange {
    ViewChange { services: vec![put(number, turn + 1)], ..ViewChange::default() }
}

fn put(number: usize, turn: usize) -> (ServiceKey, Option<Arc<FederatedService>>) {
    let namespace = format!("namespace-{:02}", number % 20);
    let group = ["DEFAULT_GROUP", "SHOP", "PAYMENT"][number % 3];
    let key = ServiceKey::new(&namespace, group, &format!("shop-orders-{number:06}"));
    let in_cluster = |place: usize| (number / 7 + place).is_multiple_of(place + 1);
    let origin = |place: usize| {
        let of = |port: usize| instance(number, place, port, (number + port + turn).is_multiple_of(50));
        let (origin, instances) = (cluster(CLUSTERS[place])?, (0..1 + (number + place) % 3).map(of).collect());
        Ok(OriginInstances { origin, source: FactSource::Log, instances })
    };
    let origins = (0..CLUSTERS.len()).filter(|place| in_cluster(*place)).map(origin).collect::<Result<_>>();
    let origins = origins.expect("the ids above are legal");
    (key.clone(), Some(Arc::new(FederatedService { key, revision: Revision(1), origins })))
}

fn instance(number: usize, place: usize, port: usize, is_ill: bool) -> FederatedInstance {
    let health = if is_ill { Health::Unhealthy } else { Health::Healthy };
    let ip = format!("10.{place}.{}.{}", number / 250 % 250, number % 250);
    let metadata: Metadata = [("version", "1"), ("zone", "z1")].into_iter().collect();
    let port = u16::try_from(8_000 + port).unwrap_or(u16::MAX);
    FederatedInstance {
        id: InstanceId::new(&ip, port, "DEFAULT"),
        instance: Arc::new(Instance { weight: Weight::DEFAULT, health, enabled: true, ephemeral: true, metadata }),
        effective: health,
        held: None,
    }
}

fn cluster(id: &str) -> Result<ClusterId> {
    Ok(id.parse()?)
}

fn status(id: &str, services: usize) -> Result<ClusterStatus> {
    Ok(ClusterStatus {
        id: cluster(id)?,
        locality: Locality { region: Some(id.into()), ..Locality::default() },
        advertise: Default::default(),
        signing_key: None,
        local: id == CLUSTERS[0],
        freshness: Freshness::Live,
        effective: Freshness::Live,
        reason: federation_core::reason::FreshnessCode::Beating.into(),
        freshness_revision: Revision(1),
        age: Some(Millis(30)),
        as_of: Mono(0),
        last_beat: None,
        services,
        instances: services * 4,
        configs: 0,
    })
}

/// A third of frankfurt's traffic is taken away from the services of one group.
fn drained() -> Result<IntentTable> {
    let target: DrainTarget = "frankfurt/*/SHOP/*".parse()?;
    let intent = DrainIntent {
        counter: OrderCounter::new(1).expect("1 is a counter"),
        percent: Percent::new(33).expect("33 is a percentage"),
        guard: DrainGuard::default(),
        who: "bench".into(),
        why: "".into(),
        when: WallMs(1),
        replica: 1,
        ramp: None,
        giver: OrderGiver::default(),
    };
    let logged = LoggedDrain::read(intent, WallMs(1), Default::default());
    Ok(IntentTable::new(Revision(1), [(&cluster(CLUSTERS[1])?, &target, &logged)]))
}

fn answering(reader: &ViewReader) -> Result<ApiState> {
    let identity = GatewayIdentity {
        federation: "bench".parse()?,
        cluster: cluster(CLUSTERS[0])?,
        replica: "bench-0".to_owned(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let metrics = Arc::new(federation_view::metrics::with_view(reader.clone(), identity.version));
    let locality = Locality { region: Some(CLUSTERS[0].into()), ..Locality::default() };
    let own = OwnPlace { cluster: identity.cluster.clone(), locality };
    let (policy, rules) = (PolicyReader::of_defaults(), PlaceRules::default());
    let resolver = Resolver::new(reader.clone(), policy.watch(), rules, own, kept_bytes(), metrics.resolve.clone());
    let (commands, _) = federation_ports::commands::commands();
    let exclusions = Exclusions::none(std::env::temp_dir().as_path().into());
    let (reader, board) = (reader.clone(), TroubleBoard::default());
    Ok(ApiState::new(identity, reader, commands, policy, resolver, metrics, board, exclusions, WallMs(1)))
}
