//! `nacos-fed`: one registry out of many Nacos clusters.

use std::process::ExitCode;

fn main() -> ExitCode {
    federation_gateway::cli::main()
}
