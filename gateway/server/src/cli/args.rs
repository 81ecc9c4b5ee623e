//! The arguments of `nacos-fed`.

mod accounts;
mod changes;
mod demo;
mod lists;
mod orders;
mod trust;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use url::Url;

pub(super) use self::accounts::{
    Audit, Credentials, Login, NewToken, RevokedToken, Session, SigningKey, Token, TokenFile,
};
pub(super) use self::changes::Changes;
pub(super) use self::demo::{Demo, DemoAction, DemoCommand};
pub(super) use self::lists::{ConfigsFilter, ServicesFilter};
pub(super) use self::orders::{
    Adopt, ClearDrains, DoorOrder, Drain, DrainTarget, DrainTerms, Drains, DrainsAction, Exclude, FrontDoor, Guard,
    HoldDecision, Include, Undrain,
};
pub(super) use self::trust::ServerTrust;
use super::exit::Failure;
use super::output::Format;
use crate::config::LogFormat;
use federation_document::values::{LogFilter, parse_duration};

const EXIT_CODES: &str = "Exit codes:
  0  ok                        3  the gateway cannot be reached
  1  the finding is negative   4  not found
  2  wrong input               5  refused";

const ASKING: &str = "Options of the commands that ask a gateway";

/// One registry out of many Nacos clusters.
///
/// A gateway runs beside every Nacos cluster; the other commands ask a running gateway.
#[derive(Debug, Parser)]
#[command(name = "nacos-fed", version, after_help = EXIT_CODES, propagate_version = true)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Arguments of every command.
#[derive(Args, Debug)]
pub(super) struct Global {
    /// The gateway to ask
    #[arg(long, global = true, help_heading = ASKING, value_name = "URL", env = "NACOS_FED_SERVER", default_value = "http://127.0.0.1:7070")]
    #[arg(value_parser = server)]
    pub(super) server: Url,

    #[command(flatten)]
    pub(super) trust: ServerTrust,

    /// Namespace id; "" is a namespace of its own. Without it: all in lists, public for one item
    #[arg(short, long, global = true, help_heading = ASKING, value_name = "ID")]
    pub(super) namespace: Option<String>,

    /// Group. Without it: all in lists, `DEFAULT_GROUP` for one item
    #[arg(short, long, global = true, help_heading = ASKING, value_name = "NAME")]
    pub(super) group: Option<String>,

    #[command(flatten)]
    pub(super) credentials: Credentials,

    /// How answers look
    #[arg(long, global = true, value_enum, default_value = "table")]
    pub(super) format: Format,

    /// How log lines look; they go to standard error
    #[arg(long, global = true, value_enum)]
    pub(super) log_format: Option<LogFormat>,

    /// What is logged: error, warn, info, debug, trace, or by module like info,rdkafka=warn
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(super) log_level: Option<LogFilter>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a gateway until SIGTERM or SIGINT
    #[command(after_help = "Examples:
  nacos-fed serve --config gateway.yaml
  NACOS_PASSWORD=… nacos-fed serve --config gateway.yaml --log-format json --log-level info,rdkafka=warn

A second signal ends the process at once.")]
    Serve(Serve),

    /// Check a configuration and print what is in force, or every mistake at once
    #[command(after_help = "Examples:
  nacos-fed check-config gateway.yaml
  nacos-fed check-config gateway.yaml --format json
  nacos-fed check-config --schema > nacos-fed.schema.json

Secrets are masked. With mistakes the exit code is 2.")]
    CheckConfig(CheckConfig),

    /// Plan a scenario file: who would get how much, and why. Needs no gateway
    #[command(after_help = "Examples:
  nacos-fed route --scenario frankfurt-lost.yaml
  nacos-fed route --scenario - --format json < frankfurt-lost.yaml

With mistakes in the file the exit code is 2.")]
    Route(Route),

    /// Repeat what a gateway was told, from a recording, and compare what followed. Needs no gateway
    #[command(after_help = "Examples:
  NACOS_FED_RECORD=/tmp nacos-fed serve --config gateway.yaml   # records until it ends
  nacos-fed replay /tmp/shanghai-0c0ffee0.inputs

The exit code is 1 if a step has other effects than were recorded, 2 if the file is no recording.")]
    Replay(Replay),

    /// The policy by which services are routed: check a document, or show what is in force
    #[command(subcommand)]
    Policy(Policy),

