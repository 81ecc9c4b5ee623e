//! What callers and endpoints have in common: a place, and labels.

use std::sync::Arc;

use federation_core::locality::Locality;
use federation_core::routing::Labels;

use super::fields::{Item, Section, shortened};
use crate::config::mistakes::Mistakes;

/// `region`, `zone`, `sub_zone` and `network` of `section`.
pub(super) fn locality(section: &Section<'_>, mistakes: &mut Mistakes) -> Locality {
    let mut of = |name| section.get(name).and_then(|item| part(item, mistakes));
    let (region, zone, sub_zone) = (of("region"), of("zone"), of("sub_zone"));
    let network = section.get("network").and_then(|item| name(item, mistakes));
    Locality { region, zone, sub_zone, network }
}

/// A part of a locality: a slash in it would make two parts of one.
pub(super) fn part(item: Item<'_>, mistakes: &mut Mistakes) -> Option<Arc<str>> {
    let text = item.text(mistakes)?;
    if text.is_empty() || text.contains('/') {
        item.refuse(
            &format!("`{}` does not fit", shortened(text)),
            "a name without /; leave out what is not known",
            mistakes,
        );
        return None;
    }
    Some(text.into())
}

/// A text that is not empty.
pub(super) fn name(item: Item<'_>, mistakes: &mut Mistakes) -> Option<Arc<str>> {
    let text = item.text(mistakes)?;
    if text.is_empty() {
        item.refuse("an empty text", "a name; leave out what is not known", mistakes);
        return None;
    }
    Some(text.into())
}

pub(super) fn labels(section: &Section<'_>, mistakes: &mut Mistakes) -> Labels {
    let mut labels = Labels::new();
    let Some(item) = section.get("labels") else { return labels };
    for (key, item) in item.pairs(mistakes) {
        labels.extend(item.text(mistakes).map(|value| (key.into(), value.into())));
    }
    labels
}
