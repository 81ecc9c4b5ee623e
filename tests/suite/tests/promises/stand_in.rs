//! The embedded registry at the address of a Nacos that has ended: it answers everything, and has nothing.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;
use federation_harness::home::Home;
use federation_harness::port::until_free;
use federation_harness::process::{Conversation, Process, Program};
use tokio::net::TcpStream;

const START_WITHIN: Duration = Duration::from_secs(20);

/// It ends when dropped.
pub(crate) struct StandIn {
    _process: Process,
    _home: Home,
}

impl StandIn {
    pub(crate) async fn start(port: u16) -> Result<Self> {
        until_free(port, &[1000]).await?;
        let home = Home::temporary("stand-in")?;
        let (http, configs) = (format!("127.0.0.1:{port}"), home.path().join("configs").display().to_string());
        let executable = env!("CARGO_BIN_EXE_embedded-registry");
        let program = Program::new("the stand-in", executable, home.path().join("out.log")).args([http, configs]);
        let mut process = program.spawn(Conversation::None).await?;
        let accepts = async |port: u16| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok();
        process.until_ready(START_WITHIN, async |_| accepts(port).await && accepts(port + 1000).await).await?;
        Ok(Self { _process: process, _home: home })
    }
}
