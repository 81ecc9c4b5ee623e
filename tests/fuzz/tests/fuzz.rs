//! Every decoder, with its corpus and a fixed number of inputs of a fixed seed: the same ones each time, on every machine.

use federation_fuzz::corpus::{self, Kept};
use federation_fuzz::driver::{self, Effort, Failure};
use federation_fuzz::measure::Counting;
use federation_fuzz::targets::{ALL, Memory, Target, named};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SEED: u64 = 20_261_126;

/// Tries a target with its corpus and so many inputs made of it.
fn holds(name: &str, inputs: usize) {
    let target = named(name).expect("a target of this name");
    let kept = corpus::of(target).expect("the corpus can be read");
    match driver::run(target, &kept, SEED, Effort::Inputs(inputs), |_| ()) {
        Ok(tried) => {
            println!("{name}: seed {SEED}, {tried:?}");
            assert!(tried.answers >= 3, "every input is answered alike, so that nothing is tried: {tried:?}");
        }
        Err(Failure { input, why, from }) => {
            let text = String::from_utf8_lossy(&input);
            panic!(
                "{name}, {from}: {why}\nmade smaller: {text:?}\nin bytes: {input:?}\nonce it is mended, keep it in corpus/{name}"
            );
        }
    }
}

#[test]
fn a_header_keeps_its_promises_whatever_its_bytes() {
    holds("header", 4000);
}

#[test]
fn a_key_keeps_its_promises_whatever_its_bytes() {
    holds("key", 4000);
}

#[test]
fn a_record_of_data_keeps_its_promises_whatever_its_bytes() {
    holds("data-record", 3000);
}

#[test]
fn a_record_of_control_keeps_its_promises_whatever_its_bytes() {
    holds("control-record", 3000);
}

#[test]
fn a_snapshot_keeps_its_promises_whatever_its_bytes() {
    holds("snapshot", 1500);
}

#[test]
fn a_payload_of_grpc_keeps_its_promises_whatever_its_bytes() {
    holds("payload", 2000);
}

#[test]
fn a_message_to_a_client_keeps_its_promises_whatever_its_bytes() {
    holds("to-a-client", 2000);
}

#[test]
fn a_message_to_a_server_keeps_its_promises_whatever_its_bytes() {
    holds("to-a-server", 2000);
}

#[test]
fn a_parameter_keeps_its_promises_whatever_its_bytes() {
    holds("parameters", 3000);
}

#[test]
fn an_answer_over_http_keeps_its_promises_whatever_its_bytes() {
    holds("admin-answer", 150);
}

#[test]
fn a_policy_keeps_its_promises_whatever_its_bytes() {
    holds("policy", 1000);
}

#[test]
fn a_configuration_keeps_its_promises_whatever_its_bytes() {
    holds("configuration", 500);
}

#[test]
fn a_scenario_keeps_its_promises_whatever_its_bytes() {
    holds("scenario", 1000);
}

#[test]
fn a_file_of_excluded_clusters_keeps_its_promises_whatever_its_bytes() {
    holds("exclusions", 3000);
}

#[test]
fn a_stream_of_events_keeps_its_promises_whatever_its_bytes() {
    holds("events", 3000);
}

#[test]
fn every_target_has_a_corpus_of_small_files_and_every_folder_a_target() {
    for target in ALL {
        let kept = corpus::of(target).expect("the corpus can be read");
        assert!(kept.len() >= 2, "{}: a corpus of {} inputs", target.name, kept.len());
        let large = kept.iter().find(|kept| kept.bytes.len() > 16 << 10);
        assert!(large.is_none(), "{}: {:?} is large", target.name, large.map(|kept| &kept.name));
    }
    let folders = std::fs::read_dir(corpus::folder()).expect("the corpus is there");
    for folder in folders {
        let name = folder.expect("the corpus can be read").file_name();
        assert!(name.to_str().is_some_and(|name| named(name).is_some()), "corpus/{} has no target", name.display());
    }
}

fn panics(input: &[u8]) -> Result<String, String> {
    assert!(!input.starts_with(b"go"), "an index beyond the end");
    Ok(input.len().to_string())
}

fn takes_too_much(input: &[u8]) -> Result<String, String> {
    let taken: Vec<u8> = Vec::with_capacity(if input.starts_with(b"go") { 1 << 20 } else { 1 });
    Ok(taken.capacity().to_string())
}

fn breaks_a_promise(input: &[u8]) -> Result<String, String> {
    if input.starts_with(b"go") { Err("written again, it is another".into()) } else { Ok("well".into()) }
}

#[test]
fn a_panic_a_broken_promise_and_greed_are_found_and_made_small() {
    for (check, why) in [
        (panics as fn(&[u8]) -> Result<String, String>, "it panicked: an index beyond the end"),
        (takes_too_much, "it takes 10485"),
        (breaks_a_promise, "written again, it is another"),
    ] {
        let memory = Memory { base: 4096, each: 64 };
        let target = Target { name: "wrong", also: &[], words: &[b"go"], memory, check };
        let kept = Kept { name: "kept".to_owned(), bytes: b"much that does not matter".to_vec() };
        let failure = driver::run(&target, &[kept], SEED, Effort::Inputs(100_000), |_| ()).expect_err("it is wrong");
        assert!(failure.why.starts_with(why), "{failure:?}");
        assert_eq!(failure.input, b"go", "{failure:?}");
        assert!(failure.from.contains(&format!("of seed {SEED}")), "{failure:?}");
    }
}
