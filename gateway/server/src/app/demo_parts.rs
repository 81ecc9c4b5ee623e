//! The parts of a demo: real gateways, and stand-ins for the software around them.

use std::net::SocketAddr;
use std::path::PathBuf;

use federation_demo::parts::{self, DemoParts, RunningPart};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::stand_in::{EmbeddedBroker, Registry};
use super::{LogTopics, RunningGateway};
use crate::config::{self, ConfigSurroundings, GatewayConfig};

/// Gateways of this program, and what it has embedded.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedParts;

impl DemoParts for EmbeddedParts {
    fn broker(&self) -> anyhow::Result<Box<dyn parts::DemoBroker>> {
        Ok(Box::new(EmbeddedBroker::start()?))
    }

    fn registry(
        &self,
        http: SocketAddr,
        config_folder: PathBuf,
        stop: CancellationToken,
    ) -> BoxFuture<'_, anyhow::Result<RunningPart>> {
        let start = async move {
            let registry = Registry::start(http, config_folder).await?;
            Ok(registry.run(stop).boxed())
        };
        start.boxed()
    }

    fn gateway(&self, configuration: String, stop: CancellationToken) -> BoxFuture<'_, anyhow::Result<RunningPart>> {
        let start = async move {
            let gateway = RunningGateway::assemble(read(&configuration)?, LogTopics::Prepared).await?;
            Ok(gateway.run(stop).boxed())
        };
        start.boxed()
    }
}

impl parts::DemoBroker for EmbeddedBroker {
    fn address(&self) -> &str {
        self.address()
    }

    fn create_topics(&self, configuration: &str) -> anyhow::Result<()> {
        self.create_topics(&read(configuration)?)
    }

    fn go_down(&self) -> anyhow::Result<()> {
        self.go_down()
    }

    fn come_up(&self) -> anyhow::Result<()> {
        self.come_up()
    }
}

fn read(configuration: &str) -> anyhow::Result<GatewayConfig> {
    let loaded = config::from_text("demo", configuration, &ConfigSurroundings::default());
    loaded.map(|loaded| loaded.config).map_err(|mistakes| anyhow::anyhow!("{mistakes}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use federation_demo::ports::{CONTROL_PORT, DemoPorts};
    use federation_demo::region::DemoRegion;

    use super::*;

    #[test]
    fn the_configurations_have_no_mistakes() {
        let ports = DemoPorts::choose(CONTROL_PORT).unwrap();
        for region in DemoRegion::ALL {
            let folder = Path::new("/tmp/a \"b\" ${C}");
            let config = read(&federation_demo::configuration(region, &ports, "localhost:9092", folder)).unwrap();
            assert_eq!(config.cluster.as_str(), region.name());
            assert_eq!(config.data_dir, folder.join(region.name()));
        }
    }
}
