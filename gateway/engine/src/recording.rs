//! Everything that the state machine was told, in a file: for a bug report, from which what happened happens again.
//!
//! Form: JSON lines. The first is the [`RecordingBeginning`], each further one a [`RecordedStep`]: the time, the input, and a digest of the effects that followed.
//! The state machine takes its chance and its time from outside, so a program of the same version has the same effects: [`replay`] says
//! where it has others. Names, addresses and the contents of config items are in the file; only its owner may read it.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use federation_codec::record;
use federation_core::federation::{Federation, FederationSettings, OriginSnapshot, RecordDigest};
use federation_core::id::ClusterId;
use federation_core::input::{Effect, Input};
use federation_core::time::Now;
use serde::{Deserialize, Serialize};

/// A file that has grown so large takes no more: some hours of a large registry.
const MOST_BYTES: u64 = 1 << 30;

/// What a state machine began with.
#[derive(Debug, Serialize, Deserialize)]
pub struct RecordingBeginning {
    /// Of the program that recorded.
    pub version: String,
    /// As the configuration gave them, with the seed.
    pub settings: FederationSettings,
    /// What was known from the last time.
    pub snapshot: Vec<OriginSnapshot>,
    /// Clusters that did not count.
    pub excluded: BTreeSet<ClusterId>,
}

impl RecordingBeginning {
    /// A state machine that begins so.
    #[must_use]
    pub fn begin(self, digest: RecordDigest) -> Federation {
        let mut core = Federation::new(FederationSettings { digest, ..self.settings });
        if !self.snapshot.is_empty() {
            core.restore(self.snapshot);
        }
        core.excluding(self.excluded)
    }
}

/// One step.
#[derive(Debug, Serialize, Deserialize)]
pub struct RecordedStep {
    /// When.
    pub now: Now,
    /// What was told.
    pub input: Input,
    /// Digest of the effects that followed; empty if there was none.
    pub effects: String,
}

/// Writes steps down.
#[derive(Debug)]
pub struct StepRecorder {
    path: PathBuf,
    /// `None` once it is full, or the disk is.
    file: Option<BufWriter<File>>,
    written: u64,
}

impl StepRecorder {
    /// Begins a new file in `folder`, named by the cluster and this start's number.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn begin(folder: &Path, beginning: &RecordingBeginning) -> io::Result<Self> {
        let identity = &beginning.settings.identity;
        let path = folder.join(format!("{}-{:08x}.inputs", identity.cluster, identity.nonce));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let mut recorder = Self { path, file: Some(BufWriter::new(file)), written: 0 };
        recorder.write(beginning)?;
        tracing::warn!(path = %recorder.path.display(), "all inputs are recorded, with the contents of config items");
        Ok(recorder)
    }

    /// What was told and what followed. A file that takes no more ends the recording, and nothing else.
    pub(crate) fn note(&mut self, now: Now, input: Input, effects: &[Effect]) {
        if self.file.is_none() {
            return;
        }
        let step = RecordedStep { now, input, effects: digest(effects) };
        let ended = match self.write(&step) {
            Ok(()) if self.written < MOST_BYTES => return,
            Ok(()) => format!("{MOST_BYTES} bytes are enough"),
            Err(error) => error.to_string(),
        };
        tracing::warn!(path = %self.path.display(), reason = ended, "the recording of inputs ends");
        self.file = None;
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.written += text.len() as u64;
        file.write_all(&text)
    }
}

/// What a replay found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayOutcome {
    /// Steps that were repeated.
    pub steps: u64,
    /// Of these, those with an effect.
    pub with_effects: u64,
    /// Line of the first step whose effects were others, from 1.
    pub differs_at: Option<u64>,
}

/// Why a file cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum NoReplay {
    /// The file.
    #[error("the file cannot be read")]
    File(#[from] io::Error),
    /// Nothing is in it.
    #[error("the file is empty")]
    Empty,
    /// Not what a recorder writes.
    #[error("line {line} is not one of a recording")]
    Line {
        /// From 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        error: serde_json::Error,
    },
}