    /// Whether the gateway is ready and every cluster is live
    #[command(after_help = "Examples:
  nacos-fed status
  nacos-fed status --server http://gateway.frankfurt:7070 --format json

The exit code is 1 if the gateway is not ready or a cluster is not live.")]
    Status,

    /// Whether all gateways have what each cluster says that it has, by digests; or whether a log has what its Nacos has
    #[command(after_help = "Examples:
  nacos-fed verify
  nacos-fed verify --nacos
  nacos-fed verify --wait 0s --format json | jq '.origins[] | select(.differences != [])'

A row for each gateway, a column for each cluster that it reads: equal; behind or ahead by so many records of what the cluster said
last; diverged; unread: not read to the end yet; unknown: one of the two does not say. What differs is asked for again until --wait is
over: gateways tell within ten seconds what they have. The exit code is 0 only if all are equal, else 1.

With --nacos the gateway asks its own Nacos anew for every service and config item that it exports, compares what that answers with
its cluster's log as it was read back, and asks a second time for what differs. Each difference is named; the exit code is 0 only if
there is none and everything has answered.")]
    Verify(Verify),

    /// The clusters of the federation, how fresh they are and why
    #[command(after_help = "Example:
  nacos-fed clusters --format json | jq '.clusters[].freshness'")]
    Clusters,

    /// The services of all clusters: for each cluster healthy/all instances
    #[command(after_help = "Examples:
  nacos-fed services
  nacos-fed services -n public -g DEFAULT_GROUP --origin frankfurt
  nacos-fed services --query order --state unhealthy --sort unhealthy
  nacos-fed services --state drained,single --format json | jq -r '.services[].serviceName'

`2/3 1?` says that of 3 instances 2 are healthy and the health of 1 is unknown.")]
    Services(ServicesFilter),

    /// All instances of one service, from every cluster
    #[command(after_help = "Examples:
  nacos-fed service order
  nacos-fed service PAYMENT@@order -n prod --healthy-only
  nacos-fed service order --format json | jq '.instances[].ip'

The exit code is 4 if no cluster has an instance.")]
    Service(ServiceName),

    /// What changed lately and what it came of: of everything, a service, a config item or a cluster
    #[command(after_help = "Examples:
  nacos-fed changes
  nacos-fed changes order --since 10m
  nacos-fed changes order.yaml -g PAYMENT --config
  nacos-fed changes --cluster frankfurt --kind freshness,drain,hold --format json

A gateway remembers in memory, from when it was ready: up to 64 changes of each service, config item and cluster, the newest of all
first. THROUGH says what the gateway learnt it from: push, sweep (a read), reconcile, guard, census, operator, log with topic,
partition and offset of the record, and others.")]
    Changes(Changes),

    /// The config items of all clusters
    #[command(after_help = "Examples:
  nacos-fed configs -n public
  nacos-fed configs --drift

Where contents differ, the clusters are shown with the first eight digits of the MD5.")]
    Configs(ConfigsFilter),

    /// One config item as every cluster has it
    #[command(after_help = "Examples:
  nacos-fed config order.yaml -g PAYMENT
  nacos-fed config order.yaml --origin shanghai --content > order.yaml

The exit code is 4 if no cluster has it.")]
    Config(ConfigItem),

    /// Follow one service: a line for every instance that comes, goes or changes
    #[command(after_help = "Examples:
  nacos-fed watch order
  nacos-fed watch order --format json | jq .version

Goes on until it is interrupted; with --format json each line is the whole document.")]
    Watch(ServiceName),

    /// Which instances a caller should use, in which order and share
    #[command(after_help = "Examples:
  nacos-fed resolve order
  nacos-fed resolve PAYMENT@@order --region eu-central --zone eu-central-1 --only-top
  nacos-fed resolve order --cluster frankfurt --label version=2 --format json | jq '.endpoints[0]'

Without --region the caller is where --cluster is, else where the gateway is. The exit code is 1 if the service
exists and none of its instances can be used, 4 if no cluster has an instance.")]
    Resolve(Ask),

    /// Why a caller should use which instances: what was left out, ranks, loads, panic, drains, rounding
    #[command(after_help = "Examples:
  nacos-fed explain order
  nacos-fed explain order --region eu-central --limit 10
  nacos-fed explain order --format json | jq -r '.trace[]'

The exit code is 1 if none of the instances can be used, 4 if no cluster has an instance.")]
    Explain(Ask),

