//! Arguments of accounts: what is shown to a gateway, and the tokens of one.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use federation_access::role::AccessRole;

use super::{ASKING, duration};

/// What says to a gateway who asks.
#[derive(Args, Debug)]
pub(in crate::cli) struct Credentials {
    /// File with the token to show, in place of the session that `login` keeps for the gateway; a value on the command line would be seen by
    /// everybody on the machine
    #[arg(long, global = true, help_heading = ASKING, value_name = "FILE", env = "NACOS_FED_TOKEN_FILE")]
    pub(in crate::cli) token_file: Option<PathBuf>,

    /// Folder of the sessions that `login` keeps, one for each gateway; in the user's own configuration if left out
    #[arg(long, global = true, help_heading = ASKING, value_name = "DIR", env = "NACOS_FED_SESSION_DIR")]
    pub(in crate::cli) session_dir: Option<PathBuf>,

    /// Show the token, or a password, also to a gateway on another machine without TLS, where others may read it on the way
    #[arg(long, global = true, help_heading = ASKING)]
    pub(in crate::cli) plain_token: bool,
}

/// Sessions of users of Nacos.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Session {
    /// Be known to a gateway as a user of its Nacos, for half an hour without use and eight hours at most
    #[command(after_help = "Examples:
  nacos-fed login alice --server https://gateway.frankfurt:7070
  nacos-fed login ci --password-file /run/secrets/nacos --print > ci.token

The password is asked for on the terminal. The session is kept for this gateway alone; the other commands show it unless they are given
--token-file. The exit code is 5 if user or password are wrong, 3 if Nacos does not answer or no login is looked at for a while.")]
    Login(Login),

    /// End the session that `login` keeps for a gateway
    #[command(after_help = "Example:
  nacos-fed logout --server https://gateway.frankfurt:7070

The exit code is 4 if none is kept.")]
    Logout,
}

/// Arguments of `login`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Login {
    /// The user of the Nacos beside the gateway
    #[arg(value_name = "USER")]
    pub(in crate::cli) user: String,
    /// File with the password, `-` for standard input; without it the terminal is asked, which does not show what is typed
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) password_file: Option<String>,
    /// Print the token of the session, and keep it nowhere
    #[arg(long)]
    pub(in crate::cli) print: bool,
}

/// Arguments of `audit`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Audit {
    /// Only of so long ago
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(in crate::cli) since: Option<Duration>,
    /// Only of this identity, like token:ops
    #[arg(long, value_name = "IDENTITY")]
    pub(in crate::cli) who: Option<String>,
}

/// What to do with the tokens of a gateway's file. Needs no gateway.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Token {
    /// Make a token: it is printed once, and only its digest is kept
    #[command(after_help = "Examples:
  nacos-fed token create ci --file tokens.yaml --role viewer > ci.token
  nacos-fed token create ops --file tokens.yaml --role operator --cluster frankfurt -n prod --service 'order-*' --expires 90d
  nacos-fed token create app --file tokens.yaml --role config-reader -n prod --data-id 'app-*'

The file is the one that `access.tokens_file` of the gateways names; they take it in within a second. The exit code is 2 if there is a
token of that name already.")]
    Create(NewToken),

    /// The tokens of a file: names, ages and roles
    #[command(after_help = "Example:
  nacos-fed token list --file tokens.yaml")]
    List(TokenFile),

    /// Let a token count no more: gateways refuse it, and end its watches, within a second
    #[command(after_help = "Example:
  nacos-fed token revoke ci --file tokens.yaml

The exit code is 4 if there is no such token.")]
    Revoke(RevokedToken),
}

pub(super) const SIGNING_KEY_HELP: &str = "Examples:
  nacos-fed signing-key --new orders.pem
  nacos-fed signing-key orders.pem

The file is the one that `intents.signing.key_file` of the cluster's gateways names; what is printed goes into `intents.keys` of others. The exit
code is 2 if the file is no such key, or with --new if it is there.";

/// Arguments of `signing-key`.
#[derive(Args, Debug)]
pub(in crate::cli) struct SigningKey {
    /// File with the private key, in PEM
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
    /// Make the file first; it must not be there
    #[arg(long)]
    pub(in crate::cli) new: bool,
}

/// Which file.
#[derive(Args, Debug)]
pub(in crate::cli) struct TokenFile {
    /// The file of tokens; made if it is not there
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
}

/// Arguments of `token create`.
#[derive(Args, Debug)]
pub(in crate::cli) struct NewToken {
    /// Its name: orders are signed with it
    #[arg(value_name = "NAME")]
    pub(in crate::cli) name: String,
    #[command(flatten)]
    pub(in crate::cli) file: TokenFile,
    /// What it may do; repeatable
    #[arg(long, value_name = "ROLE", required = true)]
    pub(in crate::cli) role: Vec<RoleWord>,
    /// Pattern of clusters that an operator may order about; repeatable. Without it: all
    #[arg(long, value_name = "PATTERN")]
    pub(in crate::cli) cluster: Vec<String>,
    /// Pattern of services, in the namespace of -n and the group of -g. Without any of the three: all
    #[arg(long, value_name = "PATTERN")]
    pub(in crate::cli) service: Option<String>,
    /// Pattern of config items, in the namespace of -n and the group of -g. Without any of the three: all
    #[arg(long, value_name = "PATTERN")]
    pub(in crate::cli) data_id: Option<String>,
    /// For how long it counts. Without it: until it is revoked
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(in crate::cli) expires: Option<Duration>,
}

/// Arguments of `token revoke`.
#[derive(Args, Debug)]
pub(in crate::cli) struct RevokedToken {
    /// The token's name
    #[arg(value_name = "NAME")]
    pub(in crate::cli) name: String,
    #[command(flatten)]
    pub(in crate::cli) file: TokenFile,
}

/// A role on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum RoleWord {
    /// Names, instances, freshness, plans
    Viewer,
    /// Contents of config items
    ConfigReader,
    /// Drains, exclusions, decisions about holds
    Operator,
    /// Everything
    Admin,
}

impl From<RoleWord> for AccessRole {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Viewer => Self::Viewer,
            RoleWord::ConfigReader => Self::ConfigReader,
            RoleWord::Operator => Self::Operator,
            RoleWord::Admin => Self::Admin,
        }
    }
}
