//! Every document, byte for byte, in `golden/`.

use std::path::PathBuf;

use axum::http::header;
use federation_answers::access::MeDocument;
use federation_answers::changes::{ChangesDocument, HistoryDocument};
use federation_answers::comparison::ComparisonDocument;
use federation_answers::descriptor::{self as adoption, AdoptedDocument, MembershipDocument};
use federation_answers::discovery::{
    AbsentDocument, ClustersDocument, ConfigDocument, ConfigsDocument, ServiceDocument, ServicesDocument,
};
use federation_answers::drain::{DrainsDocument, OrderBody, PatternBody};
use federation_answers::exclusion::{self, ExcludedDocument, TakenDocument};
use federation_answers::front_door::{self as door, FrontDoorDocument};
use federation_answers::guard::{DecisionBody, HoldDocument, HoldsDocument};
use federation_answers::links::LinksDocument;
use federation_answers::nacos_comparison::NacosComparisonDocument;
use federation_answers::plan::{ExplainDocument, PlanDocument};
use federation_answers::policy::PolicyAnswer;
use federation_answers::problem::ProblemDocument;
use federation_answers::status::{ReadyDocument, StatusDocument};
use federation_answers::verification::VerificationDocument;
use federation_core::reason::GatewayReason;
use federation_core::routing::PanicThreshold;
use federation_golden::Golden;
use federation_policy::{PolicyRefusal, PolicyStanding, PolicyWord};
use federation_ports::metrics::TroubleKind;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::*;
use crate::ask::{Filter, ServiceAsk};
use crate::http::{events, policy};
use crate::select::Moment;

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "golden"].iter().collect()
}

