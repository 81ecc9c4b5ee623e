//! The repository's own files, and what tidiness needs to know of them. Text only: a parser would be more exact and far more code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Folders that are not ours to keep tidy.
const LEFT_OUT: [&str; 6] = [".git", "target", ".parts", ".stack", "data", "node_modules"];
const TEXT: [&str; 12] = ["rs", "md", "toml", "yaml", "yml", "proto", "java", "py", "go", "xml", "sh", "json"];
const TEXT_NAMES: [&str; 3] = ["Makefile", "run", "Dockerfile"];

/// A file, by its name in the repository.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Source {
    /// The text without comment lines.
    pub(crate) fn code(&self) -> String {
        let code = self.text.lines().filter(|line| !line.trim_start().starts_with("//"));
        code.collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn is_markdown(&self) -> bool {
        self.name.ends_with(".md")
    }

    /// Whether it holds nothing but tests.
    pub(crate) fn is_test(&self) -> bool {
        self.name.ends_with("/tests.rs") || self.name.contains("/tests/")
    }

    /// A finding for every line with one of `words`.
    pub(crate) fn lines_with(&self, words: &[&str]) -> Vec<String> {
        let numbered = self.text.lines().enumerate();
        let hits = numbered.flat_map(|(index, line)| {
            let found = words.iter().filter(move |word| line.contains(**word));
            found.map(move |word| format!("{}:{}: {word}", self.name, index + 1))
        });
        hits.collect()
    }
}

/// A function's place and length.
pub(crate) struct Function {
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

pub(crate) fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    tests.and_then(Path::parent).expect("this package is two folders below the workspace").to_path_buf()
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn rust_files() -> Vec<Source> {
    below(&workspace(), &|path| has_extension(path, &["rs"]))
}

pub(crate) fn text_files() -> Vec<Source> {
    let named = |path: &Path| path.file_name().is_some_and(|name| TEXT_NAMES.iter().any(|known| name == *known));
    below(&workspace(), &|path| has_extension(path, &TEXT) || named(path))
}

/// The Rust files of a folder.
pub(crate) fn under(folder: &str) -> Vec<Source> {
    below(&workspace().join(folder), &|path| has_extension(path, &["rs"]))
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known))
}

fn below(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Vec<Source> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder can be read to its end").path();
        if path.is_dir() && !LEFT_OUT.iter().any(|name| path.ends_with(name)) {
            found.extend(below(&path, wanted));
        } else if path.is_file() && wanted(&path) {
            found.push(source(&path));
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn source(path: &Path) -> Source {
    let name = path.strip_prefix(workspace()).expect("it was found below the workspace").display().to_string();
    Source { name, text: read(path) }
}

/// The functions of rustfmt's output: from a line with `fn` to the first line with the closing brace at its indentation. Declarations
/// without a body are left out.
pub(crate) fn functions(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let starts = lines.iter().enumerate().filter(|(_, line)| begins_function(line));
    let lengths = starts.filter_map(|(start, line)| {
        let opening = lines[start..].iter().find(|line| line.ends_with(['{', ';']))?;
        let closing = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let length = lines[start..].iter().position(|line| *line == closing)? + 1;
        opening.ends_with('{').then_some(Function { line: start + 1, lines: length })
    });
    lengths.collect()
}

fn begins_function(line: &str) -> bool {
    let mut words = line.trim_start().split(' ').take_while(|word| !word.contains('"'));
    let qualifiers = ["pub", "pub(super)", "pub(crate)", "async", "const", "unsafe", "extern"];
    words.find(|word| !qualifiers.contains(word)) == Some("fn") && !line.trim_end().ends_with(['}', ';'])
}

/// A package of the workspace.
pub(crate) struct Package {
    pub(crate) folder: String,
    pub(crate) name: String,
    /// What it depends on outside its tests.
    pub(crate) dependencies: BTreeSet<String>,
    /// What it, its tests and its build script depend on.
    pub(crate) declared: BTreeSet<String>,
}

impl Package {
    /// Whether it is built into the program.
    pub(crate) fn is_of_the_product(&self) -> bool {
        self.folder.starts_with("gateway/") || self.folder == "proto"
    }
}

/// All packages of the workspace, by their manifests.
pub(crate) fn packages() -> Vec<Package> {
    let manifest = |path: &Path| path.ends_with("Cargo.toml") && path != workspace().join("Cargo.toml");
    let packages = below(&workspace(), &manifest).into_iter().map(|source| Package {
        folder: source.name.trim_end_matches("/Cargo.toml").to_owned(),
        name: package_name(&source.text),
        dependencies: dependencies(&source.text, &["dependencies"]),
        declared: dependencies(&source.text, &["dependencies", "dev-dependencies", "build-dependencies"]),
    });
    packages.collect()
}

fn package_name(manifest: &str) -> String {
    let line = manifest.lines().find_map(|line| line.strip_prefix("name = ")).expect("a package has a name");
    line.trim_matches('"').into()
}

/// The names in these sections.
fn dependencies(manifest: &str, sections: &[&str]) -> BTreeSet<String> {
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if let Some(header) = line.strip_prefix('[') {
            inside = sections.iter().any(|section| header.strip_suffix(']') == Some(section));
        } else if inside && let Some(name) = line.split(['.', '=', ' ']).next().filter(|name| !name.is_empty()) {
            names.insert(name.to_owned());
        }
    }
    names
}

/// Whether a name stands in the code by itself, not as a part of another.
pub(crate) fn has_word(code: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(is_part) && !code[at + word.len()..].starts_with(is_part))
}

