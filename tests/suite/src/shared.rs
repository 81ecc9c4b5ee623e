//! Servers that all tests of a target share: begun by the first test, mended before each other one, had by one test at a time, and ended with
//! the process.

use std::sync::OnceLock;

use anyhow::Result;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

/// The servers, none before the first test. One static value for each target.
#[derive(Debug)]
pub struct SharedStage<S> {
    /// One for all tests: tasks, connections and pipes belong to the runtime that made them.
    runtime: OnceLock<Runtime>,
    /// Critical section: a whole test.
    stage: Mutex<Option<S>>,
}

impl<S> SharedStage<S> {
    /// Nothing is begun yet.
    pub const fn new() -> Self {
        Self { runtime: OnceLock::new(), stage: Mutex::const_new(None) }
    }

    /// Runs a test, for which the servers are begun, or mended if another test had them before.
    ///
    /// # Panics
    /// When the servers are not whole, and when the test fails, with `whereabouts` of the servers.
    pub fn run(
        &self,
        begin: impl AsyncFnOnce() -> Result<S>,
        mend: impl AsyncFnOnce(&mut S) -> Result<()>,
        test: impl AsyncFnOnce(&mut S) -> Result<()>,
        whereabouts: impl FnOnce(&S) -> String,
    ) {
        let runtime = self.runtime.get_or_init(|| Runtime::new().expect("a runtime can be had"));
        runtime.block_on(async {
            let mut stage = self.stage.lock().await;
            let outcome = match &mut *stage {
                Some(stage) => mend(stage).await,
                none => begin().await.map(|begun| *none = Some(begun)),
            };
            outcome.unwrap_or_else(|error| panic!("the servers are not whole: {error:#}"));
            let stage = stage.as_mut().expect("it was begun or mended above");
            if let Err(error) = test(stage).await {
                panic!("{error:#}\n{}", whereabouts(stage));
            }
        });
    }
}

impl<S> Default for SharedStage<S> {
    fn default() -> Self {
        Self::new()
    }
}
