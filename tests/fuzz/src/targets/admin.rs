//! What Nacos, or whatever stands in front of it, answers to admin calls over HTTP, in any of the dialects.
//!
//! An input is a status, a line end, and a body, which is answered whatever is asked. Over a socket, because what reads an answer also decides
//! what is asked next: dialects in turn, pages until they are all there.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nacos_protocol::admin::{AdminClient, AdminError};
use nacos_protocol::client::{ConfigName, ServiceName};
use nacos_protocol::cluster::{ClusterOptions, NacosCluster};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::{Checked, Memory, Target, kind_of, same};

/// Most requests for one call: three dialects, and a listing of pages that never ends is given up.
const MOST_REQUESTS: usize = 600;

pub(super) const ADMIN_ANSWER: Target = Target {
    name: "admin-answer",
    also: &[],
    words: &[
        b"200\n",
        b"404\n",
        b"400\n",
        b"500\n",
        b"403\n",
        b"{\"code\":0,\"data\":",
        b"\"code\":20004",
        b"\"totalCount\":1",
        b"\"count\":2",
        b"\"pageItems\":[",
        b"\"serviceList\":[",
        b"\"list\":[",
        b"\"clusters\":[",
        b"\"clusterMap\":{}",
        b"\"name\":\"a\"",
        b"\"groupName\":\"g\"",
        b"\"dataId\":\"d\"",
        b"\"ip\":\"1.1.1.1\"",
        b"null",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"is not found!",
        b"META-INF/services",
    ],
    memory: Memory { base: 8 << 20, each: 4 << 10 },
    check: admin_answer,
};

/// The server of one thread, and what it answers now.
struct Stage {
    runtime: Runtime,
    cluster: Arc<NacosCluster>,
    reply: Arc<Mutex<Reply>>,
    _server: JoinSet<()>,
}

#[derive(Default)]
struct Reply {
    bytes: Vec<u8>,
    requests: usize,
}

thread_local! {
    /// Never given back: a runtime cannot end while its thread ends.
    static STAGE: &'static RefCell<Stage> = Box::leak(Box::new(RefCell::new(Stage::build())));
}

impl Stage {
    fn build() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("this machine has sockets");
        let reply = Arc::new(Mutex::new(Reply::default()));
        let mut server = JoinSet::new();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("this machine has a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let told = Arc::clone(&reply);
        server.spawn_on(accept(listener, told), runtime.handle());
        let mut options = ClusterOptions::new(vec![address.parse().expect("an address of this machine")]);
        // Never reached: the server answers at once, and no answer is judged by the time that it takes.
        options.http_timeout = Duration::from_secs(600);
        let cluster = NacosCluster::new(options).expect("one server, without TLS");
        Self { runtime, cluster, reply, _server: server }
    }
}

async fn accept(listener: TcpListener, reply: Arc<Mutex<Reply>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&reply)));
        while connections.try_join_next().is_some() {}
    }
}

/// Answers requests without bodies until the other side hangs up.
async fn serve(mut stream: TcpStream, reply: Arc<Mutex<Reply>>) {
    let mut received = Vec::new();
    while stream.read_buf(&mut received).await.is_ok_and(|length| length > 0) {
        if received.ends_with(b"\r\n\r\n") {
            received.clear();
            let bytes = {
                let mut reply = reply.lock().expect("nothing panics while this is held");
                reply.requests += 1;
                reply.bytes.clone()
            };
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
        }
    }
}

fn admin_answer(input: &[u8]) -> Checked {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let status = std::str::from_utf8(&input[..end]).ok().and_then(|status| status.parse().ok());
    let status =
        status.filter(|status: &u16| (200..600).contains(status) && ![204, 304].contains(status)).unwrap_or(200);
    let body = input.get(end + 1..).unwrap_or_default();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
    STAGE.with(|stage| {
        let stage = stage.borrow_mut();
        *stage.reply.lock().expect("nothing panics while this is held") =
            Reply { bytes: [head.as_bytes(), body].concat(), requests: 0 };
        let first = stage.runtime.block_on(ask(&AdminClient::new(Arc::clone(&stage.cluster))))?;
        let requests = stage.reply.lock().expect("nothing panics while this is held").requests;
        if requests > MOST_REQUESTS {
            return Err(format!("{requests} requests are made for seven calls"));
        }
        let second = stage.runtime.block_on(ask(&AdminClient::new(Arc::clone(&stage.cluster))))?;
        same("asked twice, an answer is read in two ways", &second, &first)?;
        Ok(first)
    })
}

/// What the calls came to.
async fn ask(admin: &AdminClient) -> Checked {
    let service = ServiceName::new("public", "g", "a");
    let services = admin.services("public").await;
    if let Ok(listed) = &services {
        let ordered = listed.windows(2).all(|pair| pair[0].name < pair[1].name);
        ordered.then_some(()).ok_or_else(|| format!("services are listed twice, or not in order: {listed:?}"))?;
    }
    let keys = admin.config_keys("public").await;
    if let Ok(listed) = &keys {
        let ordered = listed.windows(2).all(|pair| pair[0].name < pair[1].name);
        ordered.then_some(()).ok_or_else(|| format!("config items are listed twice, or not in order: {listed:?}"))?;
    }
    let words = [
        word(services.map(|listed| listed.len().min(3)))?,
        word(admin.instances(&service).await.map(|listed| listed.len().min(3)))?,
        word(keys.map(|listed| listed.len().min(3)))?,
        word(admin.config_keys_apart().await.map(|listed| listed.len().min(3)))?,
        word(
            admin.config_detail(&ConfigName::new("public", "g", "a")).await.map(|detail| usize::from(detail.is_some())),
        )?,
        word(admin.namespaces().await.map(|listed| listed.len().min(3)))?,
        word(admin.version().await.map(|version| usize::from(version.is_empty())))?,
    ];
    Ok(words.join(", "))
}

/// A refusal names the call where the answer is at fault.
fn word(outcome: Result<usize, AdminError>) -> Checked {
    match outcome {
        Ok(count) => Ok(count.to_string()),
        Err(error @ AdminError::Malformed { path, source: _ }) if !error.to_string().contains(path) => {
            Err(format!("a refusal does not name the call: {error}"))
        }
        Err(AdminError::Malformed { source, .. }) => Ok(kind_of(&source.to_string())),
        Err(AdminError::Unreachable(error)) => Err(format!("a whole answer is taken for none: {error:?}")),
        Err(AdminError::Incomplete { reason, .. }) => Ok(reason.to_owned()),
        Err(AdminError::Refused { .. }) => Ok("refused".to_owned()),
        Err(AdminError::NotOffered) => Ok("not offered".to_owned()),
        Err(AdminError::Failed { .. }) => Ok("failed".to_owned()),
    }
}
