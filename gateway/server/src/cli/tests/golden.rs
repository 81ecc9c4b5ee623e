//! What people read, in `golden/`: the tables of the API's golden documents, and all help texts.

use std::path::PathBuf;

use clap::CommandFactory;
use federation_golden::Golden;

use super::*;

fn folder(of: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), of].iter().collect()
}

/// The table, the path that it asks for, the golden document that answers, and the command.
const TABLES: [(&str, &str, &str, &[&str]); 28] = [
    ("status.txt", "/v1/status", "status.json", &["status"]),
    ("status-with-a-trouble.txt", "/v1/status", "status-with-a-trouble.json", &["status"]),
    ("clusters.txt", "/v1/clusters", "clusters.json", &["clusters"]),
    ("services.txt", "/v1/services", "services.json", &["services"]),
    ("service.txt", "/v1/service", "service.json", &["service", "orders"]),
    ("configs.txt", "/v1/configs", "configs.json", &["configs"]),
    ("configs-that-differ.txt", "/v1/configs", "configs-that-differ.json", &["configs", "--drift"]),
    ("config.txt", "/v1/config", "config.json", &["config", "app.yaml"]),
    ("configs-sealed.txt", "/v1/configs", "configs-sealed.json", &["configs"]),
    ("config-sealed.txt", "/v1/config", "config-sealed.json", &["config", "app.yaml"]),
    ("plan.txt", "/v1/resolve", "plan.json", &["resolve", "orders"]),
    ("plan-excerpt.txt", "/v1/resolve", "plan-excerpt.json", &["resolve", "orders", "--limit", "1"]),
    ("plan-advertised.txt", "/v1/resolve", "plan-advertised.json", &["resolve", "orders"]),
    ("explanation.txt", "/v1/explain", "explanation.json", &["explain", "orders"]),
    ("explanation-unusable.txt", "/v1/explain", "explanation-unusable.json", &["explain", "orders"]),
    ("drains.txt", "/v1/drains", "drains.json", &["drains", "--all"]),
    ("drains-without-effects.txt", "/v1/drains", "drains-without-effects.json", &["drains"]),
    ("drains-not-accepted.txt", "/v1/drains", "drains-not-accepted.json", &["drains"]),
    ("comparison.txt", "/v1/what-if", "comparison.json", &["what-if", "--lost", "frankfurt"]),
    ("excluded.txt", "/v1/excluded", "excluded.json", &["excluded"]),
    ("front-door.txt", "/v1/front-door", "front-door.json", &["front-door", "status"]),
    ("front-door-drained.txt", "/v1/front-door/drain", "front-door-drained.json", &["front-door", "drain"]),
    ("verification.txt", "/v1/verify", "verification.json", &["verify", "--wait", "0s"]),
    ("holds.txt", "/v1/guard", "holds.json", &["guard", "list"]),
    ("hold-released.txt", "/v1/guard", "hold-released.json", &["guard", "release", "shanghai/public"]),
    ("adopted.txt", "/v1/descriptor", "adopted.json", &["adopt", "shanghai"]),
    ("adopted-on-trial.txt", "/v1/descriptor", "adopted-on-trial.json", &["adopt", "shanghai", "--dry-run"]),
    ("policy.txt", "/v1/policy", "policy-of-a-service.json", &["policy", "show", "orders"]),
];

/// Answers of status 4xx and 5xx, the same for every command.
const PROBLEMS: [&str; 10] = [
    "problem-service-not-found",
    "problem-config-not-found",
    "problem-config-sealed",
    "problem-bad-parameter",
    "problem-unknown-parameter",
    "problem-nothing-usable",
    "problem-drain-refused",
    "problem-not-ready",
    "problem-hold-not-found",
    "problem-not-adopted",
];

fn document(name: &str) -> Value {
    let text = std::fs::read_to_string(folder("../faces/api/golden").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Answers questions and orders alike.
fn answering(path: &str, document: Value) -> Router {
    Router::new().route(path, axum::routing::any(move || std::future::ready(axum::Json(document.clone()))))
}

#[tokio::test]
async fn every_table_is_what_it_was() {
    let mut golden = Golden::default();
    for (name, path, answer, command) in TABLES {
        let (exit, out, err) = Canned::start(answering(path, document(answer))).await.run(command).await;
        golden.text(name, &format!("$ nacos-fed {}\n{out}{err}# exit code {}", command.join(" "), exit as u8));
    }
    for name in PROBLEMS {
        let document = document(&format!("{name}.json"));
        let status = StatusCode::from_u16(document["status"].as_u64().unwrap().try_into().unwrap()).unwrap();
        let route = get(move || std::future::ready(problem(status, &document)));
        let (exit, out, err) = Canned::start(Router::new().route("/v1/clusters", route)).await.run(&["clusters"]).await;
        golden.text(&format!("{name}.txt"), &format!("{out}{err}# exit code {}", exit as u8));
    }
    golden.hold(&folder("golden"));
}

/// The command, and all below it.
fn help(command: &clap::Command, path: &str, golden: &mut Golden) {
    let mut shown =
        command.clone().term_width(100).bin_name(path.replace('-', " ").replacen("nacos fed", "nacos-fed", 1));
    golden.text(&format!("{path}.txt"), &shown.render_long_help().to_string());
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        help(below, &format!("{path}-{}", below.get_name()), golden);
    }
}

#[test]
fn every_help_text_is_what_it_was() {
    let mut command = Cli::command();
    command.build();
    let mut golden = Golden::default();
    help(&command, "nacos-fed", &mut golden);
    golden.hold(&folder("golden/help"));
}
