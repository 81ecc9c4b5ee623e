use federation_core::routing::{PanicThreshold, StaleRule};
use federation_proto::federation::v1 as pb;
use federation_proto::federation::v1::routing_client::RoutingClient;
use federation_proto::federation::v1::watch_resolve_response::Event;
use tonic::{Code, Streaming};

use bytes::Bytes;

use super::grpc::served;
use super::*;
use federation_ports::metrics::WatchFace;
use federation_view::hub::plans::{EncodePlan, PlanTopic, WatchedPlans};
use federation_view::resolve::{CallerAsk, EncodedPlan, PlanEncoding, PlanInputs, PlanPieces, PlannedService};

fn live() -> Vec<ClusterStatus> {
    vec![cluster("frankfurt", Freshness::Live, 3), cluster("shanghai", Freshness::Live, 1)]
}

fn request(name: &str) -> pb::ResolveRequest {
    pb::ResolveRequest { service_name: name.to_owned(), ..Default::default() }
}

fn watch(name: &str) -> pb::WatchResolveRequest {
    pb::WatchResolveRequest { service_name: name.to_owned(), ..Default::default() }
}

fn texts(values: &Value, field: &str) -> Vec<String> {
    values.as_array().unwrap().iter().map(|value| value[field].to_string().trim_matches('"').to_owned()).collect()
}

#[tokio::test]
async fn calls_plan_as_http_does() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    gateway.drain("shanghai", 25, 1);
    let served = served(&gateway).await;
    let mut client = RoutingClient::new(served.channel.clone());
    for (caller, limit, only_top, query) in [
        (None, 0, false, ""),
        (Some(pb::Caller::default()), 2, false, "&limit=2"),
        (
            Some(pb::Caller { region: Some("mars".to_owned()), ..Default::default() }),
            0,
            true,
            "&region=mars&onlyTop=true",
        ),
        (
            Some(pb::Caller { cluster: Some("frankfurt".to_owned()), ..Default::default() }),
            0,
            false,
            "&cluster=frankfurt",
        ),
    ] {
        let http = gateway.get(&format!("/v1/resolve?serviceName=orders{query}")).await.json();
        let request = pb::ResolveRequest { caller, limit, only_top, ..request("orders") };
        let plan = client.resolve(request.clone()).await.unwrap().into_inner().plan.unwrap();
        assert_eq!(
            (plan.version, plan.fingerprint.as_str()),
            (http["version"].as_u64().unwrap(), http["fingerprint"].as_str().unwrap())
        );
        assert_eq!(
            (plan.left_out, plan.not_shown),
            (http["leftOut"].as_u64().unwrap(), http["notShown"].as_u64().unwrap())
        );
        let shares: Vec<String> = plan.endpoints.iter().map(|it| it.share.to_string()).collect();
        assert_eq!(shares, texts(&http["endpoints"], "share"), "{query}");
        let ips: Vec<String> = plan.endpoints.iter().map(|it| it.ip.clone()).collect();
        assert_eq!(ips, texts(&http["endpoints"], "ip"), "{query}");
        let loads: Vec<String> = plan.priorities.iter().map(|it| it.degraded_load.to_string()).collect();
        assert_eq!(loads, texts(&http["priorities"], "degradedLoad"), "{query}");
        let rulings: Vec<String> = plan.drains.iter().map(|it| it.ruling.clone()).collect();
        assert_eq!(rulings, texts(&http["drains"], "ruling"), "{query}");
        let ages: Vec<String> = plan.origins.iter().map(|it| it.age_ms.unwrap().to_string()).collect();
        assert_eq!(ages, texts(&http["origins"], "ageMs"), "{query}");
        let reasons: Vec<String> = plan.origins.iter().map(|it| it.freshness_reason.clone()).collect();
        assert_eq!(
            (reasons, plan.origins[0].freshness()),
            (texts(&http["origins"], "freshnessReason"), pb::Freshness::Stale)
        );

        let explain = pb::ExplainRequest {
            service_name: request.service_name,
            caller: request.caller,
            limit,
            only_top,
            ..Default::default()
        };
        let explained = client.explain(explain).await.unwrap().into_inner();
        let http = gateway.get(&format!("/v1/explain?serviceName=orders{query}")).await.json();
        let trace: Vec<String> =
            http["trace"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect();
        assert_eq!((explained.trace, explained.usable), (trace, true));
        assert_eq!(explained.notes.len(), http["notes"].as_array().unwrap().len());
        let ranks: Vec<String> = explained.endpoints.iter().map(|it| it.rank.clone()).collect();
        assert_eq!(ranks, texts(&http["endpoints"], "rank"));
        assert_eq!(explained.plan.unwrap().endpoints, plan.endpoints);
    }
}

