//! Where something runs: region, zone and sub-zone, and the network it is reachable on.

use std::fmt;
use std::sync::Arc;

/// Place of a cluster, an instance or a caller. Every part may be missing. Zone names are unique only within a region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Locality {
    /// For example `cn-east`.
    pub region: Option<Arc<str>>,
    /// For example `cn-east-1`.
    pub zone: Option<Arc<str>>,
    /// For example a rack.
    pub sub_zone: Option<Arc<str>>,
    /// Endpoints of one network reach each other directly.
    pub network: Option<Arc<str>>,
}

impl Locality {
    /// A locality of these parts, as somebody else wrote them: blanks around a name are none of it, and an empty name is a missing part.
    #[must_use]
    pub fn told(region: Option<&str>, zone: Option<&str>, sub_zone: Option<&str>, network: Option<&str>) -> Self {
        let part = |part: Option<&str>| part.map(str::trim).filter(|part| !part.is_empty()).map(Arc::from);
        Self { region: part(region), zone: part(zone), sub_zone: part(sub_zone), network: part(network) }
    }
}

/// A name without the blanks around it, shared where there are none; `None` if nothing is left.
#[must_use]
pub fn told_name(name: &Arc<str>) -> Option<Arc<str>> {
    let trimmed = name.trim();
    match trimmed.len() {
        0 => None,
        length if length == name.len() => Some(Arc::clone(name)),
        _ => Some(trimmed.into()),
    }
}

/// As [`told_name`], of a text that nobody shares.
#[must_use]
pub fn told_text(name: &str) -> Option<Arc<str>> {
    Some(name.trim()).filter(|trimmed| !trimmed.is_empty()).map(Arc::from)
}

impl fmt::Display for Locality {
    /// `region/zone/sub_zone`, trailing missing parts left out, a missing part before a present one empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.region, &self.zone, &self.sub_zone];
        let present = parts.iter().rposition(|part| part.is_some()).map_or(0, |last| last + 1);
        for (index, part) in parts[..present].iter().enumerate() {
            let separator = if index > 0 { "/" } else { "" };
            write!(f, "{separator}{}", part.as_deref().unwrap_or(""))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locality_prints_its_parts_down_to_the_last_present_one() {
        let locality = |region: &str, zone: &str, sub_zone: &str| {
            let part = |text: &str| (!text.is_empty()).then(|| text.into());
            Locality { region: part(region), zone: part(zone), sub_zone: part(sub_zone), network: None }.to_string()
        };
        assert_eq!(locality("r1", "z1", "s1"), "r1/z1/s1");
        assert_eq!(locality("r1", "", ""), "r1");
        assert_eq!(locality("r1", "", "s1"), "r1//s1");
        assert_eq!(locality("", "", ""), "");
    }

    #[test]
    fn blanks_around_a_name_are_none_of_it() {
        let told = Locality::told(Some(" r1\t"), Some("z 1"), Some("  "), Some("\u{3000}n1"));
        let part = |text: &str| Some(text.into());
        assert_eq!(told, Locality { region: part("r1"), zone: part("z 1"), sub_zone: None, network: part("n1") });
        let name: Arc<str> = "r1".into();
        assert!(told_name(&name).is_some_and(|told| Arc::ptr_eq(&told, &name)), "nothing to trim, nothing to copy");
        assert_eq!((told_name(&" r1 ".into()).as_deref(), told_name(&" ".into())), (Some("r1"), None));
    }
}
