//! Answers on their way to a peer that may not read them.
//!
//! What is defended against: a peer that asks for the largest answer on each stream and opens no window. hyper holds each such answer
//! whole until the peer reads, and polls nothing meanwhile. So an answer that has an end is made known before it is handed over: its bytes
//! count for the connection and in all, and it has a time in which it has to be read. Without room it is thrown away and refused.
//! Answers without an end, watches, hold at most what is newest, share their bytes, and are watched by pings and stalled writes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};

use crate::connection::{PeerConnection, Turn};
use crate::limits::{PIECE, PeerPatience};
use crate::purse::Ledger;
use crate::refusal::ListenerRefusal;

/// Whether an answer has an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerShape {
    /// It is made at once, and has to be read.
    Whole,
    /// It goes on until somebody ends it.
    Endless,
}

/// The body of an answer; while it exists, its request counts as open.
pub struct AnswerBody<B: Body> {
    body: B,
    /// Of the whole body, as it said before anything was taken.
    exact: Option<u64>,
    given: u64,
    /// What was taken from the body and not given yet.
    data: Bytes,
    /// What else was taken from it: trailers, an error, or its end.
    taken: Option<Option<Result<Frame<Bytes>, B::Error>>>,
    held: Option<Held>,
    turn: Turn,
}

/// What an answer takes of the budgets.
#[derive(Debug)]
struct Held {
    bytes: usize,
    connection: Arc<PeerConnection>,
    all: Arc<Ledger>,
    owed: u64,
}

impl Held {
    fn new(
        bytes: usize,
        connection: &Arc<PeerConnection>,
        all: &Arc<Ledger>,
        patience: &PeerPatience,
    ) -> Result<Self, ListenerRefusal> {
        connection.answers().add(bytes).map_err(|_| ListenerRefusal::Unread)?;
        if all.add(bytes).is_err() {
            connection.answers().remove(bytes);
            return Err(ListenerRefusal::Unread);
        }
        let owed = connection.owe(bytes, patience);
        Ok(Self { bytes, connection: Arc::clone(connection), all: Arc::clone(all), owed })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.connection.paid(self.owed);
        self.connection.answers().remove(self.bytes);
        self.all.remove(self.bytes);
    }
}

impl<B: Body<Data = Bytes, Error: Unpin> + Unpin> AnswerBody<B> {
    /// Of any kind and size, not counted.
    pub(crate) fn plain(response: Response<B>, turn: Turn) -> Response<Self> {
        response.map(|body| {
            let exact = body.size_hint().exact();
            Self { body, exact, given: 0, data: Bytes::new(), taken: None, held: None, turn }
        })
    }

    /// One that has an end, counted.
    ///
    /// # Errors
    /// It is too large beside others that wait; the turn comes back for another answer.
    pub(crate) async fn whole(
        response: Response<B>,
        turn: Turn,
        all: &Arc<Ledger>,
        patience: &PeerPatience,
    ) -> Result<Response<Self>, (ListenerRefusal, Turn)> {
        let mut answer = Self::plain(response, turn);
        let body = answer.body_mut();
        // What is encoded only when it is asked for, has its size only then.
        std::future::poll_fn(|cx| {
            body.take(cx);
            Poll::Ready(())
        })
        .await;
        let bytes = body.data.len();
        if bytes == 0 {
            return Ok(answer);
        }
        match Held::new(bytes, body.turn.connection(), all, patience) {
            Ok(held) => body.held = Some(held),
            Err(refusal) => return Err((refusal, answer.into_body().turn)),
        }
        Ok(answer)
    }

    /// Takes what the body has now, if nothing that was taken is left.
    fn take(&mut self, cx: &mut Context<'_>) {
        if !self.data.is_empty() || self.taken.is_some() {
            return;
        }
        let Poll::Ready(next) = Pin::new(&mut self.body).poll_frame(cx) else { return };
        match next.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(data))) if !data.is_empty() => self.data = data,
            Some(Ok(Ok(empty))) => self.taken = Some(Some(Ok(Frame::data(empty)))),
            Some(Ok(Err(trailers))) => self.taken = Some(Some(Ok(trailers))),
            Some(Err(error)) => self.taken = Some(Some(Err(error))),
            None => self.taken = Some(None),
        }
    }
}

impl<B: Body<Data = Bytes, Error: Unpin> + Unpin> Body for AnswerBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        this.take(cx);
        if !this.data.is_empty() {
            let piece = this.data.split_to(this.data.len().min(PIECE));
            this.given += piece.len() as u64;
            if this.data.is_empty() {
                this.held = None; // The last piece is the transport's.
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match this.taken.take() {
            Some(None) => {
                this.taken = Some(None); // It stays at its end.
                Poll::Ready(None)
            }
            Some(next) => Poll::Ready(next),
            None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty() && matches!(self.taken, Some(None)) || self.is_untouched() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.exact {
            Some(exact) => SizeHint::with_exact(exact.saturating_sub(self.given)),
            None => SizeHint::default(),
        }
    }
}

impl<B: Body> AnswerBody<B> {
    fn is_untouched(&self) -> bool {
        self.data.is_empty() && self.taken.is_none()
    }
}