#[tokio::test]
async fn a_plan_is_kept_for_both_faces_and_ages_are_those_of_the_call() {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    let served = served(&gateway).await;
    let mut client = RoutingClient::new(served.channel.clone());
    for passed in [0, 500] {
        gateway.pass(passed);
        let plan = client.resolve(request("orders")).await.unwrap().into_inner().plan.unwrap();
        assert_eq!(plan.origins[0].age_ms, Some(40 + passed));
        gateway.get("/v1/resolve?serviceName=orders").await;
    }
    let metrics = &gateway.state.metrics().resolve;
    assert_eq!((metrics.plans.get(), metrics.hits.get(), metrics.misses.get()), (2, 2, 2), "once for each face");
}

#[tokio::test]
async fn errors_have_codes_and_say_what_is_wrong() {
    let mut gateway = Gateway::new();
    let served = served(&gateway).await;
    let mut client = RoutingClient::new(served.channel.clone());
    let error = client.resolve(request("s")).await.unwrap_err();
    assert!(error.code() == Code::NotFound && error.message().contains("looked at: frankfurt"), "{error}");
    let zone = pb::Caller { zone: Some("z".to_owned()), ..Default::default() };
    for (name, caller, field) in [("", None, "service_name"), ("s", Some(zone), "caller.zone")] {
        let error = client.resolve(pb::ResolveRequest { caller: caller.clone(), ..request(name) }).await.unwrap_err();
        assert_eq!((error.code(), error.message().split(' ').next()), (Code::InvalidArgument, Some(field)));
        let error = client.watch_resolve(pb::WatchResolveRequest { caller, ..watch(name) }).await.unwrap_err();
        assert_eq!((error.code(), error.message().split(' ').next()), (Code::InvalidArgument, Some(field)));
    }
    gateway.put(unhealthy());
    gateway.set_policy(never_panic(), 1);
    let error = client.resolve(request("s")).await.unwrap_err();
    assert!(
        error.code() == Code::Unavailable && error.message().contains("1 unhealthy and without a share"),
        "{error}"
    );
    let explain = pb::ExplainRequest { service_name: "s".to_owned(), ..Default::default() };
    assert!(!client.explain(explain).await.unwrap().into_inner().usable);
}

fn unhealthy() -> FederatedService {
    service(key("s"), 7, vec![of("shanghai", FactSource::Nacos, vec![instance("10.0.0.1", 80, Health::Unhealthy)])])
}

fn never_panic() -> Policy {
    Policy { panic_threshold: PanicThreshold(Percent::default()), ..Policy::default() }
}

/// What one watcher is told.
struct Plans(Streaming<pb::WatchResolveResponse>);

impl Plans {
    async fn next(&mut self) -> Event {
        self.0.message().await.unwrap().unwrap().event.unwrap()
    }

    /// The shares of the next event, which has to be a plan.
    async fn shares(&mut self) -> Vec<u32> {
        let event = self.next().await;
        let Event::Plan(plan) = event else { panic!("{event:?}") };
        plan.endpoints.iter().map(|endpoint| endpoint.share).collect()
    }
}

fn pair(revision: u64) -> FederatedService {
    let of = |origin: &str, ip: &str| of(origin, FactSource::Log, vec![instance(ip, 80, Health::Healthy)]);
    service(key("pair"), revision, vec![of("frankfurt", "10.0.0.1"), of("shanghai", "10.1.0.1")])
}

