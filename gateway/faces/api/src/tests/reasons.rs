//! Every code that an answer can have stands in the documentation: who translates them finds all of them there.

use federation_core::service::HoldReason;
use federation_ports::metrics::TroubleKind;

/// The section of the documentation.
fn section() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/operations.md");
    let text = std::fs::read_to_string(path).expect("the page exists");
    let begin = text.find("\n## Reasons\n").expect("the section");
    let end = text[begin + 1..].find("\n## ").expect("a section after it");
    text[begin..begin + 1 + end].to_owned()
}

/// What stands between quotes in a source file, after this beginning, and is a word of these characters.
fn words(source: &str, beginning: &str, more: &str) -> Vec<String> {
    let is_word = |text: &&str| !text.is_empty() && text.chars().all(|it| it.is_ascii_lowercase() || more.contains(it));
    let quoted = source.split(beginning).skip(1).filter_map(|rest| rest.split('"').next());
    quoted.filter(is_word).map(str::to_owned).collect()
}

#[test]
fn every_code_stands_in_the_documentation() {
    let section = section();
    let mut codes = words(include_str!("../../../../core/src/reason.rs"), "=> \"", "_");
    assert!(codes.len() > 35, "{codes:?}");
    codes.extend(HoldReason::ALL.map(|reason| reason.code().to_owned()));
    codes.extend(TroubleKind::ALL.iter().map(|kind| kind.as_str().to_owned()));
    codes.extend(
        words(include_str!("../http/guard.rs"), "=> \"", "_").into_iter().filter(|it| it != "release" && it != "keep"),
    );
    codes.extend(words(include_str!("../../../../core/src/routing/filter.rs"), "=> \"", "_"));
    for source in [include_str!("../http/problem.rs"), include_str!("../../../../answers/src/problem.rs")] {
        codes.extend(words(source, "\"urn:federation:problem:", "-"));
    }
    let missing: Vec<&String> = codes.iter().filter(|code| !section.contains(&format!("`{code}`"))).collect();
    assert_eq!(missing, [""; 0]);
}
