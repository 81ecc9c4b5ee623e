//! A real Chromium without a window: opens a page, lets its scripts run, and hands over what became of it.
//!
//! What a page finds out it writes into itself; nothing else is needed to look at it. Each call is a browser of its own with a profile of its
//! own, which ends with the call.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::home::Home;
use crate::parts::{BROWSER, Part, Parts};

/// Virtual time for a page's scripts. It stands still while requests are under way, and costs nothing where nothing happens.
const FOR_SCRIPTS: Duration = Duration::from_secs(20);
/// A page takes a second; beside busy servers longer.
const PATIENCE: Duration = Duration::from_secs(90);

/// A browser.
#[derive(Clone, Debug)]
pub struct Browser {
    program: PathBuf,
    /// Host names that it takes for addresses of this machine.
    names: Vec<String>,
}

impl Browser {
    /// That of the part [`Part::Chromium`].
    ///
    /// # Errors
    /// When the part was not asked for.
    pub fn of(parts: &Parts) -> Result<Self> {
        Ok(Self { program: parts.directory(Part::Chromium)?.join(BROWSER), names: Vec::new() })
    }

    /// The same where `name` is 127.0.0.1: what its owner may make of a name in the public DNS at any time.
    #[must_use]
    pub fn taking_for_loopback(mut self, name: &str) -> Self {
        self.names.push(format!("MAP {name} 127.0.0.1"));
        self
    }

    /// Opens a page, waits for its scripts and all that they asked for, and returns the document as it is then. Certificates are not
    /// looked at.
    ///
    /// # Errors
    /// When the browser cannot be started, ends with an error or does not end.
    pub async fn document(&self, url: &str) -> Result<String> {
        let profile = Home::temporary("browser")?;
        let mut command = tokio::process::Command::new(&self.program);
        // Pages are our own, and a container's root has no sandbox to give.
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
        command.args([
            "--ignore-certificate-errors",
            "--disable-background-networking",
            "--disable-sync",
            "--no-proxy-server",
        ]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.arg(format!("--host-resolver-rules={}", self.names.join(", ")));
        command.args([&format!("--virtual-time-budget={}", FOR_SCRIPTS.as_millis()), "--dump-dom", url]);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output());
        let output = output.await.with_context(|| format!("the browser does not end with {url}"))?;
        let output = output.with_context(|| format!("{} cannot be started", self.program.display()))?;
        if !output.status.success() {
            bail!("the browser ended with {} at {url}: {}", output.status, tail(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn tail(told: &[u8]) -> String {
    crate::process::tail(&String::from_utf8_lossy(told))
}
