//! The same answers over TLS, without accounts and with a token, next to plain text: what each costs.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Result, ensure};
use bounded_listener::{CertificateKeeper, CertificateState, ClientCertificates, ListenerGate, TlsFiles};
use federation_access::authority::AccessAuthority;
use federation_access::book::{AccessBook, BookParts};
use federation_access::document::TokenEntry;
use federation_access::role::{AccessRole, RoleGrant};
use federation_access::tokens::{TokenDigest, new_token};
use federation_api::ApiState;
use federation_api::serve::ApiListeners;
use federation_core::time::WallMs;
use federation_harness::home::Home;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::http_load::HttpLoad;
use super::requests::{Handler, Plan, Requests};
use super::rounds::{Rounds, Side, of_pairs, one_round, print_heads};
use super::server::Server;
use federation_bench::figures::{median, percentile};

/// Share of the requests a second without tokens, over TLS, that is wanted with them.
const GOAL: f64 = 0.85;
/// Accounts beside the one that asks; a company's programs have hundreds.
const OTHER_TOKENS: usize = 1_000;

/// Where the same view answers over TLS.
pub(crate) struct Secured {
    /// Without accounts, and with.
    http: [SocketAddr; 2],
    connector: TlsConnector,
    token: String,
}

impl Secured {
    /// Listens for the two: without accounts, and with some, which the second one then has.
    pub(crate) fn bind(states: [&ApiState; 2]) -> Result<(Self, Vec<ApiListeners>)> {
        let (files, authority, _home) = certificate()?;
        let keeper = CertificateKeeper::open(files, |_: &CertificateState| {})?;
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut listeners = Vec::new();
        for _ in states {
            listeners.push(ApiListeners::bind(&ListenerGate::default(), any, any)?.secured(Some(keeper.tls())));
        }
        let http = [listeners[0].http_address(), listeners[1].http_address()];
        let token = new_token().expose().to_owned();
        states[1].attach_access(accounts(&token));
        let mut roots = RootCertStore::empty();
        roots.add(authority)?;
        let trust = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok((Self { http, connector: TlsConnector::from(Arc::new(trust)), token }, listeners))
    }
}

/// A certificate for loopback in files, and the authority that has signed it.
fn certificate() -> Result<(TlsFiles, CertificateDer<'static>, Home)> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let made = CertificateParams::new(["127.0.0.1".to_owned()])?.signed_by(&key, &authority)?;
    let home = Home::temporary("bench-tls")?;
    let [certificate, key_file] = ["tls.crt", "tls.key"].map(|name| home.path().join(name));
    std::fs::write(&certificate, made.pem())?;
    std::fs::write(&key_file, key.serialize_pem())?;
    let files = TlsFiles { certificate, key: key_file, clients: ClientCertificates::NotAsked };
    Ok((files, authority.der().clone(), home))
}

/// Many tokens, of which one is a viewer's.
fn accounts(token: &str) -> AccessAuthority {
    let entry = |name: String, token: &str| TokenEntry {
        name: name.into(),
        digest: TokenDigest::of(token),
        created: WallMs(0),
        expires: None,
        grants: vec![RoleGrant::whole(AccessRole::Viewer)],
    };
    let others = (0..OTHER_TOKENS).map(|number| entry(format!("other-{number}"), new_token().expose()));
    let tokens: Vec<TokenEntry> = others.chain([entry("bench".to_owned(), token)]).collect();
    let authority = AccessAuthority::default();
    authority.publish(AccessBook::new(BookParts { tokens: &tokens, ..BookParts::default() }));
    authority
}

/// One way to ask.
struct Lane {
    name: &'static str,
    load: HttpLoad,
    requests: Arc<Requests>,
    side: Side,
}

/// Asks in plain text, over TLS and over TLS with a token in turns, after `every` answer was made once, and prints what was seen; the share that tokens
/// leave of TLS.
pub(crate) async fn compare_access(
    server: &Server,
    [plan, every]: [&Plan; 2],
    connections: usize,
    rounds: Rounds,
) -> Result<f64> {
    let secured = &server.secured;
    let (without, with) = (Arc::new(plan.http(Handler::Gateway)), Arc::new(plan.http_showing(&secured.token)));
    let over_tls = |at: usize| HttpLoad::connect_over(secured.http[at], connections, &secured.connector);
    // Both gateways have run for a while: each keeps its own answers. Connections that say nothing meanwhile would be ended.
    HttpLoad::connect(server.http, connections).await?.ask_all(&Arc::new(every.http(Handler::Gateway))).await?;
    over_tls(1).await?.ask_all(&Arc::new(every.http_showing(&secured.token))).await?;
    let lane = |name, load, requests: &Arc<Requests>| Lane {
        name,
        load,
        requests: Arc::clone(requests),
        side: Side::default(),
    };
    let mut lanes = [
        lane("plain text", HttpLoad::connect(server.http, connections).await?, &without),
        lane("TLS", over_tls(0).await?, &without),
        lane("TLS and a token", over_tls(1).await?, &with),
    ];
    for pair in 0..=rounds.pairs {
        for turn in 0..lanes.len() {
            // Who comes first changes, so that a drift of the machine counts for none of them.
            let at = (turn + pair) % lanes.len();
            let Lane { load, requests, side, .. } = &mut lanes[at];
            let counts = (pair > 0).then_some(side);
            one_round(requests, rounds, counts, load.round(requests, rounds.lasts)).await?;
        }
    }
    println!("\n GET /v1/resolve, {connections} connections, by what is said of who asks");
    print_heads();
    for lane in &mut lanes {
        lane.side.print(lane.name);
    }
    let [plain, tls, token] = &lanes;
    let share = |name: &str, above: &Side, below: &Side| {
        let mut shares = of_pairs(above.rates(), below.rates());
        let (least, most) = (percentile(&mut shares, 0), percentile(&mut shares, 100));
        let middle = median(&mut shares);
        println!("  {name}: {:.1} % (from {:.1} to {:.1})", middle * 100.0, least * 100.0, most * 100.0);
        middle
    };
    share("TLS of plain text", &tls.side, &plain.side);
    let found = share("tokens of TLS", &token.side, &tls.side);
    println!("  goal {:.0} %: {}", GOAL * 100.0, if found >= GOAL { "met" } else { "NOT MET" });
    Ok(found)
}

/// Fails where the goal is not met.
pub(crate) fn hold(share: f64, strict: bool) -> Result<()> {
    ensure!(share >= GOAL || !strict, "with tokens {:.1} % of TLS alone, wanted {:.0} %", share * 100.0, GOAL * 100.0);
    Ok(())
}
