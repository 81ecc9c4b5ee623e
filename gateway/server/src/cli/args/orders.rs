//! Arguments of orders: drains, and what is excluded.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::duration;

/// Arguments of `exclude`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Exclude {
    /// The cluster of which nothing is to count; it need not be known
    #[arg(value_name = "CLUSTER")]
    pub(in crate::cli) cluster: String,
    /// Why, for people
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// Who orders it, for people; USER@HOST if left out
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) who: Option<String>,
}

/// Arguments of `include`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Include {
    /// The cluster that is to count again
    #[arg(value_name = "CLUSTER")]
    pub(in crate::cli) cluster: String,
}

/// Arguments of `adopt`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Adopt {
    /// The cluster of the gateway that is asked
    #[arg(value_name = "CLUSTER")]
    pub(in crate::cli) cluster: String,
    /// Adopt nothing; show what was, what would be and what follows
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Why, for the gateway's log
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// Who orders it, for the gateway's log; USER@HOST if left out
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) who: Option<String>,
}

/// What to ask or tell the front door.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum FrontDoor {
    /// How many clients are connected, how many of them have registered something, and whether clients are taken
    #[command(after_help = "Examples:
  nacos-fed front-door status
  nacos-fed front-door status --format json | jq .connections

The exit code is 4 if the gateway has no front door.")]
    Status,

    /// Ask the clients to connect to another gateway, and take no more: before an upgrade, without a gap
    #[command(after_help = "Examples:
  nacos-fed front-door drain --reason 'an upgrade'
  nacos-fed front-door drain --server http://gateway-2:7070
  until nacos-fed front-door status --format json | jq -e '.connections == 0'; do sleep 1; done

A thousand clients a second are asked. Each finds another gateway in its own list of servers; one that has none stays, and is served. What a
client registered stays for 4 s after it has gone, until it has registered over the other one. It is undone by `front-door undrain` or a restart.")]
    Drain(DoorOrder),

    /// Take clients again
    #[command(after_help = "Examples:
  nacos-fed front-door undrain

Clients that went come back when they connect anew, not at once.")]
    Undrain(DoorOrder),
}

/// Arguments of `front-door drain` and `front-door undrain`.
#[derive(Args, Debug)]
pub(in crate::cli) struct DoorOrder {
    /// Why, for the gateway's log
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// Who orders it; without it, user@host
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) who: Option<String>,
}

/// What to do with mass losses.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Guard {
    /// What is held: id, since when, how much of what, and what to do
    #[command(after_help = "Examples:
  nacos-fed guard list
  nacos-fed guard list --format json | jq '.holds[].id'

The exit code is 1 if something is held that nobody has decided about.")]
    List,

    /// Let go what is held: the instances are gone for good
    #[command(after_help = "Examples:
  nacos-fed guard release shanghai/public --reason 'the old cluster is shut down'
  nacos-fed guard release shanghai/public --dry-run

Any gateway of any cluster takes it; what is held leaves all of them within about 2 s. What is proven gone later goes, too, until the hold is
over. The exit code is 4 if nothing is held there.")]
    Release(HoldDecision),

    /// Hold it until somebody says otherwise or all of it came back, whatever guard.mass_confirm_after says
    #[command(after_help = "Examples:
  nacos-fed guard keep shanghai/public --reason 'nacos is being restored'

Until then no instance of the namespace is removed, one by one neither. The exit code is 4 if nothing is held there.")]
    Keep(HoldDecision),
}

/// Arguments of `guard release` and `guard keep`.
#[derive(Args, Debug)]
pub(in crate::cli) struct HoldDecision {
    /// Which hold, as `guard list` names it: CLUSTER/NAMESPACE
    #[arg(value_name = "ID")]
    pub(in crate::cli) id: String,
    /// Why, for whoever asks `guard list`
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// Who decides; without it, user@host
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) who: Option<String>,
    /// Decide nothing; show what is held
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
}

/// Arguments of `drain`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Drain {
    #[command(flatten)]
    pub(in crate::cli) target: DrainTarget,
    /// How much of the traffic is taken away, 0 to 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(in crate::cli) percent: u8,
    #[command(flatten)]
    pub(in crate::cli) terms: DrainTerms,
    /// Drain also services that would be left without a healthy instance
    #[arg(long)]
    pub(in crate::cli) force: bool,
    /// Leave such services alone, and drain the others
    #[arg(long, conflicts_with = "force")]
    pub(in crate::cli) leave_last: bool,
    /// Order nothing; show what would change for callers in every cluster
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Most services that a dry run shows
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(in crate::cli) limit: u32,
}

/// Arguments of `undrain`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Undrain {
    #[command(flatten)]
    pub(in crate::cli) target: DrainTarget,
    #[command(flatten)]
    pub(in crate::cli) terms: DrainTerms,
}

/// What is drained.
#[derive(Args, Debug)]
pub(in crate::cli) struct DrainTarget {
    /// The cluster whose instances lose traffic
    #[arg(value_name = "CLUSTER")]
    pub(in crate::cli) cluster: String,
    /// Only services that match: NAME or GROUP@@NAME, with * and ?; --namespace and --group are patterns here, too
    #[arg(long, value_name = "PATTERN")]
    pub(in crate::cli) service: Option<String>,
}

/// How a drain comes, and who says so.
#[derive(Args, Debug)]
pub(in crate::cli) struct DrainTerms {
    /// Go there in steps of 1 % within this time, at most 24h: 90s, 10m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(in crate::cli) over: Option<Duration>,
    /// Why, for whoever asks `drains`
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// Who orders it; without it, user@host
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) who: Option<String>,
}

/// Arguments of `drains`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Drains {
    /// Also drains that were undone
    #[arg(long)]
    pub(in crate::cli) all: bool,
    #[command(subcommand)]
    pub(in crate::cli) action: Option<DrainsAction>,
}

/// What to do with all of them.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DrainsAction {
    /// Undo every drain that was taken in one cluster
    #[command(after_help = "Examples:
  nacos-fed drains clear --origin zanzibar

Each is undone by an order of 0 % at the gateway that is asked, which counts everywhere. The exit code is 4 if there was nothing to undo,
5 if one of them could not be undone; what nobody can undo, `nacos-fed exclude` overrules at each gateway.")]
    Clear(ClearDrains),
}

/// Arguments of `drains clear`.
#[derive(Args, Debug)]
pub(in crate::cli) struct ClearDrains {
    /// The cluster in which they were taken
    #[arg(long, value_name = "CLUSTER")]
    pub(in crate::cli) origin: String,
}
