//! Accounts of the API, if its configuration has some.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use federation_access::audit::{AuditLog, AuditWriter};
use federation_access::authority::ListenerPlace;
use federation_access::jwt::LARGEST_KEY_SET_BYTES;
use federation_access::keeper::{AccessKeeper, FetchedText, KeyFetcher};
use federation_access::logins::LoginDesk;
use federation_api::{ApiState, PageRules};
use federation_ports::trouble::TroubleBoard;
use nacos_protocol::cluster::ClusterOptions;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::heard::HeardOrders;
use super::logins::NacosPasswords;
use crate::config::GatewayConfig;

/// How long an identity provider may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Asks identity providers for their keys. Follows no redirect: where the keys are is what the configuration says.
struct HttpKeys(reqwest::Client);

impl KeyFetcher for HttpKeys {
    fn fetch(&self, url: &Url) -> FetchedText {
        let request = self.0.get(url.clone()).timeout(ANSWER_WITHIN);
        Box::pin(async move {
            let told = |error: reqwest::Error| format!("{:#}", anyhow::Error::from(error.without_url()));
            let mut answer = request.send().await.map_err(told)?;
            if answer.status() != reqwest::StatusCode::OK {
                return Err(format!("HTTP status {}", answer.status().as_u16()));
            }
            let mut text = Vec::new();
            while let Some(part) = answer.chunk().await.map_err(told)? {
                text.extend_from_slice(&part);
                if text.len() as u64 > LARGEST_KEY_SET_BYTES {
                    return Err(format!("more than {LARGEST_KEY_SET_BYTES} bytes"));
                }
            }
            Ok(text)
        })
    }
}

/// The API, and what it asks and tells of who acts.
pub(super) struct GuardedApi {
    pub(super) state: ApiState,
    pub(super) tasks: AccessTasks,
    /// Keeps what was ordered at other gateways beside what is ordered at this one.
    pub(super) heard: HeardOrders,
    /// Whether pages for people are served beside it.
    pub(super) has_pages: bool,
}

/// What keeps accounts up to date, and what writes who did what.
pub(super) struct AccessTasks {
    keeper: Option<AccessKeeper>,
    writer: Option<AuditWriter>,
}

impl AccessTasks {
    /// Runs until `stop`; what was ordered before that is written.
    ///
    /// # Errors
    /// If reading accounts panics: a revoked token would count for ever.
    pub(super) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let writing = async {
            if let Some(writer) = self.writer {
                writer.run(stop.clone()).await;
            }
        };
        let keeping = async {
            match self.keeper {
                Some(keeper) => keeper.run(stop.clone()).await,
                None => {
                    stop.cancelled().await;
                    Ok(())
                }
            }
        };
        let ((), kept) = tokio::join!(writing, keeping);
        kept.context("the keeper of accounts ended")
    }
}

/// Reads who is known, away from the tasks that serve, and has the API ask for it. Users of this Nacos log in, if they may.
pub(super) async fn guard(
    config: &GatewayConfig,
    state: ApiState,
    nacos: ClusterOptions,
    troubles: &TroubleBoard,
) -> anyhow::Result<GuardedApi> {
    let file = config.access.as_ref().and_then(|access| access.audit_file.clone());
    let (audit, writer) = AuditLog::new(file, troubles.clone());
    let heard = HeardOrders(audit.clone());
    state.attach_audit(audit);
    let has_pages = config.dashboard.enabled;
    state.attach_pages(PageRules { read_only: config.dashboard.read_only });
    let Some(settings) = config.access.clone() else {
        say_who_may_ask(config);
        return Ok(GuardedApi { state, tasks: AccessTasks { keeper: None, writer }, heard, has_pages });
    };
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let (troubles, fetcher, logins) = (troubles.clone(), Arc::new(HttpKeys(client)), settings.nacos_login);
    let opened = tokio::task::spawn_blocking(move || AccessKeeper::open(settings, fetcher, troubles)).await;
    let (keeper, authority) = opened.context("reading the accounts panicked")?;
    if logins {
        state.attach_logins(LoginDesk::new(authority.clone(), Arc::new(NacosPasswords::at(nacos)?)));
    }
    state.attach_access(authority);
    Ok(GuardedApi { state, tasks: AccessTasks { keeper: Some(keeper), writer }, heard, has_pages })
}

fn say_who_may_ask(config: &GatewayConfig) {
    for address in [config.listen.http, config.listen.grpc] {
        if ListenerPlace::of(address) == ListenerPlace::Beyond {
            tracing::warn!(%address, "nobody may ask here: the configuration has no section access");
        }
    }
}
