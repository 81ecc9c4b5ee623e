//! Which process is meant, for one that outlives its starter: its id and the time of its start, since ids are used again.

use std::path::Path;

use anyhow::{Context, Result};

/// Writes down a process that runs.
///
/// # Errors
/// When it has ended or the file cannot be written.
pub fn write(file: &Path, pid: u32) -> Result<()> {
    let start = start_of(pid).with_context(|| format!("process {pid} ended at once"))?;
    std::fs::write(file, format!("{pid} {start}\n")).with_context(|| format!("cannot write {}", file.display()))
}

/// The process that a file names, if it still runs.
pub fn running(file: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(file).ok()?;
    let (pid, start) = text.trim().split_once(' ')?;
    let pid = pid.parse().ok()?;
    (start_of(pid)? == start).then_some(pid)
}

/// In clock ticks since the machine's start; `None` for a process that has ended, waited for or not.
fn start_of(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in brackets and may hold anything; the state follows it, the start is the 22nd of all.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::Home;

    #[test]
    fn a_pid_that_belongs_to_another_process_by_now_does_not_run() {
        let home = Home::temporary("pid").unwrap();
        let file = home.path().join("pid");
        assert_eq!(running(&file), None);
        write(&file, std::process::id()).unwrap();
        assert_eq!(running(&file), Some(std::process::id()));
        std::fs::write(&file, format!("{} 1\n", std::process::id())).unwrap();
        assert_eq!(running(&file), None);
    }
}
