//! Asks every Nacos four times a second what it lists, at its own address, past the lines of the gateways: who is gone because its client lost
//! it is not to be looked for at a gateway. `/nacos/v1/ns/instance/list` is answered by both lines, from what subscribers are pushed too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value as Json;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::history::{InstanceName, Value};
use crate::record::Record;
use crate::truth::Listing;
use crate::value::listed;

const EVERY: Duration = Duration::from_millis(250);
/// An answer that takes longer is none.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// One Nacos that is asked.
pub(crate) struct Lister {
    /// The cluster that it is of.
    pub(crate) origin: &'static str,
    /// Its `host:port`.
    pub(crate) address: String,
    /// The services of the workload, all in namespace `public`.
    pub(crate) services: Vec<String>,
}

/// Asks until `stop`, in `tasks`.
pub(crate) fn start(
    listers: Vec<Lister>,
    record: &Arc<Record>,
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
) -> Result<()> {
    for lister in listers {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?;
        tasks.spawn(lister.run(http, Arc::clone(record), stop.clone()));
    }
    Ok(())
}

impl Lister {
    async fn run(self, http: reqwest::Client, record: Arc<Record>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            ticks.tick().await;
            let asked = record.now();
            // A Nacos that does not answer, or with an error, says nothing of anybody.
            if let Ok(instances) = self.ask(&http).await {
                let listing = Listing { asked, answered: record.now(), instances };
                record.truth().listed(self.origin, &listing);
            }
        }
    }

    async fn ask(&self, http: &reqwest::Client) -> Result<BTreeMap<InstanceName, Value>> {
        let mut instances = BTreeMap::new();
        for service in &self.services {
            let url = format!("http://{}/nacos/v1/ns/instance/list?serviceName={service}", self.address);
            let answer = http.get(url).send().await?.error_for_status()?;
            let document: Json = serde_json::from_str(&answer.text().await?)?;
            let hosts = document["hosts"].as_array().context("a list without hosts")?;
            instances.extend(hosts.iter().map(|host| listed(self.origin, service, host)));
        }
        Ok(instances)
    }
}
