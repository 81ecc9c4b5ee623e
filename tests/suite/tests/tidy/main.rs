//! The walls that no compiler holds: sizes, who may know whom, words that must not appear, names that the documentation owes.

mod source;

use std::collections::BTreeSet;
use std::path::Path;

use source::{Source, read, rust_files, text_files, workspace};

/// A file longer than this has more than one subject.
const FILE_LINES: usize = 600;
/// A function longer than this does not fit on a screen.
const FUNCTION_LINES: usize = 60;
/// These meet only in `app.rs` and through the traits in `ports.rs`.
const ADAPTERS: [&str; 6] = ["kafka", "nacos", "api", "registry", "demo", "cli"];

/// Fails with all findings at once.
fn none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

fn findings(sources: Vec<Source>, finding: impl Fn(&Source) -> Vec<String>) -> Vec<String> {
    sources.iter().flat_map(finding).collect()
}

#[test]
fn files_have_one_subject_and_so_few_lines() {
    none(&findings(rust_files(), |source| {
        let lines = source.text.lines().count();
        (lines > FILE_LINES)
            .then(|| format!("{}: {lines} lines, at most {FILE_LINES}", source.name))
            .into_iter()
            .collect()
    }));
}

#[test]
fn functions_fit_on_a_screen() {
    none(&findings(rust_files(), |source| {
        let functions = if source.is_test() { Vec::new() } else { source::functions(&source.text) }; // A table of cases may be long.
        let long = functions.into_iter().filter(|function| function.lines > FUNCTION_LINES);
        long.map(|it| format!("{}:{}: {} lines, at most {FUNCTION_LINES}", source.name, it.line, it.lines)).collect()
    }));
}

#[test]
fn every_module_says_what_it_is() {
    none(&findings(rust_files(), |source| {
        // A module's own tests need no header: the module says whose they are.
        let says = source.text.starts_with("//!") || source.is_test() && source.name.contains("/src/");
        (!says).then(|| format!("{}: does not begin with //!", source.name)).into_iter().collect()
    }));
}

#[test]
fn the_core_the_records_and_the_listener_know_no_other_package() {
    let folders =
        ["gateway/core", "gateway/listener", "gateway/nacos-protocol", "gateway/server", "proto", "tests/harness"];
    let names: Vec<String> =
        folders.map(|folder| source::package_name(&read(&workspace().join(folder).join("Cargo.toml")))).into();
    let mut found = Vec::new();
    for folder in ["gateway/core", "gateway/listener", "proto"] {
        let manifest = read(&workspace().join(folder).join("Cargo.toml"));
        for dependency in source::dependencies(&manifest).intersection(&names.iter().cloned().collect()) {
            found.push(format!("{folder}/Cargo.toml: depends on {dependency}"));
        }
    }
    none(&found);
}

#[test]
fn the_core_has_no_runtime_clock_socket_lock_or_chance() {
    const BANNED: [&str; 12] = [
        "std::time::Instant",
        "SystemTime",
        "std::net",
        "std::fs",
        "std::thread",
        "std::sync::Mutex",
        "std::sync::RwLock",
        "tokio",
        "rand::",
        "tracing::",
        "async fn",
        "println!",
    ];
    none(&findings(source::under("gateway/core/src"), |source| {
        let code = source.code();
        let used = BANNED.iter().filter(|word| code.contains(**word));
        used.map(|word| format!("{}: uses {word}", source.name)).collect()
    }));
}

#[test]
fn adapters_do_not_know_each_other() {
    let mut found = Vec::new();
    for adapter in ADAPTERS {
        let sources = source::under(&format!("gateway/server/src/{adapter}"));
        for source in sources.into_iter().filter(|source| !source.is_test()) {
            let others = ADAPTERS.iter().filter(|other| **other != adapter);
            let known = others.filter(|other| source::names_module(&source.code(), other));
            found.extend(known.map(|other| format!("{}: uses crate::{other}", source.name)));
        }
    }
    none(&found);
}

#[test]
fn strangers_are_let_in_at_one_place() {
    let may = |name: &str| name.ends_with("gateway/server/src/demo/ports.rs"); // Looks for free ports.
    let mut sources = source::under("gateway/nacos-protocol/src");
    sources.extend(source::under("gateway/server/src"));
    sources.retain(|source| !source.is_test() && !may(&source.name) && !source.name.ends_with("/hostile.rs"));
    none(&findings(sources, |source| {
        let code = source.code();
        let made = ["TcpListener", "axum::serve", "serve_with_incoming", "UnixListener"];
        let found = made.iter().filter(|word| code.contains(**word));
        found.map(|word| format!("{}: has {word}; use bounded_listener::Listener", source.name)).collect()
    }));
}

#[test]
fn errors_have_types_below_the_command_line() {
    let may = |name: &str| ["main.rs", "app.rs", "/app/", "/cli/", "/demo/"].iter().any(|place| name.contains(place));
    let mut sources = source::under("gateway/core/src");
    sources.extend(source::under("gateway/nacos-protocol/src"));
    sources.extend(
        source::under("gateway/server/src").into_iter().filter(|source| !may(&source.name) && !source.is_test()),
    );
    none(&findings(sources, |source| {
        let uses = source.code().contains("anyhow");
        uses.then(|| format!("{}: uses anyhow", source.name)).into_iter().collect()
    }));
}

#[test]
fn nothing_is_left_to_do_silenced_or_skipped() {
    let banned = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("#![", "allow("),
        concat!("#[", "ignore"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
    ];
    none(&findings(rust_files(), |source| source.lines_with(&banned)));
}

#[test]
fn nothing_names_the_place_where_it_was_written() {
    let banned = [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/")];
    none(&findings(text_files(), |source| source.lines_with(&banned)));
}

#[test]
fn every_metric_is_documented() {
    let documented = read(&workspace().join("docs/metrics.md"));
    none(&findings(source::under("gateway/server/src"), |source| {
        let names = source::strings_beginning(&source.code(), "federation_");
        // An info metric is registered without its ending.
        let is_documented = |name: &str| {
            [name.to_owned(), format!("{name}_info")].iter().any(|name| documented.contains(&format!("`{name}`")))
        };
        let missing: BTreeSet<_> = names.into_iter().filter(|name| !is_documented(name)).collect();
        missing.into_iter().map(|name| format!("{}: {name} is not in docs/metrics.md", source.name)).collect()
    }));
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    none(&findings(text_files().into_iter().filter(Source::is_markdown).collect(), |source| {
        let folder = workspace().join(&source.name);
        let folder = folder.parent().expect("a file has a folder");
        let broken = source::links(&source.text).into_iter().filter(|link| !Path::new(&folder.join(link)).exists());
        broken.map(|link| format!("{}: links to {link}, which does not exist", source.name)).collect()
    }));
}
