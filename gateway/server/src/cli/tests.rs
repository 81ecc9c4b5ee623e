//! Commands against a gateway that answers from canned documents.

mod accounts;
mod adopt;
mod changes;
mod exclude;
mod front_door;
mod golden;
mod guard;
mod plan;
mod policy;
mod verify;
mod verify_nacos;

use axum::Router;
use axum::extract::{Query, RawQuery};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use clap::Parser;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::args::{Cli, Name};
use super::exit::{Exit, Failure};
use super::output::Output;

/// A gateway of canned answers; it ends with this value.
struct Canned {
    address: std::net::SocketAddr,
    _tasks: JoinSet<()>,
}

impl Canned {
    async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, _tasks: tasks }
    }

    /// Exit code, standard output and standard error of a command.
    async fn run(&self, arguments: &[&str]) -> (Exit, String, String) {
        let server = self.address.to_string();
        run(&[&["nacos-fed", "--server", &server], arguments].concat()).await
    }
}

async fn run(arguments: &[&str]) -> (Exit, String, String) {
    let cli = Cli::try_parse_from(arguments).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let outcome = super::ask(&cli.command, &cli.global, &mut Output::new(cli.global.format, &mut out)).await;
    let exit = outcome.unwrap_or_else(|failure| {
        failure.report(&mut err);
        failure.exit()
    });
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn json_at(path: &str, document: Value) -> Router {
    Router::new().route(path, get(move || std::future::ready(axum::Json(document.clone()))))
}

/// Answers with the document, and in it the query.
fn echo(path: &str, document: Value) -> Router {
    let echo = move |RawQuery(query): RawQuery| {
        let mut document = document.clone();
        document["query"] = json!(query);
        std::future::ready(axum::Json(document))
    };
    Router::new().route(path, get(echo))
}

fn problem(status: StatusCode, document: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/problem+json")], document.to_string()).into_response()
}

fn cluster(id: &str, local: bool, freshness: &str, reason: &str) -> Value {
    json!({
        "cluster": id, "locality": {"region": "r", "zone": id, "subZone": null}, "local": local,
        "freshness": freshness, "freshnessReason": reason, "ageMs": 1234, "services": 2, "instances": 3, "configs": 0,
    })
}

fn status(ready: bool, troubles: &Value, clusters: Vec<Value>) -> Value {
    let facts = json!({"role": "leader", "nacosConnected": "yes", "nacosAgeMs": "430", "unpublishedAgeMs": "0",
        "policy": "version 1 from defaults, 0 rules", "excludedClusters": "", "nacos_reads_waiting": "3"});
    json!({"ready": ready, "reasons": ["no rights to list"], "troubles": troubles, "federation": "f", "cluster": "a", "replica": "a-0",
        "version": "0.1.0", "uptimeMs": 63_000, "facts": facts, "clusters": clusters})
}

#[tokio::test]
async fn status_is_good_only_if_the_gateway_is_ready_without_trouble_and_all_are_live() {
    let live = || cluster("a", true, "live", "");
    let stale = || cluster("b", false, "stale", "no beat for 12 s");
    let full = json!([{"kind": "storage", "about": "", "text": "disk full", "sinceMs": 5}]);
    for (ready, troubles, clusters, want) in [
        (true, &json!([]), vec![live()], Exit::Ok),
        (true, &json!([]), vec![live(), stale()], Exit::Negative),
        (false, &json!([]), vec![live()], Exit::Negative),
        (true, &full, vec![live()], Exit::Negative),
        (true, &json!([{"kind": "insecure", "about": "", "text": "", "sinceMs": 5}]), vec![live()], Exit::Ok),
    ] {
        let canned = Canned::start(json_at("/v1/status", status(ready, troubles, clusters))).await;
        assert_eq!(canned.run(&["status"]).await.0, want);
        let (exit, out, _) = canned.run(&["status", "--format", "json"]).await;
        assert_eq!(exit, want);
        assert!(serde_json::from_str::<Value>(&out).unwrap()["clusters"].is_array());
    }
}

#[tokio::test]
async fn status_shows_facts_group_by_group_and_the_clusters() {
    let clusters = vec![cluster("a", true, "live", ""), cluster("bb", false, "stale", "no beat")];
    let canned = Canned::start(json_at("/v1/status", status(true, &json!([]), clusters))).await;
    let want = "\
GATEWAY
  ready              yes
  reason             no rights to list
  federation         f
  cluster            a
  replica            a-0
  version            0.1.0
  running for        1m 3s
  excluded clusters  none
  role               leader

OWN NACOS
  age                0.4s
  connected          yes
  reads waiting      3

LOG
  unpublished age    0.0s

POLICY
  policy             version 1 from defaults, 0 rules

CLUSTER    LOCALITY  FRESHNESS        AGE  SERVICES  INSTANCES  CONFIGS
a (local)  r/a       live            1.2s         2          3        0
bb         r/bb      stale: no beat  1.2s         2          3        0
";
    assert_eq!(canned.run(&["status"]).await.1, want);
}

/// A gateway that is newer than this program: what it says besides is skipped, and kept in JSON.
#[tokio::test]
async fn what_a_newer_gateway_says_besides_is_skipped_and_kept_in_json() {
    let mut newer = cluster("a", true, "frozen", "a word of the future");
    newer["fieldOfTheFuture"] = json!({"a": [1]});
    let canned = Canned::start(json_at("/v1/clusters", json!({"clusters": [newer], "more": 1}))).await;
    let (exit, out, _) = canned.run(&["clusters"]).await;
    assert!(exit == Exit::Ok && out.contains("frozen: a word of the future"), "{out}");
    let (_, out, _) = canned.run(&["clusters", "--format", "json"]).await;
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&json["more"], &json["clusters"][0]["fieldOfTheFuture"]["a"][0]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn services_has_a_column_for_each_cluster() {
    let document = json!({"total": 2, "pageNo": 1, "pageSize": 1000, "services": [
        {"namespaceId": "public", "groupName": "DEFAULT_GROUP", "serviceName": "order", "clusters": {
            "frankfurt": {"instances": 3, "healthy": 2, "unknown": 1}, "shanghai": {"instances": 1, "healthy": 1, "unknown": 0}}},
        {"namespaceId": "", "groupName": "G", "serviceName": "订单", "clusters": {
            "shanghai": {"instances": 1, "healthy": 0, "unknown": 0}}},
    ]});
    let canned = Canned::start(json_at("/v1/services", document)).await;
    let want = "\
NAMESPACE  GROUP          SERVICE  frankfurt  shanghai
public     DEFAULT_GROUP  order       2/3 1?       1/1
\"\"         G              订单             -       0/1
2 services
";
    assert_eq!(canned.run(&["services"]).await, (Exit::Ok, want.to_owned(), String::new()));
}

#[tokio::test]
async fn all_pages_of_a_list_are_fetched() {
    let names = |Query(query): Query<BTreeMap<String, String>>| {
        let number = |name: &str| query[name].parse::<usize>().unwrap();
        let (page, size) = (number("pageNo"), number("pageSize"));
        let services: Vec<Value> = (0..2500)
            .skip((page - 1) * size)
            .take(size)
            .map(|n| json!({"namespaceId": "p", "groupName": "g", "serviceName": format!("s{n}"), "clusters": {}}))
            .collect();
        std::future::ready(axum::Json(json!({"total": 2500, "pageNo": page, "pageSize": size, "services": services})))
    };
    let canned = Canned::start(Router::new().route("/v1/services", get(names))).await;
    let (exit, out, _) = canned.run(&["services", "--format", "json"]).await;
    let document: Value = serde_json::from_str(&out).unwrap();
    let services = document["services"].as_array().unwrap();
    assert_eq!((exit, services.len(), &document["pageSize"]), (Exit::Ok, 2500, &json!(2500)));
    assert_eq!(services[2499]["serviceName"], "s2499");
}

fn instance(ip: &str, health: &str) -> Value {
    json!({
        "ip": ip, "port": 80, "clusterName": "DEFAULT", "weight": 0.5, "health": health, "healthy": health == "healthy",
        "enabled": true, "ephemeral": true, "metadata": {"v": "\u{1b}[2J"}, "origin": "shanghai",
        "locality": {"region": "cn", "zone": null, "subZone": null}, "freshness": "live", "freshnessReason": "",
        "ageMs": 63000, "held": null, "source": "log",
    })
}

fn service(version: u64, instances: &[Value]) -> Value {
    json!({"namespaceId": "public", "groupName": "G", "serviceName": "order", "version": version, "instances": instances})
}

#[tokio::test]
async fn a_service_shows_every_instance_and_no_escape_sequence_of_theirs() {
    let mut held = instance("::1", "unknown");
    held["enabled"] = json!(false);
    held["held"] = json!({"ageMs": 1, "reason": "mass loss"});
    let canned = Canned::start(json_at("/v1/service", service(7, &[instance("10.0.0.1", "healthy"), held]))).await;
    let want = "\
G@@order in namespace public, version 7: 2 instances
INSTANCE     CLUSTER  ORIGIN    LOCALITY  WEIGHT  HEALTH                              FRESHNESS    AGE  METADATA
10.0.0.1:80  DEFAULT  shanghai  cn           0.5  healthy                             live       1m 3s  v=\\u{1b}[2J
[::1]:80     DEFAULT  shanghai  cn           0.5  unknown, disabled, held (mass loss)  live       1m 3s  v=\\u{1b}[2J
";
    let (exit, out, _) = canned.run(&["service", "G@@order"]).await;
    let spaces = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!((exit, spaces(&out)), (Exit::Ok, spaces(want)));
}

#[tokio::test]
async fn names_and_filters_become_query_parameters() {
    let canned = Canned::start(echo("/v1/service", service(7, &[]))).await;
    for (arguments, want) in [
        (vec!["service", "order"], "serviceName=order"),
        (vec!["-n", "", "service", "G@@a b&c"], "namespaceId=&groupName=G&serviceName=a+b%26c"),
        (
            vec!["service", "order", "-n", "prod", "-g", "G", "--origin", "x", "--healthy-only"],
            "namespaceId=prod&groupName=G&serviceName=order&origin=x&healthyOnly=true",
        ),
    ] {
        let (_, out, _) = canned.run(&[&arguments[..], &["--format", "json"]].concat()).await;
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["query"], want);
    }
}

#[tokio::test]
async fn a_problem_document_decides_the_exit_code_and_is_shown() {
    for (status, want) in
        [(400, Exit::WrongInput), (403, Exit::Refused), (404, Exit::NotFound), (503, Exit::Unreachable)]
    {
        let document = json!({"type": "about:blank", "title": "no", "status": status, "detail": "because", "field": "a", "reasons": ["b", "c"], "instance": "/1"});
        let status = StatusCode::from_u16(status).unwrap();
        let route = get(move || std::future::ready(problem(status, &document)));
        let canned = Canned::start(Router::new().route("/v1/service", route)).await;
        let (exit, out, err) = canned.run(&["service", "x"]).await;
        assert_eq!((exit, out.as_str(), err.as_str()), (want, "", "error: no: because\n  field: a\n  reasons: b, c\n"));
    }
}

#[tokio::test]
async fn what_is_no_gateway_is_not_reachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap().to_string();
    drop(listener);
    let (exit, _, err) = run(&["nacos-fed", "--server", &nobody, "services"]).await;
    assert_eq!(exit, Exit::Unreachable);
    assert!(err.starts_with(&format!("error: no gateway answers at http://{nobody}/")), "{err}");

    let html = Router::new().route("/v1/services", get(|| std::future::ready("<html>")));
    assert_eq!(Canned::start(html).await.run(&["services"]).await.0, Exit::Unreachable);
    assert_eq!(Canned::start(Router::new()).await.run(&["services"]).await.0, Exit::Unreachable);
    assert_eq!(Canned::start(json_at("/v1/services", json!({}))).await.run(&["services"]).await.0, Exit::Unreachable);
}

#[tokio::test]
async fn a_config_item_is_shown_for_each_origin_and_printed_byte_for_byte() {
    let item = |origin: &str, content: &str| json!({"origin": origin, "content": content, "md5": "m", "type": "yaml", "freshness": "live", "freshnessReason": "", "ageMs": 1000, "source": "log", "encryptedDataKey": "", "description": "", "tags": "", "appName": "", "lastModifiedMs": 0});
    let document = json!({"namespaceId": "public", "groupName": "G", "dataId": "a.yaml", "version": 1, "items": [item("a", "x: 1\r\ny"), item("b", "")]});
    let canned = Canned::start(json_at("/v1/config", document)).await;
    let (exit, out, _) = canned.run(&["config", "a.yaml"]).await;
    assert_eq!(exit, Exit::Ok);
    assert!(out.contains("G@@a.yaml in namespace public") && out.contains("--- a\nx: 1\n"), "{out}");
    let content = canned.run(&["config", "a.yaml", "--origin", "a", "--content"]).await;
    assert_eq!(content, (Exit::Ok, "x: 1\r\ny".to_owned(), String::new()));
    assert_eq!(canned.run(&["config", "a.yaml", "--content"]).await.0, Exit::WrongInput);
    assert_eq!(canned.run(&["config", "a.yaml", "--origin", "c"]).await.0, Exit::NotFound);
}

#[tokio::test]
async fn watch_says_what_changes_until_the_stream_ends() {
    let event = |name: &str, data: &Value| format!("event: {name}\nid: 1\ndata: {data}\n\n");
    let mut older = instance("10.0.0.1", "unhealthy");
    older["ageMs"] = json!(99);
    let stream = [
        event("service", &service(1, &[instance("10.0.0.1", "healthy")])),
        ": alive\n\n".to_owned(),
        event("service", &service(2, &[older, instance("10.0.0.2", "healthy")])),
        event("service", &service(3, &[instance("10.0.0.2", "healthy")])),
        event("absent", &json!({})),
    ]
    .concat();
    let route = get(move || std::future::ready(([(header::CONTENT_TYPE, "text/event-stream")], stream.clone())));
    let canned = Canned::start(Router::new().route("/v1/watch", route)).await;
    let (exit, out, err) = canned.run(&["watch", "order"]).await;
    assert_eq!(exit, Exit::Unreachable);
    assert!(err.contains("the stream has ended"), "{err}");
    let signs: Vec<&str> = out.lines().filter(|line| line.starts_with(['+', '-', '~', 'n'])).collect();
    assert_eq!(
        signs,
        [
            "+ shanghai 10.0.0.1:80@DEFAULT healthy, weight 0.5, live, v=\\u{1b}[2J",
            "~ shanghai 10.0.0.1:80@DEFAULT healthy, weight 0.5, live, v=\\u{1b}[2J -> unhealthy, weight 0.5, live, v=\\u{1b}[2J",
            "+ shanghai 10.0.0.2:80@DEFAULT healthy, weight 0.5, live, v=\\u{1b}[2J",
            "- shanghai 10.0.0.1:80@DEFAULT unhealthy, weight 0.5, live, v=\\u{1b}[2J",
            "no cluster has an instance",
            "- shanghai 10.0.0.2:80@DEFAULT healthy, weight 0.5, live, v=\\u{1b}[2J",
        ]
    );
    let (_, out, _) = canned.run(&["watch", "order", "--format", "json"]).await;
    assert_eq!(
        out.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["version"].clone())
            .take(3)
            .collect::<Vec<_>>(),
        [1, 2, 3]
    );
}

#[test]
fn a_name_may_carry_its_group() {
    let name = |text: &str, group: Option<&str>| {
        Name::parse(text, group).map(|it| (it.group, it.name)).map_err(|failure| failure.exit())
    };
    assert_eq!(name("a", None), Ok((None, "a".into())));
    assert_eq!(name("G@@a@@b", None), Ok((Some("G".into()), "a@@b".into())));
    assert_eq!(name("G@@a", Some("G")), Ok((Some("G".into()), "a".into())));
    assert_eq!(name("a", Some("G")), Ok((Some("G".into()), "a".into())));
    for (text, group) in [("G@@a", Some("H")), ("G@@", None), ("@@a", None), ("", None)] {
        assert_eq!(name(text, group), Err(Exit::WrongInput), "{text}");
    }
}

fn check_config(arguments: &[&str]) -> (Result<Exit, Failure>, String) {
    let cli = Cli::try_parse_from([&["nacos-fed", "check-config"], arguments].concat()).unwrap();
    let mut out = Vec::new();
    let outcome = super::run(&cli, &mut out);
    (outcome, String::from_utf8(out).unwrap())
}

#[test]
fn check_config_reports_five_mistakes_with_line_and_field() {
    let text = "federation: f\nnacos:\n  servers: \"n:8848\"\n  usrname: u\n  password: ${NACOS_FED_TEST_UNSET}\nkafka:\n  brokers: [\"k:9092\"]\n  topics: {partitions: 0}\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let path = file.path().to_str().unwrap();

    let (outcome, out) = check_config(&[path]);
    let failure = outcome.unwrap_err();
    let mut err = Vec::new();
    failure.report(&mut err);
    let err = String::from_utf8(err).unwrap();
    assert_eq!((failure.exit(), out.as_str()), (Exit::WrongInput, ""));
    for (line, field) in [
        (1, "cluster"),
        (3, "nacos.servers"),
        (4, "nacos.usrname"),
        (5, "nacos.password"),
        (8, "kafka.topics.partitions"),
    ] {
        assert!(
            err.contains(&format!("{path}:{line}:")) && err.contains(&format!("error: {field}: ")),
            "{field}: {err}"
        );
    }
    assert!(err.ends_with(": 5 mistakes\n"), "{err}");

    let (outcome, out) = check_config(&[path, "--format", "json"]);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(outcome.unwrap(), Exit::WrongInput);
    assert_eq!(
        (document["mistakes"].as_array().unwrap().len(), &document["mistakes"][0]["field"]),
        (5, &json!("cluster"))
    );
}

#[test]
fn check_config_prints_what_is_in_force_as_a_configuration() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "federation: f\ncluster: a\nnacos: {servers: [\"[::1]:8848\"], username: u, password: hunter2}\nkafka: {brokers: [\"k:1\"], properties: {ssl.ca.location: c}, insecure: true}\n").unwrap();
    let (outcome, out) = check_config(&[file.path().to_str().unwrap()]);
    assert_eq!(outcome.unwrap(), Exit::Ok);
    assert!(!out.contains("hunter2") && out.contains("# kafka.insecure allows: settings of TLS, which is not spoken"));
    std::fs::write(file.path(), &out).unwrap();
    let (again, second) = check_config(&[file.path().to_str().unwrap()]);
    assert_eq!(again.unwrap(), Exit::Ok, "what is printed can be read");
    assert_eq!(second, out);
}

