//! A Nacos that takes registrations and says nothing until a test lets it.

use std::sync::Arc;

use bounded_listener::ListenerGate;
use nacos_protocol::client::CallError;
use nacos_protocol::cluster::{ClusterOptions, NacosCluster};
use nacos_protocol::message::config::ConfigQueryResponse;
use nacos_protocol::message::naming::ServiceInfo;
use nacos_protocol::server::{
    CallingClient, ConfigChange, ConfigName, ConnectedClient, ConnectionId, ListenContext, ListingPage, NacosServer,
    NamingPublication, RegistryBackend, RegistryRefusal, ServerOptions, ServiceName,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::AccessRule;
use crate::testing::{House, PATIENCE, at, service};

struct Silent {
    speaks: watch::Sender<bool>,
    /// What was published, once it speaks, and for whom.
    published: watch::Sender<Vec<(String, NamingPublication)>>,
}

impl RegistryBackend for Silent {
    async fn connected(&self, _peer: &ConnectedClient) {}

    async fn disconnected(&self, _connection: &ConnectionId) {}

    async fn publish(
        &self,
        caller: &CallingClient<'_>,
        service: ServiceName,
        publication: NamingPublication,
    ) -> Result<(), RegistryRefusal> {
        self.speaks.subscribe().wait_for(|speaks| *speaks).await.expect("it lives");
        let whose = format!("{} {} {}", caller.peer.client_version, caller.peer.client_ip, service.service);
        self.published.send_modify(|published| published.push((whose, publication)));
        Ok(())
    }

    async fn query(
        &self,
        _: &CallingClient<'_>,
        _: ServiceName,
        _: String,
        _: bool,
    ) -> Result<ServiceInfo, RegistryRefusal> {
        Ok(ServiceInfo::default())
    }

    async fn list(
        &self,
        _: &CallingClient<'_>,
        _: String,
        _: String,
        _: ListingPage,
    ) -> Result<(usize, Vec<String>), RegistryRefusal> {
        Ok((0, Vec::new()))
    }

    async fn subscribe(
        &self,
        _: &CallingClient<'_>,
        _: ServiceName,
        _: String,
    ) -> Result<ServiceInfo, RegistryRefusal> {
        Ok(ServiceInfo::default())
    }

    async fn unsubscribe(&self, _: &CallingClient<'_>, _: ServiceName) -> Result<(), RegistryRefusal> {
        Ok(())
    }

    async fn config(
        &self,
        _: &CallingClient<'_>,
        _: ConfigName,
        _: Option<String>,
    ) -> Result<Option<ConfigQueryResponse>, RegistryRefusal> {
        Ok(None)
    }

    async fn change_config(
        &self,
        _: &CallingClient<'_>,
        _: ConfigName,
        _: ConfigChange,
    ) -> Result<(), RegistryRefusal> {
        Ok(())
    }

    async fn listen(&self, _: &CallingClient<'_>, _: Vec<ListenContext>) -> Result<Vec<ConfigName>, RegistryRefusal> {
        Ok(Vec::new())
    }

    async fn ignore(&self, _: &CallingClient<'_>, _: Vec<ConfigName>) -> Result<(), RegistryRefusal> {
        Ok(())
    }
}

#[tokio::test]
async fn a_nacos_that_does_not_answer_is_told_in_time_and_gets_the_registration_once_it_does() {
    let silent = Arc::new(Silent { speaks: watch::Sender::new(false), published: watch::Sender::default() });
    let anywhere = "127.0.0.1:0".parse().unwrap();
    let server = NacosServer::bind(&ListenerGate::default(), "silent", anywhere, ServerOptions::default()).unwrap();
    let mut options = ClusterOptions::new(vec![server.local_addr().to_string().parse().unwrap()]);
    options.grpc_offset = 0;
    let mut tasks = JoinSet::new();
    tasks.spawn(server.run(Arc::clone(&silent), CancellationToken::new()));
    let house = House::before(NacosCluster::new(options).unwrap(), AccessRule::Open);
    let client = house.client().connected().await;
    // The client itself would give up after 3 s, without a word of the gateway.
    let failed = client.client.register(&service("s"), at("10.0.0.1")).await.unwrap_err();
    let CallError::Server { code: 500, message, .. } = &failed else { panic!("{failed:?}") };
    assert!(message.contains("does not answer") && message.contains("is kept"), "{message}");
    assert_eq!(house.news.0.lock().unwrap().len(), 0, "nothing is told of what was not acknowledged");
    silent.speaks.send_replace(true);
    let mut published = silent.published.subscribe();
    let heard = published.wait_for(|published| !published.is_empty());
    let heard = tokio::time::timeout(PATIENCE, heard).await.expect("it is tried again").unwrap().clone();
    let (whose, publication) = &heard[0];
    assert!(whose.starts_with("Nacos-Rust-Client") && whose.ends_with("10.9.9.9 s"), "under its own identity: {whose}");
    let NamingPublication::Ephemeral(instances) = publication else { panic!("{publication:?}") };
    assert_eq!(instances.iter().map(|instance| &*instance.ip).collect::<Vec<_>>(), ["10.0.0.1"]);
}
