//! Compiles the protocol's envelope without needing `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = "proto/nacos_grpc_service.proto";
    println!("cargo:rerun-if-changed={file}");
    let descriptors = protox::compile([file], ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".Body.value")
        .codec_path("crate::codec::EnvelopeCodec")
        .compile_fds(descriptors)?;
    Ok(())
}