#[test]
fn the_schema_refuses_what_the_reader_refuses_by_name_and_requires_what_it_requires() {
    let (outcome, out) = check_config(&["--schema"]);
    let schema: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(outcome.unwrap(), Exit::Ok);
    assert_eq!(schema["required"], json!(["federation", "cluster", "nacos", "kafka"]));
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["kafka"]["properties"]["topics"]["properties"]["partitions"]["default"], 8);
}

#[test]
fn the_arguments_are_consistent() {
    use clap::CommandFactory;
    Cli::command().debug_assert();
    for wrong in [
        &["nacos-fed"][..],
        &["nacos-fed", "check-config"],
        &["nacos-fed", "demo", "ctl", "stop"],
        &["nacos-fed", "--server", "x y", "status"],
    ] {
        assert_eq!(Cli::try_parse_from(wrong).unwrap_err().exit_code(), 2, "{wrong:?}");
    }
    assert!(Cli::try_parse_from(["nacos-fed", "demo", "ctl", "list"]).is_ok());
    assert!(Cli::try_parse_from(["nacos-fed", "demo", "--for", "20s", "--format", "json"]).is_ok());
}

fn drain(target: &str, percent: u8, goal: u8, ends_in: Option<u64>, effect: Value) -> Value {
    json!({
        "target": target, "cluster": target, "services": null, "percent": percent, "goalPercent": goal, "endsInMs": ends_in,
        "force": false, "who": "ann@desk", "why": "kernel\u{1b}update", "whenMs": 1, "ageMs": 63_000, "takenIn": "shanghai",
        "counter": 3, "effect": effect,
    })
}

