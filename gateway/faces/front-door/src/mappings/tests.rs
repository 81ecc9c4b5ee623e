//! Mappings as clients of a front door see them: the embedded registry is the local Nacos, and what other clusters have is written by hand.

use std::collections::HashMap;

use federation_core::config_item::ConfigItem;
use federation_core::service::{FactSource, FederatedConfig, OriginConfig, Revision};
use federation_view::view::{GatewayStatus, ViewChange, ViewWriter};
use nacos_protocol::client::{CallError, ClientEvent, ConfigName as Named, ConfigWrite};
use nacos_protocol::message::config::{ConfigBatchListenRequest, ConfigListenContext};

use super::md5_of;
use super::*;
use crate::tests::{PATIENCE, Peer, Rig};

const INTERFACE: &str = "federation.Greeter";

fn mapping() -> Named {
    Named::new("", GROUP, INTERFACE)
}

fn make_ready(writer: &mut ViewWriter) {
    let gateway = GatewayStatus { ready: true, ..GatewayStatus::default() };
    writer.apply(ViewChange { gateway: Some(Arc::new(gateway)), ..ViewChange::default() });
}

/// Clusters and what each maps the interface to. The own one is `a`.
fn map(writer: &mut ViewWriter, revision: u64, of: &[(&str, &str)]) {
    let key = ConfigKey::new(PUBLIC, GROUP, INTERFACE);
    let item = |content: &str| ConfigItem {
        content: content.into(),
        md5: md5_of(content).into(),
        content_type: "text".into(),
        encrypted_data_key: "".into(),
        description: "".into(),
        tags: "".into(),
        application: "".into(),
        last_modified_ms: 1,
        sealed_under: None,
    };
    let origin = |(cluster, content): &(&str, &str)| OriginConfig {
        origin: cluster.parse().expect("a cluster"),
        source: FactSource::Log,
        item: Arc::new(item(content)),
        held: None,
    };
    let items: Vec<OriginConfig> = of.iter().map(origin).collect();
    let config = FederatedConfig { key: key.clone(), revision: Revision(revision), items };
    let config = (!of.is_empty()).then(|| Arc::new(config));
    writer.apply(ViewChange { configs: vec![(key, config)], ..ViewChange::default() });
}

async fn reads(peer: &Peer) -> Option<String> {
    peer.client.query_config(&mapping()).await.expect("it is answered").map(|item| item.content)
}

/// As Dubbo does: on condition that it is what was read.
async fn writes(peer: &Peer, content: &str, read: Option<&str>) -> Result<(), CallError> {
    let cas_md5 = Some(read.map_or_else(|| "0".to_owned(), md5_of));
    let write = ConfigWrite { content: content.to_owned(), cas_md5, ..ConfigWrite::default() };
    peer.client.publish_config(&mapping(), write).await
}

/// Asks as SDKs do: whether what is held differs.
async fn differs(peer: &Peer, held: &str) -> bool {
    let Named { namespace: tenant, group, data_id } = mapping();
    let md5 = if held.is_empty() { String::new() } else { md5_of(held) };
    let request = ConfigBatchListenRequest {
        listen: true,
        config_listen_contexts: vec![ConfigListenContext { group, md5, data_id, tenant }],
        ..ConfigBatchListenRequest::default()
    };
    let answer = peer.client.relay(request, HashMap::new()).await.expect("it is answered");
    !answer.changed_configs.is_empty()
}

