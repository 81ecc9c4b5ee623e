//! Ports for a server: chosen free, and reserved against other harness processes on this machine until dropped.
//!
//! Ports from 32768 on are the kernel's ephemeral range: one of them may be taken by an outgoing connection between the choice and the bind.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rand::RngExt;

use crate::process::POLL;

/// Where main ports are chosen from: one below and one above stay under the ephemeral range.
const MAIN_PORTS: std::ops::Range<u16> = 12_000..31_000;
/// Tries before giving up; each costs a few system calls.
const ATTEMPTS: usize = 500;
/// How long an ended server's ports may linger.
const RELEASE_PATIENCE: Duration = Duration::from_secs(30);

/// A main port and its companions, held by file locks that the kernel drops with this process.
#[derive(Debug)]
pub struct PortBlock {
    main: u16,
    _locks: Vec<File>,
}

impl PortBlock {
    /// Chooses a main port such that it and every `main + offset` can be bound on loopback and is reserved by nobody.
    ///
    /// # Errors
    /// When nothing is found in some hundred tries, or the directory of the locks cannot be made.
    pub fn choose(offsets: &[i32]) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            let main = rand::rng().random_range(MAIN_PORTS);
            if let Some(block) = Self::reserve(main, offsets)? {
                return Ok(block);
            }
        }
        bail!("no free port with companions {offsets:?} in {MAIN_PORTS:?} after {ATTEMPTS} tries")
    }

    /// Reserves the given main port and its companions.
    ///
    /// # Errors
    /// When one of them is taken.
    pub fn exactly(main: u16, offsets: &[i32]) -> Result<Self> {
        Self::reserve(main, offsets)?
            .with_context(|| format!("port {main} or a companion of it ({offsets:?}) is taken by another program"))
    }

    /// The main port.
    pub fn main(&self) -> u16 {
        self.main
    }

    fn reserve(main: u16, offsets: &[i32]) -> Result<Option<Self>> {
        let mut locks = Vec::new();
        for offset in std::iter::once(&0).chain(offsets) {
            let port = u16::try_from(i32::from(main) + offset).context("companion outside the range of ports")?;
            match lock(port)? {
                Some(file) if is_free(port) => locks.push(file),
                _ => return Ok(None),
            }
        }
        Ok(Some(Self { main, _locks: locks }))
    }
}

/// Waits until `main` and its companions can be bound: after a `kill -9` the kernel keeps them for a second or two.
///
/// # Errors
/// When one of them stays taken for 30 s.
pub async fn until_free(main: u16, offsets: &[i32]) -> Result<()> {
    let deadline = Instant::now() + RELEASE_PATIENCE;
    for offset in std::iter::once(&0).chain(offsets) {
        let port = u16::try_from(i32::from(main) + offset).context("companion outside the range of ports")?;
        while !is_free(port) {
            ensure!(Instant::now() < deadline, "port {port} is still taken after {} s", RELEASE_PATIENCE.as_secs());
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(())
}

/// Whether a listener could be opened on loopback now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

fn lock(port: u16) -> Result<Option<File>> {
    let directory: PathBuf = std::env::temp_dir().join("nacos-fed-ports");
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let file = File::create(directory.join(port.to_string())).context("cannot make a port's lock file")?;
    Ok(file.try_lock().is_ok().then_some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_block_is_given_to_nobody_else_until_dropped() {
        let block = PortBlock::choose(&[1000, 1001, -1000]).unwrap();
        let main = block.main();
        assert!(PortBlock::exactly(main, &[]).is_err());
        assert!(PortBlock::exactly(main + 1000, &[]).is_err());
        drop(block);
        // Whoever else runs tests on this machine may be the first to take it.
        let had_again = |block: PortBlock| {
            let main = block.main();
            drop(block);
            PortBlock::exactly(main, &[1000]).is_ok_and(|again| again.main() == main)
        };
        assert!((0..20).any(|_| had_again(PortBlock::choose(&[1000, 1001, -1000]).unwrap())));
    }

    #[test]
    fn a_block_with_a_bound_companion_is_refused() {
        let block = PortBlock::choose(&[1000]).unwrap();
        let main = block.main();
        drop(block);
        let _bound = TcpListener::bind(("127.0.0.1", main + 1000)).unwrap();
        assert!(PortBlock::exactly(main, &[1000]).is_err());
        assert!(PortBlock::exactly(main, &[]).is_ok());
    }
}