/// A gateway whose list of drains is this, and which answers an order with it.
fn drains(list: Value) -> Router {
    let listed = json!({"drains": list});
    let list = move || std::future::ready(axum::Json(listed.clone()));
    let order = |RawQuery(query): RawQuery, axum::Json(body): axum::Json<Value>| {
        let cluster = body["cluster"].as_str().unwrap();
        std::future::ready(match (body["percent"].as_u64().unwrap(), body["dryRun"] == true) {
            (_, true) => axum::Json(json!({"asked": body, "query": query})).into_response(),
            (100, _) if body["force"] != true => problem(StatusCode::CONFLICT, &refused()),
            (percent, _) => {
                let mut drain =
                    drain(cluster, u8::try_from(percent).unwrap(), u8::try_from(percent).unwrap(), None, Value::Null);
                drain["services"] = body["services"].clone();
                drain["asked"] = body;
                axum::Json(drain).into_response()
            }
        })
    };
    Router::new().route("/v1/drains", get(list).post(order))
}

fn refused() -> Value {
    let service = json!({"namespaceId": "public", "groupName": "G", "serviceName": "cart"});
    json!({"title": "Services would be left without", "status": 409, "detail": "2 services", "services": [service], "total": 2})
}

#[tokio::test]
async fn drains_are_shown_with_what_they_do_and_undone_ones_when_asked_for() {
    let list = json!([
        drain("frankfurt", 10, 30, Some(400_000), json!({"inForce": 12, "forced": 0, "void": 3, "tooMany": 0})),
        drain("virginia", 0, 0, None, json!({"inForce": 0, "forced": 0, "void": 0, "tooMany": 0})),
    ]);
    let canned = Canned::start(drains(list)).await;
    let want = "\
TARGET                DRAINED  SERVICES        WHO       WHY                  AGE  TAKEN IN
frankfurt  10 % to 30 % in 6m 40s  12, void for 3  ann@desk  kernel\\u{1b}update  1m 3s  shanghai
";
    let (_, out, _) = canned.run(&["drains"]).await;
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&out), words(want));
    assert_eq!(canned.run(&["drains", "--all"]).await.1.lines().count(), 3);
    let none = Canned::start(drains(json!([]))).await;
    assert_eq!(none.run(&["drains"]).await.1, "nothing is drained\n");
}

