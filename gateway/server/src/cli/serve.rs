//! `serve`: a gateway in this process, from its configuration to an orderly stop, and the end of the process whatever becomes of that.

use std::sync::mpsc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::args::{Global, Serve};
use super::exit::{Exit, Failure};
use crate::app;
use crate::config::{self, ConfigSurroundings, GatewayConfig};
use crate::telemetry;
use federation_ports::fault::{self, InjectedFaults};
use federation_storage::ClaimRefused;

/// What the runtime's threads get to end after the gateway: those that write files. One that hangs on a disk would take for ever.
const THREADS_WITHIN: Duration = Duration::from_secs(1);
/// How long the process may take to end once the gateway has.
const ENDS_WITHIN: Duration = Duration::from_secs(3);
/// How long after the first signal the process ends by force: longer than the orderly stop and its threads take, and the last traces.
const FORCED_AFTER: Duration = Duration::from_secs(app::STOP_WITHIN.as_secs() + ENDS_WITHIN.as_secs());

/// Runs a gateway until a signal or an error ends it.
pub(super) fn run(args: &Serve, global: &Global) -> Result<Exit, Failure> {
    let dumps = refuse_core_dumps(); // Before the first secret is read.
    let surroundings = ConfigSurroundings::of_process();
    let mut config = config::load(&args.config, &surroundings)?.config;
    if let Some(format) = global.log_format {
        config.log.format = format;
    }
    if let Some(level) = &global.log_level {
        config.log.level = level.clone();
    }
    let fault = surroundings.variables.get(fault::VARIABLE).map(String::as_str);
    let runtime = Threads(Some(runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::failed)?));
    let served = runtime.block_on(async {
        let signals = Signals::listen()?; // Before the first line is logged, perhaps to a file.
        let _telemetry = telemetry::init(config.log.format, &config.log.level, Some(&config.telemetry))?;
        match dumps {
            Ok(()) => tracing::info!("a crash writes no core file: it would hold passwords and contents"),
            Err(error) => tracing::warn!(%error, "a crash may write a core file, with passwords and contents"),
        }
        serve_until_stopped(config, InjectedFaults::of(fault)?, signals).await
    });
    end_by_force_after(ENDS_WITHIN).map_err(Failure::failed)?;
    drop(runtime);
    served.map_err(|error| error.downcast::<ClaimRefused>().map_or_else(Failure::Failed, Failure::DataDir))?;
    Ok(Exit::Ok)
}

/// A crash leaves no picture of this process's memory on a disk.
fn refuse_core_dumps() -> Result<(), Errno> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
}

/// The runtime, whose end waits for its threads for a while only, also when it ends by a panic.
struct Threads(Option<runtime::Runtime>);

impl Threads {
    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.0.as_ref().expect("it is taken when it is dropped").block_on(work)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.take().expect("it is dropped once").shutdown_timeout(THREADS_WITHIN);
    }
}

/// The first signal asks for an orderly stop, the second does not wait for it.
async fn serve_until_stopped(
    config: GatewayConfig,
    faults: InjectedFaults,
    mut signals: Signals,
) -> anyhow::Result<()> {
    let (stop, (reload, reloads)) = (CancellationToken::new(), watch::channel(()));
    let gateway = app::serve(config, faults, reloads, stop.clone());
    tokio::pin!(gateway);
    loop {
        tokio::select! { // Cancel-safe: a signal that is not waited for is kept.
            ended = &mut gateway => return ended,
            heard = signals.next() => match heard {
                Heard::Reload => {
                    tracing::info!(signal = "SIGHUP", "reading certificates, passwords and keys of contents again");
                    reload.send_replace(());
                }
                Heard::Stop(name) => {
                    tracing::info!(signal = name, "stopping");
                    break;
                }
            },
        }
    }
    end_by_force_after(FORCED_AFTER)?;
    stop.cancel();
    tokio::select! {
        ended = gateway => ended,
        name = signals.stop() => anyhow::bail!("stopped at once by {name} before the orderly stop was done"),
    }
}

/// Ends the process after this time if nothing else has: the orderly stop has a deadline of its own, but waits for whoever does not let
/// go of its thread, a start that is not done yet, or a library's destructor.
fn end_by_force_after(limit: Duration) -> std::io::Result<()> {
    let watch = move || {
        let (_held, nothing) = mpsc::sync_channel::<()>(0); // Nobody sends: it waits for all of its time, or until the process ends.
        let _ = nothing.recv_timeout(limit);
        tracing::error!(after_s = limit.as_secs(), "the process did not end in time and is ended by force");
        std::process::exit(Exit::Negative as i32);
    };
    std::thread::Builder::new().name("stop-deadline".to_owned()).spawn(watch).map(drop)
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
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
            hangup: signal(SignalKind::hangup())?,
            _file_too_large: signal(SignalKind::from_raw(libc::SIGXFSZ))?,
        })
    }

    /// The next signal. Cancel-safe: a signal that is not waited for is kept.
    async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.terminate.recv() => Heard::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Heard::Stop("SIGINT"),
            _ = self.hangup.recv() => Heard::Reload,
        }
    }

    /// The name of the next signal that asks for an end.
    async fn stop(&mut self) -> &'static str {
        loop {
            if let Heard::Stop(name) = self.next().await {
                return name;
            }
        }
    }
}

/// What a signal asks for.
enum Heard {
    /// An end; the signal's name.
    Stop(&'static str),
    /// That files are read again.
    Reload,
}
