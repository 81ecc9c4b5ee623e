//! The disk of one gateway's data, which can be full: a small file system of its own where one may be mounted, else a limit on the size of
//! the files that the process writes (its log too).

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Room for two generations of a snapshot of everything here.
const SIZE: &str = "size=4m";
/// What fills it.
const FILLER: &str = "filler";

/// How the disk gets full.
#[derive(Debug)]
enum Means {
    /// A file system at this path, unmounted when dropped.
    Mounted(PathBuf),
    Limited,
}

/// A disk.
#[derive(Debug)]
pub(crate) struct Disk(Means);

impl Disk {
    /// Makes the folder `path` a disk of its own, if that is allowed here.
    pub(crate) fn at(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path)?;
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(path).output();
        let mounted = mount.is_ok_and(|mount| mount.status.success());
        Ok(Self(if mounted { Means::Mounted(path.to_owned()) } else { Means::Limited }))
    }

    /// Leaves no room for the process `pid`.
    pub(crate) fn fill(&self, pid: u32) -> Result<()> {
        let Means::Mounted(path) = &self.0 else { return limit(pid, "0") };
        let mut filler = File::create(path.join(FILLER))?;
        while filler.write_all(&[b'.'; 512]).is_ok() {}
        Ok(())
    }

    /// The same for a process that started on a full disk: a limit is of one process.
    pub(crate) fn stays_full(&self, pid: u32) -> Result<()> {
        match &self.0 {
            Means::Mounted(_) => Ok(()),
            Means::Limited => limit(pid, "0"),
        }
    }

    /// Gives it room again.
    pub(crate) fn make_room(&self, pid: u32) -> Result<()> {
        match &self.0 {
            Means::Mounted(path) => std::fs::remove_file(path.join(FILLER)).context("the disk was not full"),
            Means::Limited => limit(pid, "unlimited"),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Means::Mounted(path) = &self.0 {
            unmount(path);
        }
    }
}

/// Lazily: on a failure the gateway still runs.
fn unmount(path: &Path) {
    let _ = Command::new("umount").arg("--lazy").arg(path).status();
}

/// Unmounts what a run that was killed left below `folder`.
pub(crate) fn unmount_all_below(folder: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(Path::new);
    points.filter(|point| point.starts_with(folder)).for_each(unmount);
}

fn limit(pid: u32, bytes: &str) -> Result<()> {
    let set = Command::new("prlimit").args([format!("--pid={pid}"), format!("--fsize={bytes}:")]).status()?;
    ensure!(set.success(), "prlimit ends with {set}");
    Ok(())
}