/// A gateway of which too many ask what drains do.
fn crowded(list: Value) -> Router {
    let listed = json!({"drains": list});
    let list = move |RawQuery(query): RawQuery| {
        std::future::ready(match query.as_deref() {
            Some("effects=false") => axum::Json(listed.clone()).into_response(),
            _ => problem(StatusCode::TOO_MANY_REQUESTS, &json!({"title": "Too many such questions wait"})),
        })
    };
    let order = |axum::Json(_): axum::Json<Value>| std::future::ready(axum::Json(drain("x", 0, 0, None, Value::Null)));
    let what_if = || std::future::ready(problem(StatusCode::TOO_MANY_REQUESTS, &json!({"title": "Too many"})));
    Router::new().route("/v1/drains", get(list).post(order)).route("/v1/what-if", get(what_if))
}

#[tokio::test]
async fn drains_are_shown_and_undone_while_too_many_ask_what_they_do() {
    let canned = Canned::start(crowded(json!([drain("x", 10, 10, None, Value::Null)]))).await;
    let (exit, out, _) = canned.run(&["drains"]).await;
    assert!(exit == Exit::Ok && out.contains("not counted now"), "{out}");
    assert_eq!(canned.run(&["undrain", "x"]).await.0, Exit::Ok);
    let (exit, _, err) = canned.run(&["what-if", "--lost", "x"]).await;
    assert!(exit == Exit::Unreachable && err.contains("Too many"), "{err}");
}

