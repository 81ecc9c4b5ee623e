//! Processor time by threads, from what the kernel keeps of each: nanoseconds, brought up to date at every switch.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

/// How the threads of the server are called; all others are the load generator's.
pub(crate) const SERVER_THREADS: &str = "server";

/// Keeps the server's threads on one core and all others on another, by `taskset`: threads that wake each other are put on one
/// core by the kernel, on some runs and not on others, and then either has half of it. Returns whether that worked.
pub(crate) fn part() -> Result<bool> {
    if std::thread::available_parallelism()?.get() < 2 {
        return Ok(false);
    }
    let mut parted = true;
    for thread in threads()? {
        let core = if thread.is_server() { "1" } else { "0" };
        let mut taskset = Command::new("taskset");
        taskset.args(["-p", "-c", core, &thread.id]).stdout(Stdio::null()).stderr(Stdio::null());
        parted &= taskset.status().is_ok_and(|status| status.success());
    }
    Ok(parted)
}

struct Thread {
    id: String,
    name: String,
    used: Duration,
}

impl Thread {
    fn is_server(&self) -> bool {
        self.name.starts_with(SERVER_THREADS)
    }
}

fn threads() -> Result<Vec<Thread>> {
    let mut threads = Vec::new();
    for thread in fs::read_dir("/proc/self/task").context("no list of threads")? {
        let directory = thread?.path();
        let read = |file: &str| fs::read_to_string(directory.join(file));
        // A thread may end between the list and here.
        let (Ok(name), Ok(times)) = (read("comm"), read("schedstat")) else { continue };
        let nanos = times.split(' ').next().unwrap_or_default().parse().context("schedstat of another form")?;
        let id = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        threads.push(Thread { id, name, used: Duration::from_nanos(nanos) });
    }
    Ok(threads)
}

/// Processor time that this process has used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    pub(crate) server: Duration,
    pub(crate) load: Duration,
}

impl Used {
    /// Until now.
    pub(crate) fn so_far() -> Result<Self> {
        let mut used = Self::default();
        for thread in threads()? {
            let of = if thread.is_server() { &mut used.server } else { &mut used.load };
            *of += thread.used;
        }
        Ok(used)
    }

    /// What was used after `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { server: self.server.saturating_sub(earlier.server), load: self.load.saturating_sub(earlier.load) }
    }
}
