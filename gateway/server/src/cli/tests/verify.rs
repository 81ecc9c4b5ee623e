//! `verify` against canned answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn reader(cluster: &str, verdict: &str, records: Option<u64>) -> Value {
    let mut reader = json!({
        "cluster": cluster, "replica": "gw-0", "nonce": "00000001", "ageMs": 0, "verdict": verdict, "count": 3,
        "digest": "0123456789abcdef0123456789abcdef", "place": "2-00000001/41",
    });
    if let Some(records) = records {
        reader["records"] = records.into();
    }
    reader
}

fn answer(equal: bool, readers: Vec<Value>, differences: Value) -> Value {
    let stated = json!({
        "replica": "gw-0", "alive": false, "ageMs": 9000, "count": 3, "digest": "ffff456789abcdef0123456789abcdef",
        "place": "2-00000001/41",
    });
    json!({"equal": equal, "origins": [
        {"origin": "shanghai", "stated": stated, "readers": readers, "differences": differences},
    ]})
}

#[tokio::test]
async fn all_equal_is_a_matrix_and_exit_code_0() {
    let readers = vec![reader("frankfurt", "equal", None), reader("shanghai", "equal", None)];
    let canned = Canned::start(json_at("/v1/verify", answer(true, readers, json!([])))).await;
    let want = "CLUSTER    GATEWAY  shanghai\nfrankfurt  gw-0     equal\nshanghai   gw-0     equal\n";
    assert_eq!(canned.run(&["verify"]).await, (Exit::Ok, want.to_owned(), String::new()));
    let (exit, out, _) = canned.run(&["verify", "--format", "json"]).await;
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((exit, document["equal"].as_bool()), (Exit::Ok, Some(true)));
}

#[tokio::test]
async fn a_difference_is_exit_code_1_and_names_the_partition_and_the_keys() {
    let differences =
        json!([{"topic": "instances", "partition": 5, "since": 1, "keys": ["i·public·g·orders·10.0.0.1·80·DEFAULT"]}]);
    let readers = vec![reader("frankfurt", "diverged", None), reader("shanghai", "behind", Some(7))];
    let canned = Canned::start(json_at("/v1/verify", answer(false, readers, differences))).await;
    let (exit, out, _) = canned.run(&["verify", "--wait", "0s"]).await;
    assert_eq!(exit, Exit::Negative);
    let want = [
        "frankfurt  gw-0     diverged\n",
        "shanghai   gw-0     behind 7\n",
        "shanghai said before it ended: 3 keys, digest ffff4567…, up to 2-00000001/41\n",
        "  frankfurt gw-0: diverged, 3 keys, digest 01234567…, up to 2-00000001/41\n",
        "  here instances-5 is not what was stated of it, 1 records ago\n",
        "    written by no leader in office: i·public·g·orders·10.0.0.1·80·DEFAULT\n",
    ];
    for line in want {
        assert!(out.contains(line), "{line} is missing in\n{out}");
    }
}

#[tokio::test]
async fn what_is_behind_for_a_moment_is_asked_for_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let answers = move || {
        let equal = counted.fetch_add(1, Ordering::Relaxed) > 0;
        let verdict = if equal { "equal" } else { "behind" };
        let readers = vec![reader("frankfurt", verdict, (!equal).then_some(1))];
        std::future::ready(axum::Json(answer(equal, readers, json!([]))))
    };
    let canned = Canned::start(Router::new().route("/v1/verify", get(answers))).await;
    assert_eq!(canned.run(&["verify"]).await.0, Exit::Ok);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}
