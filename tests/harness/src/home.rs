//! A directory for one server: given, or temporary and gone with its server.
//!
//! Temporary ones stay behind when a test fails (its logs are wanted) or the process is killed; the next harness process that starts removes
//! those whose process has ended.

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

/// A directory, removed when dropped if it is temporary.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    keep: Keep,
}

#[derive(Debug, PartialEq, Eq)]
enum Keep {
    Always,
    WhileUsed,
}

impl Home {
    /// Uses `path`, made if it is missing, and leaves it there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn given(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        let path = std::path::absolute(path)?;
        Ok(Self { path, keep: Keep::Always })
    }

    /// Makes a new directory for this process, with `label` in its name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn temporary(label: &str) -> Result<Self> {
        static SWEPT: Once = Once::new();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        SWEPT.call_once(sweep);
        let path = root().join(format!("{}-{label}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path, keep: Keep::WhileUsed })
    }

    /// `given` if there is one, else a temporary one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn choose(given: Option<&Path>, label: &str) -> Result<Self> {
        given.map_or_else(|| Self::temporary(label), Self::given)
    }

    /// Leaves it there for now: what failed is looked into.
    pub fn keep(&mut self) {
        self.keep = Keep::Always;
    }

    /// Where it is, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.keep == Keep::WhileUsed && !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.path); // What stays is swept later.
        }
    }
}

fn root() -> PathBuf {
    std::env::temp_dir().join("nacos-fed-homes")
}

/// Removes the temporary homes of processes that have ended.
pub fn sweep() {
    let Ok(entries) = std::fs::read_dir(root()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_string_lossy().split('-').next().map(|pid| Path::new("/proc").join(pid));
        if owner.is_some_and(|process| !process.exists()) {
            let _ = std::fs::remove_dir_all(entry.path()); // Another harness process may sweep the same.
        }
    }
}
