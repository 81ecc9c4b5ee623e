//! Tests of a target that has a `main` of its own: one after the other on the same servers, told of as those of libtest are.

use std::io::Write as _;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

/// What comes of a test.
pub type TestOutcome<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// A test: its name, a sentence, and what is done.
pub struct ListedTest<S>(pub &'static str, pub for<'a> fn(&'a mut S) -> TestOutcome<'a>);

/// Runs those whose names contain one of the arguments, all without any. Options of libtest are passed over. `whereabouts` says where to look
/// after a failure.
pub async fn run_listed<S>(tests: &[ListedTest<S>], stage: &mut S, whereabouts: impl Fn(&S) -> String) -> ExitCode {
    let mut words = std::env::args().skip(1);
    let mut wanted = Vec::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--test-threads" | "--format" | "--skip" => drop(words.next()),
            option if option.starts_with('-') => {}
            _ => wanted.push(word),
        }
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let chosen: Vec<&ListedTest<S>> = tests.iter().filter(|test| is_wanted(test.0)).collect();
    println!("\nrunning {} tests", chosen.len());
    let (began, mut failed) = (Instant::now(), 0);
    for ListedTest(name, test) in &chosen {
        print!("test {name} ... ");
        let _ = std::io::stdout().flush(); // Whoever reads this as it comes sees which test runs.
        match test(stage).await {
            Ok(()) => println!("ok"),
            Err(error) => {
                failed += 1;
                println!("FAILED");
                eprintln!("\n{name}: {error:#}\n{}\n", whereabouts(stage));
            }
        }
    }
    let (passed, left_out) = (chosen.len() - failed, tests.len() - chosen.len());
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {left_out} filtered out; finished in {:.2}s\n",
        began.elapsed().as_secs_f64()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
