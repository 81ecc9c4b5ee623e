//! Fetches real parts from the public package registries and keeps them outside git.
//!
//! A part is kept under `<root>/<name>-<fingerprint of its sources>`: another version of a pom is another directory, and an old one never
//! serves a new pom. It is fetched into a directory beside and renamed, so what exists is whole. Several processes may ask at the same time.

mod tools;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::announce;
use crate::process::Program;

/// Written last into a fetched part: the files it holds, whose names carry their versions.
const STAMP: &str = "stamp";
/// A link in the part [`Part::Chromium`] to the program.
pub(crate) const BROWSER: &str = "browser";

/// Something real to test with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The Kafka broker.
    Kafka,
    /// Nacos server 2.3.2.
    Nacos2,
    /// Nacos server 3.1.0.
    Nacos3,
    /// Nacos's Java SDK 3.1.1 with our driver.
    JavaSdk,
    /// Nacos's Java SDK 2.4.3 with our driver.
    JavaSdk2,
    /// Nacos's Java SDK 1.4.8, which speaks HTTP, with our driver.
    JavaSdk1,
    /// Nacos's Python SDK 3.2.0 with our driver.
    PythonSdk,
    /// Nacos's Python SDK 2.0.11, which speaks HTTP, with our driver.
    PythonSdk2,
    /// Nacos's Go SDK 2.3.2 with our driver. A Go before 1.21, as Debian 12 has it, is made to fetch a newer one.
    GoSdk,
    /// Nacos's Node SDK 2.6.3, which speaks HTTP, with our driver.
    NodeSdk,
    /// Nacos's Rust SDK 0.8.3 with our driver.
    RustSdk,
    /// A program on Spring Cloud Alibaba 2025.0.0.0.
    Spring,
    /// The same program on Spring Cloud Alibaba 2023.0.3.4.
    Spring2023,
    /// Programs on Dubbo 3.3.6.
    Dubbo,
    /// A Chromium that needs no window, as this machine or Debian has it.
    Chromium,
}

/// How a part is made from its sources.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Recipe {
    /// `mvn compile`, and all dependencies into `deps/`. With these further arguments.
    Maven(&'static [&'static str]),
    /// A virtual environment `venv/` with the packages of `requirements.txt`.
    Venv,
    /// `go build` into `driver`.
    Go,
    /// `npm ci` into `node_modules/`.
    Npm,
    /// `cargo build` and a copy as `driver`. What is compiled is kept beside all parts, so that another driver costs seconds.
    Cargo,
    /// A program of this machine, or of Debian's packages, as `browser`.
    Browser,
}

impl Part {
    /// All there are.
    pub const ALL: [Self; 15] = [
        Self::Kafka,
        Self::Nacos2,
        Self::Nacos3,
        Self::JavaSdk,
        Self::JavaSdk2,
        Self::JavaSdk1,
        Self::PythonSdk,
        Self::PythonSdk2,
        Self::GoSdk,
        Self::NodeSdk,
        Self::RustSdk,
        Self::Spring,
        Self::Spring2023,
        Self::Dubbo,
        Self::Chromium,
    ];

    /// Its name in paths and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Nacos2 => "nacos2",
            Self::Nacos3 => "nacos3",
            Self::JavaSdk => "java-sdk",
            Self::JavaSdk2 => "java-sdk2",
            Self::JavaSdk1 => "java-sdk1",
            Self::PythonSdk => "python-sdk",
            Self::PythonSdk2 => "python-sdk2",
            Self::GoSdk => "go-sdk",
            Self::NodeSdk => "node-sdk",
            Self::RustSdk => "rust-sdk",
            Self::Spring => "spring",
            Self::Spring2023 => "spring2023",
            Self::Dubbo => "dubbo",
            Self::Chromium => "chromium",
        }
    }

    fn sources(self) -> PathBuf {
        let relative = match self {
            Self::Kafka => "harness/parts/kafka",
            Self::Nacos2 => "harness/parts/nacos2",
            Self::Nacos3 => "harness/parts/nacos3",
            Self::JavaSdk | Self::JavaSdk2 | Self::JavaSdk1 => "clients/java",
            Self::PythonSdk => "clients/python",
            Self::PythonSdk2 => "clients/python2",
            Self::GoSdk => "clients/go",
            Self::NodeSdk => "clients/node",
            Self::RustSdk => "clients/rust",
            Self::Spring | Self::Spring2023 => "clients/spring",
            Self::Dubbo => "clients/dubbo",
            Self::Chromium => "harness/parts/chromium",
        };
        workspace().join("tests").join(relative)
    }

    fn recipe(self) -> Recipe {
        match self {
            Self::Kafka | Self::Nacos2 | Self::Nacos3 | Self::JavaSdk | Self::Spring | Self::Dubbo => {
                Recipe::Maven(&[])
            }
            Self::JavaSdk2 => Recipe::Maven(&["-Dnacos.client.version=2.4.3"]),
            Self::JavaSdk1 => Recipe::Maven(&["-Dnacos.client.version=1.4.8"]),
            Self::Spring2023 => Recipe::Maven(&[
                "-Dspring.boot.version=3.2.12",
                "-Dspring.cloud.version=2023.0.4",
                "-Dspring.cloud.alibaba.version=2023.0.3.4",
            ]),
            Self::PythonSdk | Self::PythonSdk2 => Recipe::Venv,
            Self::GoSdk => Recipe::Go,
            Self::NodeSdk => Recipe::Npm,
            Self::RustSdk => Recipe::Cargo,
            Self::Chromium => Recipe::Browser,
        }
    }
}

