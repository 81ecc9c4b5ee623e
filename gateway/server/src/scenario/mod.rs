//! Scenario files: everything that one plan is made from, for what-if questions and for the tables of the tests.
//!
//! Input: a YAML text. Output: a [`Scenario`], or every mistake with its line and what would be right. Invariant: what is
//! accepted is of bounded size, whatever the text is.

pub mod answer;
mod endpoints;
mod place;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use federation_core::freshness::Freshness;
use federation_core::routing::{
    self, Caller, Drain, DrainGuard, DrainRuling, Endpoint, EndpointAdmission, Intents, MAX_DRAINS, OriginName,
    Percent, Plan, Policy,
};

pub use self::endpoints::MOST_ENDPOINTS;
use self::place::{labels, locality};
use federation_document::mistakes::Mistakes;
use federation_document::text_file;
use federation_document::tree::{self, SourceSpan, TreeNode};
use federation_policy::block;
use federation_policy::fields::{PlacedItem, PolicySection};

/// Largest file in bytes.
pub const LARGEST_FILE_BYTES: u64 = 16 << 20;

/// Most values of a file: some fifty thousand endpoints written out; more are written with `count`.
const MOST_NODES: usize = 1_000_000;

/// Most drains of a file. Only [`MAX_DRAINS`] of them can be in force.
const MOST_DRAINS: usize = 100;

/// What a file says.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Who asks.
    pub caller: Caller,
    /// What the operator decided.
    pub policy: Policy,
    /// What the operator drains.
    pub intents: Intents,
    /// The endpoints, `count` expanded, their ids unique.
    pub endpoints: Vec<Endpoint>,
    /// The weight of each endpoint as it was given.
    pub weights: Vec<f64>,
}

/// Reads a file; `-` is standard input.
///
/// # Errors
/// Every mistake that it has; also that it cannot be read.
pub fn load(file: &str) -> Result<Scenario, Mistakes> {
    match text_file::read_named(file, LARGEST_FILE_BYTES) {
        Ok(text) => from_text(file, &text),
        Err(problem) => {
            let mut mistakes = Mistakes::new(file, "");
            let expected = format!("a YAML file in UTF-8 of at most {} MiB", LARGEST_FILE_BYTES >> 20);
            mistakes.add(SourceSpan::default(), "", &problem, &expected);
            Err(mistakes)
        }
    }
}

/// Reads a text; `name` is shown in mistakes.
///
/// # Errors
/// Every mistake that it has.
pub fn from_text(name: &str, text: &str) -> Result<Scenario, Mistakes> {
    let mut mistakes = Mistakes::new(name, text);
    let Some(tree) = tree::parse_within(text, MOST_NODES, &mut mistakes) else { return Err(mistakes) };
    let scenario = read(&tree, &mut mistakes);
    if mistakes.count() > 0 { Err(mistakes) } else { Ok(scenario) }
}

impl Scenario {
    /// What the caller is to use, and why.
    #[must_use]
    pub fn plan(&self) -> Plan {
        routing::plan(&self.endpoints, &self.caller, &self.policy, &self.intents)
    }
}

fn read(tree: &TreeNode, mistakes: &mut Mistakes) -> Scenario {
    let known = ["caller", "policy", "origins", "drains", "endpoints"];
    let section = PolicySection::open(PlacedItem::root(tree, ""), &known, mistakes);
    let freshness = section.get("origins").map_or_else(HashMap::new, |item| origins(item, mistakes));
    let read = section.get("endpoints").map(|item| endpoints::read(item, &freshness, mistakes)).unwrap_or_default();
    let mut scenario = Scenario {
        caller: section.get("caller").map_or_else(Caller::default, |item| caller(item, mistakes)),
        policy: section.get("policy").map_or_else(Policy::default, |item| block::read(item, mistakes)),
        intents: section.get("drains").map_or_else(Intents::default, |item| drains(item, mistakes)),
        endpoints: read.endpoints,
        weights: read.weights,
    };
    scenario.bar_unreachable();
    if mistakes.count() == 0 && scenario.drains_too_many() {
        let expected = format!("at most {MAX_DRAINS} clusters drained at a time");
        section.mistake("drains", "too many drains in force", &expected, mistakes);
    }
    scenario
}

impl Scenario {
    /// Networks are labels only, unless the policy says which reach which. A scenario advertises no addresses.
    fn bar_unreachable(&mut self) {
        let Some(reachable) = &self.policy.reachable else { return };
        let from = self.caller.locality.network.as_deref();
        for endpoint in self.endpoints.iter_mut().filter(|it| it.admission == EndpointAdmission::Admitted) {
            if let Some(reason) = reachable.barrier(from, endpoint.locality.network.as_deref()) {
                endpoint.admission = EndpointAdmission::Barred(reason);
            }
        }
    }

    fn drains_too_many(&self) -> bool {
        self.intents.drains().len() > MAX_DRAINS
            && self.plan().drains.iter().any(|verdict| verdict.ruling == DrainRuling::Excess)
    }
}

fn caller(item: PlacedItem<'_>, mistakes: &mut Mistakes) -> Caller {
    let section = PolicySection::open(item, &["region", "zone", "sub_zone", "network", "cluster", "labels"], mistakes);
    Caller {
        locality: locality(&section, mistakes),
        cluster: section.get("cluster").and_then(|item| item.name(mistakes)),
        labels: labels(&section, mistakes),
    }
}

fn origins(item: PlacedItem<'_>, mistakes: &mut Mistakes) -> HashMap<OriginName, Freshness> {
    let words = [Freshness::Live, Freshness::Stale, Freshness::Lost, Freshness::Isolated];
    let words = words.map(|freshness| (freshness.as_str(), freshness));
    let mut origins = HashMap::new();
    for (name, item) in item.pairs(mistakes) {
        let section = PolicySection::open(item, &["freshness"], mistakes);
        let freshness = section.get("freshness").and_then(|item| item.word(&words, mistakes));
        origins.extend(freshness.map(|freshness| (OriginName::new(name), freshness)));
    }
    origins
}

fn drains(item: PlacedItem<'_>, mistakes: &mut Mistakes) -> Intents {
    let mut drains: Vec<Drain> = Vec::new();
    for item in item.items(MOST_DRAINS, mistakes) {
        let section = PolicySection::open(item, &["cluster", "percent", "force"], mistakes);
        let Some(drain) = drain(&section, mistakes) else { continue };
        if drains.iter().any(|other| other.target == drain.target) {
            section.mistake(
                "cluster",
                &format!("`{}` is drained twice", drain.target),
                "one percentage per cluster",
                mistakes,
            );
            continue;
        }
        drains.push(drain);
    }
    Intents::new(drains).expect("repeated targets were left out")
}

fn drain(section: &PolicySection<'_>, mistakes: &mut Mistakes) -> Option<Drain> {
    let cluster = section.required("cluster", "the name of a cluster", mistakes).and_then(|it| it.name(mistakes));
    let percent = section.required("percent", "a whole number from 0 to 100", mistakes);
    let percent = percent.and_then(|it| it.whole(0..=100, mistakes));
    let force = section.get("force").is_some_and(|it| it.flag(mistakes) == Some(true));
    let cluster: Arc<str> = cluster?;
    Some(Drain {
        cluster: OriginName::new(&cluster),
        target: cluster,
        percent: percent.and_then(|percent| u8::try_from(percent).ok()).and_then(Percent::new)?,
        guard: if force { DrainGuard::Force } else { DrainGuard::VoidIfNothingIsLeft },
    })
}
