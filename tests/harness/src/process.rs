//! Child processes that cannot be forgotten: output in a log file that errors quote, death with the harness.
//!
//! Tied children run under `setpriv --pdeathsig KILL`. The kernel sends that signal when the *thread* that started the child ends, and a
//! test's thread ends with the test; so one launcher thread that lives as long as the process starts all of them.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use tokio::sync::oneshot;

use crate::pid_file;

/// How often a condition is looked at while waiting.
pub const POLL: Duration = Duration::from_millis(50);
/// Lines of a log that an error quotes.
const QUOTED_LINES: usize = 25;
/// Starts that may wait for the launcher thread; each waits for its own reply, so this is only how many start at the same moment.
const LAUNCHES: usize = 16;

/// How long a child lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tie {
    /// Dies with the harness.
    #[default]
    ToHarness,
    /// Stays when the harness ends, in a session of its own. Its [`pid_file`] is this, written before anything is waited for.
    Detached(PathBuf),
}

/// Whether the caller talks to the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversation {
    /// No input; all output goes into the log.
    None,
    /// Input and standard output are pipes; only standard error goes into the log.
    Pipes,
}

/// A signal that tests send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Please end.
    Terminate,
    /// End now (`kill -9`).
    Kill,
    /// Freeze: sockets stay open and nothing answers.
    Stop,
    /// Thaw.
    Continue,
}

/// What to start.
#[derive(Clone, Debug)]
pub struct Program {
    name: String,
    executable: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    directory: PathBuf,
    log: PathBuf,
    tie: Tie,
}

impl Program {
    /// `name` is for people; `log` is appended to.
    pub fn new(name: impl Into<String>, executable: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            executable: executable.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: PathBuf::from("."),
            log: log.into(),
            tie: Tie::ToHarness,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// Sets how long it lives.
    #[must_use]
    pub fn tie(mut self, tie: Tie) -> Self {
        self.tie = tie;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the executable or the log file cannot be opened.
    pub async fn spawn(self, conversation: Conversation) -> Result<Process> {
        let mut command = match &self.tie {
            Tie::ToHarness => wrapped("setpriv", &["--pdeathsig", "KILL", "--"], &self.executable),
            Tie::Detached(_) => wrapped("setsid", &["--"], &self.executable),
        };
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot open the log {}", self.log.display()))?;
        let log_start = log.metadata()?.len();
        command.args(&self.arguments).envs(self.environment).current_dir(&self.directory);
        match conversation {
            Conversation::None => command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log),
            Conversation::Pipes => command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log),
        };
        let child = launch(command).await.with_context(|| format!("cannot start {}", self.name))?;
        if let Tie::Detached(file) = &self.tie {
            pid_file::write(file, child.id())?;
        }
        Ok(Process { name: self.name, child, log: self.log, log_start, tie: self.tie })
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started or ends with anything but 0; the error quotes its log.
    pub async fn run(self) -> Result<()> {
        let mut process = self.spawn(Conversation::None).await?;
        let status = process.ended().await?;
        if status.success() { Ok(()) } else { Err(process.failure(&format!("ended with {status}"))) }
    }
}

fn wrapped(wrapper: &str, arguments: &[&str], executable: &Path) -> Command {
    let mut command = Command::new(wrapper);
    command.args(arguments).arg(executable);
    command
}

/// A running (or ended) child. Dropping a tied one kills and reaps it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    log_start: u64,
    tie: Tie,
}

