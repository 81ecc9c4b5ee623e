//! A Nacos server in Rust that others wrote, for comparison: `rnacos` from crates.io, built once and kept with the other parts.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use federation_harness::home::Home;
use federation_harness::parts;
use federation_harness::port::{self, PortBlock};
use federation_harness::process::{Conversation, Process, Program};

use crate::stage::Server;

/// The version that is compared with.
const VERSION: &str = "0.8.8";
/// gRPC and console above HTTP.
const OFFSETS: [i32; 2] = [1000, 2000];
const START_PATIENCE: Duration = Duration::from_secs(60);

/// A running one.
pub(crate) struct Rnacos {
    process: Process,
    ports: PortBlock,
    _home: Home,
}

impl Rnacos {
    /// Builds it if it is not there, and starts it; `None`, said aloud, where that fails: the bench goes on without it.
    pub(crate) async fn start() -> Option<Self> {
        match Self::try_start().await {
            Ok(rnacos) => Some(rnacos),
            Err(error) => {
                eprintln!("there is no rnacos to compare with: {error:#}");
                None
            }
        }
    }

    async fn try_start() -> Result<Self> {
        let program = binary().await?;
        let (home, ports) = (Home::temporary("rnacos")?, PortBlock::choose(&OFFSETS)?);
        let port = |offset: u16| (ports.main() + offset).to_string();
        let program = Program::new("rnacos", program, home.path().join("out.log"))
            .directory(home.path())
            .env("RNACOS_HTTP_PORT", port(0))
            .env("RNACOS_GRPC_PORT", port(1000))
            .env("RNACOS_HTTP_CONSOLE_PORT", port(2000))
            .env("RNACOS_DATA_DIR", home.path().join("data").to_string_lossy())
            .env("RNACOS_RUST_LOG", "warn")
            .env("RUST_LOG", "warn");
        let mut process = program.spawn(Conversation::None).await?;
        let (http, grpc) = (ports.main(), ports.main() + 1000);
        process.until_ready(START_PATIENCE, async |_| !port::is_free(http) && !port::is_free(grpc)).await?;
        Ok(Self { process, ports, _home: home })
    }

    pub(crate) fn server(&self) -> Server {
        let grpc = std::net::SocketAddr::from(([127, 0, 0, 1], self.ports.main() + 1000));
        Server { name: "rnacos 0.8.8", grpc, processes: vec![self.process.pid()], is_peer: true }
    }
}

/// The program: the one that `RNACOS_BIN` names, else the kept one, else built now, which takes minutes.
async fn binary() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("RNACOS_BIN") {
        return Ok(given.into());
    }
    let root = parts::root().join(format!("rnacos-{VERSION}"));
    let binary = root.join("bin/rnacos");
    if binary.exists() {
        return Ok(binary);
    }
    eprintln!("building rnacos {VERSION} (once; kept in {})", root.display());
    std::fs::create_dir_all(&root)?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let place = root.to_str().context("the path of the parts is not text")?;
    let arguments = ["install", "rnacos", "--locked", "--quiet", "--version", VERSION, "--root", place];
    Program::new("cargo install rnacos", cargo, root.join("install.log")).args(arguments).run().await?;
    Ok(binary)
}
