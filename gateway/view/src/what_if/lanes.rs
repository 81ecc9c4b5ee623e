//! Who may compute over all services, and when: orders at once, questions one after the other.
//!
//! The failure that this defends against is an emergency that stands in line: a drain behind thirty what-ifs was answered after a
//! minute. So what belongs to an *order* has a lane of its own that no question ever occupies, and questions pause while it is used.
//! *Questions* (what-if, dry runs, what drains do) have one place to run in and few to wait in; who finds none is told to come back.
//! A question's place is its future's: with its caller it goes, wherever it stood.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use super::walk::Turn;

/// Questions that wait behind the one that runs. Each takes up to seconds: whoever stands further back would have given up by then.
pub const WAITING: usize = 8;
/// Orders that wait behind one whose check runs: as many as the engine's queue takes.
const ORDERS_WAITING: usize = 15;
/// Between two slices of a question: about as long as a slice, so that questions take half of one core at most.
const PAUSE: Duration = Duration::from_millis(10);
/// A question that has run for so long is ended. Clients give up after half of it; nothing that a federation has today takes so long.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Whoever finds no place is told to come back after this many seconds at most.
const LONGEST_RETRY_S: u64 = 60;

/// Why a question is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionUnanswered {
    /// All places are taken. Worth another try after some seconds, about as long as the last question took.
    #[error("{} questions that take as long as this one wait already", WAITING)]
    Crowded {
        /// Seconds, at least 1.
        retry_after_s: u64,
    },
    /// It took longer than [`ANSWER_WITHIN`].
    #[error("the answer was not there within {} s", ANSWER_WITHIN.as_secs())]
    TooLong,
}

/// More orders at once than people give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gateway is busy with {} other orders", ORDERS_WAITING + 1)]
pub struct TooManyOrders;

/// Both lanes.
pub struct QuestionLanes {
    /// Questions that run or wait.
    places: Arc<Semaphore>,
    running: Arc<Semaphore>,
    order_places: Arc<Semaphore>,
    checking: Arc<Semaphore>,
    /// Orders whose check runs or waits.
    orders: watch::Sender<usize>,
    /// Milliseconds that the last question took.
    last_took: Arc<AtomicU64>,
}

impl Default for QuestionLanes {
    fn default() -> Self {
        let places = |number| Arc::new(Semaphore::new(number));
        Self {
            places: places(1 + WAITING),
            running: places(1),
            order_places: places(1 + ORDERS_WAITING),
            checking: places(1),
            orders: watch::Sender::default(),
            last_took: Arc::default(),
        }
    }
}

impl QuestionLanes {
    /// Waits for the turn of a question. Dropped, it has left the lane.
    ///
    /// # Errors
    /// There is no place to wait in.
    pub async fn question(&self) -> Result<QuestionTurn, QuestionUnanswered> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| self.crowded())?;
        let running = Arc::clone(&self.running).acquire_owned().await.expect("the semaphore is never closed");
        Ok(QuestionTurn {
            began: Instant::now(),
            orders: self.orders.subscribe(),
            last_took: Arc::clone(&self.last_took),
            _places: [place, running],
        })
    }

    /// Waits for the turn of an order: behind other orders only.
    ///
    /// # Errors
    /// There is no place to wait in.
    pub async fn order(&self) -> Result<OrderTurn, TooManyOrders> {
        let place = Arc::clone(&self.order_places).try_acquire_owned().map_err(|_| TooManyOrders)?;
        let present = Present::of(&self.orders);
        let checking = Arc::clone(&self.checking).acquire_owned().await.expect("the semaphore is never closed");
        Ok(OrderTurn { _present: present, _places: [place, checking] })
    }

    fn crowded(&self) -> QuestionUnanswered {
        let seconds = self.last_took.load(Ordering::Relaxed).div_ceil(1000);
        QuestionUnanswered::Crowded { retry_after_s: seconds.clamp(1, LONGEST_RETRY_S) }
    }

    /// Questions that run or wait.
    #[must_use]
    pub fn questions(&self) -> usize {
        1 + WAITING - self.places.available_permits()
    }
}

