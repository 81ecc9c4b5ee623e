//! `serve`: a gateway in this process, from its configuration to an orderly stop.

use tokio_util::sync::CancellationToken;

use super::args::{Global, Serve};
use super::exit::{Exit, Failure};
use crate::app;
use crate::config::{self, Config, Surroundings};
use crate::storage::ClaimRefused;
use crate::telemetry;

/// Runs a gateway until a signal or an error ends it.
pub(super) fn run(args: &Serve, global: &Global) -> Result<Exit, Failure> {
    let mut config = config::load(&args.config, &Surroundings::of_process())?.config;
    if let Some(format) = global.log_format {
        config.log.format = format;
    }
    if let Some(level) = &global.log_level {
        config.log.level = level.clone();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::failed)?;
    let served = runtime.block_on(async {
        let signals = Signals::listen()?; // Before the first line is logged, perhaps to a file.
        let _telemetry = telemetry::init(config.log.format, &config.log.level, Some(&config.telemetry))?;
        serve_until_stopped(config, signals).await
    });
    served.map_err(|error| error.downcast::<ClaimRefused>().map_or_else(Failure::Failed, Failure::DataDir))?;
    Ok(Exit::Ok)
}

/// The first signal asks for an orderly stop, the second does not wait for it.
async fn serve_until_stopped(config: Config, mut signals: Signals) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let gateway = app::serve(config, stop.clone());
    tokio::pin!(gateway);
    tokio::select! {
        ended = &mut gateway => return ended,
        name = signals.next() => tracing::info!(signal = name, "stopping"),
    }
    stop.cancel();
    tokio::select! {
        ended = gateway => ended,
        name = signals.next() => anyhow::bail!("stopped at once by {name} before the orderly stop was done"),
    }
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    /// Not waited for: that somebody listens is what keeps a limit on the size of files (`ulimit -f`) from ending the process, so that it is
    /// an error of the write like a full disk.
    _file_too_large: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _file_too_large: signal(SignalKind::from_raw(libc::SIGXFSZ))?,
        })
    }

    /// The name of the next signal. Cancel-safe: a signal that is not waited for is kept.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
