//! `status`: is the gateway ready and without trouble, is every cluster live.
//!
//! For people the fields are grouped by what they are about, each named in words. A fact that a newer gateway tells is shown as well: its
//! name says to which group it belongs ([`Group::of`]). A new group is a variant of [`Group`].

use federation_answers::status::StatusDocument;

use super::age::age;
use super::client::Client;
use super::clusters;
use super::exit::{Exit, Failure};
use super::output::Output;
use federation_answers::printable::printable;

/// The kind of trouble that the configuration asks for by name: shown, and no finding.
const ASKED_FOR: &str = "insecure";

/// Shows the gateway's own state and all clusters.
pub(super) async fn run(client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let answer = client.get::<StatusDocument<'static>>("/v1/status", &[]).await?;
    output.answer(&answer, |status| format!("{}\n{}", own(status), clusters::table(&status.clusters)))?;
    let status = &answer.document;
    let untroubled = status.troubles.iter().all(|trouble| trouble.kind == ASKED_FOR);
    let good = status.ready && untroubled && clusters::all_live(&status.clusters);
    Ok(if good { Exit::Ok } else { Exit::Negative })
}

/// What a line is about; the groups are shown in this order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Gateway,
    OwnNacos,
    Log,
    Contents,
    Guard,
    Policy,
}

impl Group {
    const ALL: [Self; 6] = [Self::Gateway, Self::OwnNacos, Self::Log, Self::Contents, Self::Guard, Self::Policy];

    fn title(self) -> &'static str {
        match self {
            Self::Gateway => "GATEWAY",
            Self::OwnNacos => "OWN NACOS",
            Self::Log => "LOG",
            Self::Contents => "CONTENTS",
            Self::Guard => "GUARD",
            Self::Policy => "POLICY",
        }
    }

    /// The group of a fact, by the first word of its name, and the words that the group's title says already.
    fn of(words: &[String]) -> (Self, usize) {
        match words[0].as_str() {
            "nacos" => (Self::OwnNacos, 1),
            "services" | "removals" => (Self::OwnNacos, 0),
            "own" | "records" | "changes" | "unpublished" | "partition" | "may" | "import" => (Self::Log, 0),
            "contents" => (Self::Contents, 1),
            "guard" => (Self::Guard, 1),
            "policy" => (Self::Policy, 1),
            _ => (Self::Gateway, 0),
        }
    }
}

/// One thing that is told.
struct Line {
    group: Group,
    name: String,
    text: String,
}

/// Everything but the clusters, group by group; groups of which nothing is told are left out.
fn own(status: &StatusDocument<'_>) -> String {
    let mut lines = of_the_gateway(status);
    lines.extend(status.facts.iter().map(|(name, text)| fact(name, text)));
    let width = lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
    let mut groups = Vec::new();
    for group in Group::ALL {
        let of_group: Vec<&Line> = lines.iter().filter(|line| line.group == group).collect();
        if !of_group.is_empty() {
            let lines = of_group.iter().map(|line| format!("  {:width$}  {}\n", line.name, line.text));
            groups.push(format!("{}\n{}", group.title(), lines.collect::<String>()));
        }
    }
    groups.join("\n")
}

/// Readiness and its reasons first (the texts of troubles are among them), then who it is.
fn of_the_gateway(status: &StatusDocument<'_>) -> Vec<Line> {
    let line = |name: &str, text: &str| Line { group: Group::Gateway, name: name.to_owned(), text: printable(text) };
    let mut lines = vec![line("ready", if status.ready { "yes" } else { "no" })];
    lines.extend(status.reasons.iter().map(|reason| line("reason", reason)));
    lines.extend([
        line("federation", &status.federation),
        line("cluster", &status.cluster),
        line("replica", &status.replica),
        line("version", &status.version),
        line("running for", &age(status.uptime_ms)),
    ]);
    lines
}

/// `unpublishedAgeMs` 430 is `unpublished age` 0.4s, `nacos_reads_waiting` is `reads waiting` of the own Nacos.
fn fact(name: &str, text: &str) -> Line {
    let mut words = words(name);
    let (group, said) = Group::of(&words);
    let mut text = text.to_owned();
    if words.len() > 1 && words.last().is_some_and(|word| word == "ms") {
        words.pop();
        text = text.parse().map_or(text, age);
    }
    if words.len() > said {
        words.drain(..said);
    }
    let text = if text.is_empty() { "none".to_owned() } else { printable(&text) };
    Line { group, name: printable(&words.join(" ")), text }
}

/// The words of a name, whether they are told apart by capitals or by underscores.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for character in name.chars() {
        if (character.is_uppercase() || character == '_') && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if character != '_' {
            words.last_mut().expect("it has one at least").extend(character.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::{Group, fact};

    #[test]
    fn a_fact_is_named_in_words_whatever_its_name_looks_like() {
        for (name, text, want) in [
            ("nacosConnected", "yes", (Group::OwnNacos, "connected", "yes")),
            ("nacos", "3.0.1", (Group::OwnNacos, "nacos", "3.0.1")),
            ("nacos_reads_waiting", "0", (Group::OwnNacos, "reads waiting", "0")),
            ("nacosAgeMs", "430", (Group::OwnNacos, "age", "0.4s")),
            ("nacosAgeMs", "unknown", (Group::OwnNacos, "age", "unknown")),
            ("unpublishedAgeMs", "63000", (Group::Log, "unpublished age", "1m 3s")),
            ("policyNotHeard", "file /p\u{1b}", (Group::Policy, "not heard", "file /p\\u{1b}")),
            ("guardLimit", "5", (Group::Guard, "limit", "5")),
            ("excludedClusters", "", (Group::Gateway, "excluded clusters", "none")),
            ("somethingOfTheFuture", "x", (Group::Gateway, "something of the future", "x")),
        ] {
            let line = fact(name, text);
            assert!((line.group, &*line.name, &*line.text) == want, "{name}: {} {}", line.name, line.text);
        }
    }
}