/// Answers as files, each by the name of its document and what is special about it.
#[derive(Default)]
struct Answers(Vec<(&'static str, String)>);

impl Answers {
    async fn get(&mut self, name: &'static str, gateway: &Gateway, path: &str) {
        let answer = gateway.get(path).await;
        self.0.push((name, answer.body));
    }

    async fn post(&mut self, name: &'static str, gateway: &Gateway, path: &str, body: Value) {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        let answer = gateway.ask(request.body(Body::from(body.to_string())).unwrap()).await;
        self.0.push((name, answer.body));
    }
}

async fn discovery(answers: &mut Answers) {
    let mut gateway = Gateway::new();
    answers.get("problem-service-not-found.json", &gateway, "/v1/service?serviceName=orders").await;
    answers.get("problem-config-not-found.json", &gateway, "/v1/config?groupName=g&dataId=app.yaml").await;
    answers.get("problem-bad-parameter.json", &gateway, "/v1/service?serviceName=s&healthyOnly=yes").await;
    answers.get("problem-unknown-parameter.json", &gateway, "/v1/clusters?x=1").await;
    let unheard = ClusterStatus { age: None, last_beat: None, ..cluster("virginia", Freshness::Lost, 3) };
    let clusters = vec![cluster("frankfurt", Freshness::Stale, 2), cluster("shanghai", Freshness::Live, 1), unheard];
    gateway.set_clusters(clusters);
    gateway.put(orders(7));
    gateway.put_config(config("public", "app.yaml", 3, &["frankfurt", "shanghai"]));
    answers.get("clusters.json", &gateway, "/v1/clusters").await;
    answers.get("services.json", &gateway, "/v1/services").await;
    answers.get("service.json", &gateway, "/v1/service?serviceName=orders").await;
    answers.get("configs.json", &gateway, "/v1/configs").await;
    answers.get("config.json", &gateway, "/v1/config?groupName=g&dataId=app.yaml").await;
    gateway.put_config(lists::forked("forked.yaml"));
    answers.get("configs-that-differ.json", &gateway, "/v1/configs?drift=true").await;
    answers.get("services-summary.json", &gateway, "/v1/services?fields=summary&facets=true&sort=unhealthy").await;
    answers.get("me.json", &gateway, "/v1/me").await;
    gateway.put_config(partly_sealed());
    answers.get("configs-sealed.json", &gateway, "/v1/configs").await;
    answers.get("config-sealed.json", &gateway, "/v1/config?groupName=g&dataId=app.yaml").await;
    let of_one = "/v1/config?groupName=g&dataId=app.yaml&origin=frankfurt";
    answers.get("problem-config-sealed.json", &gateway, of_one).await;
}

/// Frankfurt's content is sealed, shanghai's is not.
fn partly_sealed() -> FederatedConfig {
    let (key, reason) = (SealKeyId([0xab; 8]), SealReason::NoKey);
    let mut partly = config("public", "app.yaml", 4, &["frankfurt", "shanghai"]);
    partly.items[0].item = Arc::new(ConfigItem::sealed(SealedContent { key, bytes: [1; 40].into(), reason }));
    partly
}

/// What a watcher of a service that nobody has is told: the line of its event.
fn absent(answers: &mut Answers) {
    let gateway = Gateway::new();
    let ask = ServiceAsk { key: key("orders"), filter: Filter::default() };
    let event = events::absent_event(&ask, &Moment::of(gateway.state.view()));
    let event = std::str::from_utf8(&event).unwrap();
    answers.0.push(("absent.json", event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap().to_owned()));
}

async fn plans(answers: &mut Answers) {
    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    gateway.drain("shanghai", 25, 1);
    answers.get("plan.json", &gateway, "/v1/resolve?serviceName=orders&label.app=web").await;
    answers.get("plan-excerpt.json", &gateway, "/v1/resolve?serviceName=orders&limit=1").await;
    let mut clusters = vec![cluster("frankfurt", Freshness::Live, 3), cluster("shanghai", Freshness::Live, 1)];
    clusters[0].effective = Freshness::Lost;
    clusters[0].advertise = [("n1".into(), "edge.example:8443".into())].into();
    clusters[0].locality.network = Some("n2".into());
    gateway.set_clusters(clusters);
    let mut service = orders(8);
    service.origins[0].instances[0].effective = Health::Unhealthy;
    service.origins[1].instances.push(disabled());
    gateway.put(service);
    answers.get("plan-advertised.json", &gateway, "/v1/resolve?serviceName=orders").await;
    answers.get("explanation.json", &gateway, "/v1/explain?serviceName=orders&region=mars").await;
    let shanghai = of("shanghai", FactSource::Nacos, vec![disabled(), instance("10.0.0.1", 80, Health::Unhealthy)]);
    gateway.put(service_of("orders", vec![shanghai]));
    gateway.set_policy(Policy { panic_threshold: PanicThreshold(Percent::default()), ..Policy::default() }, 1);
    answers.get("explanation-unusable.json", &gateway, "/v1/explain?serviceName=orders").await;
    answers.get("problem-nothing-usable.json", &gateway, "/v1/resolve?serviceName=orders").await;
}

fn service_of(name: &str, origins: Vec<OriginInstances>) -> FederatedService {
    service(key(name), 9, origins)
}

fn disabled() -> FederatedInstance {
    let mut disabled = instance("10.0.0.9", 80, Health::Healthy);
    disabled.instance = Arc::new(Instance { enabled: false, ..(*disabled.instance).clone() });
    disabled
}

async fn orders_and_suppositions(answers: &mut Answers) {
    let gateway = drains::ramping();
    answers.get("drains.json", &gateway, "/v1/drains").await;
    answers.get("drains-without-effects.json", &gateway, "/v1/drains?effects=false").await;
    answers.get("drains-not-accepted.json", &drains::refusing(), "/v1/drains?effects=false").await;
    answers.get("comparison.json", &gateway, "/v1/what-if?lost=frankfurt").await;
    let dry = json!({"cluster": "frankfurt", "percent": 60, "dryRun": true});
    answers.post("comparison-of-a-drain.json", &gateway, "/v1/drains", dry).await;
    let refused = json!({"cluster": "frankfurt", "percent": 60});
    answers.post("problem-drain-refused.json", &gateway, "/v1/drains", refused).await;
    let order = json!({"cluster": "zanzibar", "excluded": true, "who": "ann", "reason": "garbage"});
    answers.post("exclusion-taken.json", &gateway, "/v1/excluded", order).await;
    answers.get("excluded.json", &gateway, "/v1/excluded").await;
    let gateway = front_door::with_a_door();
    answers.get("front-door.json", &gateway, "/v1/front-door").await;
    let order = json!({"who": "ann", "reason": "an upgrade"});
    answers.post("front-door-drained.json", &gateway, "/v1/front-door/drain", order).await;
}

/// Frankfurt has all that shanghai says, singapore has something else, and frankfurt names where it differs itself.
async fn verification(answers: &mut Answers) {
    let mut gateway = Gateway::new();
    gateway.set_verification(verify::one_differs());
    answers.get("verification.json", &gateway, "/v1/verify").await;
    answers.get("links.json", &gateway, "/v1/links").await;
    gateway.set_comparison(verify_nacos::of_each_kind());
    answers.get("nacos-comparison.json", &gateway, "/v1/verify/nacos").await;
}

async fn changes_and_plots(answers: &mut Answers) {
    let gateway = changes::changed();
    answers.get("changes.json", &gateway, "/v1/changes").await;
    answers.get("history.json", &gateway, "/v1/history").await;
}

async fn holds(answers: &mut Answers) {
    let mut gateway = Gateway::new();
    guard::hold_everything(&mut gateway);
    answers.get("holds.json", &gateway, "/v1/guard").await;
    let dry = json!({"id": "shanghai/public", "action": "release", "dryRun": true});
    answers.post("hold-on-trial.json", &gateway, "/v1/guard", dry).await;
    answers.0.push(("hold-released.json", guard::released().await));
    let unknown = json!({"id": "frankfurt/public", "action": "release"});
    answers.post("problem-hold-not-found.json", &gateway, "/v1/guard", unknown).await;
}

async fn adoptions(answers: &mut Answers) {
    let (gateway, _queue) = super::descriptor::stranger();
    answers.get("membership.json", &gateway, "/v1/descriptor").await;
    let dry = json!({"cluster": "shanghai", "dryRun": true});
    answers.post("adopted-on-trial.json", &gateway, "/v1/descriptor", dry).await;
    answers.0.push(("adopted.json", super::descriptor::adopted().await));
    let other = json!({"cluster": "frankfurt"});
    answers.post("problem-not-adopted.json", &gateway, "/v1/descriptor", other).await;
}

/// A file whose newest document is refused, and another that was not heard of yet.
fn a_refused_policy(answers: &mut Answers) {
    let source = || PolicySource::File("/etc/policy.yaml".into());
    let in_force = InForce { version: 2, source: source(), since: Some(WallMs(7)), ..InForce::default() };
    let mistakes = federation_policy::document::from_text("policy.yaml", "stale: drop\n").unwrap_err();
    let refusal =
        PolicyRefusal { source: source(), at: WallMs(9), mistakes: mistakes.sorted().into_iter().cloned().collect() };
    let other = PolicySource::File("/etc/older.yaml".into());
    let standings = [
        PolicyStanding { source: other, word: PolicyWord::NotHeard, refusal: None },
        PolicyStanding { source: source(), word: PolicyWord::Present, refusal: Some(refusal) },
    ];
    answers
        .0
        .push(("policy-refused.json", serde_json::to_string(&policy::answer(None, &in_force, &standings)).unwrap()));
}

async fn the_gateway_itself(answers: &mut Answers) {
    let mut gateway = Gateway::new();
    answers.get("status.json", &gateway, "/v1/status").await;
    answers.get("ready.json", &gateway, "/readyz").await;
    answers.get("policy.json", &gateway, "/v1/policy").await;
    answers.get("policy-of-a-service.json", &gateway, "/v1/policy?serviceName=orders").await;
    gateway.troubles.raise(TroubleKind::Storage, "/data/policy", "the disk is full");
    answers.get("status-with-a-trouble.json", &gateway, "/v1/status").await;
    gateway.set_gateway(GatewayStatus {
        ready: false,
        reasons: vec![GatewayReason::LogUnreachable("no broker answers".into())],
        ..GatewayStatus::default()
    });
    answers.get("problem-not-ready.json", &gateway, "/readyz").await;
}

/// When a trouble began is by the machine's clock.
fn without_wall_time(json: &str) -> String {
    let Some((before, after)) = json.split_once("\"text\":\"the disk is full\",\"sinceMs\":") else {
        return json.to_owned();
    };
    format!(
        "{before}\"text\":\"the disk is full\",\"sinceMs\":5{}",
        after.trim_start_matches(|it: char| it.is_ascii_digit())
    )
}

async fn all() -> Vec<(&'static str, String)> {
    let mut answers = Answers::default();
    discovery(&mut answers).await;
    absent(&mut answers);
    a_refused_policy(&mut answers);
    plans(&mut answers).await;
    orders_and_suppositions(&mut answers).await;
    holds(&mut answers).await;
    verification(&mut answers).await;
    changes_and_plots(&mut answers).await;
    adoptions(&mut answers).await;
    the_gateway_itself(&mut answers).await;
    answers.0.into_iter().map(|(name, json)| (name, without_wall_time(&json))).collect()
}

#[tokio::test]
async fn every_document_is_what_it_was() {
    let mut golden = Golden::default();
    for (name, json) in all().await {
        golden.json(name, &json);
    }
    golden.json("openapi.json", &Gateway::new().get("/openapi.json").await.body);
    golden.hold(&folder());
}

/// Reads a document and writes it again.
fn again<T: DeserializeOwned + Serialize>(json: &str) -> Result<String, serde_json::Error> {
    serde_json::to_string(&serde_json::from_str::<T>(json)?)
}

/// The type of which a golden file is, as a function that reads and writes.
fn reader_of(name: &str) -> fn(&str) -> Result<String, serde_json::Error> {
    let document = name.strip_suffix(".json").unwrap();
    match document.split('-').next().unwrap() {
        "me" => again::<MeDocument>,
        "problem" => again::<ProblemDocument>,
        "clusters" => again::<ClustersDocument<'static>>,
        "services" => again::<ServicesDocument<'static>>,
        "service" => again::<ServiceDocument<'static>>,
        "absent" => again::<AbsentDocument<'static>>,
        "configs" => again::<ConfigsDocument<'static>>,
        "config" => again::<ConfigDocument<'static>>,
        "plan" => again::<PlanDocument<'static>>,
        "explanation" => again::<ExplainDocument<'static>>,
        "drains" => again::<DrainsDocument>,
        "comparison" => again::<ComparisonDocument>,
        "excluded" => again::<ExcludedDocument>,
        "verification" => again::<VerificationDocument>,
        "links" => again::<LinksDocument>,
        "changes" => again::<ChangesDocument>,
        "history" => again::<HistoryDocument>,
        "nacos" => again::<NacosComparisonDocument>,
        "holds" => again::<HoldsDocument>,
        "hold" => again::<HoldDocument>,
        "membership" => again::<MembershipDocument>,
        "adopted" => again::<AdoptedDocument>,
        "exclusion" => again::<TakenDocument>,
        "front" => again::<FrontDoorDocument>,
        "status" => again::<StatusDocument<'static>>,
        "ready" => again::<ReadyDocument>,
        "policy" => again::<PolicyAnswer<'static>>,
        other => panic!("a document of no known type: {other}"),
    }
}

/// Also of a plan, whose bytes are put together from pieces.
#[tokio::test]
async fn what_is_read_and_written_again_is_the_same_to_the_byte() {
    for (name, json) in all().await {
        assert_eq!(reader_of(name)(&json).unwrap_or_else(|error| panic!("{name}: {error}")), json, "{name}");
    }
}

/// Puts a field that nobody knows into the document and into every object of its lists.
fn with_a_field_of_the_future(value: &mut Value, is_object_of_fields: bool) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(|value| with_a_field_of_the_future(value, false));
            if is_object_of_fields {
                fields.insert("fieldOfTheFuture".to_owned(), json!({"a": [1]}));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| with_a_field_of_the_future(item, true)),
        _ => {}
    }
}

