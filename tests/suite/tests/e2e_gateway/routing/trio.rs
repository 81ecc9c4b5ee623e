//! Three gateways in a federation of their own: `shanghai` beside Nacos 3.x, with a proxy between, `frankfurt` beside Nacos 2.x, and
//! `singapore` with an embedded registry. They share one group of services, so that what other tests left behind does not count.

use anyhow::{Context, Result, ensure};
use federation_harness::{FaultProxy, Gateway, GatewayOptions, SdkService};
use reqwest::Method;

use crate::apart;
use crate::world::{Side, World, unique};

/// By name, as answers sort them.
pub(super) const CLUSTERS: [&str; 3] = ["frankfurt", "shanghai", "singapore"];
/// Lost a little after it is stale: both are looked at.
const FURTHER: &str = "freshness: {lost_after: 15s}";

/// The gateways, and the group that they export.
pub(super) struct Trio {
    pub(super) group: String,
    /// Before the Nacos of `shanghai`.
    pub(super) proxy: FaultProxy,
    gateways: Vec<Gateway>,
}

/// A persistent instance, and what is to be true of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) cluster: &'static str,
    pub(super) port: u16,
    /// Whole: all lines print that alike.
    pub(super) weight: u16,
    /// As plans take it: `healthy`, `unhealthy` or `unknown`.
    pub(super) health: &'static str,
}

impl Member {
    pub(super) fn new(cluster: &'static str, port: u16, weight: u16) -> Self {
        Self { cluster, port, weight, health: "healthy" }
    }

    /// As explanations name it.
    pub(super) fn id(&self) -> String {
        format!("{}/{IP}:{}@DEFAULT", self.cluster, self.port)
    }
}

/// Of all instances here; nobody calls it.
const IP: &str = "10.20.0.1";

impl Trio {
    pub(super) async fn start(world: &World) -> Result<Self> {
        let (federation, group) = (unique("routing"), unique("routed"));
        let proxy = FaultProxy::start(world.nacos(Side::Shanghai).port()).await?;
        let options = CLUSTERS.map(|cluster| {
            let options = GatewayOptions::new(&federation, cluster, &world.kafka.bootstrap());
            let options = GatewayOptions { further: FURTHER.into(), ..options };
            let user = |side: Side| world.nacos(side).credentials();
            match cluster {
                "shanghai" => options.beside(proxy.address(), user(Side::Shanghai)),
                "frankfurt" => options.beside(world.nacos(Side::Frankfurt).address(), user(Side::Frankfurt)),
                _ => options,
            }
        });
        let only = format!("export: {{services: [{{group: {group}}}], configs: []}}");
        let mut gateways = Vec::new();
        for options in &options {
            let mut gateway = apart::prepare(options, &[("export: {configs: [{data_id: \"*\"}]}", &only)]).await?;
            gateway.spawn().await?;
            gateways.push(gateway);
        }
        for gateway in &mut gateways {
            gateway.until_ready().await?;
        }
        Ok(Self { group, proxy, gateways })
    }

    pub(super) fn service(&self, name: &str) -> SdkService {
        SdkService { group: self.group.clone(), ..SdkService::public(name) }
    }

    /// All that run.
    pub(super) fn running(&self) -> impl Iterator<Item = &Gateway> {
        self.gateways.iter().filter(|gateway| gateway.pid().is_some())
    }

    pub(super) fn gateway(&self, cluster: &str) -> &Gateway {
        self.gateways.iter().find(|gateway| gateway.cluster() == cluster).expect("all three were started")
    }

    pub(super) async fn stop(&mut self, cluster: &str) -> Result<()> {
        let mut gateways = self.gateways.iter_mut();
        gateways.find(|gateway| gateway.cluster() == cluster).expect("all three were started").stop().await
    }

