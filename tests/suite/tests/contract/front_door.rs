//! Config items through a front door: as at the registry behind it, for clients that say who they are to the door alone.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bounded_listener::ListenerGate;
use federation_core::id::ServiceKey;
use federation_core::local::mark::DoorMark;
use federation_core::locality::Locality;
use federation_core::routing::PlaceRules;
use federation_core::time::Mono;
use federation_front_door::{AccessRule, FrontDoor, FrontDoorParts, FrontDoorSettings, LookupRules, ServiceNames};
use federation_harness::Line;
use federation_policy::PolicyReader;
use federation_ports::trouble::TroubleBoard;
use federation_view::resolve::{OwnPlace, Resolver, kept_bytes};
use federation_view::view::{self, ViewWriter};
use nacos_protocol::client::{ActsFor, CallError, CallerHeaders, ClientEvent, ClientOptions, ConfigName, ConfigWrite};
use nacos_protocol::cluster::{ClusterOptions, LoginCredentials, NacosCluster};
use nacos_protocol::message::config::{ConfigFuzzyWatchRequest, ConfigQueryRequest, ConfigQueryResponse, addition};
use nacos_protocol::message::naming::watch_type;
use nacos_protocol::message::{Response, ResponseOutcome};
use nacos_protocol::server::ServerOptions;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::peer::{Peer, eventually};
use crate::subject::{Kind, Subject};

/// Nothing is called otherwise in the federation.
struct SameNames;

impl ServiceNames for SameNames {
    fn federated(&self, local: &ServiceKey) -> Option<ServiceKey> {
        Some(local.clone())
    }

    fn are_all_exported(&self, _namespace: &str, _group: &str) -> bool {
        true
    }

    fn namespace(&self, local: &str) -> String {
        local.to_owned()
    }
}

/// A front door before a subject, with what its clients show.
struct Door {
    grpc: SocketAddr,
    headers: HashMap<String, String>,
    _view: ViewWriter,
    _tasks: JoinSet<()>,
}

impl Door {
    async fn open(subject: &Subject) -> Self {
        let options = ClusterOptions::new(vec![subject.address().parse().unwrap()]);
        let login = subject.user().map(|user| LoginCredentials { username: user.username, password: user.password });
        let logged_in = NacosCluster::new(ClusterOptions { credentials: login, ..options.clone() }).unwrap();
        let token = eventually("the login works", async || logged_in.token().await.ok()?).await;
        let (writer, reader) = view::new(Arc::new(|| Mono(0)));
        let metrics = federation_view::metrics::with_view(reader.clone(), "test");
        let cluster: federation_core::id::ClusterId = "here".parse().unwrap();
        let own = OwnPlace {
            cluster: cluster.clone(),
            locality: Locality { region: Some("r".into()), ..Locality::default() },
        };
        let policies = PolicyReader::of_defaults().watch();
        let resolver =
            Resolver::new(reader.clone(), policies, PlaceRules::default(), own, kept_bytes(), metrics.resolve.clone());
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let settings = FrontDoorSettings {
            http: any,
            grpc: any,
            lookups: LookupRules::default(),
            access: AccessRule::Open,
            max_connections: 1_000,
            protocol: ServerOptions::default(),
        };
        let parts = FrontDoorParts {
            gate: ListenerGate::default(),
            view: reader,
            resolver: Arc::new(resolver),
            cluster,
            mark: DoorMark(0xab01),
            names: Arc::new(SameNames),
            upstream: NacosCluster::new(options).unwrap(),
            news: Arc::new(()),
            troubles: TroubleBoard::default(),
            metrics: metrics.front_door.clone(),
        };
        let door = FrontDoor::bind(settings, parts).unwrap();
        let (grpc, mut tasks) = (door.grpc_address(), JoinSet::new());
        tasks.spawn(async move { door.run(CancellationToken::new()).await.unwrap() });
        let headers = HashMap::from([("accessToken".to_owned(), token.to_string())]);
        Self { grpc, headers, _view: writer, _tasks: tasks }
    }

    /// A connected client of the door that says it has this address.
    async fn peer(&self, client_ip: &str) -> Peer {
        let headers = CallerHeaders::default();
        headers.show(&self.headers);
        let mut options = ClusterOptions::new(vec![format!("127.0.0.1:{}", self.grpc.port() - 1).parse().unwrap()]);
        options.grpc_offset = 1;
        let acts_for = Some(ActsFor { client_ip: client_ip.to_owned(), headers });
        let mut peer = Peer::speaking(options, ClientOptions { acts_for, ..ClientOptions::default() });
        peer.connected(1).await;
        peer
    }

