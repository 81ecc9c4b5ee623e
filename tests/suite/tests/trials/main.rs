//! Trials by rounds: brokers are paused, restarted, killed, and made to answer emptily, with busy loops beside everything; after each
//! return both gateways have to read and write again within a bound, and have said meanwhile what was wrong.
//!
//! One round of each by default; `NACOS_FED_TRIAL_ROUNDS=10` runs as long as somebody likes. A line for each round is printed.

mod crew;

use std::time::Duration;

use anyhow::{Result, ensure};
use crew::{Crew, Fault};
use federation_harness::Emptiness;

/// Within this time after a broker is back, a registration at either gateway is seen at the other.
const BACK_WITHIN: Duration = Duration::from_secs(15);

const FAULTS: [Fault; 7] = [
    Fault::Pause(Duration::from_secs(20)),
    Fault::Pause(Duration::from_secs(12)),
    Fault::Restart,
    Fault::Kill,
    Fault::Empty(Emptiness::All),
    Fault::Empty(Emptiness::Brokers),
    Fault::Empty(Emptiness::Leaders),
];

fn rounds() -> usize {
    std::env::var("NACOS_FED_TRIAL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Each fault, so many times, at each broker in turn. All rounds are run before the first failure counts.
async fn tried(brokers: usize) -> Result<()> {
    let mut crew = Crew::start(brokers).await?;
    let mut failures = Vec::new();
    for fault in FAULTS {
        for round in 1..=rounds() {
            for broker in 0..brokers {
                let what = format!("{brokers} brokers, {fault:?}, broker {}, round {round}", broker + 1);
                let outcome = crew.round(fault, broker).await;
                match &outcome {
                    Ok(seen) => println!(
                        "trial: {what}: back {:.1} s after its return, quiet after {:.1} s; said: {}",
                        seen.back.as_secs_f64(),
                        seen.quiet.as_secs_f64(),
                        seen.said.join(" | "),
                    ),
                    Err(error) => println!("trial: {what}: FAILED: {error:#}"),
                }
                match outcome {
                    Ok(seen) if seen.back > BACK_WITHIN => failures.push(format!("{what}: {:?}", seen.back)),
                    Ok(seen) if seen.said.len() < 2 && has_to_be_said(brokers, fault) => {
                        failures.push(format!("{what}: not both said what is wrong"));
                    }
                    Ok(_) => {}
                    Err(error) => failures.push(format!("{what}: {error:#}")),
                }
            }
        }
    }
    crew.end().await?;
    ensure!(failures.is_empty(), "\n{}", failures.join("\n"));
    Ok(())
}

/// Whether every gateway has to name it. Where others are left, a broker that ends hands its partitions over in a moment: nothing is wrong
/// then with a gateway that had nothing to ask of it.
fn has_to_be_said(brokers: usize, fault: Fault) -> bool {
    brokers == 1 || !matches!(fault, Fault::Restart | Fault::Kill)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_are_back_soon_after_every_fault_of_their_only_broker() -> Result<()> {
    tried(1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_are_back_soon_after_every_fault_of_one_of_three_brokers() -> Result<()> {
    tried(3).await
}