    /// Take traffic away from a cluster, or from some services of it, in the plans of all gateways
    #[command(after_help = "Examples:
  nacos-fed drain frankfurt --percent 30 --dry-run            (what would change, for callers in every cluster)
  nacos-fed drain frankfurt --percent 30 --reason 'kernel update'
  nacos-fed drain frankfurt --percent 100 --over 10m
  nacos-fed drain frankfurt --service 'order-*' -n prod --percent 100
  nacos-fed undrain frankfurt                                 (any gateway of any cluster takes it)

One percentage is in force for each cluster and pattern; a new one replaces it. A service that would be left without a
healthy instance keeps its traffic: the order is refused with the exit code 5 and names it, unless --leave-last says to
drain the others or --force to drain it too. A dry run that shows such a service ends with 5, too.")]
    Drain(Drain),

    /// Undo a drain, from any gateway of any cluster
    #[command(after_help = "Examples:
  nacos-fed undrain frankfurt
  nacos-fed undrain frankfurt --over 10m
  nacos-fed undrain frankfurt --service 'order-*' -n prod
  nacos-fed undrain frankfurt --server http://gateway.shanghai:7070     (while frankfurt is down)

The pattern has to be the one that was drained: `nacos-fed drains` shows it. The exit code is 4 if there is no such drain.")]
    Undrain(Undrain),

    /// What is drained, by whom, since when and why, and for how many services it counts
    #[command(after_help = "Examples:
  nacos-fed drains
  nacos-fed drains --all                  (also what was undone, and by whom)
  nacos-fed drains --format json | jq '.drains[] | select(.percent > 0)'

  nacos-fed drains clear --origin zanzibar      (undoes every drain that was taken in zanzibar)

`12, void for 3`: traffic moves for 12 services of the cluster; for 3 it does not, because nothing healthy would be left.")]
    #[command(args_conflicts_with_subcommands = true)]
    Drains(Drains),

    /// Let nothing of a cluster count at this gateway, whatever it writes; it overrules everything
    #[command(after_help = "Examples:
  nacos-fed exclude zanzibar --reason 'writes garbage'
  nacos-fed include zanzibar
  nacos-fed excluded
  for gateway in a b c; do nacos-fed exclude zanzibar --server http://$gateway:7070; done

It counts at once at the gateway that is asked, and after its restart, and needs no log: none of the cluster's instances is shown or
routed to there, none of its drains is in force. Every gateway has to be told by itself. The exit code is 1 if it is not kept over a restart.")]
    Exclude(Exclude),

    /// Let an excluded cluster count again at this gateway
    #[command(after_help = "Examples:
  nacos-fed include zanzibar

The exit code is 4 if it was not excluded.")]
    Include(Include),

    /// Clusters of which nothing counts at this gateway, by whose order and why
    #[command(after_help = "Examples:
  nacos-fed excluded
  nacos-fed excluded --format json")]
    Excluded,

    /// Say that a cluster is what the gateway that is asked is configured to be: it has moved, or has another Nacos
    #[command(after_help = "Examples:
  nacos-fed adopt shanghai --dry-run --server http://gateway.shanghai:7070     (what was, what would be, what follows)
  nacos-fed adopt shanghai --server http://gateway.shanghai:7070 --reason 'moved to the new nacos'
  nacos-fed adopt shanghai --dry-run --format json | jq .contradictions

A gateway whose locality or Nacos servers contradict what the log says of its cluster is a stranger: it reads and serves, and never
leads; `nacos-fed status` says so with both descriptors. Adopting replaces what the log says; whoever contradicts that is the
stranger then. Naming the cluster confirms that the right gateway is asked: the exit code is 5 if it belongs to another one, 3 if
the log cannot be reached.")]
    Adopt(Adopt),

    /// The clients of Nacos at this gateway: how many, and whether they are sent to another one
    #[command(subcommand)]
    FrontDoor(FrontDoor),

    /// Mass losses that are held until somebody says what they are
    #[command(subcommand)]
    Guard(Guard),