    /// The whole answer to a read.
    async fn answer(&self, peer: &Peer, name: &ConfigName, tag: Option<&str>) -> ConfigQueryResponse {
        let request = ConfigQueryRequest {
            data_id: name.data_id.clone(),
            group: name.group.clone(),
            tenant: name.namespace.clone(),
            tag: tag.map(str::to_owned),
            ..ConfigQueryRequest::default()
        };
        let answer = peer.client.relay(request, self.headers.clone()).await.unwrap();
        ConfigQueryResponse { request_id: String::new(), ..answer }
    }

    /// Waits until the item has this content here.
    async fn has(
        &self,
        peer: &Peer,
        name: &ConfigName,
        tag: Option<&str>,
        content: Option<&str>,
    ) -> ConfigQueryResponse {
        eventually(&format!("{name} is {content:?}"), async || {
            let answer = self.answer(peer, name, tag).await;
            (answer.content.as_deref() == content && answer.error_code != 400).then_some(answer)
        })
        .await
    }
}

fn write(content: &str) -> ConfigWrite {
    ConfigWrite { content: content.into(), ..ConfigWrite::default() }
}

fn with(content: &str, key: &str, value: &str) -> ConfigWrite {
    ConfigWrite { additions: BTreeMap::from([(key.to_owned(), value.to_owned())]), ..write(content) }
}

fn item(subject: &Subject, stem: &str) -> ConfigName {
    ConfigName::new("public", "G", subject.unique(stem))
}

fn told(result: Result<(), CallError>) -> Option<String> {
    result.err().map(|error| format!("{error:?}"))
}

pub(crate) async fn items_are_read_written_and_refused_in_the_registrys_words(subject: &mut Subject) {
    let (door, direct) = (Door::open(subject).await, subject.peer().await);
    let peer = door.peer("").await;
    let name = item(subject, "door");
    assert_eq!(door.answer(&peer, &name, None).await, door.answer(&direct, &name, None).await, "there is none");
    let large = "0123456789abcdé\n".repeat((1 << 20) / 17 + 1);
    let mut md5 = String::new();
    for content in ["a: \"ü\"\r\n", &large, "last"] {
        let publish = ConfigWrite { content_type: "yaml".into(), ..with(content, addition::ENCRYPTED_DATA_KEY, "k") };
        peer.client.publish_config(&name, publish).await.unwrap();
        let own = door.has(&direct, &name, None, Some(content)).await;
        let answer = door.has(&peer, &name, None, Some(content)).await;
        assert!(answer == own && answer.content_type.as_deref() == Some("yaml"), "{}", content.len());
        md5 = answer.md5.unwrap();
    }
    let on = |md5: &str, content: &str| ConfigWrite { cas_md5: Some(md5.to_owned()), ..write(content) };
    peer.client.publish_config(&name, on(&md5, "on it")).await.unwrap();
    door.has(&peer, &name, None, Some("on it")).await;
    let illegal = ConfigName { data_id: "a b/c".into(), ..name.clone() };
    let endless = ConfigName { data_id: "d".repeat(300), ..name.clone() };
    let mut refused = Vec::new();
    for at in [&peer, &direct] {
        let stale = told(at.client.publish_config(&name, on(&md5, "stale")).await);
        let empty = told(at.client.publish_config(&name, write("")).await);
        let named = told(at.client.publish_config(&illegal, write("1")).await);
        let long = told(at.client.publish_config(&endless, write("1")).await);
        let read = at.client.query_config(&endless).await.err().map(|error| format!("{error:?}"));
        refused.push((stale, empty, named, long, read));
    }
    println!("{:#?}", refused[0]);
    assert!(refused[0].0.is_some() && refused[0].2.is_some());
    assert_eq!(refused[0], refused[1]);
    peer.client.remove_config(&name).await.unwrap();
    let none = door.has(&peer, &name, None, None).await;
    assert_eq!(none, door.has(&direct, &name, None, None).await);
}

pub(crate) async fn listeners_are_told_by_the_name_that_they_used(subject: &mut Subject) {
    let (door, direct) = (Door::open(subject).await, subject.peer().await);
    for namespace in ["", "public"] {
        let name = ConfigName { namespace: namespace.into(), ..item(subject, "bell") };
        let mut peers = [door.peer("").await, door.peer("").await, door.peer("10.9.9.9").await];
        for content in ["1", "2", "3"] {
            let mut before = Vec::new();
            for peer in &mut peers {
                before.push(peer.told());
            }
            direct.client.publish_config(&name, write(content)).await.unwrap();
            for (peer, before) in peers.iter_mut().zip(before) {
                if content == "1" {
                    peer.client.listen_config(&name, "");
                }
                peer.hears_of(before, &name).await;
                peer.reads(&name, Some(content)).await;
                let read = peer.client.query_config(&name).await.unwrap().unwrap();
                peer.client.listen_config(&name, &read.md5);
            }
        }
        let before = peers[0].told();
        direct.client.remove_config(&name).await.unwrap();
        peers[0].hears_of(before, &name).await;
        peers[0].reads(&name, None).await;
    }
}