#[tokio::test]
async fn a_watcher_is_told_what_changes_the_plan_and_nothing_else() {
    let mut gateway = Gateway::new();
    gateway.set_clusters(live());
    let served = served(&gateway).await;
    let mut client = RoutingClient::new(served.channel.clone());
    let mut plans = Plans(client.watch_resolve(watch("pair")).await.unwrap().into_inner());
    let Event::Absent(absent) = plans.next().await else { panic!("not absent") };
    assert_eq!((absent.service_name.as_str(), absent.clusters.len()), ("pair", 2));

    gateway.put(pair(7));
    assert_eq!(plans.shares().await, [1_000_000, 0]);
    let told = || gateway.state.api_metrics().watch_encodings.get();
    let before = told();

    // Of these the watcher is woken, and tells nothing: each is followed by a change that is told with the next event.
    gateway.put(pair(8));
    let mut clusters = live();
    clusters[0] = ClusterStatus { freshness: Freshness::Stale, ..cluster("frankfurt", Freshness::Live, 9) };
    gateway.set_clusters(clusters.clone());
    gateway.set_policy(Policy { stale: StaleRule::Keep, ..Policy::default() }, 1);
    gateway.drain("frankfurt", 0, 2);
    gateway.pass(60_000);
    gateway.drain("shanghai", 40, 3);
    assert_eq!(plans.shares().await, [600_000, 400_000]);
    assert_eq!(gateway.state.api_metrics().watch_encodings.get() - before, 1);

    gateway.set_policy(Policy::default(), 4);
    gateway.drain("shanghai", 0, 5);
    assert_eq!(plans.shares().await, [1_000_000, 0]);
    clusters[1].effective = Freshness::Lost;
    clusters[1].freshness_revision = Revision(12);
    gateway.set_clusters(clusters);
    assert_eq!(plans.shares().await, [1_000_000, 0], "shanghai is behind frankfurt");
    gateway.remove(&key("pair"));
    assert!(matches!(plans.next().await, Event::Absent(_)));
}

#[tokio::test]
async fn a_watcher_is_told_when_nothing_can_be_used_any_more_and_when_it_can_again() {
    let mut gateway = Gateway::new();
    gateway.set_policy(never_panic(), 1);
    gateway.put(unhealthy());
    let served = served(&gateway).await;
    let mut client = RoutingClient::new(served.channel.clone());
    let mut plans = Plans(client.watch_resolve(watch("s")).await.unwrap().into_inner());
    let Event::Unusable(unusable) = plans.next().await else { panic!("usable") };
    assert_eq!((unusable.left_out.len(), unusable.left_out[0].reason.as_str()), (1, "unhealthy and without a share"));
    let healthy = vec![of("shanghai", FactSource::Nacos, vec![instance("10.0.0.1", 80, Health::Healthy)])];
    gateway.put(service(key("s"), 8, healthy));
    assert_eq!(plans.shares().await, [1_000_000]);
    gateway.put(FederatedService { revision: Revision(9), ..unhealthy() });
    assert!(matches!(plans.next().await, Event::Unusable(_)));
}

