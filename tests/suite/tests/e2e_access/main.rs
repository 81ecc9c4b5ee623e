//! Gateways as they are where others reach them: over TLS, on an address that is not loopback, in a network of the test's own, between a real
//! Kafka and a real Nacos that both want passwords. Who is let in, by curl, by gRPC and by the command line; who is not, and in which words; who
//! may do what; what is recorded; and that no secret is ever told.

mod ask;
mod audit;
mod browser;
mod certificates;
mod gateway;
mod identities;
mod keys;
mod matrix;
mod pki;
mod provider;
mod refusals;
mod roles;
mod rotation;
mod secrets;
mod stage;

use std::process::ExitCode;

use anyhow::Result;
use federation_harness::{Parts, announce, gateway as built};
use federation_tests::{ListedTest, TestNetwork, run_listed};
use tokio::runtime::Runtime;

use stage::Stage;

/// In this order: the last one looks for secrets in all that the others made gateways say.
const TESTS: [ListedTest<Stage>; 12] = [
    ListedTest("identities::each_is_known_by_curl_by_grpc_and_by_the_command_line", |it| {
        Box::pin(identities::each_is_known_by_curl_by_grpc_and_by_the_command_line(it))
    }),
    ListedTest("refusals::what_is_wrong_is_refused_everywhere_in_words_that_say_why", |it| {
        Box::pin(refusals::what_is_wrong_is_refused_everywhere_in_words_that_say_why(it))
    }),
    ListedTest("refusals::a_token_that_is_revoked_ends_its_watch_and_counts_no_more", |it| {
        Box::pin(refusals::a_token_that_is_revoked_ends_its_watch_and_counts_no_more(it))
    }),
    ListedTest("certificates::those_of_others_and_old_ones_end_in_the_handshake", |it| {
        Box::pin(certificates::those_of_others_and_old_ones_end_in_the_handshake(it))
    }),
    ListedTest("certificates::who_speaks_plain_text_or_trusts_somebody_else_gets_nothing", |it| {
        Box::pin(certificates::who_speaks_plain_text_or_trusts_somebody_else_gets_nothing(it))
    }),
    ListedTest("roles::each_does_what_its_role_says_and_nothing_else", |it| {
        Box::pin(roles::each_does_what_its_role_says_and_nothing_else(it))
    }),
    ListedTest("matrix::every_path_and_call_lets_in_whom_the_table_says", |it| {
        Box::pin(matrix::every_path_and_call_lets_in_whom_the_table_says(it))
    }),
    ListedTest("audit::each_act_and_each_refused_one_is_shown_with_who_and_from_where", |it| {
        Box::pin(audit::each_act_and_each_refused_one_is_shown_with_who_and_from_where(it))
    }),
    ListedTest("keys::new_ones_count_at_once_and_old_ones_while_their_provider_is_away", |it| {
        Box::pin(keys::new_ones_count_at_once_and_old_ones_while_their_provider_is_away(it))
    }),
    ListedTest("browser::a_page_of_somebody_else_neither_acts_nor_reads", |it| {
        Box::pin(browser::a_page_of_somebody_else_neither_acts_nor_reads(it))
    }),
    ListedTest("rotation::certificates_change_under_watches_and_requests_and_nobody_is_lost", |it| {
        Box::pin(rotation::certificates_change_under_watches_and_requests_and_nobody_is_lost(it))
    }),
    ListedTest("secrets::none_is_in_anything_that_was_said_or_written", |it| {
        Box::pin(secrets::none_is_in_anything_that_was_said_or_written(it))
    }),
];

fn main() -> Result<ExitCode> {
    // In a network of its own nothing can be fetched any more.
    let binary = Runtime::new()?.block_on(async {
        Parts::ensure(&stage::PARTS).await?;
        built::binary().await
    })?;
    let network = TestNetwork::enter_with("NACOS_FED_BIN", binary.as_os_str())?;
    announce(&format!("the gateways listen at {network}"));
    Runtime::new()?.block_on(async {
        let mut stage =
            Stage::begin(network).await.map_err(|error| anyhow::anyhow!("the servers are not whole: {error:#}"))?;
        let code = run_listed(&TESTS, &mut stage, Stage::whereabouts).await;
        if code != ExitCode::SUCCESS {
            stage.home.keep();
        }
        Ok(code)
    })
}
