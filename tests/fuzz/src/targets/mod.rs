//! What is tried: each decoder, with what has to hold of it whatever the bytes.

mod admin;
mod documents;
mod events;
mod log;
mod nacos;

/// A decoder and its promises.
pub struct Target {
    /// Its name, and that of its folder of the corpus.
    pub name: &'static str,
    /// Folders of the repository whose files are inputs of it, too.
    pub also: &'static [&'static str],
    /// What means something in its format.
    pub words: &'static [&'static [u8]],
    /// The memory that it may take.
    pub memory: Memory,
    /// Tries one input.
    pub check: fn(&[u8]) -> Checked,
}

/// What was answered, in words that are the same for inputs that are treated alike, or which promise was broken.
pub type Checked = Result<String, String>;

/// A bound of memory: so much for the decoder itself, and so much for each byte of input. Copies that the check makes are counted, too.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Bytes, whatever the input.
    pub base: usize,
    /// Bytes for each byte of input.
    pub each: usize,
}

impl Memory {
    /// Most bytes for an input of this length.
    #[must_use]
    pub fn of(self, length: usize) -> usize {
        self.base + self.each * length
    }
}

/// All targets.
pub const ALL: &[Target] = &[
    log::HEADER,
    log::KEY,
    log::DATA_RECORD,
    log::CONTROL_RECORD,
    log::SNAPSHOT,
    nacos::PAYLOAD,
    nacos::TO_A_CLIENT,
    nacos::TO_A_SERVER,
    nacos::PARAMETERS,
    admin::ADMIN_ANSWER,
    documents::POLICY,
    documents::CONFIGURATION,
    documents::SCENARIO,
    documents::EXCLUSIONS,
    events::EVENTS,
];

/// The target of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Target> {
    ALL.iter().find(|target| target.name == name)
}

/// `Err` with the words and both values, unless they are equal.
fn same<T: PartialEq + std::fmt::Debug>(promise: &str, left: &T, right: &T) -> Result<(), String> {
    if left == right { Ok(()) } else { Err(format!("{promise}:\n  {left:?}\n  {right:?}")) }
}

/// A complaint as an answer: without numbers and without what is quoted, which differ from input to input.
fn kind_of(complaint: &str) -> String {
    let quoted = complaint.split(['`', '"']).step_by(2);
    quoted.flat_map(|part| part.chars().filter(|letter| !letter.is_ascii_digit())).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_of_one_kind_are_one_answer() {
        assert_eq!(kind_of("`a` is 12, at most 7"), kind_of("`bc` is 3, at most 7"));
        assert_ne!(kind_of("too long"), kind_of("too short"));
    }

    #[test]
    fn names_of_targets_are_unique() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|target| target.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
