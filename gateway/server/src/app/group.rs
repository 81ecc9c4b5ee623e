//! Tasks that end together, each with a name, so that a stop that takes too long can say which of them it waits for.

use std::collections::HashMap;
use std::future::Future;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

/// A group of running tasks. Dropped, all of them are aborted.
#[derive(Default)]
pub(super) struct Group {
    tasks: JoinSet<anyhow::Result<()>>,
    names: HashMap<Id, &'static str>,
}

impl Group {
    /// Begins a task. `name` is for people, as in "the servers".
    pub(super) fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Waits for the next end: who it was, and how it ended; for ever if nobody is left. Cancel-safe.
    pub(super) async fn ended(&mut self) -> (&'static str, anyhow::Result<()>) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.told(ended),
            None => std::future::pending().await,
        }
    }

    /// Waits until all have ended, at most until `deadline`. Returns who has not.
    pub(super) async fn end_before(&mut self, deadline: Instant) -> Vec<&'static str> {
        let all = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                if let (name, Err(error)) = self.told(ended) {
                    tracing::warn!(name, %error, "a part ended badly while stopping");
                }
            }
        };
        let _ = tokio::time::timeout_at(deadline, all).await; // Whoever is left is told below.
        let mut left: Vec<&str> = self.names.values().copied().collect();
        left.sort_unstable();
        left
    }

    fn told(&mut self, ended: Result<(Id, anyhow::Result<()>), JoinError>) -> (&'static str, anyhow::Result<()>) {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, outcome),
            Err(panicked) => (panicked.id(), Err(panicked.into())),
        };
        (self.names.remove(&id).expect("each task was begun with a name"), outcome)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn whoever_does_not_end_in_time_is_named() {
        let mut group = Group::default();
        group.spawn("the quick one", async { Ok(()) });
        group.spawn("the broken one", async { panic!("broken on purpose") });
        group.spawn("the stuck one", std::future::pending());
        let left = group.end_before(Instant::now() + Duration::from_millis(100)).await;
        assert_eq!(left, ["the stuck one"]);
    }

    #[tokio::test]
    async fn an_end_is_told_with_its_name_also_of_a_panic() {
        let mut group = Group::default();
        group.spawn("the broken one", async { panic!("broken on purpose") });
        let (name, outcome) = group.ended().await;
        assert!(name == "the broken one" && outcome.is_err());
    }
}
