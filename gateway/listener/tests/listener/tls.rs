//! TLS: who comes in, who does not, and certificates that change meanwhile.

use std::io;
use std::sync::{Arc, Mutex};

use bounded_listener::{
    CertificateKeeper, CertificateState, ClientCertificates, ListenerGate, ListenerLimits, PeerPatience, TlsFiles,
    TurnedAway,
};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::authority::{Authority, DAY, Folder, Pair};
use crate::stage::{Heard, PATIENCE, Running, SOON, calm, capacity, in_background, until};

/// A listener that speaks TLS, and its keeper.
struct Secured {
    running: Running,
    state: Arc<Mutex<Option<CertificateState>>>,
    asked: watch::Sender<()>,
    stop: CancellationToken,
}

impl Secured {
    async fn start(files: TlsFiles, patience: PeerPatience) -> Self {
        let (state, stop) = (Arc::new(Mutex::new(None)), CancellationToken::new());
        let told = Arc::clone(&state);
        let looked = move |state: &CertificateState| *told.lock().unwrap() = Some(state.clone());
        let keeper = CertificateKeeper::open(files, looked).unwrap();
        let tls = keeper.tls();
        let (asked, asks) = watch::channel(());
        let token = stop.clone();
        in_background(async move { keeper.run(asks, token).await.unwrap() });
        let heard = Heard::default();
        let gate = ListenerGate::new(capacity(1000), patience, bounded_listener::ServedHosts::default(), heard.clone());
        let running = Running::secured(gate, heard, ListenerLimits::small(), Some(tls)).await;
        Self { running, state, asked, stop }
    }

    fn refused(&self) -> Option<String> {
        self.state.lock().unwrap().as_ref().and_then(|state| state.refused.clone())
    }

    async fn stop(self) {
        self.stop.cancel();
        self.running.stop().await;
    }
}

/// A client that trusts one authority.
#[derive(Clone)]
struct Client {
    roots: RootCertStore,
    identity: Option<Pair>,
    protocols: Vec<Vec<u8>>,
}

impl Client {
    fn trusting(authority: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der()).unwrap();
        Self { roots, identity: None, protocols: Vec::new() }
    }

    fn showing(self, identity: &Pair) -> Self {
        Self { identity: Some(identity.clone()), ..self }
    }

    fn speaking(self, protocol: &[u8]) -> Self {
        Self { protocols: vec![protocol.to_vec()], ..self }
    }

    async fn connect(&self, to: &Running) -> io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(self.roots.clone());
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(pair) => builder.with_client_auth_cert(vec![pair.der()], pair.key()).unwrap(),
        };
        config.alpn_protocols.clone_from(&self.protocols);
        let stream = TcpStream::connect(to.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// What is answered at this path over HTTP/1, or why nothing is.
    async fn ask(&self, to: &Running, path: &str) -> io::Result<String> {
        let asking = async {
            let mut stream = self.connect(to).await?;
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok(answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned())
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("an answer, or none, in time")
    }
}

/// The certificate that the server showed.
fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

#[tokio::test]
async fn http1_and_http2_are_answered_over_tls_as_client_and_server_agree() {
    let authority = Authority::new();
    let folder = Folder::with(&authority.pair("server"));
    let secured = Secured::start(folder.files(), calm()).await;
    let client = Client::trusting(&authority);
    assert_eq!(client.ask(&secured.running, "/answer/3").await.unwrap(), "xxx");
    let stream = client.clone().speaking(b"http/1.1").connect(&secured.running).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let stream = client.speaking(b"h2").connect(&secured.running).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    in_background(async move { drop(connection.await) });
    let request = http::Request::get("https://x/answer/3").body(()).unwrap();
    let (answer, _) = client.ready().await.unwrap().send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().into_body().data().await.unwrap().unwrap(), "xxx");
    secured.stop().await;
}

#[tokio::test]
async fn who_does_not_trust_our_certificate_is_counted_and_nothing_is_answered() {
    let folder = Folder::with(&Authority::new().pair("server"));
    let secured = Secured::start(folder.files(), calm()).await;
    let stranger = Client::trusting(&Authority::new());
    stranger.ask(&secured.running, "/answer/3").await.expect_err("another authority");
    until("it is counted", || secured.running.heard.count(TurnedAway::Handshake) == 1).await;
    secured.stop().await;
}

