//! The real parts: one Kafka, two Nacos, two gateways.

use std::time::Duration;

use anyhow::Result;
use federation_harness::{
    Access, Gateway, GatewayOptions, Kafka, KafkaOptions, Line, Nacos, NacosOptions, Part, Parts,
};

/// Both regions, running; the gateway of A has made its topics and was stopped.
pub(crate) struct Stage {
    pub(crate) kafka: Kafka,
    pub(crate) nacos_a: Nacos,
    _nacos_b: Nacos,
    pub(crate) gateway_a: Gateway,
    pub(crate) gateway_b: Gateway,
}

impl Stage {
    /// Starts everything. A's Nacos is of `line` and gathers changes for `push_delay`, its own default where absent.
    pub(crate) async fn start(line: Line, push_delay: Option<Duration>) -> Result<Self> {
        let parts = Parts::ensure(&[Part::Kafka, Part::Nacos2, Part::Nacos3]).await?;
        let kafka = Kafka::start(&parts, KafkaOptions::default()).await?;
        let options = NacosOptions { push_delay, access: Access::Password, heap_mib: 1024, ..NacosOptions::default() };
        let nacos_a = Nacos::start(&parts, line, options).await?;
        let other = NacosOptions { access: Access::Password, ..NacosOptions::default() };
        let nacos_b = Nacos::start(&parts, Line::V2, other).await?;
        let beside = |cluster: &str, nacos: &Nacos| {
            GatewayOptions::new("bench", cluster, &kafka.bootstrap()).beside(nacos.address(), nacos.credentials())
        };
        let gateway_b = Gateway::start(&beside("b", &nacos_b)).await?;
        let mut gateway_a = Gateway::start(&beside("a", &nacos_a)).await?;
        gateway_a.stop().await?;
        Ok(Self { kafka, nacos_a, _nacos_b: nacos_b, gateway_a, gateway_b })
    }
}
