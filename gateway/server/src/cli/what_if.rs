//! `what-if`: what callers would get.

use super::args::WhatIf;
use super::client::Client;
use super::comparison;
use super::exit::{Exit, Failure};
use super::output::{Format, Output};

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
    let document = client.get("/v1/what-if", &parameters).await?;
    match output.format {
        Format::Json => output.document(&document)?,
        Format::Table => output.text(&comparison::show(&document))?,
    }
    Ok(if comparison::count(&document, "leftWithout") > 0 { Exit::Negative } else { Exit::Ok })
}