#[tokio::test]
async fn clients_come_in_by_the_certificates_that_they_are_asked_for_and_the_face_knows_whose() {
    let (authority, clients, others) = (Authority::new(), Authority::new(), Authority::new());
    let (right, expired) = (clients.pair("orders"), clients.pair_until("orders", -DAY));
    let wrong = others.pair("orders");
    const NOBODY: Option<&str> = Some("nobody");
    const ORDERS: Option<&str> = Some("CN=orders spiffe://test/orders");
    for (name, rule, [without, with, other, old]) in [
        ("none", "none", [NOBODY, NOBODY, NOBODY, NOBODY]),
        ("request", "request", [NOBODY, ORDERS, None, None]),
        ("require", "require", [None, ORDERS, None, None]),
    ] {
        let folder = Folder::with(&authority.pair("server"));
        folder.write("ca.crt", &clients.pem());
        let ca = folder.path("ca.crt");
        let rule = match rule {
            "none" => ClientCertificates::NotAsked,
            "request" => ClientCertificates::Requested { ca },
            _ => ClientCertificates::Required { ca },
        };
        let secured = Secured::start(folder.files_with(rule), calm()).await;
        let client = Client::trusting(&authority);
        let mut refused = 0;
        for (who, client, expected) in [
            ("nobody", client.clone(), without),
            ("one of ours", client.clone().showing(&right), with),
            ("another authority's", client.clone().showing(&wrong), other),
            ("an expired one", client.clone().showing(&expired), old),
        ] {
            let answered = client.ask(&secured.running, "/who").await.ok();
            assert_eq!(answered.as_deref(), expected, "{name}: {who}");
            refused += usize::from(expected.is_none());
        }
        until("they are counted", || secured.running.heard.count(TurnedAway::Certificate) == refused).await;
        secured.stop().await;
    }
}

#[tokio::test]
async fn plain_text_at_a_port_for_tls_is_told_so_and_counted() {
    let authority = Authority::new();
    let folder = Folder::with(&authority.pair("server"));
    let secured = Secured::start(folder.files(), calm()).await;
    let answer = secured.running.ask("/answer/3").await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.ends_with("its URL is https://..."), "{answer}");
    for bytes in [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0; 100], b"\n"] {
        let mut raw = secured.running.connect().await;
        raw.send(bytes).await;
        assert!(raw.rest().await.is_empty());
    }
    until("they are counted", || secured.running.heard.count(TurnedAway::PlainText) == 4).await;
    drop(secured.running.connect().await); // Who only looks whether somebody listens is no trouble.
    let client = Client::trusting(&authority);
    assert_eq!(client.ask(&secured.running, "/answer/3").await.unwrap(), "xxx");
    assert_eq!(secured.running.heard.0.lock().unwrap().turned_away.len(), 4);
    secured.stop().await;
}

#[tokio::test]
async fn who_does_not_go_on_with_a_handshake_is_cut_and_holds_up_nobody() {
    let authority = Authority::new();
    let folder = Folder::with(&authority.pair("server"));
    let secured = Secured::start(folder.files(), PeerPatience { greeting: SOON, ..calm() }).await;
    let client = Client::trusting(&authority);
    let mut silent = secured.running.connect().await;
    let mut half = secured.running.connect().await;
    half.send([22, 3, 1, 2, 0, 1, 0]).await; // A record of 512 bytes, of which two come.
    let mut shaken = client.connect(&secured.running).await.unwrap();
    assert_eq!(client.ask(&secured.running, "/answer/3").await.unwrap(), "xxx");
    assert!(silent.rest().await.is_empty());
    half.rest().await;
    let cut = async { shaken.read_u8().await.expect_err("it says nothing after the handshake") };
    tokio::time::timeout(PATIENCE, cut).await.expect("it is cut too");
    until("they are counted", || secured.running.heard.count(TurnedAway::Impatience) == 3).await;
    secured.stop().await;
}

#[tokio::test]
async fn a_handshake_does_not_hold_up_an_orderly_stop() {
    let folder = Folder::with(&Authority::new().pair("server"));
    let secured = Secured::start(folder.files(), calm()).await;
    let mut half = secured.running.connect().await;
    half.send([22, 3, 1, 2, 0, 1, 0]).await;
    until("it is seen", || secured.running.heard.0.lock().unwrap().open == 1).await;
    secured.stop().await;
    half.rest().await;
}

