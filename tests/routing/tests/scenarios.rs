//! Every row of the tables that describe the arithmetic, as a scenario file under `scenarios/`: its second line says what
//! is wanted of the answer.

use std::collections::BTreeMap;
use std::path::Path;

use federation_gateway::scenario::{self, answer::ScenarioAnswer};
use serde_json::{Value, json};

/// What of an answer can be wanted.
fn part(answer: &ScenarioAnswer, name: &str) -> Value {
    let by_id = |of: fn(&scenario::answer::EndpointAnswer) -> Value| {
        answer.endpoints.iter().map(|it| (it.id.clone(), of(it))).collect::<BTreeMap<_, _>>()
    };
    match name {
        "priorities" => json!(by_id(|it| json!(it.priority))),
        "weights" => json!(by_id(|it| json!(it.weight))),
        "shares" => json!(by_id(|it| json!(it.share))),
        "sum" => json!(answer.endpoints.iter().map(|it| it.share).sum::<u64>()),
        "loads" => json!(answer.priorities.iter().map(|it| it.load).collect::<Vec<_>>()),
        "degraded_loads" => json!(answer.priorities.iter().map(|it| it.degraded_load).collect::<Vec<_>>()),
        "totals" => json!(answer.priorities.iter().map(|it| it.total).collect::<Vec<_>>()),
        "panic" => json!(answer.priorities.iter().map(|it| if it.panic { 'T' } else { 'F' }).collect::<String>()),
        "left_out" => json!(answer.left_out.iter().map(|it| (&it.id, &it.reason)).collect::<BTreeMap<_, _>>()),
        "percent" => json!(percent_by_locality(answer)),
        "trace" => json!(answer.trace),
        other => panic!("{other} is nothing that can be wanted"),
    }
}

/// Percent with two decimals.
fn percent_by_locality(answer: &ScenarioAnswer) -> BTreeMap<String, f64> {
    let localities = answer.priorities.iter().flat_map(|it| &it.localities);
    localities.map(|it| (it.locality.clone(), (it.share as f64 / 100.0).round() / 100.0)).collect()
}

fn check(file: &Path) {
    let text = std::fs::read_to_string(file).expect("a file that can be read");
    let want = text.lines().nth(1).and_then(|line| line.strip_prefix("# want: ")).expect("a second line with # want:");
    let want: BTreeMap<String, Value> = serde_json::from_str(want).expect("JSON after # want:");
    let scenario = scenario::from_text(&file.display().to_string(), &text).unwrap_or_else(|error| panic!("{error}"));
    let answer = ScenarioAnswer::new(&scenario, &scenario.plan());
    for (name, want) in want {
        let got = part(&answer, &name);
        match (&got, &want) {
            (Value::Object(got), Value::Object(want)) => {
                let got: serde_json::Map<String, Value> = got
                    .iter()
                    .filter(|(key, _)| want.contains_key(*key) || want.is_empty())
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect();
                assert_eq!(&got, want, "{name} of {}", file.display());
            }
            (Value::Array(lines), Value::String(words)) => {
                let told = lines.iter().any(|line| line.as_str().is_some_and(|line| line.contains(words)));
                assert!(told, "{words:?} is not in the trace of {}: {lines:#?}", file.display());
            }
            (got, want) => assert_eq!(got, want, "{name} of {}", file.display()),
        }
    }
}

#[test]
fn every_scenario_file_gives_what_it_wants() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 50, "{} files", files.len());
    files.iter().for_each(|file| check(file));
}