/// Tells a new state machine the inputs of a recording, up to the first step that has other effects, or to the end. A last line that was cut
/// off is passed over: a process that is killed leaves one.
///
/// # Errors
/// See [`NoReplay`].
pub fn replay(path: &Path) -> Result<ReplayOutcome, NoReplay> {
    let mut lines = BufReader::new(File::open(path)?).lines().peekable();
    let first = lines.next().ok_or(NoReplay::Empty)??;
    let beginning: RecordingBeginning =
        serde_json::from_str(&first).map_err(|error| NoReplay::Line { line: 1, error })?;
    let mut core = beginning.begin(RecordDigest::new(record::digest_of));
    let mut replayed = ReplayOutcome::default();
    let mut line = 1;
    while let Some(text) = lines.next() {
        line += 1;
        let step: RecordedStep = match serde_json::from_str(&text?) {
            Ok(step) => step,
            Err(error) if error.is_eof() && lines.peek().is_none() => break,
            Err(error) => return Err(NoReplay::Line { line, error }),
        };
        let effects = core.step(step.now, step.input);
        core.take_changed();
        replayed.steps += 1;
        replayed.with_effects += u64::from(!effects.is_empty());
        if digest(&effects) != step.effects {
            replayed.differs_at = Some(line);
            break;
        }
    }
    Ok(replayed)
}

fn digest(effects: &[Effect]) -> String {
    if effects.is_empty() {
        String::new()
    } else {
        blake3::hash(format!("{effects:?}").as_bytes()).to_hex()[..16].into()
    }
}

#[cfg(test)]
mod tests {
    use federation_core::federation::ImportRules;
    use federation_core::input::{LocalInput, ReplicaIdentity};
    use federation_core::local::service::RemovalPatience;
    use federation_core::log::control::Descriptor;
    use federation_core::pattern::NameSelection;
    use federation_core::pulse::FreshnessSettings;
    use federation_core::routing::Damping;
    use federation_core::seed::Seed;
    use federation_core::time::{Millis, Mono, WallMs};

    use super::*;

    fn beginning() -> RecordingBeginning {
        let settings = FederationSettings {
            identity: ReplicaIdentity {
                cluster: "a".parse().unwrap(),
                nonce: 7,
                name: "r".into(),
                advertised: "".into(),
            },
            descriptor: Descriptor { partitions: 2, generation: 1, reads_schema: 2, ..Descriptor::default() },
            patience: RemovalPatience { removal_hold: Millis::from_secs(15), sweep_interval: Millis::from_secs(600) },
            beat: Millis::from_secs(1),
            freshness: FreshnessSettings { stale_after: Millis::from_secs(10), lost_after: Millis::from_secs(60) },
            damping: Damping::default(),
            guard: federation_core::guard::GuardSettings::default(),
            export: NameSelection::everything(),
            import: ImportRules::everything(),
            intents: federation_core::orders::rules::IntentRules::default(),
            bounds: federation_core::log::bounds::OriginBounds::default(),
            census: federation_core::federation::CensusPace::default(),
            digest: RecordDigest::new(record::digest_of),
            seed: Seed(u64::MAX),
        };
        RecordingBeginning { version: "0".into(), settings, snapshot: Vec::new(), excluded: BTreeSet::new() }
    }

    /// A recording of three steps, the second of which has effects.
    fn recorded(folder: &Path) -> PathBuf {
        let mut recorder = StepRecorder::begin(folder, &beginning()).unwrap();
        let mut core = beginning().begin(RecordDigest::new(record::digest_of));
        let found = LocalInput::Discovered(federation_core::id::ServiceKey::new("public", "G", "s"));
        for (at, input) in [(1, Input::Local(LocalInput::Connected)), (2, Input::Local(found)), (3, Input::Look)] {
            let now = Now { mono: Mono(at), wall: WallMs(1_000 + at) };
            let effects = core.step(now, input.clone());
            recorder.note(now, input, &effects);
        }
        recorder.path.clone()
    }

    #[test]
    fn a_recording_has_its_effects_again_and_a_changed_one_says_where_it_differs() {
        let folder = tempfile::tempdir().unwrap();
        let path = recorded(folder.path());
        assert_eq!(replay(&path).unwrap(), ReplayOutcome { steps: 3, with_effects: 1, differs_at: None });
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("Connected", "Answered").replace("public", "prod")).unwrap();
        assert_eq!(replay(&path).unwrap().differs_at, Some(3));
    }

    #[test]
    fn what_is_no_recording_is_named_by_its_line_and_a_last_line_may_be_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = recorded(folder.path());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 10]).unwrap();
        assert_eq!(replay(&path).unwrap().steps, 2);
        std::fs::write(&path, text.replacen("{\"now\"", "{\"new\"", 1)).unwrap();
        assert!(matches!(replay(&path), Err(NoReplay::Line { line: 2, .. })));
        std::fs::write(&path, "").unwrap();
        assert!(matches!(replay(&path), Err(NoReplay::Empty)));
        assert!(matches!(replay(&folder.path().join("none")), Err(NoReplay::File(_))));
    }
}
