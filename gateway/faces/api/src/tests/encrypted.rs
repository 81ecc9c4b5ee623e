use bounded_listener::{CertificateKeeper, CertificateState, ClientCertificates, ListenerGate, TlsFiles};
use federation_proto::federation::v1 as pb;
use federation_proto::federation::v1::discovery_client::DiscoveryClient;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

use super::*;
use crate::serve::{self, ApiListeners};

#[tokio::test]
async fn calls_and_watches_are_answered_over_tls_as_over_plain_text() {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(["gateway.test".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key_file] = ["tls.crt", "tls.key"].map(|name| folder.path().join(name));
    std::fs::write(&certificate, made.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let files = TlsFiles { certificate, key: key_file, clients: ClientCertificates::NotAsked };
    let keeper = CertificateKeeper::open(files, |_: &CertificateState| {}).unwrap();

    let mut gateway = Gateway::new();
    gateway.put(orders(7));
    let any = "127.0.0.1:0".parse().unwrap();
    let listeners = ApiListeners::bind(&ListenerGate::default(), any, any).unwrap().secured(Some(keeper.tls()));
    let address = listeners.grpc_address();
    let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
    tasks.spawn(serve::run(listeners, gateway.state.clone(), stop.clone()));
    let trust =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority.pem())).domain_name("gateway.test");
    let endpoint = Channel::from_shared(format!("https://{address}")).unwrap().tls_config(trust).unwrap();
    let mut client = DiscoveryClient::new(endpoint.connect().await.unwrap());
    let clusters = client.list_clusters(pb::ListClustersRequest {}).await.unwrap().into_inner().clusters;
    assert_eq!(clusters[0].cluster, "frankfurt");
    let request = pb::WatchServiceRequest { service_name: "orders".to_owned(), ..pb::WatchServiceRequest::default() };
    let mut watch = client.watch_service(request).await.unwrap().into_inner();
    assert!(watch.message().await.unwrap().is_some());
    let plain = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    DiscoveryClient::new(plain).list_clusters(pb::ListClustersRequest {}).await.expect_err("plain text");
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap().unwrap();
}