#[tokio::test]
async fn an_order_says_what_happens_next_and_how_to_undo_it() {
    let canned = Canned::start(drains(json!([]))).await;
    let want = "\
frankfurt is drained: 30 %; ordered by ann@desk, taken in shanghai.
In the plans of all gateways within about 1 s. Undo: nacos-fed undrain frankfurt --service 'order-*' -g G -n 'prod*'
";
    let arguments = ["drain", "frankfurt", "--service", "G@@order-*", "-n", "prod*", "--percent", "30"];
    assert_eq!(canned.run(&arguments).await, (Exit::Ok, want.to_owned(), String::new()));
    let (exit, out, err) = canned.run(&["drain", "frankfurt", "--percent", "100"]).await;
    assert_eq!((exit, out.as_str()), (Exit::Refused, ""));
    assert!(err.contains("services: public/G@@cart") && err.contains("total: 2"), "{err}");
    assert_eq!(canned.run(&["drain", "frankfurt", "--percent", "100", "--force"]).await.0, Exit::Ok);
}

#[tokio::test]
async fn an_order_is_sent_as_it_was_given() {
    let canned = Canned::start(drains(json!([]))).await;
    let given = ["drain", "x", "--percent", "7", "--format", "json", "--over", "10m", "--reason", "why", "--who", "me"];
    let asked = |out: &str| serde_json::from_str::<Value>(out).unwrap()["asked"].take();
    let (_, out, _) = canned.run(&[&given[..], &["--service", "G@@s*", "-n", "prod*"]].concat()).await;
    let services = json!({"namespaceId": "prod*", "groupName": "G", "serviceName": "s*"});
    let want = json!({
        "cluster": "x", "percent": 7, "overMs": 600_000, "reason": "why", "who": "me", "services": services
    });
    assert_eq!(asked(&out), want);
    let (_, out, _) = canned.run(&["drain", "x", "--percent", "7", "--format", "json"]).await;
    assert!(asked(&out)["who"].as_str().unwrap().contains('@'));
    let (exit, _, err) = canned.run(&["drain", "x", "--percent", "7", "--service", "G@@s", "-g", "H"]).await;
    assert!(exit == Exit::WrongInput && err.contains("names the group"), "{err}");
    assert!(Cli::try_parse_from(["nacos-fed", "drain", "x", "--percent", "101"]).is_err());
}

