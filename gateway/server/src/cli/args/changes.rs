//! Arguments of `changes`.

use clap::Args;

/// Arguments of `changes`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Changes {
    /// Only of this service: NAME, or GROUP@@NAME
    #[arg(value_name = "NAME")]
    pub(in crate::cli) name: Option<String>,
    /// NAME is the data id of a config item
    #[arg(long, requires = "name")]
    pub(in crate::cli) config: bool,
    /// Only facts of this cluster, and what concerns it
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) cluster: Option<String>,
    /// Only of these kinds: instance, config, freshness, drain, hold, policy, leader, gateway, excluded
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub(in crate::cli) kind: Vec<String>,
    /// Only since then: a time before now like 10m, or unix ms
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) since: Option<String>,
    /// So many at most, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(in crate::cli) limit: u16,
}
