//! `verify --nacos` against canned answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::post;

use super::*;

fn comparison(answered: u64, ended: bool, differences: Value) -> Value {
    let different = differences.as_array().unwrap().len();
    json!({
        "cluster": "shanghai", "round": 7, "ended": ended, "equal": ended && answered == 3 && different == 0, "of": 3, "answered": answered,
        "facts": 12, "different": different, "differences": differences, "silent": 3 - answered, "unread": if answered == 3 { json!([]) } else { json!(["public/g/stock\u{1b}"]) },
        "partly": 0,
    })
}

/// A gateway that is asked to compare, and is at it at the first look.
async fn comparing(ended: Value) -> (Canned, Arc<AtomicUsize>) {
    let looked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looked);
    let looks = move || {
        let first = counted.fetch_add(1, Ordering::Relaxed) == 0;
        let answer = if first { comparison(1, false, json!([])) } else { ended.clone() };
        std::future::ready(axum::Json(answer))
    };
    let begin = post(|| std::future::ready(axum::Json(json!({"round": 7}))));
    (Canned::start(Router::new().route("/v1/verify/nacos", begin.get(looks))).await, looked)
}

#[tokio::test]
async fn a_comparison_is_begun_and_waited_for_and_equality_is_exit_code_0() {
    let (canned, looked) = comparing(comparison(3, true, json!([]))).await;
    let want = "3 of 3 services and config items of shanghai were read from its nacos, with 12 instances and items.\n\
                The log has the same of them.\n";
    assert_eq!(canned.run(&["verify", "--nacos"]).await, (Exit::Ok, want.to_owned(), String::new()));
    assert_eq!(looked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn each_difference_is_a_line_and_what_did_not_answer_is_named_with_exit_code_1() {
    let key = |last: u32| format!("i·public·g·orders·10.0.0.1·{last}·DEFAULT");
    let differences = json!([
        {"key": key(81), "kind": "notInLog"},
        {"key": key(82), "kind": "notInNacos"},
        {"key": key(83), "kind": "held", "reason": "an operator has to say"},
        {"key": key(84), "kind": "values", "fields": ["weight", "metadata"]},
        {"key": key(85), "kind": "unreadable"},
    ]);
    let (canned, _) = comparing(comparison(2, true, differences)).await;
    let (exit, out, _) = canned.run(&["verify", "--nacos"]).await;
    assert_eq!(exit, Exit::Negative);
    for line in [
        "The log has something else of 5:",
        "81·DEFAULT  nacos has it, the log does not",
        "82·DEFAULT  the log has it, nacos does not",
        "83·DEFAULT  the log has it, nacos does not; its removal is held: an operator has to say",
        "84·DEFAULT  other values: weight, metadata",
        "85·DEFAULT  the log's value cannot be read",
        "No answer came for 1: public/g/stock\\u{1b}",
    ] {
        assert!(out.contains(line), "{line} is missing in\n{out}");
    }
}

#[test]
fn to_wait_and_to_compare_with_nacos_exclude_each_other() {
    let refused = Cli::try_parse_from(["nacos-fed", "verify", "--nacos", "--wait", "3s"]).unwrap_err();
    assert_eq!(refused.kind(), clap::error::ErrorKind::ArgumentConflict);
}