#[tokio::test]
async fn watchers_of_one_plan_share_one_encoding_and_leave_nothing_behind() {
    let mut gateway = Gateway::new();
    gateway.put(pair(7));
    gateway.set_clusters(live());
    let served = served(&gateway).await;
    let mut client = RoutingClient::new(served.channel.clone());
    let mut watchers = Vec::new();
    for number in 0..300 {
        if number % 90 == 0 {
            client = RoutingClient::new(served.another_channel().await);
        }
        let mut plans = Plans(client.watch_resolve(watch("pair")).await.unwrap().into_inner());
        assert_eq!(plans.shares().await, [1_000_000, 0]);
        watchers.push(plans);
    }
    let open = || gateway.state.api_metrics().watchers(WatchFace::Resolve).get();
    assert_eq!((open(), gateway.state.api_metrics().watch_encodings.get()), (300, 1));
    gateway.drain("shanghai", 10, 1);
    for plans in &mut watchers {
        assert_eq!(plans.shares().await, [900_000, 100_000]);
    }
    assert_eq!(gateway.state.api_metrics().watch_encodings.get(), 2);
    assert_eq!(gateway.state.metrics().resolve.plans.get(), 2);
    drop((watchers, client, served));
    while gateway.state.api_metrics().watchers(WatchFace::Resolve).get() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_watcher_that_comes_back_is_told_only_what_it_does_not_know() {
    let mut gateway = Gateway::new();
    gateway.put(pair(7));
    gateway.set_clusters(live());
    let served = served(&gateway).await;
    let mut client = RoutingClient::new(served.channel.clone());
    let known = client.resolve(request("pair")).await.unwrap().into_inner().plan.unwrap().fingerprint;
    let again = |last: &str| pb::WatchResolveRequest { last_fingerprint: last.to_owned(), ..watch("pair") };
    let mut plans = Plans(client.watch_resolve(again(&known)).await.unwrap().into_inner());
    gateway.drain("shanghai", 10, 1);
    assert_eq!(plans.shares().await, [900_000, 100_000]);
    for other in ["", "0", "nonsense"] {
        let mut plans = Plans(client.watch_resolve(again(other)).await.unwrap().into_inner());
        assert_eq!(plans.shares().await, [900_000, 100_000], "{other}");
    }
}

#[tokio::test]
async fn watches_of_plans_end_as_unavailable_when_the_gateway_stops() {
    let gateway = Gateway::new();
    let served = served(&gateway).await;
    let mut client = RoutingClient::new(served.channel.clone());
    let mut plans = Plans(client.watch_resolve(watch("pair")).await.unwrap().into_inner());
    plans.next().await;
    drop(served._stop);
    assert_eq!(plans.0.message().await.unwrap_err().code(), Code::Unavailable);
}

/// Plans as the fingerprint alone.
struct Named;

impl EncodePlan for Named {
    const FACE: PlanEncoding = PlanEncoding::Proto;

    fn encode(&self, planned: &PlannedService) -> EncodedPlan {
        EncodedPlan::Usable(PlanPieces::new(Vec::new(), vec![0], 0..0, planned.fingerprint()))
    }

    fn plan(&self, encoded: &EncodedPlan, _: &FederatedService, _: &PlanInputs, _: Mono) -> Bytes {
        let EncodedPlan::Usable(pieces) = encoded else { panic!("unusable") };
        Bytes::copy_from_slice(&pieces.fingerprint.to_le_bytes())
    }

    fn absent(&self, _: &ServiceKey, _: &Arc<ClusterTable>, _: Mono) -> Bytes {
        Bytes::new()
    }
}

#[tokio::test]
async fn each_change_that_does_not_change_the_plan_is_silent() {
    let mut gateway = Gateway::new();
    gateway.put(pair(7));
    gateway.set_clusters(live());
    let topic = PlanTopic { key: key("pair"), caller: CallerAsk::default() };
    let (view, resolver) = (gateway.state.view().clone(), Arc::clone(gateway.state.resolver()));
    let hub = gateway.state.hub(WatchedPlans::new(view, resolver, Named), WatchFace::Resolve);
    let mut watcher = hub.watch(topic, None);
    let mut last = watcher.next().await.unwrap();
    let mut step = async |name: &str, gateway: &mut Gateway, change: &dyn Fn(&mut Gateway), news: bool| {
        change(gateway);
        let told = futures::poll!(std::pin::pin!(watcher.next()));
        assert_eq!(told.is_ready(), news, "{name}");
        if let std::task::Poll::Ready(told) = told {
            let told = told.unwrap();
            assert_ne!(std::mem::replace(&mut last, told.clone()), told, "{name}");
        }
    };
    let raw = |revision| {
        let frankfurt =
            ClusterStatus { freshness: Freshness::Stale, ..cluster("frankfurt", Freshness::Live, revision) };
        vec![frankfurt, cluster("shanghai", Freshness::Live, 1)]
    };
    let heavier = || {
        let mut service = pair(20);
        let instance = &mut service.origins[0].instances[0].instance;
        *instance = Arc::new(Instance { weight: Weight::try_from(9.0).unwrap(), ..(**instance).clone() });
        service
    };
    let keep = || Policy { stale: StaleRule::Keep, ..Policy::default() };
    step("the same instances anew", &mut gateway, &|it| it.put(pair(8)), false).await;
    step("raw freshness", &mut gateway, &|it| it.set_clusters(raw(9)), false).await;
    step("time", &mut gateway, &|it| it.pass(60_000), false).await;
    step("a policy that changes nothing", &mut gateway, &|it| it.set_policy(keep(), 1), false).await;
    step("a drain of nothing", &mut gateway, &|it| it.drain("frankfurt", 0, 2), false).await;
    step("a drain of another service", &mut gateway, &|it| it.drain("shanghai/public/G/other", 50, 3), false).await;
    step("another service", &mut gateway, &|it| it.put(orders(10)), false).await;
    step("a drain", &mut gateway, &|it| it.drain("shanghai", 50, 4), true).await;
    step("a weight", &mut gateway, &|it| it.put(heavier()), true).await;
    step("an end", &mut gateway, &|it| it.remove(&key("pair")), true).await;
    step("a drain of what is absent", &mut gateway, &|it| it.drain("shanghai", 60, 5), false).await;
}
