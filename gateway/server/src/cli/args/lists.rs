//! Arguments of lists: which services and config items, in which order.

use clap::Args;

use super::Filter;

/// Which services, in which order.
#[derive(Args, Debug)]
pub(in crate::cli) struct ServicesFilter {
    #[command(flatten)]
    pub(in crate::cli) filter: Filter,
    /// Only services with this text in their namespace, group or name, whatever its case
    #[arg(short, long, value_name = "TEXT")]
    pub(in crate::cli) query: Option<String>,
    /// Only services that are all of these: unhealthy, stale, held, drained, single, changed
    ///
    /// unhealthy: an instance is. stale: a cluster is not live. held: the removal of an instance is kept back. drained: by a drain in force.
    /// single: in one region only. changed: within ten minutes.
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    pub(in crate::cli) state: Vec<String>,
    /// By name, or the largest or latest first: name, instances, unhealthy, changed
    #[arg(long, value_name = "ORDER")]
    pub(in crate::cli) sort: Option<String>,
}

/// Which config items.
#[derive(Args, Debug)]
pub(in crate::cli) struct ConfigsFilter {
    #[command(flatten)]
    pub(in crate::cli) filter: Filter,
    /// Only items whose content differs between the clusters that have it
    #[arg(long)]
    pub(in crate::cli) drift: bool,
}
