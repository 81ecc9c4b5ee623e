//! A client under test with everything that it has told so far.

use std::sync::Arc;
use std::time::Duration;

use federation_harness::Credentials;
use nacos_protocol::admin::AdminClient;
use nacos_protocol::client::{
    ClientEvent, ClientEvents, ClientOptions, ConfigName, NacosClient, ServiceName, ServiceSource,
};
use nacos_protocol::cluster::{self, ClusterOptions, NacosCluster};
use nacos_protocol::message::naming::{NacosInstance, ServiceInfo};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Longer than a restart of the slowest server on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between asking again for something that no event announces.
const AGAIN: Duration = Duration::from_millis(50);

pub(crate) struct Peer {
    pub(crate) client: NacosClient,
    pub(crate) admin: AdminClient,
    events: ClientEvents,
    log: Vec<ClientEvent>,
    _connection: JoinSet<()>,
}

impl Peer {
    /// A client that is about to connect.
    pub(crate) fn of(address: &str, user: Option<Credentials>) -> Self {
        let mut options = ClusterOptions::new(vec![address.parse().unwrap()]);
        options.credentials =
            user.map(|user| cluster::LoginCredentials { username: user.username, password: user.password });
        Self::with(options)
    }

    pub(crate) fn with(options: ClusterOptions) -> Self {
        Self::speaking(options, ClientOptions::default())
    }

    /// A client that says this of itself.
    pub(crate) fn speaking(options: ClusterOptions, said: ClientOptions) -> Self {
        let cluster = NacosCluster::new(options).unwrap();
        let admin = AdminClient::new(Arc::clone(&cluster));
        let (client, events, connection) = NacosClient::new(cluster, said);
        let mut tasks = JoinSet::new();
        tasks.spawn(connection.run(CancellationToken::new()));
        Self { client, admin, events, log: Vec::new(), _connection: tasks }
    }

    /// How much it has told; [`until`](Self::until) can be asked to look only behind this.
    pub(crate) fn told(&mut self) -> usize {
        while let Ok(event) = self.events.try_recv() {
            self.log.push(event);
        }
        self.log.len()
    }

    /// Waits until `found` makes something of one of the events behind the first `after`.
    pub(crate) async fn until<T>(&mut self, after: usize, mut found: impl FnMut(&ClientEvent) -> Option<T>) -> T {
        let mut next = after;
        let search = async {
            loop {
                while let Some(event) = self.log.get(next) {
                    next += 1;
                    if let Some(result) = found(event) {
                        return result;
                    }
                }
                self.log.push(self.events.recv().await.expect("the client runs"));
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(result) => result,
            Err(_) => {
                panic!("it did not come within {PATIENCE:?}; told since: {:#?}", &self.log[after.min(self.log.len())..])
            }
        }
    }

    /// Waits for a connection of at least this generation; returns its number.
    pub(crate) async fn connected(&mut self, at_least: u64) -> u64 {
        self.until(0, |event| match event {
            ClientEvent::Connected { generation, .. } if *generation >= at_least => Some(*generation),
            _ => None,
        })
        .await
    }

    /// Waits for a list of a service, behind the first `after` events, that is as wanted.
    pub(crate) async fn sees(
        &mut self,
        after: usize,
        name: &ServiceName,
        wanted: impl Fn(&ServiceInfo) -> bool,
    ) -> ServiceInfo {
        self.until(after, |event| match event {
            ClientEvent::Service { service, info, .. } if service == name && wanted(info) => Some(info.clone()),
            _ => None,
        })
        .await
    }

    /// Waits for a list with exactly these addresses.
    pub(crate) async fn sees_addresses(&mut self, after: usize, name: &ServiceName, addresses: &[&str]) -> ServiceInfo {
        self.sees(after, name, |info| {
            let mut seen: Vec<&str> = info.hosts.iter().map(|host| &*host.ip).collect();
            seen.sort_unstable();
            seen == addresses
        })
        .await
    }

    /// All lists of a service so far.
    pub(crate) fn lists_of(&mut self, name: &ServiceName) -> Vec<ServiceInfo> {
        self.told();
        let lists = self.log.iter().filter_map(|event| match event {
            ClientEvent::Service { service, info, .. } if service == name => Some(info.clone()),
            _ => None,
        });
        lists.collect()
    }

    /// Waits for the first list of a service over a connection of at least this generation.
    pub(crate) async fn first_list(&mut self, at_least: u64, name: &ServiceName) -> (ServiceInfo, ServiceSource) {
        self.until(0, |event| match event {
            ClientEvent::Service { service, info, generation, source }
                if service == name && *generation >= at_least =>
            {
                Some((info.clone(), *source))
            }
            _ => None,
        })
        .await
    }

    /// Waits until a config item is said to have changed, behind the first `after` events.
    pub(crate) async fn hears_of(&mut self, after: usize, name: &ConfigName) {
        self.until(after, |event| {
            matches!(event, ClientEvent::ConfigChanged { config } if config == name).then_some(())
        })
        .await;
    }

    /// Reads a config item until it has this content: servers answer "none", the old, or "being modified" for a moment after a publish.
    pub(crate) async fn reads(&self, name: &ConfigName, content: Option<&str>) {
        eventually(&format!("{name} is {content:?}"), async || {
            let read = self.client.query_config(name).await.ok()?;
            (read.map(|item| item.content).as_deref() == content).then_some(())
        })
        .await;
    }

    /// Reads all instances through the admin API until they are as wanted.
    pub(crate) async fn admin_sees(
        &self,
        name: &ServiceName,
        wanted: impl Fn(&[NacosInstance]) -> bool,
    ) -> Vec<NacosInstance> {
        eventually(&format!("the admin read of {name} is as wanted"), async || {
            let read = self.admin.instances(name).await.unwrap();
            wanted(&read).then_some(read)
        })
        .await
    }
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

/// A healthy instance with a weight and metadata that nobody has by chance.
pub(crate) fn instance(ip: &str) -> NacosInstance {
    let metadata = [("k\"".to_owned(), "väl'ue 值".to_owned())].into();
    NacosInstance {
        ip: ip.into(),
        port: 8080,
        weight: 0.5,
        cluster_name: "DEFAULT".into(),
        metadata,
        ..NacosInstance::default()
    }
}

/// What identifies and describes an instance, without what the server adds.
pub(crate) fn essence(instance: &NacosInstance) -> NacosInstance {
    NacosInstance { instance_id: String::new(), service_name: String::new(), ..instance.clone() }
}
