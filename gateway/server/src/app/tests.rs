//! Whole gateways around a broker in memory, without a Nacos: what an operator orders must not need one.

use std::path::Path;
use std::time::Duration;

use federation_core::drains::{OrderSettled, TakenOrder};
use federation_core::intents::DrainOrder;
use federation_core::routing::{DrainGuard, Percent};
use federation_core::time::Millis;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::stand_in::EmbeddedBroker;
use super::{LogTopics, RunningGateway};
use crate::config::{self, ConfigSurroundings, GatewayConfig};
use federation_ports::commands::{CommandError, EngineCommands};
use federation_view::view::ViewReader;

/// Far longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn config(broker: &EmbeddedBroker, cluster: &str, data_dir: &Path) -> GatewayConfig {
    let text = format!(
        "federation: f\ncluster: {cluster}\nnacos: {{servers: [\"127.0.0.1:1\"]}}\nkafka: {{brokers: [\"{}\"]}}\n\
         listen: {{http: \"127.0.0.1:0\", grpc: \"127.0.0.1:0\"}}\ndata_dir: {}\n",
        broker.address(),
        data_dir.join(cluster).display(),
    );
    let surroundings = ConfigSurroundings { variables: Default::default(), host: "host".to_owned() };
    config::from_text("test", &text, &surroundings).unwrap().config
}

struct Running {
    view: ViewReader,
    commands: EngineCommands,
    stop: CancellationToken,
    task: JoinSet<anyhow::Result<()>>,
}

impl Running {
    async fn start(config: GatewayConfig) -> Self {
        let gateway = RunningGateway::assemble(config, LogTopics::Prepared).await.unwrap();
        let (view, commands) = (gateway.api.state.view().clone(), gateway.api.state.commands().clone());
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(gateway.run(stop.clone()));
        Self { view, commands, stop, task }
    }

    async fn end(mut self) {
        self.stop.cancel();
        self.task.join_next().await.unwrap().unwrap().unwrap();
        assert!(matches!(self.commands.order_drain(order(1)).await, Err(CommandError::Gone)));
    }

    /// Orders once the gateway has read the log.
    async fn drain(&self, percent: u8) -> TakenOrder {
        let taken = async {
            loop {
                match self.commands.order_drain(order(percent)).await {
                    Ok(taken) => return taken,
                    Err(CommandError::Refused(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, taken).await.expect("no order was taken")
    }

    async fn sees(&self, percent: u8) {
        let mut intents = self.view.watch_intents();
        let shown = intents.wait_for(|table| table.iter().any(|drain| drain.intent.percent.get() == percent));
        let _ = tokio::time::timeout(PATIENCE, shown).await.expect("the drain is not shown").unwrap();
    }
}

fn order(percent: u8) -> DrainOrder {
    DrainOrder {
        target: "frankfurt".parse().unwrap(),
        percent: Percent::new(percent).unwrap(),
        over: Millis(0),
        guard: DrainGuard::default(),
        who: "ann".into(),
        why: "maintenance".into(),
        giver: Default::default(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ordered_at_one_gateway_is_shown_at_another_and_after_a_restart_without_the_log() {
    let (broker, folder) = (EmbeddedBroker::start().unwrap(), tempfile::tempdir().unwrap());
    let configs = ["frankfurt", "shanghai"].map(|cluster| config(&broker, cluster, folder.path()));
    configs.iter().for_each(|config| broker.create_topics(config).unwrap());
    let [frankfurt, shanghai] = configs;
    let (frankfurt, second) = (Running::start(frankfurt).await, Running::start(shanghai.clone()).await);

    let taken = frankfurt.drain(30).await;
    let settled = tokio::time::timeout(PATIENCE, frankfurt.view.settled(&taken)).await;
    assert_eq!(settled.unwrap(), OrderSettled::InForce);
    second.sees(30).await;
    frankfurt.end().await;

    let undone = second.drain(0).await;
    assert!(undone.intent.counter > taken.intent.counter, "ordered where the first one is not");
    second.sees(0).await;
    second.end().await;

    broker.go_down().unwrap();
    let alone = Running::start(shanghai).await;
    alone.sees(0).await;
    assert!(matches!(alone.commands.order_drain(order(1)).await, Err(CommandError::Refused(_))));
    alone.end().await;
}
