//! What people write: policies, configurations, scenarios; and the file of excluded clusters.

use std::collections::BTreeMap;

use federation_answers::policy::ShownDocument;
use federation_document::mistakes::Mistakes;
use federation_gateway::config::{self, ConfigSurroundings};
use federation_gateway::scenario;
use federation_policy::document;
use federation_policy::exclusions::Exclusion;
use federation_storage::sealed::{self, UnsealedReason};

use super::{Checked, Memory, Target, kind_of, same};

/// A node of a few bytes has a text, a place and perhaps a mistake with its words, and both are copied to be shown. Aliases copy nodes, up to a
/// stated number: 100,000 of a policy, 20,000 of a configuration.
const POLICY_TREE: Memory = Memory { base: 32 << 20, each: 8 << 10 };
const CONFIGURATION_TREE: Memory = Memory { base: 8 << 20, each: 8 << 10 };
/// `count` of a scenario makes many endpoints of a few bytes, up to a stated number.
const ENDPOINTS: Memory = Memory { base: 256 << 20, each: 8 << 10 };

const YAML: &[&[u8]] = &[
    b": ", b"- ", b"\n  ", b"\n- ", b"{", b"}", b"[", b"]", b"&a ", b"*a", b"<<: ", b"!!str ", b"|\n", b">\n", b"\"",
    b"'", b"# ", b"\n---\n", b"...", b"null", b"~", b"true", b"0x10", b"1e9", b".inf", b"${", b"${HOME}", b"${A:-b}",
    b"\t", b"\\u0000", b"%", b"? ",
];

/// Every mistake has a place in the text and says what is wrong and what would be right. Gives the kind of the first.
fn refused(text: &str, mistakes: &Mistakes) -> Checked {
    let lines = text.split(['\n', '\r']).count() + 1; // What is missing is missed behind the end.
    for mistake in mistakes.sorted() {
        if mistake.line > lines || mistake.problem.is_empty() || mistake.expected.is_empty() {
            return Err(format!("a mistake without a place in {lines} lines, or without words: {mistake:?}"));
        }
    }
    if !mistakes.to_string().contains("error: ") {
        return Err("what is refused has no mistake".into());
    }
    let first = mistakes.sorted().into_iter().next().map(|mistake| (mistake.field.clone(), mistake.problem.clone()));
    let (field, problem) = first.unwrap_or_default();
    Ok(format!("{} {}", kind_of(&field), kind_of(&problem)))
}

/// A file that is no UTF-8 is refused before it is a text.
fn text_of(input: &[u8]) -> Option<&str> {
    std::str::from_utf8(input).ok()
}

pub(super) const POLICY: Target = Target { name: "policy", also: &[], words: YAML, memory: POLICY_TREE, check: policy };

fn policy(input: &[u8]) -> Checked {
    let Some(text) = text_of(input) else { return Ok("no text".into()) };
    let policies = match document::from_text("policy.yaml", text) {
        Ok(policies) => policies,
        Err(mistakes) => return refused(text, &mistakes),
    };
    let shown = json(&ShownDocument::from(&policies));
    let read = document::from_text("shown", &shown)
        .map_err(|mistakes| format!("what is shown is refused:\n{mistakes}\n{shown}"))?;
    same("what is shown is read as another policy", &json(&ShownDocument::from(&read)), &shown)?;
    Ok(format!("accepted, {} bytes", shown.len().next_power_of_two()))
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("what is shown has keys of text only")
}

pub(super) const CONFIGURATION: Target = Target {
    name: "configuration",
    also: &["deploy/local"],
    words: YAML,
    memory: CONFIGURATION_TREE,
    check: configuration,
};

fn configuration(input: &[u8]) -> Checked {
    let Some(text) = text_of(input) else { return Ok("no text".into()) };
    let surroundings =
        ConfigSurroundings { variables: BTreeMap::from([("HOME".into(), "x".into())]), host: "host".into() };
    match config::from_text("gateway.yaml", text, &surroundings) {
        Err(mistakes) => refused(text, &mistakes),
        Ok(loaded) => {
            let shown = json(&loaded.effective);
            let read = config::from_text("shown", &shown, &surroundings)
                .map_err(|mistakes| format!("what is in force is refused:\n{mistakes}\n{shown}"))?;
            same("what is in force is read as something else", &json(&read.effective), &shown)?;
            Ok(format!("accepted, {} bytes", shown.len().next_power_of_two()))
        }
    }
}

pub(super) const SCENARIO: Target = Target {
    name: "scenario",
    also: &["tests/routing/scenarios"],
    words: YAML,
    memory: ENDPOINTS,
    check: scenario_file,
};

fn scenario_file(input: &[u8]) -> Checked {
    let Some(text) = text_of(input) else { return Ok("no text".into()) };
    let scenario = match scenario::from_text("scenario.yaml", text) {
        Ok(scenario) => scenario,
        Err(mistakes) => return refused(text, &mistakes),
    };
    if scenario.endpoints.len() as u64 > scenario::MOST_ENDPOINTS {
        return Err(format!("{} endpoints are accepted", scenario.endpoints.len()));
    }
    // What many endpoints cost is measured elsewhere.
    if scenario.endpoints.len() <= 100 {
        same("asked twice, a scenario has two plans", &scenario.plan(), &scenario.plan())?;
    }
    Ok(format!("accepted, {} endpoints", scenario.endpoints.len().next_power_of_two()))
}

pub(super) const EXCLUSIONS: Target = Target {
    name: "exclusions",
    also: &[],
    words: &[
        b"\"format\":2",
        b"\"saved\":",
        b"\"checksum\":",
        b"{",
        b"}",
        b"\"who\":",
        b"\"reason\":",
        b"\"since_ms\":",
        b",",
        b"null",
    ],
    memory: Memory { base: 16 << 10, each: 256 },
    check: exclusions,
};

/// An input is what is saved, which hardly any change would leave with the right checksum; and a whole file.
fn exclusions(input: &[u8]) -> Checked {
    type Excluded = BTreeMap<String, Exclusion>;
    let as_a_file = match sealed::unseal::<Excluded>(input) {
        Ok(_) => "a file".into(),
        Err(UnsealedReason::Version(_)) => "another version".into(),
        Err(refused) => kind_of(&refused.to_string()),
    };
    let Ok(saved) = serde_json::from_slice::<&serde_json::value::RawValue>(input) else { return Ok(as_a_file) };
    let file = sealed::seal(&saved);
    let mut damaged = file.clone();
    let middle = file.len() / 2;
    damaged[middle] ^= 1;
    if sealed::unseal::<Excluded>(&damaged).is_ok() {
        return Err("a file that was changed is believed".into());
    }
    match sealed::unseal::<Excluded>(&file) {
        Err(UnsealedReason::Content(error)) => Ok(format!("{as_a_file}; {}", kind_of(&error.to_string()))),
        Err(refused) => Err(format!("what was sealed is refused: {refused}")),
        Ok(excluded) => {
            let read = sealed::unseal::<Excluded>(&sealed::seal(&excluded)).map_err(|refused| refused.to_string())?;
            same("saved again, other clusters are excluded", &read, &excluded)?;
            Ok(format!("{as_a_file}; {} excluded", excluded.len().min(4)))
        }
    }
}
