//! The program's own log: `tracing` events as lines on standard error, so that standard output stays with the answers.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{LogFilter, LogFormat};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is none.
    #[error("the log filter is not understood")]
    Filter(#[from] ParseError),
    /// This process logs already.
    #[error("logging has been set up before")]
    AlreadySet(#[from] TryInitError),
}

/// Sends log lines to standard error from now on; once per process.
///
/// # Errors
/// See [`LogError`].
pub fn init(format: LogFormat, level: &LogFilter) -> Result<(), LogError> {
    let registry = tracing_subscriber::registry().with(EnvFilter::builder().parse(&level.0)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => registry.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init()?,
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init()?,
    }
    Ok(())
}
