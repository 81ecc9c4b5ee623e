//! Two gateways of one cluster: when the leader dies, the other goes on, and nothing is lost or said twice.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use federation_harness::{Gateway, GatewayOptions, Sdk, SdkInstance, SdkService, announce};

use crate::crew::Crew;
use crate::records;
use crate::sampler::Sampler;
use crate::seen::{eventually, lacks, shows, start_is_over, status};
use crate::world::{FEDERATION, Side, World, in_the_world, unique};

const PATIENCE: Duration = Duration::from_secs(40);
/// Three beats are missed, a claim is read back, the own log is read to its end.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(10);

#[test]
fn a_standby_takes_over_from_a_killed_leader_and_nothing_is_lost_or_doubled() {
    in_the_world(async |world| {
        let side = Side::Frankfurt;
        let crew = Crew::muster(world, [side, side, side]).await?;
        let nacos = world.nacos(side);
        let options = GatewayOptions::new(FEDERATION, side.cluster(), &world.kafka.bootstrap());
        let mut second = Gateway::start(&options.beside(nacos.address(), nacos.credentials())).await?;
        eventually("its start is over", PATIENCE, async || start_is_over(&second).await).await?;
        eventually("it waits", PATIENCE, async || has_role(&second, "standby").await).await?;
        has_role(world.gateway(side), "leader").await?;

        let before = records::facts(&world.kafka).await?;
        let afar = Sampler::start([world.gateway(side.other())], &crew.expected())?;
        let beside = Sampler::start([&second], &crew.expected())?;
        let killed = Instant::now();
        world.region(side).gateway.kill().await?;
        let change = Change::make(world, side, "10.12.0.1").await?;
        eventually("it leads", TAKEN_OVER_WITHIN, async || has_role(&second, "leader").await).await?;
        announce(&format!("the standby leads {} ms after the leader was killed", killed.elapsed().as_millis()));
        change.arrives(world.gateway(side.other())).await?;
        announce(&format!("what changed then arrives {} ms after", killed.elapsed().as_millis()));
        change.is_taken_back(world, world.gateway(side.other())).await?;

        world.region(side).gateway.restart().await?;
        eventually("it waits in its turn", PATIENCE, async || has_role(world.gateway(side), "standby").await).await?;
        beside.finish("leader killed, the other replica").await?;
        let stopped = Instant::now();
        second.stop().await?;
        let leads = async || has_role(world.gateway(side), "leader").await;
        eventually("it leads again", TAKEN_OVER_WITHIN, leads).await?;
        announce(&format!("after an orderly stop the other leads within {} ms", stopped.elapsed().as_millis()));
        Change::make(world, side, "10.12.0.2").await?.arrives(world.gateway(side.other())).await?;
        afar.finish("leader killed, later leader stopped").await?;

        let after = records::facts(&world.kafka).await?;
        let new: Vec<&String> = after.iter().filter(|fact| !before.contains(fact)).map(|fact| &fact.key).collect();
        let changes = new.iter().filter(|key| key.contains("10.12.0.")).count();
        ensure!(changes == 3, "two registrations and a deregistration made these records: {new:?}");
        ensure!(new.len() == changes, "two changes of leadership with nothing changed wrote {new:?}");
        world.until_settled(PATIENCE).await
    });
}

/// An instance of a service nobody knew.
struct Change {
    side: Side,
    service: SdkService,
    instance: SdkInstance,
}

impl Change {
    async fn make(world: &World, side: Side, ip: &str) -> Result<Self> {
        let (service, instance) = (SdkService::public(unique("led")), SdkInstance::new(ip, 80));
        world.driver(side, Sdk::Java).register(&service, &instance).await?;
        Ok(Self { side, service, instance })
    }

    async fn arrives(&self, at: &Gateway) -> Result<()> {
        let probe = async || shows(at, &self.service, self.side.cluster(), &self.instance).await;
        eventually("the change arrives", PATIENCE, probe).await?;
        Ok(())
    }

    async fn is_taken_back(&self, world: &World, at: &Gateway) -> Result<()> {
        world.driver(self.side, Sdk::Java).deregister(&self.service, &self.instance).await?;
        let probe = async || lacks(at, &self.service, self.side.cluster(), &self.instance).await;
        eventually("the removal arrives", PATIENCE, probe).await?;
        Ok(())
    }
}

async fn has_role(gateway: &Gateway, role: &str) -> Result<()> {
    let status = status(gateway).await?;
    ensure!(status["facts"]["role"] == role, "{} says {}", gateway.cluster(), status["facts"]);
    Ok(())
}
