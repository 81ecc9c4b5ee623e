//! `whoami`: for whom the gateway takes its caller.

use federation_answers::access::WhoamiDocument;

use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::Output;
use federation_answers::printable::printable;

/// Asks who one is.
pub(super) async fn run(client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let answer = client.get::<WhoamiDocument>("/v1/whoami", &[]).await?;
    output.answer(&answer, |who| {
        let roles = if who.roles.is_empty() { "no role".to_owned() } else { printable(&who.roles.join(", ")) };
        format!("{}: {roles}", printable(&who.identity))
    })?;
    Ok(Exit::Ok)
}