    /// What callers in every region would get if clusters were lost, drained, or a place were unhealthy
    #[command(after_help = "Examples:
  nacos-fed what-if --lost frankfurt
  nacos-fed what-if --drain frankfurt=50 --drain shanghai=10
  nacos-fed what-if --unhealthy cn-east/cn-east-1 --format json

Services that are left without anything come first; the exit code is 1 if there is one.")]
    WhatIf(WhatIf),

    /// For whom the gateway takes its caller, and what that may do
    Whoami,

    #[command(flatten)]
    Session(Session),

    /// Who ordered what at the gateway that is asked, and elsewhere as far as it read that; and what was refused
    Audit(Audit),

    /// Static tokens of gateways: make one, list them, revoke one
    #[command(subcommand)]
    Token(Token),

    /// The key by which a cluster signs orders: make one, or print the public half of one
    #[command(after_help = accounts::SIGNING_KEY_HELP)]
    SigningKey(SigningKey),

    /// Three regions in one process, without any other software
    #[command(after_help = demo::EXAMPLES)]
    Demo(Demo),
}

/// Arguments of `serve`.
#[derive(Args, Debug)]
pub(super) struct Serve {
    /// The configuration
    #[arg(short, long, value_name = "FILE", env = "NACOS_FED_CONFIG")]
    pub(super) config: PathBuf,
}

/// Arguments of `check-config`.
#[derive(Args, Debug)]
pub(super) struct CheckConfig {
    /// The configuration
    #[arg(value_name = "FILE", required_unless_present = "schema")]
    pub(super) file: Option<PathBuf>,
    /// Print the JSON Schema of configurations
    #[arg(long)]
    pub(super) schema: bool,
}

/// Arguments of `verify`.
#[derive(Args, Debug)]
pub(super) struct Verify {
    /// How long to go on asking while something differs
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    pub(super) wait: Duration,
    /// Compare the log of the gateway's own cluster with its Nacos
    #[arg(long, conflicts_with = "wait")]
    pub(super) nacos: bool,
}

/// Arguments of `route`.
#[derive(Args, Debug)]
pub(super) struct Route {
    /// The scenario, in YAML; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: String,
}

/// Arguments of `replay`.
#[derive(Args, Debug)]
pub(super) struct Replay {
    /// The recording: a file that a gateway wrote with NACOS_FED_RECORD set to a folder
    #[arg(value_name = "FILE")]
    pub(super) recording: PathBuf,
}

/// What to do with policies.
#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Check a policy document and print what it means, or every mistake at once. Needs no gateway
    #[command(after_help = "Examples:
  nacos-fed policy check routing-policy.yaml
  nacos-fed policy check - --format json < routing-policy.yaml

With mistakes the exit code is 2.")]
    Check(PolicyCheck),

    /// The policy in force, where it is from, and which newer document is refused and why
    #[command(after_help = "Examples:
  nacos-fed policy show
  nacos-fed policy show order              (what this service is planned by, and which rule says so)
  nacos-fed policy show PAYMENT@@order -n prod --format json

The exit code is 1 if a newer document is refused.")]
    Show(PolicyShow),
}

/// Arguments of `policy check`.
#[derive(Args, Debug)]
pub(super) struct PolicyCheck {
    /// The document, in YAML; - reads standard input
    #[arg(value_name = "FILE")]
    pub(super) file: String,
}

/// Arguments of `policy show`.
#[derive(Args, Debug)]
pub(super) struct PolicyShow {
    /// A service, which need not exist: its name, or GROUP@@NAME. Without it: the whole document
    #[arg(value_name = "SERVICE")]
    pub(super) service: Option<String>,
}

/// What a list is restricted to, besides namespace and group.
#[derive(Args, Debug)]
pub(super) struct Filter {
    /// Only what this cluster has
    #[arg(long, value_name = "CLUSTER")]
    pub(super) origin: Option<String>,
}

/// Which service.
#[derive(Args, Debug)]
pub(super) struct ServiceName {
    /// Its name, or GROUP@@NAME
    #[arg(value_name = "NAME")]
    pub(super) name: String,
    /// Only instances of this cluster
    #[arg(long, value_name = "CLUSTER")]
    pub(super) origin: Option<String>,
    /// Only healthy instances
    #[arg(long)]
    pub(super) healthy_only: bool,
}

