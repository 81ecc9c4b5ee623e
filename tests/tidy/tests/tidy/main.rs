//! The walls that no compiler holds: sizes, who may know whom, words that must not appear, names that the documentation owes.

mod mutants;
mod source;

use std::collections::BTreeSet;
use std::path::Path;

use source::{Source, read, rust_files, text_files, workspace};

/// A file longer than this has more than one subject.
const FILE_LINES: usize = 600;
/// A function longer than this does not fit on a screen.
const FUNCTION_LINES: usize = 60;

/// What each crate of the gateway may know of the others. A face knows the view, the policy and the ports, never an adapter or the engine;
/// an adapter knows the ports; only the server knows all. `docs/architecture.md` says what each is for.
const MAY_KNOW: [(&str, &[&str]); 20] = [
    ("gateway/core", &[]),
    ("gateway/listener", &[]),
    ("gateway/nacos-protocol", &["bounded-listener"]),
    ("gateway/storage", &["federation-core"]),
    ("gateway/document", &["federation-core"]),
    ("gateway/answers", &["federation-core"]),
    ("gateway/codec", &["federation-core", "federation-proto"]),
    ("gateway/ports", &["bounded-listener", "federation-codec", "federation-core"]),
    ("gateway/access", &["federation-core", "federation-document", "federation-ports"]),
    ("gateway/policy", &["federation-core", "federation-document", "federation-ports", "federation-storage"]),
    ("gateway/view", &["federation-core", "federation-policy", "federation-ports"]),
    (
        "gateway/engine",
        &["federation-codec", "federation-core", "federation-ports", "federation-storage", "federation-view"],
    ),
    ("gateway/adapters/kafka", &["federation-codec", "federation-core", "federation-ports"]),
    ("gateway/adapters/nacos", &["federation-core", "federation-ports", "nacos-protocol"]),
    (
        "gateway/adapters/registry",
        &["bounded-listener", "federation-core", "federation-ports", "federation-storage", "nacos-protocol"],
    ),
    (
        "gateway/faces/api",
        &[
            "bounded-listener",
            "federation-access",
            "federation-answers",
            "federation-core",
            "federation-document",
            "federation-policy",
            "federation-ports",
            "federation-proto",
            "federation-view",
        ],
    ),
    ("gateway/faces/dashboard", &[]),
    (
        "gateway/faces/front-door",
        &[
            "bounded-listener",
            "federation-core",
            "federation-policy",
            "federation-ports",
            "federation-view",
            "nacos-protocol",
        ],
    ),
    ("gateway/demo", &["bounded-listener", "federation-answers", "federation-core", "nacos-protocol"]),
    ("proto", &[]),
];
/// The one crate that knows all others.
const KNOWS_ALL: &str = "gateway/server";

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
fn no_crate_knows_more_of_the_others_than_it_may() {
    let packages = source::packages();
    let names: BTreeSet<String> = packages.iter().map(|package| package.name.clone()).collect();
    let mut found = Vec::new();
    for package in packages.iter().filter(|package| package.is_of_the_product() && package.folder != KNOWS_ALL) {
        let Some((_, may)) = MAY_KNOW.iter().find(|(folder, _)| *folder == package.folder) else {
            found.push(format!("{}: no line of MAY_KNOW says what it may know", package.folder));
            continue;
        };
        let more = package.dependencies.intersection(&names).filter(|name| !may.contains(&name.as_str()));
        found.extend(more.map(|name| format!("{}/Cargo.toml: may not depend on {name}", package.folder)));
    }
    none(&found);
}

/// Packages whose crate has another name, or which only generated code may name: what stands in the sources in their place.
const NAMED_OTHERWISE: [(&str, &str); 3] =
    [("md-5", "md5"), ("tonic-prost", "tonic_prost_build"), ("prost-types", "tonic_prost_build")];

