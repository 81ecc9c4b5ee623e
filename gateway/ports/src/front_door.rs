//! The front door as operators meet it through other faces, which do not know it.

/// How it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrontDoorStatus {
    /// Clients are asked to connect to another gateway, and none are taken.
    pub drained: bool,
    /// Clients that are connected.
    pub connections: usize,
    /// Those that have registered something.
    pub registering_clients: usize,
    /// Connections to the local Nacos that stand for them; also, for some seconds, for clients that moved.
    pub upstream_connected: usize,
}

/// What can be asked and ordered of it.
pub trait FrontDoorControl: Send + Sync {
    /// How it is now.
    fn status(&self) -> FrontDoorStatus;

    /// Asks clients to connect to another gateway, some after the other, and takes no more, until [`FrontDoorControl::undrain`]. Not kept over a
    /// restart.
    fn drain(&self);

    /// Takes clients again.
    fn undrain(&self);
}
