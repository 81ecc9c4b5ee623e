//! The embedded registry alone, as a process that a test can kill and freeze like a real Nacos.
//!
//! Arguments: HTTP address (gRPC is 1000 above), folder of the config items, and user and password if it is to ask for them.

use std::time::Duration;

use anyhow::{Context, Result};
use federation_registry::embedded::{EmbeddedOptions, EmbeddedRegistry, RegistryCredentials};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let http = arguments.next().context("the first argument is the HTTP address")?.parse()?;
    let folder = arguments.next().context("the second argument is the folder of the config items")?;
    let credentials = arguments.next().zip(arguments.next());
    let options = EmbeddedOptions {
        push_delay: Duration::from_millis(5),
        credentials: credentials.map(|(username, password)| RegistryCredentials { username, password }),
        config_folder: Some(folder.into()),
        ..EmbeddedOptions::at(http)
    };
    let registry = EmbeddedRegistry::start(options).await?;
    Ok(registry.run(CancellationToken::new()).await?)
}
