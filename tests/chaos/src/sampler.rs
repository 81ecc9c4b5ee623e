//! Looks at every gateway five times a second, all services at each look, and once a second at what it says of itself.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use reqwest::StatusCode;
use serde_json::Value as Json;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::judge::{Answer, Sample, View};
use crate::record::{Record, Said};
use crate::value::shown;

const EVERY: Duration = Duration::from_millis(200);
/// An answer that takes longer is none.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Every so many looks the status is asked for too.
const STATUS_EACH: usize = 5;

/// One gateway that is looked at.
pub(crate) struct Look {
    /// Its number in the record.
    pub(crate) index: usize,
    /// The base of its HTTP API.
    pub(crate) base: String,
    /// The services of the workload, all in namespace `public`.
    pub(crate) services: Vec<String>,
}

/// Looks until `stop`, in `tasks`.
pub(crate) fn start(
    looks: Vec<Look>,
    record: &Arc<Record>,
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
) -> Result<()> {
    for look in looks {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?;
        tasks.spawn(look.run(http, Arc::clone(record), stop.clone()));
    }
    Ok(())
}

impl Look {
    async fn run(self, http: reqwest::Client, record: Arc<Record>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = 0;
        while !stop.is_cancelled() {
            ticks.tick().await;
            let asked = record.now();
            let answer = self.view(&http).await.unwrap_or(Answer::None);
            record.sampled(self.index, Sample { asked, answered: record.now(), answer });
            looks += 1;
            if looks % STATUS_EACH == 0
                && let Ok(kinds) = self.troubles(&http).await
            {
                let at = record.now();
                record.gateway(self.index).said.extend(kinds.into_iter().map(|kind| Said { at, kind }));
            }
        }
    }

    async fn view(&self, http: &reqwest::Client) -> Result<Answer> {
        let mut view = View::new();
        for service in &self.services {
            let (status, document) = get(http, &format!("{}/v1/service?serviceName={service}", self.base)).await?;
            match status {
                StatusCode::OK => {
                    let instances = document["instances"].as_array().into_iter().flatten();
                    view.extend(instances.map(|instance| shown(service, instance)));
                }
                StatusCode::NOT_FOUND => {} // A service is there while somebody has an instance of it.
                StatusCode::SERVICE_UNAVAILABLE => return Ok(Answer::NotReady),
                status => bail!("{service} is answered with {status}"),
            }
        }
        Ok(Answer::View(Arc::new(view)))
    }

    async fn troubles(&self, http: &reqwest::Client) -> Result<Vec<String>> {
        let (_, status) = get(http, &format!("{}/v1/status", self.base)).await?;
        let troubles = status["troubles"].as_array().into_iter().flatten();
        Ok(troubles.filter_map(|trouble| trouble["kind"].as_str().map(str::to_owned)).collect())
    }
}

async fn get(http: &reqwest::Client, url: &str) -> Result<(StatusCode, Json)> {
    let answer = http.get(url).send().await?;
    Ok((answer.status(), serde_json::from_str(&answer.text().await?)?))
}
