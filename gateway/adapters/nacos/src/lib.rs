//! The adapter of the local Nacos: joins its client and its admin API to the engine.
//!
//! Input: what the engine asks through [`NacosHandle`]. Output: [`LocalInput`]s in its inbox. Everything that leaves the adapter bears
//! federated names of namespaces; everything inside bears local ones ([`names`]).
//!
//! - [`events`] turns pushes into news, in order; [`discovery`] finds namespaces and services; [`questions`] answers reads and queries;
//!   [`configs`] keeps config items up to date; [`own_item`] keeps the one that the gateway itself lives by, exported or not.
//! - [`gate`] decides when everything watched has answered; [`calls`] remembers what is refused or fails, by what it is about; [`rules`]
//!   counts what each rule matches; [`standing`] tells the board what lasts.
//!
//! Invariants: nothing here removes. An error, a refusal, an empty page, a lost connection become words of their own, never an empty list.
//! No call of the handle waits. All queues are bounded: by a number, or by the number of subjects that exist, each of which waits once.
//!
//! [`LocalInput`]: federation_core::input::LocalInput

mod about;
mod acknowledged;
mod calls;
mod configs;
mod discovery;
mod events;
mod gate;
mod instance;
mod names;
mod own_item;
mod pace;
mod questions;
mod queue;
mod rules;
mod settings;
mod shared;
mod standing;
mod status;

use std::sync::Arc;
use std::time::Duration;

use federation_core::id::{ConfigKey, ServiceKey};
use nacos_protocol::admin::AdminClient;
use nacos_protocol::client::{ClientConnection, ClientEvents, ClientOptions, NacosClient};
use nacos_protocol::cluster::{ClusterError, NacosCluster};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

pub use self::acknowledged::LocalRegistrations;
use self::configs::Configs;
use self::discovery::Discovery;
use self::events::EventReader;
use self::names::Names;
pub use self::names::PUBLIC;
use self::own_item::OwnItemCell;
pub use self::settings::NacosSettings;
use self::shared::{Context, EngineGone, Question, Shared};
pub use self::status::NacosStatus;
use federation_ports::inbox::{EngineInbox, LocalNacos, OwnItem};
use federation_ports::metrics::NacosMetrics;
use federation_ports::trouble::TroubleBoard;

/// A Nacos that has been silent this long is asked whether it is there: its answer keeps what it said before young. Well below the age
/// from which a cluster counts as stale.
const IDLE: Duration = Duration::from_secs(2);

/// Why the adapter ended.
#[derive(Debug, thiserror::Error)]
pub enum NacosTasksError {
    /// One of its tasks panicked.
    #[error("a task of the nacos adapter panicked")]
    Panicked(#[from] JoinError),
    /// One of its tasks ended though nobody stopped it.
    #[error("the nacos adapter's {task} ended")]
    Ended {
        /// Which.
        task: &'static str,
    },
}

/// Makes the adapter; it connects when its tasks run. News go to `inbox`, what is wrong and lasts to `troubles`.
///
/// # Errors
/// The options cannot work, for example because a TLS file is unusable; a person must change them. A Nacos that cannot be reached is no error.
pub fn connect(
    settings: NacosSettings,
    inbox: EngineInbox,
    metrics: NacosMetrics,
    troubles: TroubleBoard,
) -> Result<(NacosHandle, NacosTasks), ClusterError> {
    let NacosSettings { cluster, export, namespaces, own_item, namespace_poll, service_poll, unmatched_after } =
        settings;
    let cluster = NacosCluster::new(cluster)?;
    let options = ClientOptions { app_name: "nacos-fed".to_owned(), idle: IDLE, ..ClientOptions::default() };
    let (client, events, connection) = NacosClient::new(Arc::clone(&cluster), options);
    let names = Names::new(export, namespaces);
    let shared = Arc::new(Shared::new(
        client,
        AdminClient::new(cluster),
        names,
        OwnItemCell::new(own_item),
        inbox,
        metrics,
        troubles,
    ));
    let handle = NacosHandle { shared: Arc::clone(&shared) };
    Ok((handle, NacosTasks { shared, events, connection, namespace_poll, service_poll, unmatched_after }))
}

/// The engine's side of the adapter. No method waits or fails: what is asked is kept until it can be done.
pub struct NacosHandle {
    shared: Context,
}

impl NacosHandle {
    /// What the adapter says of itself.
    #[must_use]
    pub fn status(&self) -> NacosStatus {
        NacosStatus::new(Arc::clone(&self.shared))
    }