#[tokio::test]
async fn only_what_is_drained_can_be_undone() {
    let list = json!([
        drain("frankfurt", 10, 10, None, Value::Null),
        drain("virginia", 0, 30, Some(1), Value::Null),
        drain("mars", 0, 0, None, Value::Null),
    ]);
    let canned = Canned::start(drains(list)).await;
    for (arguments, want) in [
        (&["undrain", "frankfurt"][..], Exit::Ok),
        (&["undrain", "virginia"], Exit::Ok),
        (&["undrain", "mars"], Exit::NotFound),
        (&["undrain", "frankfurt", "--service", "s"], Exit::NotFound),
    ] {
        let (exit, out, err) = canned.run(arguments).await;
        assert_eq!(exit, want, "{arguments:?}");
        assert!(out.contains("is not drained any more") || err.contains("drained: frankfurt, virginia"), "{out}{err}");
    }
}

fn comparison(counts: Value) -> Value {
    let shares = |frankfurt: u32| json!({"clusters": {"frankfurt": frankfurt, "shanghai": 1_000_000 - frankfurt}, "regions": {}, "served": 1_000_000, "healthy": 3});
    let lost = json!({"clusters": {}, "regions": {}, "served": 0, "healthy": 0});
    let name = |name: &str| json!({"namespaceId": "public", "groupName": "G", "serviceName": name, "impact": "moved", "refused": []});
    let mut alone = name("alone");
    alone["callers"] =
        json!([{"caller": "shanghai", "impact": "leftWithout", "before": shares(1_000_000), "after": lost}]);
    let mut both = name("both");
    both["callers"] = json!([
        {"caller": "frankfurt", "impact": "moved", "before": shares(1_000_000), "after": shares(333_333)},
        {"caller": "shanghai", "impact": "nothing", "before": shares(0), "after": shares(0)},
    ]);
    json!({"callers": [], "examined": 9, "total": 3, "counts": counts, "services": [alone, both]})
}

