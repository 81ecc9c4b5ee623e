//! Where everything listens: well-known ports, or free ones where another program has those.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::region::DemoRegion;

/// Where on loopback a running demo takes orders, unless told otherwise.
pub const CONTROL_PORT: u16 = 7069;

/// SDKs expect gRPC of a registry this far above HTTP.
const GRPC_ABOVE: u16 = 1000;
/// Where free ports are looked for: below the range from which the kernel takes ports of outgoing connections, so that a
/// part that was stopped finds its port free when it starts again.
const FREE: std::ops::Range<u16> = 20_000..31_700;

/// Addresses of one region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RegionPorts {
    /// The gateway's HTTP API.
    pub(super) http: SocketAddr,
    /// The gateway's gRPC API.
    pub(super) grpc: SocketAddr,
    /// The gateway's front door: HTTP, which is what SDKs are given; its gRPC is [`RegionPorts::door_grpc`].
    pub(super) door: SocketAddr,
    /// The registry's HTTP API; its gRPC is [`RegionPorts::registry_grpc`].
    pub(super) registry: SocketAddr,
}

impl RegionPorts {
    /// Where SDKs find the front door's gRPC by themselves.
    pub(super) fn door_grpc(&self) -> SocketAddr {
        local(self.door.port() + GRPC_ABOVE)
    }

    /// The registry's gRPC API.
    pub(super) fn registry_grpc(&self) -> SocketAddr {
        local(self.registry.port() + GRPC_ABOVE)
    }
}

/// All addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoPorts {
    /// Where orders are taken.
    pub(super) control: SocketAddr,
    regions: [RegionPorts; 3],
    /// What is not where it is expected, for people.
    pub(super) moved: Vec<String>,
}

/// There is no free port.
#[derive(Debug, thiserror::Error)]
#[error("no free port on loopback for {0}")]
pub struct NoPort(String);

impl DemoPorts {
    /// Chooses ports that are free now; that of orders as asked for, 0 for any.
    pub fn choose(control_port: u16) -> Result<Self, NoPort> {
        let mut search = Search::default();
        let control = local(search.find("orders", control_port, 0)?);
        let mut region = |region: DemoRegion| {
            let of = |what: &str| format!("{region}'s {what}");
            let api = [7070, 7170, 7270][region.index()];
            let door = [8848, 8948, 9048][region.index()];
            let registry = [18_148, 18_248, 18_348][region.index()];
            Ok(RegionPorts {
                http: local(search.find(&of("HTTP API"), api, 0)?),
                grpc: local(search.find(&of("gRPC API"), api + 1, 0)?),
                door: local(search.find(&of("front door"), door, GRPC_ABOVE)?),
                registry: local(search.find(&of("registry"), registry, GRPC_ABOVE)?),
            })
        };
        let [first, second, third] = DemoRegion::ALL;
        let regions = [region(first)?, region(second)?, region(third)?];
        Ok(Self { control, regions, moved: search.moved })
    }

    /// Those of a region.
    pub(super) fn of(&self, region: DemoRegion) -> &RegionPorts {
        &self.regions[region.index()]
    }
}

/// Holds what it has found until all is found, so that nothing is given twice.
#[derive(Default)]
struct Search {
    held: Vec<TcpListener>,
    moved: Vec<String>,
}

impl Search {
    /// A free port, whose companion `above` it is free, too, if that is not 0.
    fn find(&mut self, what: &str, wanted: u16, above: u16) -> Result<u16, NoPort> {
        let start = rand::random_range(FREE);
        let others = (start..FREE.end).chain(FREE.start..start);
        let wanted_first = (wanted != 0).then_some(wanted).into_iter().chain(others);
        for port in wanted_first {
            if self.hold(port, above) {
                if wanted != 0 && port != wanted {
                    let pair = if above == 0 { String::new() } else { format!(" or {}", wanted + above) };
                    self.moved.push(format!("port {wanted}{pair} is taken: {what} at {port} instead"));
                }
                return Ok(port);
            }
        }
        Err(NoPort(what.to_owned()))
    }

    fn hold(&mut self, port: u16, above: u16) -> bool {
        let Ok(first) = TcpListener::bind(local(port)) else { return false };
        if above != 0 {
            let Some(Ok(second)) = port.checked_add(above).map(|port| TcpListener::bind(local(port))) else {
                return false;
            };
            self.held.push(second);
        }
        self.held.push(first);
        true
    }
}

/// That port on loopback.
pub(super) fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_replaced_by_a_free_one_and_that_is_said() {
        let mut search = Search::default();
        let taken = TcpListener::bind(local(0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let found = search.find("x", port, 0).unwrap();
        assert_ne!(found, port);
        assert_eq!(search.moved, [format!("port {port} is taken: x at {found} instead")]);
    }

    #[test]
    fn a_port_whose_companion_is_taken_is_not_used() {
        let mut search = Search::default();
        let wanted = search.find("companion", 0, 0).unwrap();
        let below = wanted - 100;
        assert_ne!(search.find("x", below, 100).unwrap(), below);
    }

    #[test]
    fn no_port_is_given_twice() {
        let mut search = Search::default();
        let first = search.find("a", 0, 0).unwrap();
        assert_ne!(search.find("b", first, 0).unwrap(), first);
    }
}
