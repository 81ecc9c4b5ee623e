//! The matrix region × region, judged: what of each region is seen in each other one, beside what its registry holds; and what the shop
//! finds at its front doors.

use std::collections::BTreeMap;

use serde::Serialize;

use super::look::{Instances, Look, Origin};
use super::region::DemoRegion;
use super::shop::Shop;
use super::tenant::Found;

/// How the demo ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DemoReport {
    /// Whether every region sees exactly the instances of every other one, live, the shop finds all services in each, and nothing is stopped.
    pub complete: bool,
    /// What a person has stopped and not started again, as `demo ctl` names it.
    pub stopped: Vec<String>,
    /// For each region how many instances its registry holds; null where it does not answer.
    pub registered: BTreeMap<&'static str, Option<usize>>,
    /// By the region of the gateway that was asked, then by the region of the instances. Null where the gateway does not answer.
    pub matrix: BTreeMap<&'static str, Option<BTreeMap<&'static str, Cell>>>,
    /// For each region what its front door told the shop there: by service, how many instances of which region.
    pub shop: BTreeMap<&'static str, Found>,
}

/// What one gateway shows of one region.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cell {
    /// Whether it is all that the registry holds, nothing else, and live.
    pub complete: bool,
    /// How many are shown.
    pub instances: usize,
    /// What the registry holds and the gateway does not show.
    pub missing: Vec<String>,
    /// What the gateway shows and the registry does not hold.
    pub extra: Vec<String>,
    /// `live`, `stale`, `lost`, `isolated`, or `unknown` where the gateway has not heard of the region.
    pub freshness: String,
    /// Why.
    pub freshness_reason: String,
    /// Age of the region's facts, ms.
    pub age_ms: Option<u64>,
}

impl DemoReport {
    /// Judges what was seen.
    #[must_use]
    pub(super) fn of(look: &Look, found: [Found; 3], stopped: Vec<String>) -> Self {
        let registered = |region: DemoRegion| look.registered.get(&region).and_then(Option::as_ref);
        let row = |gateway: DemoRegion| {
            let origins = look.seen.get(&gateway)?.as_ref()?;
            let cell = |region: DemoRegion| (region.name(), Cell::of(origins.get(region.name()), registered(region)));
            Some(DemoRegion::ALL.map(cell).into_iter().collect::<BTreeMap<_, _>>())
        };
        let matrix: BTreeMap<_, _> = DemoRegion::ALL.map(|region| (region.name(), row(region))).into_iter().collect();
        let of_others = |(gateway, row): (&&str, &Option<BTreeMap<&str, Cell>>)| {
            row.as_ref().is_some_and(|row| row.iter().all(|(region, cell)| region == gateway || cell.complete))
        };
        let finds_all = |found: &Found| Shop::services().all(|name| found.get(name).is_some_and(|of| !of.is_empty()));
        let complete = stopped.is_empty() && matrix.iter().all(of_others) && found.iter().all(finds_all);
        let registered = DemoRegion::ALL.map(|region| (region.name(), registered(region).map(Instances::len)));
        let shop = DemoRegion::ALL.map(DemoRegion::name).into_iter().zip(found).collect();
        Self { complete, stopped, registered: registered.into_iter().collect(), matrix, shop }
    }

    /// What one gateway shows of one region; `None` if it does not answer.
    pub(super) fn cell(&self, gateway: DemoRegion, region: DemoRegion) -> Option<&Cell> {
        self.matrix.get(gateway.name())?.as_ref()?.get(region.name())
    }

    /// How many instances a region's registry holds; `None` if it does not answer.
    pub(super) fn registered(&self, region: DemoRegion) -> Option<usize> {
        self.registered.get(region.name()).copied().flatten()
    }
}