#[tokio::test]
async fn new_connections_have_a_new_certificate_and_open_watches_live_on() {
    let authority = Authority::new();
    let (old, new) = (authority.pair("old"), authority.pair("new"));
    let folder = Folder::with(&old);
    let secured = Secured::start(folder.files(), calm()).await;
    let client = Client::trusting(&authority);
    let mut watch = client.connect(&secured.running).await.unwrap();
    assert_eq!(shown(&watch), old.der());
    watch.write_all(b"GET /watch HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_to(&mut watch, b"first").await;
    folder.put(&new);
    let changed = async {
        while shown(&client.connect(&secured.running).await.unwrap()) != new.der() {
            tokio::time::sleep(SOON / 20).await;
        }
    };
    tokio::time::timeout(PATIENCE, changed).await.expect("nobody has to ask for it");
    secured.running.newest.send_replace("second".into());
    read_to(&mut watch, b"second").await;
    assert_eq!(secured.refused(), None);
    secured.stop().await;
}

async fn read_to(stream: &mut TlsStream<TcpStream>, text: &[u8]) {
    let reading = async {
        let mut read = Vec::new();
        while !read.ends_with(&[text, b"\r\n"].concat()) {
            read.push(stream.read_u8().await.unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("it is told");
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_and_told_while_the_pair_before_it_serves() {
    let authority = Authority::new();
    let (old, new) = (authority.pair("old"), authority.pair("new"));
    let folder = Folder::with(&old);
    let secured = Secured::start(folder.files(), calm()).await;
    let client = Client::trusting(&authority);
    let expired = authority.pair_until("expired", -DAY);
    let with_key = |key: &str| Pair { key: key.to_owned(), ..new.clone() };
    let with_certificate = |certificate: &str| Pair { certificate: certificate.to_owned(), ..new.clone() };
    for (what, pair, word) in [
        ("another's key", with_key(&old.key), "cannot be used with the certificate"),
        ("no key", with_key(""), "there is no private key"),
        ("an encrypted key", with_key(&new.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY")), "not encrypted"),
        ("an empty chain", with_certificate(""), "there is no certificate"),
        ("half a certificate", with_certificate(&new.certificate[..200]), "is not PEM"),
        ("an expired one", expired, "expired on"),
        ("not valid yet", authority.pair_until("later", 800 * DAY), "is not valid before"),
    ] {
        folder.put(&pair);
        until(what, || secured.refused().is_some_and(|text| text.contains(word))).await;
        assert_eq!(shown(&client.connect(&secured.running).await.unwrap()), old.der(), "{what}");
        assert!(!secured.refused().unwrap().contains(&new.key), "{what}");
    }
    std::fs::remove_file(folder.path("tls.crt")).unwrap();
    secured.asked.send_replace(());
    until("it is gone", || secured.refused().is_some_and(|text| text.contains("cannot be read: No such"))).await;
    folder.put(&new);
    secured.asked.send_replace(());
    until("it is well again", || secured.refused().is_none()).await;
    assert_eq!(shown(&client.connect(&secured.running).await.unwrap()), new.der());
    secured.stop().await;
}

#[tokio::test]
async fn a_link_that_is_swapped_is_a_change_of_the_files_behind_it() {
    let authority = Authority::new();
    let (old, new) = (authority.pair("old"), authority.pair("new"));
    // As Kubernetes lays out a secret: tls.crt → ..data/tls.crt, ..data → a folder of its own for each version.
    let volume = tempfile::tempdir().unwrap();
    let version = |name: &str, pair: &Pair| {
        let folder = volume.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("tls.crt"), &pair.certificate).unwrap();
        std::fs::write(folder.join("tls.key"), &pair.key).unwrap();
    };
    version("..1", &old);
    std::os::unix::fs::symlink("..1", volume.path().join("..data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        std::os::unix::fs::symlink(format!("..data/{name}"), volume.path().join(name)).unwrap();
    }
    let [certificate, key] = ["tls.crt", "tls.key"].map(|name| volume.path().join(name));
    let files = TlsFiles { certificate, key, clients: ClientCertificates::NotAsked };
    let secured = Secured::start(files, calm()).await;
    let client = Client::trusting(&authority);
    assert_eq!(shown(&client.connect(&secured.running).await.unwrap()), old.der());
    version("..2", &new);
    std::os::unix::fs::symlink("..2", volume.path().join("..new")).unwrap();
    std::fs::rename(volume.path().join("..new"), volume.path().join("..data")).unwrap();
    std::fs::remove_dir_all(volume.path().join("..1")).unwrap();
    let changed = async {
        while shown(&client.connect(&secured.running).await.unwrap()) != new.der() {
            tokio::time::sleep(SOON / 20).await;
        }
    };
    tokio::time::timeout(PATIENCE, changed).await.expect("it is seen");
    assert_eq!(secured.refused(), None);
    secured.stop().await;
}

#[tokio::test]
async fn authorities_for_clients_change_with_the_file_and_open_the_door_to_others() {
    let (authority, before, after) = (Authority::new(), Authority::new(), Authority::new());
    let folder = Folder::with(&authority.pair("server"));
    folder.write("ca.crt", &before.pem());
    let rule = ClientCertificates::Required { ca: folder.path("ca.crt") };
    let secured = Secured::start(folder.files_with(rule), calm()).await;
    let client = |of: &Authority| Client::trusting(&authority).showing(&of.pair("orders"));
    let (former, latter) = (client(&before), client(&after));
    assert!(former.ask(&secured.running, "/answer/1").await.is_ok());
    assert!(latter.ask(&secured.running, "/answer/1").await.is_err());
    folder.write("ca.crt", &after.pem());
    secured.asked.send_replace(());
    let let_in = async { while latter.ask(&secured.running, "/answer/1").await.is_err() {} };
    tokio::time::timeout(PATIENCE, let_in).await.expect("it is let in");
    assert!(former.ask(&secured.running, "/answer/1").await.is_err());
    secured.stop().await;
}

#[test]
fn files_that_cannot_be_used_keep_a_listener_from_starting() {
    let authority = Authority::new();
    let folder = Folder::with(&authority.pair("server"));
    let open =
        |files: TlsFiles| CertificateKeeper::open(files, |_: &CertificateState| {}).err().map(|it| it.to_string());
    assert_eq!(open(folder.files()), None);
    let with_ca = folder.files_with(ClientCertificates::Required { ca: folder.path("ca.crt") });
    assert!(open(with_ca.clone()).unwrap().ends_with("ca.crt cannot be read"));
    folder.write("ca.crt", "nothing");
    assert!(open(with_ca).unwrap().starts_with("there is no certificate in "));
    let of_a_folder = TlsFiles { key: folder.0.path().to_owned(), ..folder.files() };
    assert!(open(of_a_folder).unwrap().ends_with(" cannot be read"));
    folder.write("tls.key", &authority.pair("other").key);
    assert!(open(folder.files()).unwrap().starts_with("the key in "));
}

#[test]
fn a_certificate_near_its_end_is_told_and_an_expired_one_is_used_at_a_start() {
    let authority = Authority::new();
    for (left, says) in [(30 * DAY, None), (6 * DAY + 60, Some("expires in 6 days")), (-DAY, Some("expired on"))] {
        let folder = Folder::with(&authority.pair_until("server", left));
        let told = Arc::new(Mutex::new(None));
        let state = Arc::clone(&told);
        let looked = move |state: &CertificateState| *told.lock().unwrap() = Some(state.clone());
        CertificateKeeper::open(folder.files(), looked).unwrap();
        let state = state.lock().unwrap().clone().unwrap();
        assert!((left - 60..=left).contains(&state.left_seconds), "{}", state.left_seconds);
        assert_eq!(state.refused, None);
        match says {
            None => assert_eq!(state.expiring, None),
            Some(words) => assert!(state.expiring.as_ref().is_some_and(|text| text.contains(words)), "{state:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_and_no_watch_fails_while_certificates_change_under_them() {
    const WATCHES: usize = 200;
    let authority = Authority::new();
    let pairs: Vec<Pair> = (0..4).map(|number| authority.pair(&format!("server-{number}"))).collect();
    let folder = Folder::with(&pairs[0]);
    let secured = Arc::new(Secured::start(folder.files(), calm()).await);
    let client = Client::trusting(&authority);
    let mut watches = Vec::new();
    for _ in 0..WATCHES {
        let mut watch = client.connect(&secured.running).await.unwrap();
        watch.write_all(b"GET /watch HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        read_to(&mut watch, b"first").await;
        watches.push(watch);
    }
    let (enough, mut asking) = (CancellationToken::new(), tokio::task::JoinSet::new());
    for _ in 0..4 {
        let (secured, client, enough) = (Arc::clone(&secured), client.clone(), enough.clone());
        asking.spawn(async move {
            let mut asked = 0;
            while !enough.is_cancelled() {
                assert_eq!(client.ask(&secured.running, "/answer/3").await.unwrap(), "xxx");
                asked += 1;
            }
            asked
        });
    }
    for pair in &pairs[1..] {
        folder.put(pair);
        secured.asked.send_replace(());
        let changed = async { while shown(&client.connect(&secured.running).await.unwrap()) != pair.der() {} };
        tokio::time::timeout(PATIENCE, changed).await.expect("it is shown");
    }
    enough.cancel();
    assert!(asking.join_all().await.into_iter().all(|asked: usize| asked > 0));
    secured.running.newest.send_replace("last".into());
    for watch in &mut watches {
        read_to(watch, b"last").await;
    }
    drop(watches);
    Arc::into_inner(secured).expect("nobody asks any more").stop().await;
}
