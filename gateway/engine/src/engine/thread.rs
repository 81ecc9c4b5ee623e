//! The engine's own thread: what begins it, and what its owner hears of its end.
//!
//! A thread and not a task, because the engine's work does not yield: as a task it would keep whoever it woke waiting behind itself on
//! the same worker, and on two cores half of the workers from answering. Its runtime has one timer and nothing else.

use std::io;
use std::thread::{Builder, JoinHandle};

use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::Engine;
use federation_ports::inbox::EngineNews;

/// The running engine. Dropped, it goes on by itself.
#[derive(Debug)]
pub struct EngineThread {
    ended: oneshot::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// How the engine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineEnded {
    /// It returned: it was told to stop, or nobody sends news any more.
    Returned,
    /// A bug.
    Panicked,
}

impl Engine {
    /// Runs until `stop`, then says so in the log. Ends early only if nobody can send news any more.
    ///
    /// # Errors
    /// The system gives no thread, or no timer for it.
    pub fn start(self, inbox: mpsc::Receiver<EngineNews>, stop: CancellationToken) -> io::Result<EngineThread> {
        let runtime = runtime::Builder::new_current_thread().enable_time().build()?;
        let (running, ended) = oneshot::channel();
        let thread = Builder::new().name("engine".to_owned()).spawn(move || {
            let _running: oneshot::Sender<()> = running; // Dropped at the end, also by a panic.
            runtime.block_on(self.run(inbox, stop));
        })?;
        Ok(EngineThread { ended, thread: Some(thread) })
    }
}

impl EngineThread {
    /// Waits for the end. Cancel-safe; once it has returned, it is not to be called again.
    ///
    /// # Panics
    /// When called again after it has returned.
    pub async fn ended(&mut self) -> EngineEnded {
        let _ = (&mut self.ended).await; // Nothing is ever sent: the sender goes when the thread's work is over.
        let thread = self.thread.take().expect("the end is told once");
        match thread.join() {
            // At once: nothing of its work is left.
            Ok(()) => EngineEnded::Returned,
            Err(_) => EngineEnded::Panicked,
        }
    }
}