/// The names of tests: of functions after an attribute that makes them one.
pub(crate) fn tests(text: &str) -> Vec<&str> {
    let mut is_next = false;
    let mut names = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        is_next |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        if is_next && let Some((_, rest)) = line.split_once("fn ") {
            is_next = false;
            names.extend(rest.split(['(', '<']).next());
        }
    }
    names
}

/// The last cells of the rows of a document's tables whose last column has this title, each with its row's first cell.
pub(crate) fn last_cells<'a>(text: &'a str, title: &str) -> Vec<(&'a str, &'a str)> {
    let mut inside = false;
    let mut cells = Vec::new();
    for line in text.lines() {
        let row: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let is_row = line.starts_with('|') && !line.starts_with("|---");
        match (row.first(), row.last()) {
            _ if !line.starts_with('|') => inside = false,
            (_, Some(last)) if *last == title => inside = true,
            (Some(first), Some(last)) if inside && is_row => cells.push((*first, *last)),
            _ => {}
        }
    }
    cells
}

/// Modules of a crate that need each other: the names along one ring, if there is one. A module is a file or folder right below `src`, and
/// needs those that its code, its tests aside, names as `crate::…`.
pub(crate) fn ring(sources: &[Source]) -> Option<Vec<String>> {
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_test() && source.name.contains("/src/")) {
        let within = source.name.split("/src/").nth(1).unwrap_or_default();
        let module = within.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        let code = source.code();
        let outside_tests = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let named = outside_tests.split("crate::").skip(1);
        let names =
            named.map(|rest| rest.split(|end: char| !end.is_alphanumeric() && end != '_').next().unwrap_or_default());
        needs.entry(module.to_owned()).or_default().extend(names.filter(|name| *name != module).map(str::to_owned));
    }
    needs.retain(|module, _| module != "lib" && module != "main");
    // What needs nothing that is left is no part of a ring.
    loop {
        let left: BTreeSet<String> = needs.keys().cloned().collect();
        let before = needs.len();
        needs.retain(|_, needed| needed.iter().any(|name| left.contains(name)));
        if needs.len() == before {
            break;
        }
    }
    let mut path = vec![needs.keys().next()?.clone()];
    loop {
        let last = &needs[path.last().expect("it has a first")];
        let next = last.iter().find(|name| needs.contains_key(*name)).expect("each needs one that is left").clone();
        let begun = path.iter().position(|name| *name == next);
        path.push(next);
        if let Some(begun) = begun {
            return Some(path.split_off(begun));
        }
    }
}

/// String literals that are one word with this beginning.
pub(crate) fn strings_beginning(code: &str, beginning: &str) -> Vec<String> {
    let literals = code.split('"').skip(1).step_by(2);
    let is_word = |text: &&str| {
        text.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
    };
    literals
        .filter(|text| text.starts_with(beginning) && text.len() > beginning.len())
        .filter(is_word)
        .map(str::to_owned)
        .collect()
}

/// Relative targets of Markdown links, without fragments.
pub(crate) fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = targets.map(|target| target.split('#').next().unwrap_or_default());
    files
        .filter(|target| !target.is_empty() && !target.contains(':') && !target.contains(' '))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured() {
        let text = "fn short() {}\npub(crate) async fn a(\n    b: u8,\n) {\n    c();\n}\nimpl A {\n    fn f(\n    );\n    fn d() {\n        e()\n    }\n}\n";
        let found: Vec<_> = functions(text).iter().map(|function| (function.line, function.lines)).collect();
        assert_eq!(found, [(2, 5), (10, 3)]);
    }

    #[test]
    fn a_ring_is_found_and_its_names_are_told() {
        let file = |name: &str, text: &str| Source { name: format!("x/src/{name}"), text: text.to_owned() };
        let layers = [file("a.rs", "use crate::b::B;"), file("b/c.rs", "use crate::d;"), file("d.rs", "// crate::a")];
        assert_eq!(ring(&layers), None);
        let ringed = [file("a.rs", "use crate::b::B;"), file("b/c.rs", "use crate::d;"), file("d.rs", "crate::b::x()")];
        assert_eq!(ring(&ringed), Some(["b", "d", "b"].map(str::to_owned).into()));
    }

    #[test]
    fn tests_words_and_cells_are_found() {
        let text =
            "#[test]\nfn a_one() {\nfn no() {\n    #[tokio::test(start_paused = true)]\n    async fn a_two() {\n";
        assert_eq!(tests(text), ["a_one", "a_two"]);
        assert!(has_word("use md5::Digest;", "md5") && !has_word("cmd5, md5_of", "md5"));
        let document = "| a | by |\n|---|---|\n| b | `c` |\n\n| d | e |\n|---|---|\n| f | g |\n";
        assert_eq!(last_cells(document, "by"), [("b", "`c`")]);
    }

    #[test]
    fn dependencies_are_those_outside_tests() {
        let manifest = "[package]\nname = \"a\"\n[dependencies]\nb.workspace = true\nd = { path = \"d\" }\n[dev-dependencies]\nc = { path = \"c\" }\n";
        assert_eq!(dependencies(manifest, &["dependencies"]), ["b", "d"].map(String::from).into());
        let all = dependencies(manifest, &["dependencies", "dev-dependencies"]);
        assert_eq!(all, ["b", "c", "d"].map(String::from).into());
        assert_eq!(package_name(manifest), "a");
    }
}
