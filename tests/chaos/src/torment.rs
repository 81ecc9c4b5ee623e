//! Carries faults out: the fault, its time, and what ends it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use federation_harness::{Gateway, Link, announce};
use tokio::time::sleep;

use crate::plan::{Fault, FaultKind, REPLICAS};
use crate::record::Record;
use crate::stage::{Replica, Stage, cluster, gateway_at};

/// How long a full disk is full before and after the restart that needs it.
const DISK_MOMENT: Duration = Duration::from_secs(2);

/// A fault with its victim found.
#[derive(Clone, Debug)]
pub(crate) struct Strike {
    pub(crate) fault: Fault,
    /// Number of the gateway, where one is concerned.
    gateway: usize,
}

impl Strike {
    /// Finds who has the role now.
    pub(crate) async fn aim(stage: &Stage, fault: &Fault) -> Self {
        let gateway = stage.with_role(fault.region, fault.role).await;
        Self { fault: fault.clone(), gateway }
    }

    /// For people: who is struck.
    pub(crate) fn victim(&self, stage: &Stage) -> String {
        match self.fault.kind {
            FaultKind::BrokerKilled | FaultKind::BrokerPaused | FaultKind::BrokerRestarted => {
                format!("broker {}", self.fault.broker + 1)
            }
            FaultKind::NacosKilled | FaultKind::NacosPaused | FaultKind::NacosRestarted | FaultKind::NacosEmpty => {
                format!("nacos of {}", cluster(self.fault.region))
            }
            _ => stage.replicas[self.gateway].name.clone(),
        }
    }

    /// Does it, waits, and ends it; the time from which all should go well again. What a process that was asked to end did wrong is
    /// added to `complaints`.
    pub(crate) async fn run(&self, stage: &Stage, record: &Arc<Record>, complaints: &Complaints) -> Result<u64> {
        let nacos = self.fault.kind.strikes_nacos().then(|| cluster(self.fault.region));
        let episode = record.truth().fault_begun(nacos, record.now());
        let outcome = self.carried_out(stage, record, complaints).await;
        record.truth().fault_over(episode, record.now());
        outcome.with_context(|| format!("{} ({})", self.fault.kind.name(), self.victim(stage)))
    }

    async fn carried_out(&self, stage: &Stage, record: &Arc<Record>, complaints: &Complaints) -> Result<u64> {
        match self.fault.kind {
            FaultKind::LeaderKilled
            | FaultKind::StandbyKilled
            | FaultKind::LeaderRestarted
            | FaultKind::StandbyRestarted
            | FaultKind::LeaderPaused
            | FaultKind::StandbyPaused
            | FaultKind::DiskFull => self.on_gateway(&stage.replicas[self.gateway], record, complaints).await,
            FaultKind::BrokerKilled | FaultKind::BrokerPaused | FaultKind::BrokerRestarted => {
                self.on_broker(stage, record).await
            }
            FaultKind::NacosKilled | FaultKind::NacosPaused | FaultKind::NacosRestarted => {
                self.on_nacos(stage, record).await
            }
            FaultKind::NacosLineCut
            | FaultKind::NacosLineSilent
            | FaultKind::KafkaLineCut
            | FaultKind::KafkaLineSilent
            | FaultKind::NacosEmpty => {
                self.on_lines(stage).await;
                Ok(record.now())
            }
        }
    }

    async fn on_gateway(&self, replica: &Replica, record: &Record, complaints: &Complaints) -> Result<u64> {
        let mut gateway = replica.gateway.lock().await;
        record.excused(self.gateway);
        let healed = match self.fault.kind {
            FaultKind::LeaderPaused | FaultKind::StandbyPaused => {
                gateway.pause()?;
                sleep(self.fault.lasts()).await;
                gateway.resume()?;
                record.now()
            }
            FaultKind::DiskFull => self.on_disk(replica, &mut gateway, record, complaints).await?,
            kind => {
                match kind {
                    FaultKind::LeaderKilled | FaultKind::StandbyKilled => gateway.kill().await?,
                    _ => stop(&mut gateway, complaints).await,
                }
                sleep(self.fault.lasts()).await;
                gateway.spawn().await?;
                let healed = record.now();
                gateway.until_ready().await?;
                healed
            }
        };
        record.expected_again(self.gateway);
        Ok(healed)
    }

