//! What is shown of other clusters, as this one's configuration says.

use crate::id::ClusterId;
use crate::pattern::{Glob, NameSelection};

/// What is shown of other clusters.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ImportRules {
    /// Clusters of which anything is shown.
    pub clusters: Vec<Glob>,
    /// Clusters of which nothing is shown, whatever `clusters` says.
    pub excluded_clusters: Vec<Glob>,
    /// Services and config items that are shown.
    pub items: NameSelection,
}

impl ImportRules {
    /// Everything of every cluster.
    #[must_use]
    pub fn everything() -> Self {
        Self { clusters: vec![Glob::any()], excluded_clusters: Vec::new(), items: NameSelection::everything() }
    }

    pub(super) fn has_cluster(&self, id: &ClusterId) -> bool {
        let named = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(id.as_str()));
        named(&self.clusters) && !named(&self.excluded_clusters)
    }
}
