//! Section `front_door`: where clients of Nacos are served as by a Nacos.

use std::net::SocketAddr;

use federation_core::id::ClusterId;
use federation_core::pattern::ServicePattern;
use federation_document::reader::{FieldPlace, ReadValue};
use federation_front_door::{AccessRule, LookupRules, OnlyFrom};

use super::listen::ListenSecurity;

/// The front door.
#[derive(Clone, Debug)]
pub struct FrontDoorConfig {
    /// HTTP, as clients are told.
    pub http: SocketAddr,
    /// gRPC, as they compute it.
    pub grpc: SocketAddr,
    /// Which clusters lookups may answer from.
    pub lookups: LookupRules,
    /// Whether the local Nacos judges who may read.
    pub auth: FrontDoorAuth,
    /// Connections at a time.
    pub max_connections: usize,
    /// What both ports speak.
    pub security: ListenSecurity,
}

/// Whether the local Nacos judges who may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontDoorAuth {
    /// Where the gateway itself logs in there.
    Auto,
    /// It does.
    On,
    /// Everybody may.
    Off,
}

impl FrontDoorAuth {
    /// What follows, for a gateway that logs in to its Nacos or does not.
    #[must_use]
    pub fn rule(self, logs_in: bool) -> AccessRule {
        match self {
            Self::On => AccessRule::PassThrough,
            Self::Auto if logs_in => AccessRule::PassThrough,
            Self::Auto | Self::Off => AccessRule::Open,
        }
    }
}

impl ReadValue for FrontDoorAuth {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.choice().map(|word| match word {
            "on" => Self::On,
            "off" => Self::Off,
            _ => Self::Auto,
        })
    }
}

impl ReadValue for FrontDoorConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let http = fields.get::<SocketAddr>("listen");
            let offset = fields.get::<u64>("grpc_offset");
            let lookups = fields.get::<WantedLookups>("naming");
            let auth = fields.get::<FrontDoorAuth>("auth");
            let max_connections = fields.get::<u64>("max_connections");
            let security = ListenSecurity::read(fields, &[("listen", http)]);
            let (http, offset) = (http?, offset?);
            let port = u16::try_from(offset).ok().and_then(|offset| http.port().checked_add(offset));
            let Some(port) = port.filter(|_| http.port() != 0) else {
                let right = "a port from 1 to 65535 with as much room above it as `grpc_offset` says";
                fields.mistake("listen", "no room for the gRPC port", right);
                return None;
            };
            let max_connections = usize::try_from(max_connections?).unwrap_or(usize::MAX);
            let grpc = SocketAddr::new(http.ip(), port);
            Some(Self { http, grpc, lookups: lookups?.0, auth: auth?, max_connections, security: security? })
        })
    }
}

struct WantedLookups(LookupRules);

impl ReadValue for WantedLookups {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let local_only = fields.get::<Vec<ServicePattern>>("local_only");
            let only_from = fields.get::<Vec<WantedOnlyFrom>>("only_from");
            let only_from = only_from?.into_iter().map(|wanted| wanted.0).collect();
            Some(Self(LookupRules { local_only: local_only?, only_from }))
        })
    }
}

struct WantedOnlyFrom(OnlyFrom);

impl ReadValue for WantedOnlyFrom {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let services = fields.get::<ServicePattern>("services");
            let cluster = fields.get::<ClusterId>("cluster");
            Some(Self(OnlyFrom { services: services?, cluster: cluster? }))
        })
    }
}
