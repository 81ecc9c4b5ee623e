//! A codec for answers that are bytes already: passed on as they are.

use std::marker::PhantomData;

use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Reads requests of one type, and writes answers that are encoded already, in one piece or in several.
#[derive(Debug)]
pub struct EncodedOnce<T, B = Bytes>(PhantomData<(T, B)>);

impl<T, B> EncodedOnce<T, B> {
    /// The codec of one call.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a codec is made for a call, never by default")]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Message + Default + 'static, B: Buf + Send + 'static> Codec for EncodedOnce<T, B> {
    type Encode = B;
    type Decode = T;
    type Encoder = PassOn<B>;
    type Decoder = MessageReader<T>;

    fn encoder(&mut self) -> PassOn<B> {
        PassOn(PhantomData)
    }

    fn decoder(&mut self) -> MessageReader<T> {
        MessageReader(PhantomData)
    }
}

/// Writes bytes as they are.
#[derive(Debug)]
pub struct PassOn<B>(PhantomData<B>);

impl<B: Buf> Encoder for PassOn<B> {
    type Item = B;
    type Error = Status;

    fn encode(&mut self, message: B, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(message.remaining());
        buffer.put(message);
        Ok(())
    }
}

/// Reads messages.
#[derive(Debug)]
pub struct MessageReader<T>(PhantomData<T>);

impl<T: Message + Default> Decoder for MessageReader<T> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        T::decode(buffer).map(Some).map_err(|error| Status::invalid_argument(error.to_string()))
    }
}
