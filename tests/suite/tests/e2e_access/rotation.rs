//! Certificates of a gateway that change while two hundred watches are open and two thousand requests come each second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use federation_harness::announce;
use federation_harness::process::POLL;
use federation_proto::federation::v1 as pb;
use federation_proto::federation::v1::discovery_client::DiscoveryClient;
use reqwest::tls::TlsInfo;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::ask::Shown;
use crate::gateway::client;
use crate::pki::{Holder, SignedPair};
use crate::stage::{Stage, eventually};

/// Watches of each kind.
const WATCHES: usize = 100;
/// Connections over which requests come, each with this time from one to the next: two thousand in a second.
const LANES: usize = 20;
const EACH: Duration = Duration::from_millis(10);
/// How often the certificate changes to another good one.
const CHANGES: usize = 3;
/// Until new connections have a new certificate.
const PROMISED: Duration = Duration::from_secs(2);
const SERVICE: &str = "serviceName=order-a&namespaceId=prod";

/// What became of requests.
#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    failed: AtomicU64,
    /// The longest that one took, in milliseconds.
    longest: AtomicU64,
}

/// What became of watches: how many have told something after the certificates had changed.
type Told = Arc<AtomicU64>;

pub(crate) async fn certificates_change_under_watches_and_requests_and_nobody_is_lost(stage: &mut Stage) -> Result<()> {
    let (told, changed, mut watches) = (Told::default(), CancellationToken::new(), JoinSet::new());
    open_watches(stage, &mut watches, &told, &changed).await?;
    let (tally, stop, began) = (Arc::new(Tally::default()), CancellationToken::new(), Instant::now());
    let mut lanes = begin_requests(stage, &tally, &stop)?;
    for number in 1..=CHANGES {
        let pair = server_pair(stage)?;
        pair.write(stage.home.path(), "server")?;
        let (took, slack) = until_shown(stage, &pair.der).await?;
        announce(&format!("change {number}: new connections have it after {:.2} s", took.as_secs_f64()));
        ensure!(took <= PROMISED + slack, "a new certificate is shown after {took:?}, promised are {PROMISED:?}");
    }
    a_broken_one_changes_nothing(stage).await?;
    stop.cancel();
    while let Some(ended) = lanes.join_next().await {
        ended?;
    }
    let (answered, failed) = (tally.answered.load(Ordering::Relaxed), tally.failed.load(Ordering::Relaxed));
    let rate = u128::from(answered) * 1000 / began.elapsed().as_millis().max(1);
    announce(&format!(
        "{answered} requests, {rate} a second, the longest {} ms",
        tally.longest.load(Ordering::Relaxed)
    ));
    ensure!(failed == 0 && answered > 0, "{failed} of {} requests failed", answered + failed);

    changed.cancel(); // From now on what is told counts.
    stage.registrations.change().await?;
    eventually("all watches tell of a change", async || {
        let (open, told) = (watches.len(), told.load(Ordering::Relaxed));
        ensure!(
            open == 2 * WATCHES && told >= 2 * WATCHES as u64,
            "{open} watches are open, {told} told of the change"
        );
        Ok(())
    })
    .await
}

fn server_pair(stage: &Stage) -> Result<SignedPair> {
    let address = stage.network.address().to_string();
    let hosts = [&*address, "127.0.0.1", "localhost"];
    let pair = stage.authority.sign(&Holder { common_name: "gateway", hosts: &hosts, ..Holder::default() })?;
    stage.memory.hide_key("a private key of server", &pair.key);
    Ok(pair)
}

/// The certificate that a new connection is shown, and how long that connection took.
async fn shown(stage: &Stage) -> Result<(Vec<u8>, Duration)> {
    let began = Instant::now();
    let client = client(stage.home.path(), Some("ops"))?;
    let answer = client.get(format!("{}/livez", stage.frankfurt.http())).send().await?;
    let info = answer.extensions().get::<TlsInfo>().context("nothing is known of TLS")?;
    Ok((info.peer_certificate().context("there is no certificate")?.to_vec(), began.elapsed()))
}

/// How long it takes until new connections have this certificate, and the longest that one connection took: no more is known.
async fn until_shown(stage: &Stage, certificate: &[u8]) -> Result<(Duration, Duration)> {
    let (began, mut slack) = (Instant::now(), Duration::ZERO);
    loop {
        let (found, took) = shown(stage).await?;
        slack = slack.max(took + POLL);
        if found == certificate {
            return Ok((began.elapsed(), slack));
        }
        ensure!(began.elapsed() < crate::stage::PATIENCE, "the former certificate is still shown");
        tokio::time::sleep(POLL).await;
    }
}

