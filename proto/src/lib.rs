//! Wire types of the federation: the gRPC API. Generated from the `.proto` files, nothing else.

/// All `.proto` files as an encoded `google.protobuf.FileDescriptorSet`, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The parts of package `federation`.
pub mod federation {
    /// The API of a gateway, and the services it offers.
    #[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated code")]
    pub mod v1 {
        tonic::include_proto!("federation.v1");
    }
}