#[tokio::test]
async fn what_a_newer_gateway_adds_is_skipped() {
    for (name, json) in all().await {
        let mut newer: Value = serde_json::from_str(&json).unwrap();
        with_a_field_of_the_future(&mut newer, true);
        let read = reader_of(name)(&newer.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (read, known): (Value, Value) =
            (serde_json::from_str(&read).unwrap(), serde_json::from_str(&json).unwrap());
        assert_eq!(read, known, "{name}");
    }
}

/// Paths of the fields without which a document cannot be read.
fn required(name: &str, whole: &Value, at: &str, path: &str, found: &mut std::collections::BTreeSet<String>) {
    match whole.pointer(at) {
        Some(Value::Object(fields)) => {
            for field in fields.keys().cloned().collect::<Vec<_>>() {
                let mut without = whole.clone();
                without.pointer_mut(at).and_then(Value::as_object_mut).expect("it is one").remove(&field);
                if reader_of(name)(&without.to_string()).is_err() {
                    found.insert(format!("{}{path}/{field}", name.split(['-', '.']).next().unwrap()));
                }
                required(name, whole, &format!("{at}/{field}"), &format!("{path}/{field}"), found);
            }
        }
        Some(Value::Array(items)) => (0..items.len())
            .for_each(|index| required(name, whole, &format!("{at}/{index}"), &format!("{path}/*"), found)),
        _ => {}
    }
}

/// A line more in this list, and this program cannot read what gateways before it write: give the field `#[serde(default)]`.
#[tokio::test]
async fn no_field_is_required_that_older_gateways_do_not_write() {
    let mut found = std::collections::BTreeSet::new();
    for (name, json) in all().await {
        required(name, &serde_json::from_str(&json).unwrap(), "", "", &mut found);
    }
    let mut golden = Golden::default();
    golden.text("required.txt", &found.into_iter().collect::<Vec<_>>().join("\n"));
    golden.hold(&folder().join("read"));
}

/// An order as it is written, which is read as the same.
fn written<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(order: &T) -> String {
    let json = serde_json::to_string(order).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&json).unwrap(), order);
    json
}