impl Cell {
    fn of(origin: Option<&Origin>, registered: Option<&Instances>) -> Self {
        let Some(origin) = origin else {
            return Self { freshness: "unknown".to_owned(), ..Self::default() };
        };
        let none = Instances::new();
        let held = registered.unwrap_or(&none);
        let missing: Vec<String> = held.difference(&origin.instances).cloned().collect();
        let extra: Vec<String> = match registered {
            Some(held) => origin.instances.difference(held).cloned().collect(),
            None => Vec::new(), // Of a registry that does not answer nothing can be said.
        };
        let exact = registered.is_some() && missing.is_empty() && extra.is_empty();
        Self {
            complete: exact && origin.freshness == "live",
            instances: origin.instances.len(),
            missing,
            extra,
            freshness: origin.freshness.clone(),
            freshness_reason: origin.reason.clone(),
            age_ms: origin.age_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instances(names: &[&str]) -> Instances {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn origin(names: &[&str], freshness: &str) -> Origin {
        Origin { instances: instances(names), freshness: freshness.to_owned(), reason: String::new(), age_ms: Some(10) }
    }

    /// Each region's shop finds all services at home.
    fn found() -> [Found; 3] {
        let at_home = |region: DemoRegion| BTreeMap::from([(region.name().to_owned(), 1)]);
        DemoRegion::ALL.map(|region| Shop::services().map(|service| (service, at_home(region))).collect())
    }

    /// Everybody has `a` and everybody sees it.
    fn whole() -> Look {
        let origins: BTreeMap<_, _> =
            DemoRegion::ALL.map(|region| (region.name().to_owned(), origin(&["a"], "live"))).into_iter().collect();
        Look {
            registered: DemoRegion::ALL.map(|region| (region, Some(instances(&["a"])))).into_iter().collect(),
            seen: DemoRegion::ALL.map(|region| (region, Some(origins.clone()))).into_iter().collect(),
        }
    }

    fn change(edit: impl FnOnce(&mut BTreeMap<String, Origin>)) -> Look {
        let mut look = whole();
        edit(look.seen.get_mut(&DemoRegion::Shanghai).unwrap().as_mut().unwrap());
        look
    }

    #[test]
    fn it_is_complete_only_if_every_region_shows_every_other_one_exactly_and_live() {
        let frankfurt = "frankfurt".to_owned();
        let mut silent = whole();
        silent.seen.insert(DemoRegion::Virginia, None);
        let mut unregistered = whole();
        unregistered.registered.insert(DemoRegion::Virginia, None);
        for (name, look, want) in [
            ("as it should be", whole(), true),
            ("one is missing", change(|seen| drop(seen.insert(frankfurt.clone(), origin(&[], "live")))), false),
            ("one is left", change(|seen| drop(seen.insert(frankfurt.clone(), origin(&["a", "b"], "live")))), false),
            ("another one", change(|seen| drop(seen.insert(frankfurt.clone(), origin(&["b"], "live")))), false),
            ("stale", change(|seen| drop(seen.insert(frankfurt.clone(), origin(&["a"], "stale")))), false),
            ("not heard of", change(|seen| drop(seen.remove("frankfurt"))), false),
            ("a gateway is silent", silent, false),
            ("a registry is silent", unregistered, false),
            ("nothing was asked", Look::default(), false),
        ] {
            assert_eq!(DemoReport::of(&look, found(), Vec::new()).complete, want, "{name}");
        }
    }

    #[test]
    fn it_is_not_complete_while_a_shop_has_not_found_a_service_or_was_told_that_there_is_none() {
        for lacks in [None, Some(BTreeMap::new())] {
            let mut found = found();
            found[1].remove("payment");
            found[1].extend(lacks.map(|none| ("payment", none)));
            assert!(!DemoReport::of(&whole(), found, Vec::new()).complete);
        }
    }

    #[test]
    fn it_is_not_complete_while_something_is_stopped() {
        assert!(!DemoReport::of(&whole(), found(), vec!["shanghai/cart-1".to_owned()]).complete);
    }

    #[test]
    fn what_a_region_shows_of_itself_decides_nothing() {
        let look = change(|seen| drop(seen.insert("shanghai".to_owned(), origin(&[], "stale"))));
        assert!(DemoReport::of(&look, found(), Vec::new()).complete);
    }
}