async fn hears(peer: &mut Peer) {
    let search = async {
        loop {
            let event = peer.events.recv().await.expect("the client runs");
            if matches!(&event, ClientEvent::ConfigChanged { config } if *config == mapping()) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, search).await.expect("it is told to look again");
}

/// A front door that knows all there is, a client of it, and one of the local Nacos itself.
async fn begin() -> (Rig, Peer, Peer) {
    let mut rig = Rig::start().await;
    make_ready(&mut rig.writer);
    let peer = rig.connect(Arc::clone(&rig.door)).await;
    let direct = rig.connect(Arc::clone(&rig.registry)).await;
    (rig, peer, direct)
}

#[tokio::test]
async fn a_consumer_reads_what_other_clusters_map_an_interface_to_behind_what_its_own_has() {
    let (mut rig, peer, direct) = begin().await;
    assert_eq!(reads(&peer).await, None);
    map(&mut rig.writer, 1, &[("a", "not asked for here"), ("b", "orders"), ("c", "stock,orders")]);
    assert_eq!(reads(&peer).await.as_deref(), Some("orders,stock"), "nothing local");
    writes(&direct, "shop", None).await.expect("it is taken");
    assert_eq!(reads(&peer).await.as_deref(), Some("shop,orders,stock"));
    assert_eq!(reads(&direct).await.as_deref(), Some("shop"), "the local nacos has its own");
    map(&mut rig.writer, 2, &[]);
    assert_eq!(reads(&peer).await.as_deref(), Some("shop"));
}

#[tokio::test]
async fn a_provider_that_adds_itself_to_what_it_read_leaves_other_clusters_names_out_of_the_local_nacos() {
    let (mut rig, peer, direct) = begin().await;
    map(&mut rig.writer, 1, &[("b", "orders")]);
    let read = reads(&peer).await.expect("there is something");
    writes(&peer, &format!("{read},shop"), Some(&read)).await.expect("nothing is there: it is taken");
    assert_eq!(reads(&direct).await.as_deref(), Some("shop"));
    let read = reads(&peer).await.expect("there is something");
    assert_eq!(read, "shop,orders");
    writes(&direct, "shop,till", Some("shop")).await.expect("it is taken");
    let conflict = writes(&peer, &format!("{read},stock"), Some(&read)).await;
    assert!(conflict.is_err(), "somebody else wrote meanwhile");
    let read = reads(&peer).await.expect("there is something");
    map(&mut rig.writer, 2, &[("b", "billing")]);
    writes(&peer, &format!("{read},stock"), Some(&read)).await.expect("the local one is as it was read");
    assert_eq!(reads(&direct).await.as_deref(), Some("shop,till,stock"));
}

#[tokio::test]
async fn a_listener_is_told_of_changes_here_and_elsewhere_and_of_nothing_else() {
    let (mut rig, mut peer, direct) = begin().await;
    writes(&direct, "shop", None).await.expect("it is taken");
    assert!(differs(&peer, "").await);
    assert_eq!(reads(&peer).await.as_deref(), Some("shop"));
    assert!(!differs(&peer, "shop").await);
    peer.client.listen_config(&mapping(), &md5_of("shop"));
    map(&mut rig.writer, 1, &[("b", "orders")]);
    hears(&mut peer).await;
    assert!(differs(&peer, "shop").await);
    assert_eq!(reads(&peer).await.as_deref(), Some("shop,orders"));
    assert!(!differs(&peer, "shop,orders").await, "it would ask without end");
    peer.client.listen_config(&mapping(), &md5_of("shop,orders"));
    writes(&direct, "shop,till", Some("shop")).await.expect("it is taken");
    hears(&mut peer).await;
    assert!(differs(&peer, "shop,orders").await);
    assert_eq!(reads(&peer).await.as_deref(), Some("shop,till,orders"));
    assert!(!differs(&peer, "shop,till,orders").await);
    assert!(differs(&peer, "something that was never answered").await);
}

#[tokio::test]
async fn until_other_clusters_are_known_a_reader_keeps_what_it_has() {
    let mut rig = Rig::start().await;
    let mut peer = rig.connect(Arc::clone(&rig.door)).await;
    let direct = rig.connect(Arc::clone(&rig.registry)).await;
    writes(&direct, "shop", None).await.expect("it is taken");
    let refused = peer.client.query_config(&mapping()).await.unwrap_err();
    assert!(matches!(refused, CallError::Server { code: 500, .. }), "{refused}");
    peer.client.listen_config(&mapping(), &md5_of("shop,orders"));
    assert!(!differs(&peer, "shop,orders").await, "it is not known to differ");
    make_ready(&mut rig.writer);
    hears(&mut peer).await;
    assert_eq!(reads(&peer).await.as_deref(), Some("shop"));
}

#[tokio::test]
async fn what_is_no_mapping_is_neither_given_to_others_nor_added_to() {
    let (mut rig, peer, direct) = begin().await;
    map(&mut rig.writer, 1, &[("b", "colour: blue")]);
    assert_eq!(reads(&peer).await, None, "nothing of another cluster that is no list");
    map(&mut rig.writer, 2, &[("b", "orders")]);
    writes(&direct, "colour: blue", None).await.expect("it is taken");
    assert_eq!(reads(&peer).await.as_deref(), Some("colour: blue"));
    assert!(!differs(&peer, "colour: blue").await);
    writes(&peer, "colour: red", Some("colour: blue")).await.expect("it is as it was read");
    assert_eq!(reads(&direct).await.as_deref(), Some("colour: red"));
}