#[test]
fn orders_are_written_as_they_were_and_without_what_is_not_wanted() {
    let drain = OrderBody { cluster: "frankfurt".to_owned(), percent: 30, ..OrderBody::default() };
    let services = PatternBody { service_name: Some("order-*".to_owned()), ..PatternBody::default() };
    let whole = OrderBody {
        services: Some(services),
        over_ms: Some(600_000),
        reason: Some("disks".to_owned()),
        who: Some("ann@desk".to_owned()),
        force: true,
        leave_last: true,
        dry_run: true,
        ..drain.clone()
    };
    let exclusion = exclusion::OrderBody { cluster: "zanzibar".to_owned(), excluded: true, reason: None, who: None };
    let decision = DecisionBody {
        id: "shanghai/public".to_owned(),
        action: "release".to_owned(),
        who: Some("ann@desk".to_owned()),
        ..DecisionBody::default()
    };
    let adoption = adoption::OrderBody { cluster: "shanghai".to_owned(), ..adoption::OrderBody::default() };
    let mut golden = Golden::default();
    for (name, order) in [("drain.json", &drain), ("drain-with-everything.json", &whole)] {
        golden.json(name, &written(order));
    }
    golden.json("exclusion.json", &written(&exclusion));
    let upgrade = door::OrderBody { reason: Some("an upgrade".to_owned()), who: Some("ann@desk".to_owned()) };
    golden.json("front-door.json", &written(&upgrade));
    golden.json("decision.json", &written(&decision));
    golden.json("adoption.json", &written(&adoption));
    golden.hold(&folder().join("orders"));
}