/// The turn of a question, until it is dropped.
pub struct QuestionTurn {
    began: Instant,
    orders: watch::Receiver<usize>,
    last_took: Arc<AtomicU64>,
    _places: [OwnedSemaphorePermit; 2],
}

impl Turn for QuestionTurn {
    type Error = QuestionUnanswered;

    /// Gives way to whoever answers, and to orders for as long as they take. Fails once it has taken too long.
    async fn pause(&mut self) -> Result<(), QuestionUnanswered> {
        tokio::time::sleep(PAUSE).await;
        let _ = self.orders.wait_for(|orders| *orders == 0).await; // Without lanes there are no orders, either.
        if self.began.elapsed() > ANSWER_WITHIN { Err(QuestionUnanswered::TooLong) } else { Ok(()) }
    }
}

impl Drop for QuestionTurn {
    fn drop(&mut self) {
        let took = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_took.store(took, Ordering::Relaxed);
    }
}

/// The turn of an order, until it is dropped.
pub struct OrderTurn {
    _present: Present,
    _places: [OwnedSemaphorePermit; 2],
}

impl Turn for OrderTurn {
    type Error = Infallible;

    /// Nobody who answers is to wait for a worker meanwhile; otherwise somebody waits for it.
    async fn pause(&mut self) -> Result<(), Infallible> {
        tokio::task::yield_now().await;
        Ok(())
    }
}

/// Counted among the orders for as long as it lives.
struct Present(watch::Sender<usize>);

impl Present {
    fn of(orders: &watch::Sender<usize>) -> Self {
        orders.send_modify(|orders| *orders += 1);
        Self(orders.clone())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.send_modify(|orders| *orders -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, poll};

    use super::*;

    #[tokio::test]
    async fn questions_wait_in_few_places_and_leave_them_with_their_callers() {
        let lanes = QuestionLanes::default();
        let running = lanes.question().await.unwrap();
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(lanes.question())).collect();
        for question in &mut waiting {
            assert!(poll!(question).is_pending());
        }
        assert_eq!(lanes.question().await.err(), Some(QuestionUnanswered::Crowded { retry_after_s: 1 }));
        waiting.pop();
        let mut late = Box::pin(lanes.question());
        assert!(poll!(&mut late).is_pending(), "there is a place, and another runs");
        drop(waiting);
        drop(running);
        assert!(poll!(&mut late).is_ready());
    }

    #[tokio::test]
    async fn an_order_never_waits_for_questions_and_they_wait_for_it() {
        let lanes = QuestionLanes::default();
        let mut running = lanes.question().await.unwrap();
        let order = lanes.order().now_or_never().expect("an order waits for nobody").unwrap();
        let mut second = Box::pin(lanes.order());
        assert!(poll!(&mut second).is_pending(), "orders are checked one after the other");
        let mut pause = Box::pin(running.pause());
        drop(order);
        let second = second.now_or_never().expect("it is its turn").unwrap();
        let soon = tokio::time::timeout(3 * PAUSE, &mut pause).await;
        assert!(soon.is_err(), "an order is under way");
        drop(second);
        assert_eq!(pause.await, Ok(()));
    }

    #[tokio::test]
    async fn a_question_that_takes_too_long_is_ended_and_the_next_is_told_how_long_it_took() {
        let lanes = QuestionLanes::default();
        let mut running = lanes.question().await.unwrap();
        running.began -= Duration::from_millis(2_100);
        assert_eq!(running.pause().await, Ok(()));
        drop(running);
        let mut running = lanes.question().await.unwrap();
        let _waiting: Vec<_> = (0..WAITING).map(|_| Arc::clone(&lanes.places).try_acquire_owned().unwrap()).collect();
        assert_eq!(lanes.question().await.err(), Some(QuestionUnanswered::Crowded { retry_after_s: 3 }));
        running.began -= ANSWER_WITHIN;
        assert_eq!(running.pause().await, Err(QuestionUnanswered::TooLong));
    }
}
