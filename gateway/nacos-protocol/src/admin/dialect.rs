//! Which family of the HTTP API a server speaks. Found out per call, by its answers: switches and versions differ call by call.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::AdminError;

/// A family of the HTTP API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `/v3/admin/…`, 3.0 on.
    V3,
    /// `/v2/…`, 2.2 to 3.1.
    V2,
    /// `/v1/…`, up to 2.x.
    V1,
}

/// The dialect in which one call was answered last.
#[derive(Default)]
pub(super) struct Choice {
    index: AtomicUsize,
}

impl Choice {
    /// The one of `dialects` that worked last; the first if none has yet.
    pub(super) fn last(&self, dialects: &[Dialect]) -> Dialect {
        dialects[self.index.load(Ordering::Relaxed) % dialects.len()]
    }

    /// Makes a call in the dialect that worked last, and in the others in turn where the server does not offer that (any more). Any other
    /// failure is the result: a server that cannot be reached speaks no other dialect.
    pub(super) async fn call<T, F>(&self, dialects: &[Dialect], call: impl Fn(Dialect) -> F) -> Result<T, AdminError>
    where
        F: Future<Output = Result<T, AdminError>>,
    {
        let first = self.index.load(Ordering::Relaxed);
        for offset in 0..dialects.len() {
            let index = (first + offset) % dialects.len();
            match call(dialects[index]).await {
                Err(AdminError::NotOffered) => {}
                result => {
                    if result.is_ok() {
                        self.index.store(index, Ordering::Relaxed);
                    }
                    return result;
                }
            }
        }
        Err(AdminError::NotOffered)
    }
}
