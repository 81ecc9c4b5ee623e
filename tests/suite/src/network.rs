//! A network of a test's own: addresses that are not loopback, and that nobody else reaches.
//!
//! A process enters one with all its threads before it has any, so a target that wants one has a `main` of its own, which begins with
//! [`TestNetwork::enter_with`]: it replaces the process by the same program within the network. The kernel takes the network away with the last
//! process in it.

use std::ffi::OsStr;
use std::fmt;
use std::net::{IpAddr, UdpSocket};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Names the address to the process that is begun within.
const INSIDE: &str = "NACOS_FED_TEST_ADDRESS";
/// Of the one host of such a network; from a range that is nobody's in public.
const ADDRESS: &str = "10.199.0.1";
/// What makes a new network one in which a host has an address; then the program.
const PREPARE: &str = "ip link set lo up && ip addr add 10.199.0.1/32 dev lo && exec \"$0\" \"$@\"";
/// What it takes: as root a network, else a user who is root there as well.
const WAYS: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];

/// Where a test's servers listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestNetwork {
    /// In a network of its own.
    Apart(IpAddr),
    /// At an address of this machine, since it allows no network of one's own. Others may reach it.
    Shared(IpAddr),
}

impl TestNetwork {
    /// Replaces this process by the same one in a network of its own, with one more variable in its environment; returns in that one, and
    /// where none can be had.
    ///
    /// # Errors
    /// There is neither such a network nor an address but loopback, or the program cannot be begun again.
    pub fn enter_with(variable: &str, value: &OsStr) -> Result<Self> {
        if let Ok(address) = std::env::var(INSIDE) {
            return Ok(Self::Apart(address.parse().with_context(|| format!("{INSIDE} is no address"))?));
        }
        let Some(way) = WAYS.into_iter().find(|way| works(way)) else { return Ok(Self::Shared(own_address()?)) };
        let program = std::env::current_exe().context("this program has no path")?;
        let mut command = Command::new("unshare");
        command.args(way).args(["--", "sh", "-c", PREPARE]).arg(program).args(std::env::args_os().skip(1));
        let error = command.env(INSIDE, ADDRESS).env(variable, value).exec();
        bail!("this program cannot be begun in a network of its own: {error}")
    }

    /// The address, which is not loopback.
    pub fn address(self) -> IpAddr {
        match self {
            Self::Apart(address) | Self::Shared(address) => address,
        }
    }
}

impl fmt::Display for TestNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apart(address) => write!(f, "{address}, in a network of its own"),
            Self::Shared(address) => write!(
                f,
                "{address}, an address of this machine that others may reach: `unshare --net` and `ip addr add` are not allowed \
                 here, also not as root of one's own (unshare --user --map-root-user)"
            ),
        }
    }
}

fn works(way: &[&str]) -> bool {
    let mut command = Command::new("unshare");
    command.args(way).args(["--", "sh", "-c", PREPARE, "true"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The address from which this machine would ask others. Nothing is sent for that.
fn own_address() -> Result<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect("192.0.2.255:9").context("this machine has no address but loopback")?;
    let address = socket.local_addr()?.ip();
    ensure!(!address.is_loopback() && !address.is_unspecified(), "this machine has no address but loopback");
    Ok(address)
}