/// A service, and who asks for it.
#[derive(Args, Debug)]
pub(super) struct Ask {
    /// Name of the service, or GROUP@@NAME
    #[arg(value_name = "NAME")]
    pub(super) name: String,
    /// At most so many endpoints, the first ones
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: Option<u32>,
    /// Only endpoints of the best priority that has a share
    #[arg(long)]
    pub(super) only_top: bool,
    #[command(flatten)]
    pub(super) caller: Caller,
}

/// Who asks.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Who asks")]
pub(super) struct Caller {
    /// The caller's region; "" is a caller without a region
    #[arg(long, value_name = "REGION")]
    pub(super) region: Option<String>,
    /// Its zone within the region
    #[arg(long, value_name = "ZONE", requires = "region")]
    pub(super) zone: Option<String>,
    /// Its sub-zone within the zone
    #[arg(long, value_name = "SUB_ZONE", requires = "zone")]
    pub(super) sub_zone: Option<String>,
    /// Its network; "" is none
    #[arg(long, value_name = "NETWORK")]
    pub(super) network: Option<String>,
    /// Its cluster, which says where it is if no region is given; "" is none
    #[arg(long, value_name = "CLUSTER")]
    pub(super) cluster: Option<String>,
    /// A label of it, which a policy may compare with the metadata of instances; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(super) labels: Vec<(String, String)>,
}

/// Which config item.
#[derive(Args, Debug)]
pub(super) struct ConfigItem {
    /// Its data id, or GROUP@@DATA_ID
    #[arg(value_name = "DATA_ID")]
    pub(super) data_id: String,
    /// Only as this cluster has it
    #[arg(long, value_name = "CLUSTER")]
    pub(super) origin: Option<String>,
    /// Print nothing but the content, byte for byte; needs one origin
    #[arg(long)]
    pub(super) content: bool,
}

/// Arguments of `what-if`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("supposed").required(true).multiple(true))]
pub(super) struct WhatIf {
    /// A cluster whose instances can no longer be used; repeatable
    #[arg(long, value_name = "CLUSTER", group = "supposed")]
    pub(super) lost: Vec<String>,
    /// A drain, CLUSTER=PERCENT; instead of the cluster also a target as `drains` names it; repeatable
    #[arg(long, value_name = "CLUSTER=PERCENT", group = "supposed", value_parser = supposed_drain)]
    pub(super) drain: Vec<String>,
    /// A place in which all instances are unhealthy: region, region/zone or region/zone/sub-zone; repeatable
    #[arg(long, value_name = "PLACE", group = "supposed")]
    pub(super) unhealthy: Vec<String>,
    /// Most services that are shown
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) limit: u32,
}

/// A name within a namespace, as far as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) group: Option<String>,
    pub(super) name: String,
}

impl Name {
    /// Divides `GROUP@@NAME`; a group given besides has to be the same.
    pub(super) fn parse(text: &str, group: Option<&str>) -> Result<Self, Failure> {
        let (within, name) = match text.split_once("@@") {
            Some((within, name)) => (Some(within), name),
            None => (None, text),
        };
        if let (Some(within), Some(group)) = (within, group)
            && within != group
        {
            let text = format!("`{text}` names the group `{within}`, --group names `{group}`");
            return Err(Failure::Arguments(text));
        }
        if name.is_empty() || within == Some("") {
            return Err(Failure::Arguments(format!("`{text}` is no name: NAME or GROUP@@NAME is needed")));
        }
        Ok(Self { group: within.or(group).map(str::to_owned), name: name.to_owned() })
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a label is KEY=VALUE".to_owned()),
    }
}

/// `http://` may be left out.
fn server(text: &str) -> Result<Url, String> {
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url: Url = full.parse().map_err(|error| format!("{error}; a URL like http://127.0.0.1:7070 is needed"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("a URL like http://127.0.0.1:7070 is needed".to_owned());
    }
    Ok(url)
}

/// `CLUSTER=PERCENT` as the API writes it.
fn supposed_drain(text: &str) -> Result<String, String> {
    let (target, percent) = text.rsplit_once(['=', ':']).ok_or("CLUSTER=PERCENT is needed, like frankfurt=50")?;
    let valid = percent.parse::<u8>().is_ok_and(|percent| percent <= 100);
    if valid { Ok(format!("{target}:{percent}")) } else { Err("a whole percentage from 0 to 100 is needed".to_owned()) }
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a duration like 500ms, 20s or 5m is needed".to_owned())
}
