//! Services of one cluster, each with as many instances.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use federation_harness::{Gateway, SdkInstance, SdkService};

use crate::registrant::Registrant;
use crate::sampler::Expected;
use crate::scale::PATIENCE;
use crate::seen::{self, eventually, name_at};
use crate::stage::{Scene, Side};

pub(crate) struct Crowd {
    side: Side,
    pub(crate) services: Vec<(SdkService, Vec<SdkInstance>)>,
}

impl Crowd {
    /// `services` services with `each` instances; nobody is registered yet.
    pub(crate) fn new(scene: &Scene, side: Side, services: u8, each: u16) -> Self {
        let service = |number: u8| {
            let instances = (1..=each).map(|port| SdkInstance::new(format!("10.30.{number}.1"), port));
            (scene.service(&format!("crowd-of-{}-{number}", side.cluster())), instances.collect())
        };
        Self { side, services: (0..services).map(service).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.services.iter().map(|(_, instances)| instances.len()).sum()
    }

    pub(crate) async fn register(&self, by: &Registrant) -> Result<()> {
        for (service, instances) in &self.services {
            by.set(service, instances).await?;
        }
        Ok(())
    }

    pub(crate) fn expected(&self, expected: &mut Expected) {
        for (service, instance) in
            self.services.iter().flat_map(|(service, all)| all.iter().map(move |it| (service, it)))
        {
            expected.add(service, self.side.cluster(), instance);
        }
    }

    /// How many of its instances a gateway shows.
    pub(crate) async fn shown(&self, at: &Gateway) -> Result<usize> {
        let mut shown = 0;
        for (service, instances) in &self.services {
            let names: BTreeSet<String> = seen::names(at, service).await?.into_iter().collect();
            shown += instances.iter().filter(|it| names.contains(&name_at(self.side.cluster(), it))).count();
        }
        Ok(shown)
    }

    /// Fails unless a gateway shows this many.
    pub(crate) async fn counts(&self, at: &Gateway, wanted: usize) -> Result<()> {
        let shown = self.shown(at).await?;
        ensure!(shown == wanted, "{} shows {shown} instances of {}, not {wanted}", at.cluster(), self.side.cluster());
        Ok(())
    }

    /// Waits until all gateways show all.
    pub(crate) async fn until_shown(&self, gateways: &[&Gateway]) -> Result<()> {
        for gateway in gateways {
            eventually("the crowd is shown", PATIENCE, async || self.counts(gateway, self.len()).await).await?;
        }
        Ok(())
    }
}
