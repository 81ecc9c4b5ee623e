//! What callers and endpoints have in common: a place, and labels.

use federation_core::locality::Locality;
use federation_core::routing::CallerLabels;

use federation_document::mistakes::Mistakes;
use federation_policy::fields::PolicySection;

/// `region`, `zone`, `sub_zone` and `network` of `section`.
pub(super) fn locality(section: &PolicySection<'_>, mistakes: &mut Mistakes) -> Locality {
    let mut of = |name| section.get(name).and_then(|item| item.part(mistakes));
    let (region, zone, sub_zone) = (of("region"), of("zone"), of("sub_zone"));
    let network = section.get("network").and_then(|item| item.name(mistakes));
    Locality { region, zone, sub_zone, network }
}

pub(super) fn labels(section: &PolicySection<'_>, mistakes: &mut Mistakes) -> CallerLabels {
    let mut labels = CallerLabels::new();
    let Some(item) = section.get("labels") else { return labels };
    for (key, item) in item.pairs(mistakes) {
        labels.extend(item.trimmed(mistakes).map(|value| (key.into(), value.into())));
    }
    labels
}
