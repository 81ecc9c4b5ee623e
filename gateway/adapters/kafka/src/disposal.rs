//! Ends clients that were replaced, each on a thread of its own: the end of a client waits for its threads, and one that is stuck may
//! wait for ever. Nobody waits for it here, but only so many may be ending at once.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Clients that may be ending at the same time. One that works ends within a second or two and replacements are seconds apart, so more
/// are on their way only if the library never ends them; each such client costs a few threads.
const MOST_ENDING: usize = 16;

/// How often it is looked whether all have ended.
const LOOK: Duration = Duration::from_millis(20);

/// Where clients end. Cheap to clone; all clones are one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Disposal {
    ending: Arc<AtomicUsize>,
}

impl Disposal {
    /// Whether there is room for one more: a client may be replaced only then.
    pub(super) fn has_room(&self) -> bool {
        self.ending.load(Ordering::Acquire) < MOST_ENDING
    }

    /// Waits until all that are ending have ended, at most for `limit`: a process that goes before them takes the ground from under their
    /// threads.
    pub(super) async fn ended(&self, limit: Duration) {
        let ended = async {
            while self.ending.load(Ordering::Acquire) > 0 {
                // Their ends tell nobody; it is the very last thing that a process waits for.
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(limit, ended).await.is_err() {
            tracing::warn!("kafka clients have not ended, they are left behind");
        }
    }

    /// Ends a client without waiting for that.
    pub(super) fn end<T: Send + 'static>(&self, client: T) {
        self.ending.fetch_add(1, Ordering::AcqRel);
        let ending = Arc::clone(&self.ending);
        let end = move || {
            drop(client);
            ending.fetch_sub(1, Ordering::AcqRel);
        };
        if let Err(error) = std::thread::Builder::new().name("kafka-client-end".to_owned()).spawn(end) {
            // The closure, and the client in it, were dropped on this thread.
            self.ending.fetch_sub(1, Ordering::AcqRel);
            tracing::error!(%error, "no thread for the end of a kafka client, it was ended in place");
        }
    }
}

/// A client whose end nobody waits for, wherever its last owner drops it.
pub(super) struct Disposable<T: Send + 'static> {
    /// Taken by the drop only.
    client: Option<T>,
    disposal: Disposal,
}

impl<T: Send + 'static> Disposable<T> {
    pub(super) fn new(client: T, disposal: &Disposal) -> Self {
        Self { client: Some(client), disposal: disposal.clone() }
    }
}

impl<T: Send + 'static> Deref for Disposable<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.client.as_ref().expect("only the drop takes it")
    }
}

impl<T: Send + 'static> Drop for Disposable<T> {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            self.disposal.end(client);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};
    use std::time::{Duration, Instant};

    use super::*;

    /// A client that ends when it is told to.
    struct Stuck(Receiver<()>);

    impl Drop for Stuck {
        fn drop(&mut self) {
            let _ = self.0.recv();
        }
    }

    #[test]
    fn clients_that_never_end_are_not_waited_for_and_limit_how_many_follow() {
        let disposal = Disposal::default();
        let mut releases = Vec::new();
        while disposal.has_room() {
            let (release, released) = sync_channel::<()>(1);
            drop(Disposable::new(Stuck(released), &disposal));
            releases.push(release);
        }
        assert_eq!(releases.len(), MOST_ENDING);
        releases.pop();
        let deadline = Instant::now() + Duration::from_secs(30);
        while !disposal.has_room() {
            assert!(Instant::now() < deadline, "a client ended and left no room");
            std::thread::yield_now();
        }
    }
}
