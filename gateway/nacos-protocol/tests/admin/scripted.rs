//! A tiny HTTP server that answers as a test says.

use std::sync::{Arc, Mutex};

use nacos_protocol::admin::AdminClient;
use nacos_protocol::cluster::{ClusterOptions, LoginCredentials, NacosCluster};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What the server does with a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Answers with a status and a body.
    Say(u16, String),
    /// Announces a whole body and hangs up in its middle.
    Cut(String),
    /// Never answers.
    Silence,
    /// Closes the connection without a word, as a proxy before a server that is away.
    HangUp,
}

/// A whole answer with status 200.
pub(crate) fn ok(body: &str) -> Reply {
    Reply::Say(200, body.to_owned())
}

/// What Spring answers for a path that it does not know.
pub(crate) fn unknown_path() -> Reply {
    Reply::Say(404, r#"{"timestamp":"x","status":404,"error":"Not Found","path":"/nacos/x"}"#.to_owned())
}

/// One request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Path below the context path.
    pub(crate) path: String,
    /// Query parameters, decoded only as far as tests need it.
    pub(crate) query: String,
    /// The header `accessToken`.
    pub(crate) token: Option<String>,
}

impl Asked {
    /// The value of a query parameter.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }
}

/// The server; it ends with this value.
pub(crate) struct Scripted {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

impl Scripted {
    pub(crate) async fn start(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a working test server");
        let address = listener.local_addr().expect("a working test server").to_string();
        let (asked, script) = (Arc::new(Mutex::new(Vec::new())), Arc::new(script));
        let noted = Arc::clone(&asked);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (noted, script) = (Arc::clone(&noted), Arc::clone(&script));
                connections.spawn(async move { serve(stream, &noted, &*script).await });
            }
        });
        Self { address, asked, _tasks: tasks }
    }

    /// The paths that were asked for so far.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.asked.lock().expect("a working test server").iter().map(|asked| asked.path.clone()).collect()
    }

    pub(crate) fn admin(&self) -> AdminClient {
        admin(&[&self.address], None)
    }
}

/// A caller of these servers, with short deadlines.
pub(crate) fn admin(servers: &[&str], password: Option<&str>) -> AdminClient {
    let mut options =
        ClusterOptions::new(servers.iter().map(|server| server.parse().expect("a working test server")).collect());
    options.http_timeout = std::time::Duration::from_millis(300);
    options.credentials =
        password.map(|password| LoginCredentials { username: "nacos".to_owned(), password: password.to_owned() });
    options.grpc_offset = 0;
    AdminClient::new(NacosCluster::new(options).expect("a working test server"))
}

async fn serve(stream: TcpStream, noted: &Mutex<Vec<Asked>>, script: &(dyn Fn(&Asked) -> Reply + Send + Sync)) {
    let mut stream = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        if line.trim_end().is_empty() {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let header = |name: &str| {
        let mut headers = lines.iter().filter_map(|line| line.split_once(": "));
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let length: usize = header("content-length").map_or(0, |length| length.parse().expect("a working test server"));
    stream.read_exact(&mut vec![0; length]).await.expect("a working test server");
    let target = lines[0].split(' ').nth(1).expect("a working test server").to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let path = path.trim_start_matches("/nacos/").to_owned();
    let asked = Asked { path, query: query.to_owned(), token: header("accesstoken") };
    noted.lock().expect("a working test server").push(asked.clone());
    let (status, body, sent) = match script(&asked) {
        Reply::Say(status, body) => (status, body.clone(), body.len()),
        Reply::Cut(body) => (200, body.clone(), body.len() / 2),
        Reply::Silence => return std::future::pending().await,
        Reply::HangUp => return,
    };
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.as_bytes(), &body.as_bytes()[..sent]].concat()).await;
}
