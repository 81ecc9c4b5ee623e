//! Golden files: what the program writes, kept beside the code that writes it.
//!
//! Input: a folder and everything that belongs into it, by name. Output: nothing if the files say the same, else a panic with the lines
//! that differ, of all files at once. With `NACOS_FED_GOLDEN=write` in the environment the files are written instead: the change is then
//! read where all changes are read, in the diff of the commit. Invariant: a folder has no file that nobody holds.

mod diff;
mod indent;

use std::collections::BTreeMap;
use std::path::Path;

pub use self::indent::indented;

/// Set to `write` to rewrite golden files.
const VARIABLE: &str = "NACOS_FED_GOLDEN";

/// What belongs into one folder: texts by the names of their files.
#[derive(Debug, Default)]
pub struct Golden(BTreeMap<String, String>);

impl Golden {
    /// Adds a text; it ends with a line break in its file, whether it has one or not.
    ///
    /// # Panics
    /// If the name was given before: one of the two would be held by nobody.
    pub fn text(&mut self, name: &str, text: &str) {
        let text = format!("{}\n", text.trim_end_matches('\n'));
        assert!(self.0.insert(name.to_owned(), text).is_none(), "two texts are named {name}");
    }

    /// Adds JSON, a field a line, in the order in which it came.
    ///
    /// # Panics
    /// As [`Golden::text`].
    pub fn json(&mut self, name: &str, json: &str) {
        self.text(name, &indented(json));
    }

    /// Compares with the files of `folder`, or writes them.
    ///
    /// # Panics
    /// If a file differs, is missing, or is held by nobody; if the folder cannot be written.
    pub fn hold(self, folder: &Path) {
        if std::env::var(VARIABLE).is_ok_and(|value| value == "write") {
            self.write(folder);
        }
        let mut found = Vec::new();
        for (name, text) in &self.0 {
            let path = folder.join(name);
            match std::fs::read_to_string(&path) {
                Ok(golden) if golden == *text => {}
                Ok(golden) => found.push(format!("{}\n{}", path.display(), diff::lines(&golden, text))),
                Err(error) => found.push(format!("{}: {error}", path.display())),
            }
        }
        found.extend(
            self.strangers(folder).iter().map(|name| format!("{}: nobody holds it", folder.join(name).display())),
        );
        assert!(
            found.is_empty(),
            "\n{}\n- golden file, + what is written now. If this is meant: {VARIABLE}=write, and look at the diff.\n",
            found.join("\n")
        );
    }

    fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).expect("the folder of golden files can be made");
        for (name, text) in &self.0 {
            std::fs::write(folder.join(name), text).expect("a golden file can be written");
        }
        for name in self.strangers(folder) {
            std::fs::remove_file(folder.join(name)).expect("a golden file can be removed");
        }
    }

    /// Files of the folder that are not among the texts.
    fn strangers(&self, folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let files = entries.filter(|entry| entry.path().is_file());
        let names = files.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| !self.0.contains_key(name)).collect()
    }
}
