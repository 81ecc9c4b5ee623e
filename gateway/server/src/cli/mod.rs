//! The command line: what `nacos-fed` is asked to do, and how the outcome is told.
//!
//! Input: arguments, and for the query commands the HTTP API of a running gateway. Output: answers on standard output,
//! everything else on standard error, and one of the exit codes of [`exit::Exit`].

mod adopt;
mod age;
mod args;
mod audit;
mod changes;
mod check_config;
mod client;
mod clusters;
mod comparison;
mod configs;
mod demo;
mod drain;
mod exclude;
mod exit;
mod front_door;
mod guard;
mod login;
mod output;
mod plan;
mod policy;
mod replay;
mod route;
mod serve;
mod service;
mod services;
mod sessions;
mod signing_key;
pub mod sse;
mod status;
mod table;
mod token;
mod verify;
mod verify_nacos;
mod watch;
mod what_if;
mod whoami;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::Parser;

use self::args::{Cli, Command, DrainsAction, Global, Policy, Session};
use self::client::Client;
use self::exit::{Exit, Failure};
use self::output::Output;
use crate::config::LogFormat;
use crate::telemetry;
use federation_document::values::LogFilter;

/// Runs the command that the process's arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse(); // Ends the process by itself: 0 after help and version, 2 after wrong arguments.
    let outcome = run(&cli, &mut std::io::stdout().lock());
    let exit = outcome.unwrap_or_else(|failure| {
        failure.report(&mut std::io::stderr().lock());
        failure.exit()
    });
    exit.into()
}

fn run(cli: &Cli, out: &mut dyn std::io::Write) -> Result<Exit, Failure> {
    let global = &cli.global;
    let mut output = Output::new(global.format, out);
    match &cli.command {
        Command::Serve(args) => serve::run(args, global),
        Command::CheckConfig(args) => check_config::run(args, &mut output),
        Command::Demo(args) => demo::run(args, global, &mut output),
        Command::Route(args) => route::run(args, &mut output),
        Command::Policy(Policy::Check(args)) => policy::check(args, &mut output),
        Command::Replay(args) => replay::run(args, &mut output),
        Command::Token(token) => token::run(token, global, &mut output),
        Command::SigningKey(args) => signing_key::run(args, &mut output),
        query => {
            let level = global.log_level.clone().unwrap_or_else(|| LogFilter("warn".to_owned()));
            telemetry::init(global.log_format.unwrap_or(LogFormat::Text), &level, None).map_err(Failure::failed)?;
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
            runtime.block_on(ask(query, global, &mut output))
        }
    }
}

/// The commands that ask a running gateway.
async fn ask(command: &Command, global: &Global, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match command {
        Command::Session(Session::Login(args)) => return login::login(args, global, output).await,
        Command::Session(Session::Logout) => return login::logout(global, output).await,
        _ => {}
    }
    let client = Client::new(&global.server, &global.credentials, &global.trust)?;
    match command {
        Command::Audit(args) => audit::run(args, &client, output).await,
        Command::Whoami => whoami::run(&client, output).await,
        Command::Status => status::run(&client, output).await,
        Command::Policy(Policy::Show(args)) => policy::show(args, global, &client, output).await,
        Command::Verify(args) if args.nacos => verify_nacos::run(&client, output).await,
        Command::Verify(args) => verify::run(args, &client, output).await,
        Command::Clusters => clusters::run(&client, output).await,
        Command::Services(wanted) => services::run(wanted, global, &client, output).await,
        Command::Service(name) => service::run(name, global, &client, output).await,
        Command::Configs(wanted) => configs::list(wanted, global, &client, output).await,
        Command::Changes(args) => changes::run(args, global, &client, output).await,
        Command::Config(item) => configs::show(item, global, &client, output).await,
        Command::Drain(args) => drain::order(args, global, &client, output).await,
        Command::Undrain(args) => drain::undo(args, global, &client, output).await,
        Command::Drains(args) => match &args.action {
            Some(DrainsAction::Clear(clear)) => drain::clear(clear, &client, output).await,
            None => drain::list(args, &client, output).await,
        },
        Command::Exclude(args) => exclude::exclude(args, &client, output).await,
        Command::Include(args) => exclude::include(args, &client, output).await,
        Command::FrontDoor(door) => front_door::run(door, &client, output).await,
        Command::Guard(guard) => guard::run(guard, &client, output).await,
        Command::Excluded => exclude::list(&client, output).await,
        Command::Adopt(args) => adopt::run(args, &client, output).await,
        Command::WhatIf(args) => what_if::run(args, &client, output).await,
        Command::Watch(name) => watch::run(name, global, &client, output).await,
        Command::Resolve(ask) => plan::resolve(ask, global, &client, output).await,
        Command::Explain(ask) => plan::explain(ask, global, &client, output).await,
        Command::Serve(_)
        | Command::CheckConfig(_)
        | Command::Demo(_)
        | Command::Route(_)
        | Command::Replay(_)
        | Command::Token(_)
        | Command::SigningKey(_)
        | Command::Session(_)
        | Command::Policy(Policy::Check(_)) => {
            unreachable!("these do not ask a gateway and were handled before")
        }
    }
}
