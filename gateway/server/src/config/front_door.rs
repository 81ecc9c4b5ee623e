//! Section `front_door`: where clients of Nacos are served as by a Nacos.

use std::net::SocketAddr;

use federation_core::id::ClusterId;
use federation_core::pattern::ServicePattern;
use federation_document::reader::{FieldPlace, ReadValue};
use federation_front_door::{LookupRules, OnlyFrom};

/// The front door.
#[derive(Clone, Debug)]
pub struct FrontDoorConfig {
    /// HTTP, as clients are told.
    pub http: SocketAddr,
    /// gRPC, as they compute it.
    pub grpc: SocketAddr,
    /// Which clusters lookups may answer from.
    pub lookups: LookupRules,
}

impl ReadValue for FrontDoorConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let http = fields.get::<SocketAddr>("listen");
            let offset = fields.get::<u64>("grpc_offset");
            let lookups = fields.get::<WantedLookups>("naming");
            let (http, offset) = (http?, offset?);
            let port = u16::try_from(offset).ok().and_then(|offset| http.port().checked_add(offset));
            let Some(port) = port.filter(|_| http.port() != 0) else {
                let right = "a port from 1 to 65535 with as much room above it as `grpc_offset` says";
                fields.mistake("listen", "no room for the gRPC port", right);
                return None;
            };
            Some(Self { http, grpc: SocketAddr::new(http.ip(), port), lookups: lookups?.0 })
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