impl Process {
    /// Its process id: the wrapper replaces itself by the program.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The pipes of a [`Conversation::Pipes`]; `None` when taken before.
    pub fn pipes(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        self.child.stdin.take().zip(self.child.stdout.take())
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn status(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends a signal; one to a process that has ended does nothing.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.status()?.is_some() {
            return Ok(());
        }
        send(self.pid(), signal)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.status()? {
                return Ok(status);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks it to end and kills it after `patience`.
    ///
    /// # Errors
    /// When a signal cannot be sent.
    pub async fn end(&mut self, patience: Duration) -> Result<()> {
        self.signal(Signal::Terminate)?;
        if tokio::time::timeout(patience, self.ended()).await.is_err() {
            self.signal(Signal::Kill)?;
            self.ended().await?;
        }
        Ok(())
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// When the process ends before, or `patience` is over; the error quotes the log.
    pub async fn until_ready(&mut self, patience: Duration, mut ready: impl AsyncFnMut(&Self) -> bool) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.status()? {
                return Err(self.failure(&format!("ended with {status} before it was ready")));
            }
            if ready(self).await {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.failure(&format!("was not ready within {} s", patience.as_secs())));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// What it has written since this start.
    pub fn output(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let start = usize::try_from(self.log_start).unwrap_or_default().min(bytes.len());
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }

    /// An error that says what went wrong and quotes the end of the log.
    pub fn failure(&self, what: &str) -> anyhow::Error {
        anyhow!("{} {what}; the end of {}:\n{}", self.name, self.log.display(), tail(&self.output()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.tie == Tie::ToHarness {
            // It may have ended already; there is nobody to tell otherwise.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Sends `signal` to a process by id.
///
/// # Errors
/// When it does not exist or is not ours.
pub fn send(pid: u32, signal: Signal) -> Result<()> {
    let name = match signal {
        Signal::Terminate => "TERM",
        Signal::Kill => "KILL",
        Signal::Stop => "STOP",
        Signal::Continue => "CONT",
    };
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid} 2>/dev/null")]).status()?;
    if !status.success() {
        bail!("cannot send SIG{name} to process {pid}");
    }
    Ok(())
}

/// The last lines of a text.
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n")
}

struct Launch {
    command: Command,
    reply: oneshot::Sender<io::Result<Child>>,
}

async fn launch(command: Command) -> Result<Child> {
    static LAUNCHER: OnceLock<SyncSender<Launch>> = OnceLock::new();
    let launcher = LAUNCHER.get_or_init(|| {
        let (sender, receiver) = sync_channel(LAUNCHES);
        std::thread::spawn(move || run_launcher(&receiver));
        sender
    });
    let (reply, answer) = oneshot::channel();
    launcher.send(Launch { command, reply }).context("the launcher thread has ended")?;
    Ok(answer.await.context("the launcher thread has ended")??)
}

fn run_launcher(orders: &Receiver<Launch>) {
    while let Ok(Launch { mut command, reply }) = orders.recv() {
        if let Err(Ok(mut orphan)) = reply.send(command.spawn()) {
            // The caller was cancelled while it waited: nobody owns this child.
            let _ = orphan.kill();
            let _ = orphan.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::Home;

    fn shell(home: &Home, script: &str) -> Program {
        Program::new("a shell", "sh", home.path().join("log")).args(["-c", script])
    }

    #[tokio::test]
    async fn a_failed_program_is_quoted_in_its_error() {
        let home = Home::temporary("process").unwrap();
        let error = shell(&home, "echo the reason; exit 3").run().await.unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("the reason"), "{error}");
    }

    #[tokio::test]
    async fn a_dropped_process_is_gone() {
        let home = Home::temporary("process").unwrap();
        let process = shell(&home, "sleep 1000").spawn(Conversation::None).await.unwrap();
        let pid = process.pid();
        drop(process);
        assert!(send(pid, Signal::Continue).is_err());
    }

    #[tokio::test]
    async fn a_process_outlives_the_thread_that_asked_for_it() {
        let home = Home::temporary("process").unwrap();
        let program = shell(&home, "sleep 1000");
        let start = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(program.spawn(Conversation::None)).unwrap()
        };
        let mut process = std::thread::spawn(start).join().unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await; // Death would come at once; its absence has no event to await.
        assert!(process.status().unwrap().is_none());
    }

    #[tokio::test]
    async fn a_program_that_ends_early_is_not_waited_for() {
        let home = Home::temporary("process").unwrap();
        let mut process = shell(&home, "echo no licence >&2").spawn(Conversation::None).await.unwrap();
        let error = process.until_ready(Duration::from_secs(60), async |_| false).await.unwrap_err().to_string();
        assert!(error.contains("before it was ready") && error.contains("no licence"), "{error}");
    }
}