#[test]
fn every_dependency_is_named_in_the_sources_of_its_package() {
    let mut found = Vec::new();
    for package in source::packages() {
        let code: Vec<String> = source::under(&package.folder).iter().map(Source::code).collect();
        for name in &package.declared {
            let otherwise = NAMED_OTHERWISE.iter().find(|(package, _)| package == name);
            let words = [Some(name.replace('-', "_")), otherwise.map(|(_, word)| (*word).to_owned())];
            let is_named = |code: &String| words.iter().flatten().any(|word| source::has_word(code, word));
            if !code.iter().any(is_named) {
                found.push(format!("{}/Cargo.toml: {name} is not used", package.folder));
            }
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
fn modules_form_layers_without_a_ring() {
    let ringed = ["gateway/adapters/kafka", "gateway/nacos-protocol"]; // Their modules are parts of one machine each.
    let mut found = Vec::new();
    for package in source::packages().iter().filter(|package| package.is_of_the_product()) {
        if !ringed.contains(&package.folder.as_str()) {
            let ring = source::ring(&source::under(&package.folder));
            found.extend(ring.map(|ring| format!("{}: {}", package.folder, ring.join(" → "))));
        }
    }
    none(&found);
}

#[test]
fn maps_of_the_core_are_seeded_by_whoever_makes_it() {
    let mut sources = source::under("gateway/core/src");
    sources.retain(|source| !source.is_test() && !source.name.ends_with("/seed.rs"));
    none(&findings(sources, |source| {
        let code = source.code();
        let used = ["RandomState", "HashMap", "HashSet"].into_iter().filter(|word| code.contains(word));
        used.map(|word| format!("{}: has {word}; use seed::Map or seed::Set", source.name)).collect()
    }));
}

#[test]
fn strangers_are_let_in_at_one_place() {
    // The listener itself; and the demo looks for free ports.
    let may = |name: &str| name.starts_with("gateway/listener/") || name.ends_with("gateway/demo/src/ports.rs");
    let mut sources = source::under("gateway");
    sources.retain(|source| !source.is_test() && !may(&source.name));
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
    let mut sources = source::under("gateway");
    sources.retain(|source| !may(&source.name) && !source.is_test());
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
    none(&findings(source::under("gateway"), |source| {
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

/// What stands in place of tests where there are none.
const NOT_SHOWN: &str = "not shown by a test";

#[test]
fn every_failure_names_tests_that_exist_or_says_that_there_are_none() {
    let sources = rust_files();
    let tests: BTreeSet<&str> = sources.iter().flat_map(|source| source::tests(&source.text)).collect();
    let failures = read(&workspace().join("docs/failures.md"));
    let rows = source::last_cells(&failures, "shown by");
    assert!(rows.len() > 100, "{} rows are read of docs/failures.md", rows.len());
    let mut found = Vec::new();
    for (failure, shown) in rows {
        let names: Vec<&str> = shown.split(", ").filter_map(|name| name.strip_prefix('`')?.strip_suffix('`')).collect();
        if shown != NOT_SHOWN && names.len() != shown.split(", ").count() {
            found.push(format!("docs/failures.md: {failure}: neither names of tests nor `{NOT_SHOWN}`: {shown}"));
        }
        let missing = names.into_iter().filter(|name| !tests.contains(name));
        found.extend(missing.map(|name| format!("docs/failures.md: {failure}: there is no test {name}")));
    }
    none(&found);
}

#[test]
fn every_break_of_the_core_stands_in_its_file_exactly_once() {
    let breaks = mutants::breaks(&read(&workspace().join("tests/mutants/list")));
    assert!(breaks.len() > 30, "{} breaks are read of tests/mutants/list", breaks.len());
    let sources = source::under(mutants::CORE);
    let trouble = |it: &mutants::Break| Some(format!("tests/mutants/list: {}: {}", it.name, it.trouble(&sources)?));
    none(&breaks.iter().filter_map(trouble).collect::<Vec<_>>());
}
