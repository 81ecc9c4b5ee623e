//! `what-if`: what callers would get.

use federation_answers::comparison::ComparisonDocument;

use super::args::WhatIf;
use super::client::Client;
use super::comparison;
use super::exit::{Exit, Failure};
use super::output::Output;

/// Compares; negative if a service is left without anything.
pub(super) async fn run(args: &WhatIf, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let limit = args.limit.to_string();
    let named = |name, values: &'_ [String]| -> Vec<(&'static str, Option<String>)> {
        values.iter().map(|value| (name, Some(value.clone()))).collect()
    };
    let supposed =
        [named("lost", &args.lost), named("drain", &args.drain), named("unhealthy", &args.unhealthy)].concat();
    let mut parameters: Vec<(&str, Option<&str>)> =
        supposed.iter().map(|(name, value)| (*name, value.as_deref())).collect();
    parameters.push(("limit", Some(&limit)));
    let answer = client.get::<ComparisonDocument>("/v1/what-if", &parameters).await?;
    output.answer(&answer, comparison::show)?;
    Ok(if answer.document.counts.left_without > 0 { Exit::Negative } else { Exit::Ok })
}