#[tokio::test]
async fn what_if_is_negative_if_a_service_is_left_without_anything() {
    let counts = json!({"leftWithout": 1, "refused": 0, "partlyServed": 0, "nothingHealthy": 0, "moved": 2});
    let canned = Canned::start(json_at("/v1/what-if", comparison(counts))).await;
    let want = "\
SERVICE         CALLER IN  WHAT                   NOW              THEN                                    HEALTHY  THEN
public/G@@alone shanghai   left without anything  frankfurt 100 %  nothing                                       3     0
public/G@@both  frankfurt  moved                  frankfurt 100 %  shanghai 66.6667 %, frankfurt 33.3333 %       3     3

3 services of the 9 services looked at: 1 left without anything, 2 moved; the first 2 are shown, --limit shows more
";
    let (exit, out, _) = canned.run(&["what-if", "--lost", "frankfurt"]).await;
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((exit, words(&out)), (Exit::Negative, words(want)));
    let counts = json!({"leftWithout": 0, "refused": 0, "partlyServed": 0, "nothingHealthy": 0, "moved": 3});
    let canned = Canned::start(json_at("/v1/what-if", comparison(counts))).await;
    assert_eq!(canned.run(&["what-if", "--drain", "frankfurt=50"]).await.0, Exit::Ok);
    assert!(Cli::try_parse_from(["nacos-fed", "what-if"]).is_err());
    assert!(Cli::try_parse_from(["nacos-fed", "what-if", "--drain", "frankfurt=500"]).is_err());
}

#[tokio::test]
async fn what_if_asks_for_everything_that_was_supposed() {
    let counts = json!({"leftWithout": 0, "refused": 0, "partlyServed": 0, "nothingHealthy": 0, "moved": 3});
    let canned = Canned::start(echo("/v1/what-if", comparison(counts))).await;
    let given =
        ["--lost", "a", "--lost", "b", "--drain", "c=5", "--unhealthy", "r/z", "--format", "json", "--limit", "7"];
    let (_, out, _) = canned.run(&[&["what-if"][..], &given].concat()).await;
    assert!(out.contains("lost=a&lost=b&drain=c%3A5&unhealthy=r%2Fz&limit=7"), "{out}");
}
