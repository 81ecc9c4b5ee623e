//! Whom a command that asks a gateway trusts, and what it shows of itself.

use std::path::PathBuf;

use clap::Args;

use super::ASKING;

/// TLS towards the gateway that is asked.
#[derive(Args, Clone, Debug, Default)]
pub(in crate::cli) struct ServerTrust {
    /// PEM file of the authorities to trust for https, in place of the system's
    #[arg(long, global = true, help_heading = ASKING, value_name = "FILE", env = "NACOS_FED_CA")]
    pub(in crate::cli) ca: Option<PathBuf>,

    /// PEM file of the certificate to show, and of those that lead to its authority; with --key
    #[arg(long, global = true, help_heading = ASKING, value_name = "FILE", env = "NACOS_FED_CERT")]
    pub(in crate::cli) cert: Option<PathBuf>,

    /// PEM file of the private key of --cert
    #[arg(long, global = true, help_heading = ASKING, value_name = "FILE", env = "NACOS_FED_KEY")]
    pub(in crate::cli) key: Option<PathBuf>,

    /// Name that the gateway's certificate has to bear, where that is not the host of --server
    #[arg(long, global = true, help_heading = ASKING, value_name = "NAME", env = "NACOS_FED_TLS_SERVER_NAME")]
    pub(in crate::cli) tls_server_name: Option<String>,
}
