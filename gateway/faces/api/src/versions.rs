//! Which versions answers show for the revisions of the view.

use federation_core::service::Revision;
use federation_core::time::WallMs;

/// Versions of one process. They begin at its start, so that a client that comes back after a restart is never told that nothing has changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShownVersions(u64);

impl ShownVersions {
    /// 1,024 versions for each millisecond of life: more than an engine makes, and below 2^53 (JSON) until 2248.
    pub(crate) fn since(started: WallMs) -> Self {
        Self(started.0 << 10)
    }

    /// The version that answers show for a revision of the view.
    pub(crate) fn shown(self, revision: Revision) -> u64 {
        self.0.saturating_add(revision.0)
    }

    /// The revision that was shown as `version`, if this process showed it.
    pub(crate) fn revision(self, version: u64) -> Option<Revision> {
        version.checked_sub(self.0).map(Revision)
    }
}
