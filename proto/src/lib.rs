//! Wire types of the federation: values of the log's records, and the gRPC API. Generated from the `.proto` files, nothing
//! else; what keys and digests are, `vectors/` shows by example.

/// All `.proto` files as an encoded `google.protobuf.FileDescriptorSet`, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The parts of package `federation`.
pub mod federation {
    /// Values of the records of the federation log.
    pub mod log {
        /// Schema 1.
        #[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated code")]
        pub mod v1 {
            tonic::include_proto!("federation.log.v1");
        }
    }

    /// The API of a gateway, and the services it offers.
    #[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated code")]
    pub mod v1 {
        tonic::include_proto!("federation.v1");
    }
}