    /// For faces that pass registrations on.
    #[must_use]
    pub fn registrations(&self) -> LocalRegistrations {
        LocalRegistrations::new(Arc::clone(&self.shared))
    }

    /// What Nacos says of the config item that the settings name for the gateway itself.
    #[must_use]
    pub fn own_item(&self) -> watch::Receiver<OwnItem> {
        self.shared.own_item.told()
    }
}

impl LocalNacos for NacosHandle {
    fn watch_service(&mut self, key: ServiceKey) {
        self.shared.watch(key);
    }

    fn unwatch_service(&mut self, key: ServiceKey) {
        self.shared.unwatch(&key);
    }

    fn read_service(&mut self, key: ServiceKey) {
        self.shared.questions.push(Question::Read(key));
    }

    fn query_service(&mut self, key: ServiceKey) {
        self.shared.questions.push(Question::Query(key));
    }

    fn read_config(&mut self, key: ConfigKey) {
        self.shared.configs.push(key);
    }
}

/// The tasks of the adapter. They do nothing until they are run.
pub struct NacosTasks {
    shared: Context,
    events: ClientEvents,
    connection: ClientConnection,
    namespace_poll: Duration,
    service_poll: Duration,
    unmatched_after: Duration,
}

impl NacosTasks {
    /// Runs until `stop`. Its end is the end of the local watch, so it must end the process.
    ///
    /// # Errors
    /// A task ended by itself; all of them are stopped then.
    pub async fn run(self, stop: CancellationToken) -> Result<(), NacosTasksError> {
        let Self { shared, events, connection, namespace_poll, service_poll, unmatched_after } = self;
        let stop = stop.child_token();
        let mut tasks = JoinSet::new();
        let running = stop.clone();
        tasks.spawn(async move {
            connection.run(running).await;
            ("connection", Ok(()))
        });
        let reader = EventReader { shared: Arc::clone(&shared), events }.run(stop.clone());
        tasks.spawn(async move { ("event reader", reader.await) });
        let discovery = Discovery::new(Arc::clone(&shared), namespace_poll, service_poll).run(stop.clone());
        tasks.spawn(async move { ("discovery", discovery.await) });
        let configs = Configs::new(Arc::clone(&shared), service_poll).run(stop.clone());
        tasks.spawn(async move { ("config items", configs.await) });
        let own_item = own_item::run(Arc::clone(&shared), stop.clone());
        tasks.spawn(async move { ("own config item", own_item.await) });
        let standing = standing::run(Arc::clone(&shared), unmatched_after, stop.clone());
        tasks.spawn(async move { ("look at what lasts", standing.await) });
        let questions = questions::run(shared, stop.clone());
        tasks.spawn(async move { ("questions", questions.await) });
        join(tasks, &stop).await
    }
}

/// Awaits all tasks; the first that ends stops the others.
async fn join(
    mut tasks: JoinSet<(&'static str, Result<(), EngineGone>)>,
    stop: &CancellationToken,
) -> Result<(), NacosTasksError> {
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let wanted = stop.is_cancelled();
        stop.cancel();
        let ended = match ended {
            Err(error) => Err(NacosTasksError::Panicked(error)),
            Ok(_) if wanted => Ok(()),
            Ok((task, Ok(()))) => Err(NacosTasksError::Ended { task }),
            Ok((task, Err(EngineGone))) => {
                tracing::debug!(task, "the engine takes in no more news");
                Err(NacosTasksError::Ended { task })
            }
        };
        outcome = outcome.and(ended);
    }
    outcome
}
