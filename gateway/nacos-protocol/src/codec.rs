//! How envelopes become messages of gRPC, with buffers for connections that mostly say nothing.
//!
//! gRPC's usual codec reserves 8 KiB for each direction of each call before anything is said. A door has ten thousand streams on which
//! something is said every few minutes, so here a buffer is as large as its message.

use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic_prost::{ProstCodec, ProstDecoder};

/// What a call reserves for either direction before there is a message, in bytes: acknowledgements and checks fit.
const RESERVED_BYTES: usize = 256;
/// How much that waits to be sent is put together before it goes, in bytes; gRPC's own default.
const TOGETHER_BYTES: usize = 32 * 1024;

fn buffers() -> BufferSettings {
    BufferSettings::new(RESERVED_BYTES, TOGETHER_BYTES)
}

/// The codec of both calls of the protocol.
#[derive(Debug)]
pub(crate) struct EnvelopeCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for EnvelopeCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for EnvelopeCodec<T, U>
where
    T: Message + 'static,
    U: Message + Default + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = EnvelopeEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> EnvelopeEncoder<T> {
        EnvelopeEncoder(PhantomData)
    }

    fn decoder(&mut self) -> ProstDecoder<U> {
        ProstCodec::<T, U>::raw_decoder(buffers())
    }
}

/// Encodes into a buffer that is made as large as the message, once.
#[derive(Debug)]
pub(crate) struct EnvelopeEncoder<T>(PhantomData<T>);

impl<T: Message> Encoder for EnvelopeEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(message.encoded_len());
        message.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffers()
    }
}