    /// Ends what runs; the outcome, with the ends of all logs where it is an error.
    pub(super) async fn end(mut self, outcome: Result<()>) -> Result<()> {
        let outcome = self.gateways.iter().fold(outcome, |outcome, gateway| apart::with_log(gateway, outcome));
        for gateway in &mut self.gateways {
            gateway.stop().await?;
        }
        outcome
    }

    /// Registers persistent instances whose health nobody checks.
    pub(super) async fn register(&self, world: &World, service: &SdkService, members: &[Member]) -> Result<()> {
        for member in members {
            self.judge(world, service, member).await?;
        }
        for cluster in ["shanghai", "frankfurt"] {
            let Some(any) = members.iter().find(|member| member.cluster == cluster) else { continue };
            let checker = [
                ("checkPort", "80"),
                ("useInstancePort4Check", "true"),
                ("healthChecker", "{\"type\":\"NONE\"}"),
                ("metadata", ""),
            ];
            self.instance(world, Method::PUT, Of::Cluster, service, any, &checker).await?;
        }
        for member in members {
            self.judge(world, service, member).await?; // A check may have come in between.
        }
        Ok(())
    }

    /// Registers the member, anew if it is registered, and says whether it is healthy. Nacos has a call for the health alone, which
    /// 3.1.0 answers with an error.
    pub(super) async fn judge(&self, world: &World, service: &SdkService, member: &Member) -> Result<()> {
        let healthy = if member.health == "healthy" { "true" } else { "false" };
        let further = [("weight", &*member.weight.to_string()), ("healthy", healthy)];
        self.instance(world, Method::POST, Of::Instance, service, member, &further).await
    }

    pub(super) async fn deregister(&self, world: &World, service: &SdkService, members: &[Member]) -> Result<()> {
        for member in members {
            self.instance(world, Method::DELETE, Of::Instance, service, member, &[]).await?;
        }
        Ok(())
    }

    async fn instance(
        &self,
        world: &World,
        method: Method,
        of: Of,
        service: &SdkService,
        member: &Member,
        further: &[(&str, &str)],
    ) -> Result<()> {
        let name = match of {
            // This old path knows no parameter for the group.
            Of::Cluster if member.cluster == "frankfurt" => format!("{}@@{}", service.group, service.service),
            _ => service.service.clone(),
        };
        let port = member.port.to_string();
        let mut query = vec![
            ("namespaceId", &*service.namespace),
            ("groupName", &service.group),
            ("serviceName", &name),
            ("clusterName", "DEFAULT"),
            ("ip", IP),
            ("port", &port),
            ("ephemeral", "false"),
        ];
        query.extend_from_slice(further);
        let (status, body) = match member.cluster {
            "shanghai" => world.nacos(Side::Shanghai).call(method, of.newer(), &query).await?,
            "frankfurt" => world.nacos(Side::Frankfurt).call(method, of.older(), &query).await?,
            _ => self.call_embedded(method, of.newer(), &query).await?,
        };
        ensure!(status == 200, "{} of {}: {status} {body}", of.older(), member.id());
        Ok(())
    }

    async fn call_embedded(&self, method: Method, path: &str, query: &[(&str, &str)]) -> Result<(u16, String)> {
        let registry = self.gateway("singapore").registry().context("it has a registry of its own")?;
        let client = reqwest::Client::builder().no_proxy().build()?;
        let answer = client.request(method, format!("http://{registry}{path}")).query(query).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }
}

/// What an operator's call is about.
#[derive(Clone, Copy)]
enum Of {
    Instance,
    /// The Nacos cluster, which says how health is checked.
    Cluster,
}

impl Of {
    fn older(self) -> &'static str {
        match self {
            Self::Instance => "/nacos/v1/ns/instance",
            Self::Cluster => "/nacos/v1/ns/cluster",
        }
    }

    fn newer(self) -> &'static str {
        match self {
            Self::Instance => "/nacos/v3/admin/ns/instance",
            Self::Cluster => "/nacos/v3/admin/ns/cluster",
        }
    }
}
