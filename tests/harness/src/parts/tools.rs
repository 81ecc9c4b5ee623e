//! Tools that parts are made with: found on this machine, or installed where that may be done, and never in silence.
//!
//! Debian's packages are installed as root alone. Go is special: Debian 12 has one that is too old for Nacos's SDK, but young enough to fetch
//! a newer one through Go's own module proxy, as Go does by itself from 1.21 on.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::announce;

/// The oldest Go that the SDK compiles with, as the second number of its version.
const GO_MINOR: u32 = 21;
/// Fetched where Go is older.
const GO_FETCHED: &str = "go1.21.13";
/// Names under which a Chromium is installed; the first one is Debian's without a window.
const BROWSERS: [&str; 4] = ["chromium-headless-shell", "chromium", "google-chrome", "google-chrome-stable"];
/// The oldest whose one headless mode is that of windows, and which sends `Sec-Fetch-Site` to plain addresses of this machine.
const OLDEST_BROWSER: u32 = 120;

/// Makes sure that `tool` can be called, installing `packages` if need be.
///
/// # Errors
/// When it is missing and cannot be installed here; the error has the line to type.
pub(super) async fn provide(tool: &str, packages: &[&str]) -> Result<()> {
    if is_there(tool) {
        return Ok(());
    }
    let line = format!("apt-get install -y {}", packages.join(" "));
    if rustix::process::geteuid().is_root() && is_there("apt-get") {
        announce(&format!("{tool} is missing; installing it: {line}"));
        run("apt-get", &["update", "-qq"]).await?;
        run("apt-get", &[&["install", "-qq", "-y", "--no-install-recommends"], packages].concat()).await?;
    }
    if !is_there(tool) {
        bail!("{tool} is missing; install it: {line}");
    }
    Ok(())
}

/// A Go that is new enough: the machine's own, or one that it is made to fetch.
///
/// # Errors
/// When there is none and none can be had.
pub(super) async fn go() -> Result<PathBuf> {
    provide("go", &["golang-go"]).await?;
    let told = run("go", &["version"]).await?;
    if minor(&told).with_context(|| format!("`go version` says {told}"))? >= GO_MINOR {
        return Ok("go".into());
    }
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    announce(&format!("{} is too old for the SDK; fetching {GO_FETCHED} as a module", told.trim()));
    let module = format!("golang.org/toolchain@v0.0.1-{GO_FETCHED}.linux-{machine}");
    let document = run("go", &["mod", "download", "-json", &module]).await?;
    let document: Value = serde_json::from_str(&document).context("`go mod download -json` prints no document")?;
    let root = Path::new(document["Dir"].as_str().context("`go mod download` names no folder")?);
    for folder in ["bin", &format!("pkg/tool/linux_{machine}")] {
        make_executable(&root.join(folder))?;
    }
    Ok(root.join("bin/go"))
}

/// A Chromium that is new enough: one of this machine's, or the one of `packages`.
///
/// # Errors
/// When there is none and none can be had, or it is too old.
pub(super) async fn browser(packages: &[&str]) -> Result<PathBuf> {
    if !BROWSERS.into_iter().any(is_there) {
        provide(BROWSERS[0], packages).await?;
    }
    let name = BROWSERS.into_iter().find(|name| is_there(name)).context("it was provided")?;
    let told = run(name, &["--version"]).await?;
    match major(&told) {
        Some(major) if major >= OLDEST_BROWSER => path_of(name).context("it is there"),
        _ => bail!(
            "{name} is {}, and {OLDEST_BROWSER} or newer is needed: apt-get install {}",
            told.trim(),
            packages.join(" ")
        ),
    }
}

/// The first number of `Chromium 156.0.8078.108`, whatever is before and behind it.
fn major(told: &str) -> Option<u32> {
    told.split_whitespace().find_map(|word| word.split_once('.')?.0.parse().ok())
}

/// The second number of `go version go1.19.8 linux/amd64`.
fn minor(told: &str) -> Option<u32> {
    let version = told.split_whitespace().find_map(|word| word.strip_prefix("go1."))?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// What comes as a module has lost the right to be executed.
fn make_executable(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        std::fs::set_permissions(entry?.path(), std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn is_there(tool: &str) -> bool {
    path_of(tool).is_some()
}

fn path_of(tool: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).map(|directory| directory.join(tool)).find(|path| path.is_file())
}

/// What a command prints.
async fn run(executable: &str, arguments: &[&str]) -> Result<String> {
    let mut command = tokio::process::Command::new(executable);
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").env("GO111MODULE", "on");
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.with_context(|| format!("cannot start {executable}"))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        bail!("{executable} {} ended with {}: {}", arguments.join(" "), output.status, told.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_a_go_is_read_from_what_it_says() {
        for (told, want) in [
            ("go version go1.19.8 linux/amd64", Some(19)),
            ("go version go1.26rc1 linux/arm64", Some(26)),
            ("go version devel +abc linux/amd64", None),
        ] {
            assert_eq!(minor(told), want, "{told}");
        }
    }

    #[test]
    fn the_age_of_a_browser_is_read_from_what_it_says() {
        for (told, want) in [
            ("Chromium 156.0.8078.108 built on Debian GNU/Linux 12", Some(156)),
            ("Google Chrome 120.0.6099.71 ", Some(120)),
            ("a browser", None),
        ] {
            assert_eq!(major(told), want, "{told}");
        }
    }

    #[test]
    fn what_is_not_installed_is_not_there() {
        assert!(is_there("sh"));
        assert!(!is_there("no-such-tool"));
    }
}
