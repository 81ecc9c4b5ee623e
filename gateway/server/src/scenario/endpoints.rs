//! The endpoints of a scenario file, `count` expanded.

use std::collections::HashMap;
use std::sync::Arc;

use federation_core::freshness::Freshness;
use federation_core::instance::Health;
use federation_core::routing::{Endpoint, EndpointAdmission, EndpointCounting, MilliWeight, OriginName};

use super::place::{labels, locality};
use federation_document::mistakes::Mistakes;
use federation_policy::fields::{PlacedItem, PolicySection};

/// Most endpoints of a file after `count` is expanded.
pub const MOST_ENDPOINTS: u64 = 250_000;

/// Highest priority that can be given: every level up to it is listed.
const HIGHEST_PRIORITY: u64 = 1000;

/// After so many mistakes the rest of a list is not read: nobody reads more of them.
const MOST_MISTAKES: usize = 100;

const FIELDS: [&str; 13] = [
    "id", "origin", "region", "zone", "sub_zone", "network", "labels", "weight", "health", "excluded", "enabled",
    "priority", "count",
];

/// Endpoints, and the weight of each as it was given.
#[derive(Clone, Debug, Default)]
pub(super) struct Endpoints {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) weights: Vec<f64>,
}

/// Reads the list; `freshness` is that of the origins that are not simply live.
pub(super) fn read(
    list: PlacedItem<'_>,
    freshness: &HashMap<OriginName, Freshness>,
    mistakes: &mut Mistakes,
) -> Endpoints {
    let mut read = Endpoints::default();
    let mut first_lines: HashMap<Arc<str>, usize> = HashMap::new();
    let mut priorities = Priorities::default();
    for item in list.items(usize::MAX, mistakes) {
        if mistakes.count() >= MOST_MISTAKES {
            break;
        }
        let section = PolicySection::open(item, &FIELDS, mistakes);
        priorities.meet(&section, mistakes);
        let Some((endpoint, weight)) = one(&section, freshness, mistakes) else { continue };
        let count = section.get("count").and_then(|it| it.whole(0..=MOST_ENDPOINTS, mistakes));
        if read.endpoints.len() as u64 + count.unwrap_or(1) > MOST_ENDPOINTS {
            let expected = format!("at most {MOST_ENDPOINTS} in the whole file");
            section.mistake("count", "too many endpoints", &expected, mistakes);
            break;
        }
        for id in ids(&endpoint.id, count) {
            if let Some(line) = first_lines.insert(Arc::clone(&id), item.node.span.line) {
                let expected = format!("an id of its own; the first is on line {line}");
                section.mistake("id", &format!("`{id}` is there twice"), &expected, mistakes);
                break;
            }
            read.endpoints.push(Endpoint { id, ..endpoint.clone() });
            read.weights.push(weight);
        }
    }
    read
}

/// `e` itself, or `e-1` to `e-count`.
fn ids(id: &Arc<str>, count: Option<u64>) -> impl Iterator<Item = Arc<str>> {
    let itself = count.is_none().then(|| Arc::clone(id));
    let numbered = (1..=count.unwrap_or(0)).map(move |number| format!("{id}-{number}").into());
    itself.into_iter().chain(numbered)
}

fn one(
    section: &PolicySection<'_>,
    freshness: &HashMap<OriginName, Freshness>,
    mistakes: &mut Mistakes,
) -> Option<(Endpoint, f64)> {
    let id = section.required("id", "a name of its own", mistakes).and_then(|it| it.name(mistakes));
    let origin = section.required("origin", "the name of a cluster", mistakes).and_then(|it| it.name(mistakes));
    let locality = locality(section, mistakes);
    let labels = labels(section, mistakes);
    let weight = section.get("weight").map_or(Some((1.0, MilliWeight::ONE)), |it| weight(it, mistakes));
    let words = [("healthy", Health::Healthy), ("unhealthy", Health::Unhealthy), ("unknown", Health::Unknown)];
    let health = section.get("health").map_or(Some(Health::Healthy), |it| it.word(&words, mistakes));
    let excluded = section.get("excluded").is_some_and(|it| it.flag(mistakes) == Some(true));
    let disabled = section.get("enabled").is_some_and(|it| it.flag(mistakes) == Some(false));
    let priority = section.get("priority").and_then(|it| it.whole(0..=HIGHEST_PRIORITY, mistakes));
    let (origin, (given, weight)) = (OriginName::new(&origin?), weight?);
    let endpoint = Endpoint {
        id: id?,
        freshness: freshness.get(&origin).copied().unwrap_or(Freshness::Live),
        origin,
        locality,
        labels: labels.into_iter().collect(),
        weight,
        health: health?,
        counting: if excluded { EndpointCounting::Excluded } else { EndpointCounting::Counted },
        admission: if disabled { EndpointAdmission::Disabled } else { EndpointAdmission::Admitted },
        priority: priority.and_then(|priority| u16::try_from(priority).ok()),
    };
    Some((endpoint, given))
}

/// The weight as it was given, and as it is counted.
fn weight(item: PlacedItem<'_>, mistakes: &mut Mistakes) -> Option<(f64, MilliWeight)> {
    let given = item.number(mistakes)?;
    match MilliWeight::from_registered(given) {
        Ok(weight) => Some((given, weight)),
        Err(error) => {
            item.refuse(&format!("`{given}` is not finite"), &error.to_string(), mistakes);
            None
        }
    }
}

/// Whether endpoints have priorities of their own: all of them, or none.
#[derive(Default)]
struct Priorities {
    first_has: Option<bool>,
    told: bool,
}

impl Priorities {
    fn meet(&mut self, section: &PolicySection<'_>, mistakes: &mut Mistakes) {
        let has = section.get("priority").is_some();
        if *self.first_has.get_or_insert(has) == has || self.told {
            return;
        }
        self.told = true; // The others of its sort would say the same.
        let expected = "a priority for every endpoint, or for none";
        let problem = if has { "the endpoints before have none" } else { "the endpoints before have one" };
        section.mistake("priority", problem, expected, mistakes);
    }
}