    /// Full, restarted while it is full (a snapshot is written at the end and read at the start), and then there is room again.
    async fn on_disk(
        &self,
        replica: &Replica,
        gateway: &mut Gateway,
        record: &Record,
        complaints: &Complaints,
    ) -> Result<u64> {
        let pid = |gateway: &Gateway| gateway.pid().context("the gateway does not run");
        replica.disk.fill(pid(gateway)?)?;
        sleep(DISK_MOMENT).await;
        stop(gateway, complaints).await;
        gateway.spawn().await?;
        replica.disk.stays_full(pid(gateway)?)?;
        gateway.until_ready().await?;
        sleep(self.fault.lasts()).await;
        replica.disk.make_room(pid(gateway)?)?;
        Ok(record.now())
    }

    async fn on_broker(&self, stage: &Stage, record: &Record) -> Result<u64> {
        let mut broker = stage.brokers[self.fault.broker].lock().await;
        match self.fault.kind {
            FaultKind::BrokerPaused => broker.pause()?,
            FaultKind::BrokerKilled => broker.kill().await?,
            _ => broker.stop().await?,
        }
        sleep(self.fault.lasts()).await;
        match self.fault.kind {
            FaultKind::BrokerPaused => broker.resume()?,
            _ => broker.restart().await?,
        }
        Ok(record.now())
    }

    async fn on_nacos(&self, stage: &Stage, record: &Record) -> Result<u64> {
        let mut nacos = stage.nacos[self.fault.region].lock().await;
        match self.fault.kind {
            FaultKind::NacosPaused => nacos.pause()?,
            FaultKind::NacosKilled => nacos.kill().await?,
            _ => nacos.stop().await?,
        }
        sleep(self.fault.lasts()).await;
        match self.fault.kind {
            FaultKind::NacosPaused => nacos.resume()?,
            _ => nacos.restart().await?,
        }
        Ok(record.now())
    }

    async fn on_lines(&self, stage: &Stage) {
        let struck = &stage.replicas[self.gateway];
        let of_cluster = (0..REPLICAS).map(|replica| &stage.replicas[gateway_at(self.fault.region, replica)]);
        let redirect = |port: u16| of_cluster.clone().for_each(|replica| replica.nacos_line.redirect(port));
        match self.fault.kind {
            FaultKind::NacosLineCut => struck.nacos_line.set_link(Link::Cut),
            FaultKind::NacosLineSilent => struck.nacos_line.set_link(Link::Silent),
            FaultKind::KafkaLineCut => struck.kafka_line.set_link(Link::Cut),
            FaultKind::KafkaLineSilent => struck.kafka_line.set_link(Link::Silent),
            _ => redirect(stage.empty_ports[self.fault.region]),
        }
        sleep(self.fault.lasts()).await;
        match self.fault.kind {
            FaultKind::NacosLineCut | FaultKind::NacosLineSilent => struck.nacos_line.set_link(Link::Open),
            FaultKind::KafkaLineCut | FaultKind::KafkaLineSilent => struck.kafka_line.set_link(Link::Open),
            _ => redirect(stage.nacos_ports[self.fault.region]),
        }
    }
}

/// What went wrong besides what is judged.
#[derive(Debug, Default)]
pub(crate) struct Complaints(std::sync::Mutex<Vec<String>>);

impl Complaints {
    pub(crate) fn add(&self, complaint: String) {
        announce(&complaint);
        self.0.lock().expect("no holder panics").push(complaint);
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().expect("no holder panics").clone()
    }
}

/// Asks it to end; whatever the exit code, it has ended.
async fn stop(gateway: &mut Gateway, complaints: &Complaints) {
    if let Err(error) = gateway.stop().await {
        complaints.add(format!("{error:#}"));
    }
}
