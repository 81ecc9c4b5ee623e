//! `signing-key`: the key of a cluster's orders, made or looked at. Needs no gateway.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use federation_codec::signature::OrderSigningKey;
use serde_json::json;

use super::args::SigningKey;
use super::exit::{Exit, Failure};
use super::output::{Format, Output};
use crate::app::order_keys::read_key;

/// Prints the public half of a key, which is made before if that is wanted.
pub(super) fn run(args: &SigningKey, output: &mut Output<'_>) -> Result<Exit, Failure> {
    if args.new {
        make(args)?;
    }
    let key = read_key(&args.file).map_err(|error| Failure::Arguments(format!("{error:#}")))?;
    let public = key.public().to_string();
    match output.format {
        Format::Table => output.text(&public)?,
        Format::Json => output.document(&json!({"publicKey": public}))?,
    }
    Ok(Exit::Ok)
}

/// A key that is there is never written over: what is signed with it would count no more.
fn make(args: &SigningKey) -> Result<(), Failure> {
    let refused = |error: &dyn std::fmt::Display| Failure::Arguments(format!("{}: {error}", args.file.display()));
    let pem = OrderSigningKey::generate_pem().ok_or_else(|| refused(&"the system gives no randomness"))?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.file);
    file.and_then(|mut file| file.write_all(pem.as_bytes())).map_err(|error| refused(&error))
}
