//! Five instances of three client processes, to be missed by nobody.

use std::time::Duration;

use anyhow::Result;
use federation_harness::{Sdk, SdkClient, SdkInstance, SdkService};

use crate::sampler::Expected;
use crate::seen::{eventually, shows};
use crate::world::{Side, World, unique};

const SEEN_WITHIN: Duration = Duration::from_secs(20);

/// The processes, and what they registered. They end, and their instances go, when this is dropped.
pub(crate) struct Crew {
    pub(crate) service: SdkService,
    members: Vec<(Side, SdkInstance)>,
    _processes: Vec<SdkClient>,
}

impl Crew {
    /// Starts a Java process with two instances at `sides[0]`, a Python process with two at `sides[1]`, a Java process with one at
    /// `sides[2]`, and waits until both gateways show all.
    pub(crate) async fn muster(world: &World, sides: [Side; 3]) -> Result<Self> {
        let service = SdkService::public(unique("crew"));
        let (mut members, mut processes) = (Vec::new(), Vec::new());
        for (index, (side, sdk, ports)) in
            [(sides[0], Sdk::Java, 1..3), (sides[1], Sdk::Python, 3..5), (sides[2], Sdk::Java, 5..6)]
                .into_iter()
                .enumerate()
        {
            let process = world.new_driver(side, sdk).await?;
            for port in ports {
                let instance = SdkInstance { weight: 0.5, ..SdkInstance::new(format!("10.9.0.{index}"), 8000 + port) };
                process.connection(&port.to_string()).register(&service, &instance).await?;
                members.push((side, instance));
            }
            processes.push(process);
        }
        let crew = Self { service, members, _processes: processes };
        crew.until_all_seen(world, SEEN_WITHIN).await?;
        Ok(crew)
    }

    /// Waits until both gateways show every instance as it was registered.
    pub(crate) async fn until_all_seen(&self, world: &World, within: Duration) -> Result<Duration> {
        let ((), took) = eventually("all of the crew is shown by both", within, async || {
            for side in Side::BOTH {
                for (at, instance) in &self.members {
                    shows(world.gateway(side), &self.service, at.cluster(), instance).await?;
                }
            }
            Ok(())
        })
        .await?;
        Ok(took)
    }

    pub(crate) fn expected(&self) -> Expected {
        let mut expected = Expected::default();
        for (side, instance) in &self.members {
            expected.add(&self.service, side.cluster(), instance);
        }
        expected
    }
}