pub(crate) async fn variants_are_given_to_whom_the_registry_would_give_them(subject: &mut Subject) {
    if subject.kind() == Kind::Embedded {
        return; // It has none.
    }
    let (door, direct) = (Door::open(subject).await, subject.peer().await);
    let (mut chosen, other) = (door.peer("10.1.1.1").await, door.peer("10.1.1.2").await);
    // What 2.x has under `public`, the other name, its variants do not reach.
    let namespace = if subject.kind() == Kind::Nacos(Line::V2) { "" } else { "public" };
    let name = ConfigName { namespace: namespace.into(), ..item(subject, "gray") };
    direct.client.publish_config(&name, write("base")).await.unwrap();
    let base = door.has(&chosen, &name, None, Some("base")).await;
    chosen.client.listen_config(&name, base.md5.as_deref().unwrap());
    let before = chosen.told();
    other.client.publish_config(&name, with("beta", addition::BETA_IPS, "10.1.1.1")).await.unwrap();
    chosen.hears_of(before, &name).await;
    let beta = door.has(&chosen, &name, None, Some("beta")).await;
    assert!(beta.beta, "{beta:?}");
    assert_eq!(door.answer(&other, &name, None).await.content.as_deref(), Some("base"));
    other.client.publish_config(&name, with("tagged", addition::TAG, "t1")).await.unwrap();
    let tagged = door.has(&other, &name, Some("t1"), Some("tagged")).await;
    assert_eq!(tagged, door.answer(&direct, &name, Some("t1")).await);
    assert_eq!(door.answer(&other, &name, None).await.content.as_deref(), Some("base"));
}

pub(crate) async fn patterns_are_watched_where_the_registry_can(subject: &mut Subject) {
    let (door, direct) = (Door::open(subject).await, subject.peer().await);
    let mut peer = door.peer("").await;
    let (there, later) = (item(subject, "watched"), item(subject, "watched"));
    direct.client.publish_config(&there, write("1")).await.unwrap();
    door.has(&direct, &there, None, Some("1")).await;
    let request = ConfigFuzzyWatchRequest {
        group_key_pattern: "public>>G>>watched*".to_owned(),
        watch_type: watch_type::WATCH.to_owned(),
        initializing: true,
        ..ConfigFuzzyWatchRequest::default()
    };
    let answer = peer.client.relay(request.clone(), door.headers.clone()).await;
    if subject.kind() == Kind::Nacos(Line::V2) {
        let own = direct.client.relay(request, door.headers.clone()).await;
        assert_eq!(format!("{:?}", answer.unwrap_err()), format!("{:?}", own.unwrap_err()));
        return;
    }
    assert_eq!(answer.unwrap().outcome(), ResponseOutcome::Ok);
    direct.client.publish_config(&later, write("1")).await.unwrap();
    for name in [there, later] {
        let key = format!("{}+G+public", name.data_id);
        peer.until(0, |event| {
            let told = match event {
                ClientEvent::ConfigWatchState(batch) => batch.contexts.iter().any(|it| it.group_key == key),
                ClientEvent::ConfigWatchChange(change) => change.group_key == key,
                _ => false,
            };
            told.then_some(())
        })
        .await;
    }
}

pub(crate) async fn while_the_registry_is_away_copies_are_read_and_later_changes_told(subject: &mut Subject) {
    let door = Door::open(subject).await;
    let mut peer = door.peer("").await;
    let name = item(subject, "away");
    peer.client.publish_config(&name, write("1")).await.unwrap();
    let read = door.has(&peer, &name, None, Some("1")).await;
    peer.client.listen_config(&name, read.md5.as_deref().unwrap());
    let before = peer.told();
    subject.kill().await;
    assert_eq!(door.answer(&peer, &name, None).await, read, "the last known copy");
    peer.client.publish_config(&name, write("2")).await.unwrap_err();
    peer.client.query_config(&item(subject, "never-read")).await.unwrap_err();
    subject.start_again().await;
    if subject.kind() == Kind::Embedded {
        return peer.hears_of(before, &name).await; // Its tokens ended with it: who listens is told to ask itself, and logs in anew.
    }
    let (direct, before) = (subject.peer().await, peer.told());
    direct.client.publish_config(&name, write("3")).await.unwrap();
    peer.hears_of(before, &name).await;
    peer.reads(&name, Some("3")).await;
}
