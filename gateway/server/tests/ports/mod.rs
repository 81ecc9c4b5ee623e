//! Ports for the gateways of tests.

use std::net::SocketAddr;

/// A port on loopback that is free now, and the one 1000 above it. Below the range that outgoing connections take theirs from.
pub(crate) fn free_port() -> SocketAddr {
    let free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let port =
        std::iter::repeat_with(|| rand::random_range(20_000..31_000)).find(|port| free(*port) && free(port + 1000));
    SocketAddr::from(([127, 0, 0, 1], port.unwrap()))
}