/// Parts that are there.
#[derive(Clone, Debug)]
pub struct Parts {
    directories: BTreeMap<Part, PathBuf>,
}

impl Parts {
    /// Makes sure of `parts`, fetching what is missing.
    ///
    /// # Errors
    /// When a tool is missing or a registry cannot be reached; the error quotes the tool's output.
    pub async fn ensure(parts: &[Part]) -> Result<Self> {
        let root = root();
        std::fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        let mut directories = BTreeMap::new();
        for &part in parts {
            let directory = ensure_one(&root, part).await.with_context(|| format!("cannot fetch {}", part.name()))?;
            directories.insert(part, directory);
        }
        Ok(Self { directories })
    }

    /// Where a part is.
    ///
    /// # Errors
    /// When it was not among those asked for.
    pub fn directory(&self, part: Part) -> Result<&Path> {
        let directory = self.directories.get(&part).map(PathBuf::as_path);
        directory.with_context(|| format!("{} was not asked for: add it to Parts::ensure", part.name()))
    }
}

/// The root of the workspace: the one around the working directory, else the one that this was built from. They differ where worktrees
/// share a target directory, and after a move.
pub fn workspace() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let around = here.ancestors().find(|folder| folder.join("tests/harness/parts").is_dir());
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    around.or_else(built).expect("this package is two folders below the workspace").to_path_buf()
}

/// Where all parts are kept.
pub fn root() -> PathBuf {
    std::env::var_os("NACOS_FED_PARTS").map_or_else(|| workspace().join(".parts"), PathBuf::from)
}

async fn ensure_one(root: &Path, part: Part) -> Result<PathBuf> {
    let sources = part.sources();
    let directory = root.join(format!("{}-{:016x}", part.name(), fingerprint(&sources)? ^ part.recipe().fingerprint()));
    if is_whole(part, &directory) {
        return Ok(directory);
    }
    let _lock = lock(root.join(format!("{}.lock", part.name()))).await?;
    if is_whole(part, &directory) {
        return Ok(directory); // Another process fetched it while this one waited.
    }
    announce(&format!("fetching {} (once; kept in {})", part.name(), directory.display()));
    let start = Instant::now();
    let fetching = root.join(format!("fetching-{}", part.name()));
    for leftover in [&fetching, &directory] {
        if leftover.exists() {
            std::fs::remove_dir_all(leftover)?;
        }
    }
    copy(&sources, &fetching)?;
    make(part, &fetching).await?;
    std::fs::write(fetching.join(STAMP), inventory(&fetching)?)?;
    std::fs::rename(&fetching, &directory)?;
    announce(&format!("fetched {} in {:.1} s", part.name(), start.elapsed().as_secs_f64()));
    Ok(directory)
}

/// Whether it was fetched to its end; what the machine lent may be gone again.
fn is_whole(part: Part, directory: &Path) -> bool {
    directory.join(STAMP).exists() && (part.recipe() != Recipe::Browser || directory.join(BROWSER).exists())
}

async fn lock(path: PathBuf) -> Result<File> {
    let locked = tokio::task::spawn_blocking(move || {
        let file = File::create(path)?;
        file.lock()?;
        std::io::Result::Ok(file)
    });
    Ok(locked.await??)
}

impl Recipe {
    /// Another for other arguments; 0 without, as for all parts that have none.
    fn fingerprint(self) -> u64 {
        match self {
            Self::Maven(further) if !further.is_empty() => xxhash_rust::xxh3::xxh3_64(further.join(" ").as_bytes()),
            _ => 0,
        }
    }
}