/// A key that does not fit, then a file that is no certificate: told, and nothing else.
async fn a_broken_one_changes_nothing(stage: &Stage) -> Result<()> {
    let (before, _) = shown(stage).await?;
    let read = |name: &str| std::fs::read(stage.path(name));
    let (certificate, key) = (read("server.crt")?, read("server.key")?);
    for (file, wrong) in [("server.key", read("ops.key")?), ("server.crt", b"no certificate".to_vec())] {
        std::fs::write(stage.path(file), wrong)?;
        until_troubles(stage, 1).await?;
        ensure!(shown(stage).await?.0 == before, "a wrong {file} took the place of a good one");
        std::fs::write(stage.path("server.crt"), &certificate)?;
        std::fs::write(stage.path("server.key"), &key)?;
        until_troubles(stage, 0).await?;
    }
    Ok(())
}

/// Until `status` tells of so many refused certificates, one for each section that has some.
async fn until_troubles(stage: &Stage, count: usize) -> Result<()> {
    let shown = Shown::certificate("ops");
    eventually(&format!("{count} refused certificates in the status"), async || {
        let told = stage.command(&stage.frankfurt, &shown, &["status", "--format", "json"]).await?;
        let document: serde_json::Value = serde_json::from_str(&told.text)?;
        let troubles = document["troubles"].as_array().context("no troubles")?;
        let found = troubles.iter().filter(|trouble| trouble["kind"] == "certificate_refused").count();
        ensure!(found == count, "{found}");
        Ok(())
    })
    .await
}

/// Requests at a steady pace until `stop`.
fn begin_requests(stage: &Stage, tally: &Arc<Tally>, stop: &CancellationToken) -> Result<JoinSet<()>> {
    let mut lanes = JoinSet::new();
    let url = format!("{}/v1/service?{SERVICE}", stage.frankfurt.http());
    let token = std::fs::read_to_string(stage.path("viewer.token"))?;
    for _ in 0..LANES {
        let (client, tally, stop) = (client(stage.home.path(), Some("unnamed"))?, Arc::clone(tally), stop.clone());
        let (url, token) = (url.clone(), token.clone());
        lanes.spawn(async move {
            let mut turns = tokio::time::interval(EACH); // One that was late is made up for.
            while !stop.is_cancelled() {
                turns.tick().await;
                let began = Instant::now();
                let answer = match client.get(&url).bearer_auth(&token).send().await {
                    Ok(answer) if answer.status().is_success() => answer.bytes().await.is_ok(),
                    _ => false,
                };
                let counter = if answer { &tally.answered } else { &tally.failed };
                counter.fetch_add(1, Ordering::Relaxed);
                let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                tally.longest.fetch_max(took, Ordering::Relaxed);
            }
        });
    }
    Ok(lanes)
}

/// Opens all watches; each has told of what is there when this returns.
async fn open_watches(
    stage: &Stage,
    tasks: &mut JoinSet<Result<()>>,
    told: &Told,
    changed: &CancellationToken,
) -> Result<()> {
    let token = std::fs::read_to_string(stage.path("viewer.token"))?;
    let client = client(stage.home.path(), Some("unnamed"))?;
    let url = format!("{}/v1/watch?{SERVICE}", stage.frankfurt.http());
    for _ in 0..WATCHES {
        let mut events = client.get(&url).bearer_auth(&token).send().await?.error_for_status()?;
        ensure!(events.chunk().await?.is_some(), "a watch begins with what is there");
        let (told, changed) = (Arc::clone(told), changed.clone());
        tasks.spawn(async move {
            let mut counted = false;
            while let Some(chunk) = events.chunk().await? {
                count(chunk.starts_with(b"event:"), &mut counted, &told, &changed);
            }
            Ok(())
        });
    }
    let channels = (0..4).map(|_| stage.channel(&stage.frankfurt, &Shown::certificate("unnamed")));
    let channels = channels.collect::<Result<Vec<_>>>()?;
    for number in 0..WATCHES {
        let mut call = tonic::Request::new(pb::WatchServiceRequest {
            namespace_id: Some("prod".to_owned()),
            service_name: "order-a".to_owned(),
            ..Default::default()
        });
        call.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
        let mut client = DiscoveryClient::new(channels[number % channels.len()].clone());
        let mut events = client.watch_service(call).await?.into_inner();
        ensure!(events.message().await?.is_some(), "a watch begins with what is there");
        let (told, changed) = (Arc::clone(told), changed.clone());
        tasks.spawn(async move {
            let mut counted = false;
            while events.message().await?.is_some() {
                count(true, &mut counted, &told, &changed);
            }
            Ok(())
        });
    }
    Ok(())
}

/// Counts a watch once, if what it tells comes after the change.
fn count(is_event: bool, counted: &mut bool, told: &Told, changed: &CancellationToken) {
    if is_event && !*counted && changed.is_cancelled() {
        *counted = true;
        told.fetch_add(1, Ordering::Relaxed);
    }
}
