//! The parts of a demo: real gateways, and stand-ins for the software around them.

use std::net::SocketAddr;
use std::path::PathBuf;

use federation_demo::parts::{self, Parts, Running};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::stand_in::{Broker, Registry};
use super::{Gateway, LogTopics};
use crate::config::{self, Config, Surroundings};

/// Gateways of this program, and what it has embedded.
#[derive(Clone, Copy, Debug)]
pub struct Embedded;

impl Parts for Embedded {
    fn broker(&self) -> anyhow::Result<Box<dyn parts::Broker>> {
        Ok(Box::new(Broker::start()?))
    }

    fn registry(
        &self,
        http: SocketAddr,
        config_folder: PathBuf,
        stop: CancellationToken,
    ) -> BoxFuture<'_, anyhow::Result<Running>> {
        let start = async move {
            let registry = Registry::start(http, config_folder).await?;
            Ok(registry.run(stop).boxed())
        };
        start.boxed()
    }

    fn gateway(&self, configuration: String, stop: CancellationToken) -> BoxFuture<'_, anyhow::Result<Running>> {
        let start = async move {
            let gateway = Gateway::assemble(read(&configuration)?, LogTopics::Prepared).await?;
            Ok(gateway.run(stop).boxed())
        };
        start.boxed()
    }
}

impl parts::Broker for Broker {
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

fn read(configuration: &str) -> anyhow::Result<Config> {
    let loaded = config::from_text("demo", configuration, &Surroundings::default());
    loaded.map(|loaded| loaded.config).map_err(|mistakes| anyhow::anyhow!("{mistakes}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use federation_demo::ports::{CONTROL_PORT, Ports};
    use federation_demo::region::Region;

    use super::*;

    #[test]
    fn the_configurations_have_no_mistakes() {
        let ports = Ports::choose(CONTROL_PORT).unwrap();
        for region in Region::ALL {
            let folder = Path::new("/tmp/a \"b\" ${C}");
            let config = read(&federation_demo::configuration(region, &ports, "localhost:9092", folder)).unwrap();
            assert_eq!(config.cluster.as_str(), region.name());
            assert_eq!(config.data_dir, folder.join(region.name()));
        }
    }
}