async fn make(part: Part, directory: &Path) -> Result<()> {
    let log = directory.join("fetch.log");
    let tool = |executable: &str, arguments: &[&str]| {
        let name = format!("{executable} (for {})", part.name());
        Program::new(name, executable, &log).args(arguments.iter().copied()).directory(directory)
    };
    match part.recipe() {
        Recipe::Maven(further) => {
            tools::provide("javac", &["openjdk-17-jdk-headless"]).await?;
            tools::provide("mvn", &["maven"]).await?;
            let goals = ["-q", "-B", "-ntp", "compile", "dependency:copy-dependencies", "-DoutputDirectory=deps"];
            tool("mvn", &[&goals, further].concat()).run().await
        }
        Recipe::Venv => {
            tools::provide("python3", &["python3-venv"]).await?;
            tool("python3", &["-m", "venv", "venv"]).run().await?;
            let python = directory.join("venv/bin/python");
            let python = python.to_str().context("the path of the parts is not text")?;
            tool(python, &["-m", "pip", "install", "-q", "-r", "requirements.txt"]).run().await
        }
        Recipe::Go => {
            let go = tools::go().await?;
            let go = go.to_str().context("the path of Go is not text")?;
            tool(go, &["build", "-o", "driver", "."]).run().await
        }
        Recipe::Npm => {
            tools::provide("npm", &["nodejs", "npm"]).await?;
            tool("npm", &["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).run().await
        }
        Recipe::Cargo => {
            let kept = directory.parent().context("a part lies in the folder of parts")?.join("rust-sdk-target");
            let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
            let target = kept.to_str().context("the path of the parts is not text")?;
            tool(&cargo, &["build", "--quiet", "--locked", "--target-dir", target]).run().await?;
            std::fs::copy(kept.join("debug/federation-client-rust"), directory.join("driver"))?;
            Ok(())
        }
        Recipe::Browser => {
            let packages = std::fs::read_to_string(directory.join("packages.txt"))?;
            let packages: Vec<&str> = packages.lines().filter(|line| !line.starts_with('#')).collect();
            Ok(std::os::unix::fs::symlink(tools::browser(&packages).await?, directory.join(BROWSER))?)
        }
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for relative in files(from)? {
        let target = to.join(&relative);
        std::fs::create_dir_all(target.parent().context("a file has a folder")?)?;
        std::fs::copy(from.join(&relative), target)?;
    }
    Ok(())
}

fn inventory(directory: &Path) -> Result<String> {
    let mut names: Vec<String> = Vec::new();
    for kept in ["deps", "venv/lib"] {
        if directory.join(kept).is_dir() {
            let within = files(&directory.join(kept))?;
            names.extend(within.iter().filter(|path| is_versioned(path)).map(|path| path.display().to_string()));
        }
    }
    Ok(names.join("\n"))
}

fn is_versioned(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "jar") || path.ends_with("METADATA")
}

/// Changes with any name or content below `directory`; the same in every build of the harness.
fn fingerprint(directory: &Path) -> Result<u64> {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    for relative in files(directory)? {
        hash.update(relative.as_os_str().as_encoded_bytes());
        hash.update(&[0]);
        hash.update(&std::fs::read(directory.join(&relative))?);
        hash.update(&[0]);
    }
    Ok(hash.digest())
}

/// All files below, relative, in order; what tools write beside sources (`target`, caches) is left out.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![directory.to_path_buf()];
    while let Some(folder) = pending.pop() {
        let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_file() {
                found.push(path.strip_prefix(directory)?.to_path_buf());
            } else if path.is_dir()
                && !["target", "__pycache__", "node_modules"].iter().any(|name| path.ends_with(name))
            {
                pending.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::Home;

    #[test]
    fn a_fingerprint_changes_with_content_and_with_names() {
        let home = Home::temporary("parts").unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for (name, content) in [("a", "1"), ("a", "2"), ("b", "2"), ("b", "")] {
            std::fs::write(home.path().join(name), content).unwrap();
            assert!(seen.insert(fingerprint(home.path()).unwrap()), "{name} {content}");
        }
        std::fs::create_dir(home.path().join("target")).unwrap();
        std::fs::write(home.path().join("target/built"), "x").unwrap();
        assert!(!seen.insert(fingerprint(home.path()).unwrap()));
    }

    #[test]
    fn every_part_has_sources() {
        for part in Part::ALL {
            assert!(!files(&part.sources()).unwrap().is_empty(), "{}", part.name());
        }
    }

    #[test]
    fn parts_of_one_source_and_other_versions_are_kept_apart() {
        let versions = [Part::JavaSdk, Part::JavaSdk2, Part::JavaSdk1].map(|part| part.recipe().fingerprint());
        assert_eq!(versions.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
    }
}
