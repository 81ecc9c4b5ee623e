//! Where a client is: as its connection's labels say, else where the gateway is.
//!
//! SDKs send what an application sets as connection labels (`nacos.app.conn.labels` in Java) with `app_` before each name. Both forms are read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use federation_view::resolve::{CallerAsk, PlaceAsk};

/// What SDKs put before the names of an application's own labels.
pub(crate) const OF_APPLICATION: &str = "app_";
/// Labels that say where a client is.
pub(crate) const PLACE: [&str; 5] = ["region", "zone", "sub_zone", "network", "cluster"];

/// What the labels of a connection say of its client. A zone counts below a region only, a sub-zone below a zone. All other labels of the
/// application are labels of the caller, by which policies may choose.
#[must_use]
pub(crate) fn caller_of(labels: &BTreeMap<String, String>) -> CallerAsk<'static> {
    let said = |name: &str| {
        let found = labels.get(&format!("{OF_APPLICATION}{name}")).or_else(|| labels.get(name));
        found.filter(|value| !value.is_empty()).map(|value| Cow::Owned(value.clone()))
    };
    let region = said("region");
    let zone = region.is_some().then(|| said("zone")).flatten();
    let sub_zone = zone.is_some().then(|| said("sub_zone")).flatten();
    let place = region.is_some().then_some(PlaceAsk { region, zone, sub_zone });
    let own = labels.iter().filter_map(|(name, value)| Some((name.strip_prefix(OF_APPLICATION)?, value)));
    let own = own.filter(|(name, _)| !PLACE.contains(name));
    let labels = own.map(|(name, value)| (Cow::Owned(name.to_owned()), Cow::Owned(value.clone()))).collect();
    CallerAsk { place, network: said("network"), cluster: said("cluster"), labels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_from_the_regions_side_on_and_other_labels_of_the_application_are_the_callers() {
        let of = |pairs: &[(&str, &str)]| {
            caller_of(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        let place = |region: &str, zone: Option<&str>| {
            let owned = |text: &str| Cow::Owned(text.to_owned());
            Some(PlaceAsk { region: Some(owned(region)), zone: zone.map(owned), sub_zone: None })
        };
        let standard = [("source", "sdk"), ("module", "naming"), ("AppName", "shop")];
        assert_eq!(of(&standard), CallerAsk::default(), "what every SDK says of itself is no place");
        assert_eq!(of(&[("app_region", "eu"), ("app_zone", "a")]).place, place("eu", Some("a")));
        assert_eq!(of(&[("region", "eu")]).place, place("eu", None), "without the prefix");
        assert_eq!(of(&[("app_zone", "a"), ("app_sub_zone", "1")]).place, None, "a zone alone is nowhere");
        assert_eq!(of(&[("app_region", "")]).place, None);
        let labelled = of(&[("app_stage", "canary"), ("app_network", "vpc-1"), ("app_cluster", "")]);
        assert_eq!((labelled.network.as_deref(), labelled.cluster.as_deref()), (Some("vpc-1"), None));
        assert_eq!(labelled.labels, [(Cow::Borrowed("stage"), Cow::Borrowed("canary"))]);
    }
}
