//! Bodies of requests: received whole, within their size, their time and the budgets, before anybody looks at them.
//!
//! What is defended against: bodies that never come, that trickle, that are too large, and many of them at once. Handlers see a body that
//! is there, or are not called. Only a stream of messages is passed on as it comes; then each message is bounded in the same way.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::limits::{PIECE, PeerPatience, REQUEST_SIZE};
use crate::purse::Charge;
use crate::refusal::ListenerRefusal;

/// What a request's body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedBody {
    /// One body of at most so many bytes.
    Whole(usize),
    /// Messages of gRPC, each of at most so many bytes, until the peer ends it.
    Messages {
        /// Bytes of each.
        largest: usize,
        /// How long the stream may be silent between two; `None` is for ever.
        idle: Option<Duration>,
    },
}

/// The body of a request as handlers get it.
#[derive(Debug)]
pub enum RequestBody {
    /// All of it.
    Whole(Bytes),
    /// A stream of messages.
    Messages(Box<MessageStream>),
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = ListenerRefusal;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ListenerRefusal>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Messages(messages) => messages.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Messages(messages) => messages.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Messages(_) => SizeHint::default(),
        }
    }
}

/// Receives a body of at most `largest` bytes. What it holds is counted in `charge`.
pub(crate) async fn whole(
    mut body: Incoming,
    largest: usize,
    charge: &mut Charge,
    patience: &PeerPatience,
) -> Result<Bytes, ListenerRefusal> {
    if body.size_hint().lower() > largest as u64 {
        return Err(ListenerRefusal::TooLarge(largest));
    }
    let within = if largest > REQUEST_SIZE { patience.large_body } else { patience.body };
    let (began, mut received) = (Instant::now(), Received::default());
    loop {
        let frame = match poll_once(&mut body).await {
            Some(frame) => frame,
            None => {
                received.charge(charge, patience).await?; // It has to be waited for: others are, too.
                let left = within.saturating_sub(began.elapsed());
                let frame = tokio::time::timeout(patience.body_part.min(left), body.frame()).await;
                frame.map_err(|_| {
                    ListenerRefusal::TooSlow(if left < patience.body_part { within } else { patience.body_part })
                })?
            }
        };
        let Some(frame) = frame else { return Ok(received.into_bytes()) };
        let Ok(data) = frame.map_err(|_| ListenerRefusal::Broken)?.into_data() else { continue }; // Trailers of a request say nothing.
        if received.len() + data.len() > largest {
            return Err(ListenerRefusal::TooLarge(largest));
        }
        received.push(data);
        if received.len() > PIECE {
            received.charge(charge, patience).await?;
        }
        if body.is_end_stream() {
            return Ok(received.into_bytes());
        }
    }
}

/// The next frame if it is there.
async fn poll_once(body: &mut Incoming) -> Option<Option<Result<Frame<Bytes>, hyper::Error>>> {
    std::future::poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(Some(frame)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The parts that came; what came at once and is small is not copied and not counted: nobody waits for its rest.
#[derive(Default)]
struct Received {
    first: Bytes,
    all: BytesMut,
    charged: usize,
}

impl Received {
    fn len(&self) -> usize {
        self.first.len().max(self.all.len())
    }

    fn push(&mut self, data: Bytes) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        let first = std::mem::take(&mut self.first);
        self.all.extend_from_slice(&first);
        self.all.extend_from_slice(&data);
    }

    async fn charge(&mut self, charge: &mut Charge, patience: &PeerPatience) -> Result<(), ListenerRefusal> {
        let more = self.len() - self.charged;
        if more > 0 {
            charge.add(more, patience.room).await.map_err(|_| ListenerRefusal::Busy)?;
            self.charged += more;
        }
        Ok(())
    }

    fn into_bytes(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

/// A stream of messages, watched frame by frame. Bytes of a message are counted while the rest of it is on its way.
#[derive(Debug)]
pub struct MessageStream {
    body: Incoming,
    largest: usize,
    idle: Option<Duration>,
    part: Duration,
    prefix: [u8; PREFIX],
    /// Bytes of the present message that have come, with its prefix.
    have: usize,
    charge: Charge,
    due: Option<Pin<Box<Sleep>>>,
}

/// One byte that says whether the message is compressed, four of its length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;

impl MessageStream {
    pub(crate) fn new(
        body: Incoming,
        largest: usize,
        idle: Option<Duration>,
        charge: Charge,
        patience: &PeerPatience,
    ) -> Self {
        let (prefix, have, due) = ([0; PREFIX], 0, None);
        Self { body, largest, idle, part: patience.body_part, prefix, have, charge, due }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ListenerRefusal>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let counted = frame.data_ref().map_or(Ok(()), |data| self.count(data));
                Poll::Ready(Some(counted.map(|()| frame)))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(ListenerRefusal::Broken))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => self.poll_due(cx),
        }
    }

    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ListenerRefusal>>> {
        let within = if self.have > 0 { Some(self.part) } else { self.idle };
        let Some(within) = within else { return Poll::Pending };
        let due = self.due.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        due.as_mut().poll(cx).map(|()| Some(Err(ListenerRefusal::TooSlow(within))))
    }

    /// Follows the messages in `data`. The deadline of one that has begun is not moved by its parts.
    fn count(&mut self, mut data: &[u8]) -> Result<(), ListenerRefusal> {
        while !data.is_empty() {
            if self.have == 0 {
                self.due = None;
            }
            if self.have < PREFIX {
                self.prefix[self.have] = data[0];
                (self.have, data) = (self.have + 1, &data[1..]);
            }
            if self.have < PREFIX {
                continue;
            }
            let [_, length @ ..] = self.prefix;
            let length = u32::from_be_bytes(length) as usize;
            if length > self.largest {
                return Err(ListenerRefusal::TooLarge(self.largest));
            }
            let part = data.len().min(PREFIX + length - self.have);
            (self.have, data) = (self.have + part, &data[part..]);
            if self.have == PREFIX + length {
                (self.have, self.due) = (0, None);
                self.charge.clear();
            } else {
                self.charge.try_add(part).map_err(|_| ListenerRefusal::Busy)?;
            }
        }
        Ok(())
    }
}
