//! Localities of endpoints as they are printed, each printed once: a service has many endpoints in few places.

use std::sync::Arc;

use super::census::Interner;
use super::endpoint::Endpoint;
use crate::locality::Locality;

/// All localities in byte order, and for each endpoint the index of its own.
pub(super) fn printed(endpoints: &[impl AsRef<Endpoint>]) -> (Vec<Arc<str>>, Vec<usize>) {
    let mut seen: Interner<[Option<&str>; 3]> = Interner::default();
    let met: Vec<usize> = endpoints.iter().map(|endpoint| seen.intern(parts(&endpoint.as_ref().locality))).collect();
    let texts: Vec<Arc<str>> = seen.values.iter().map(text).collect();
    let mut sorted = texts.clone();
    sorted.sort();
    sorted.dedup(); // What prints alike is one locality.
    let place: Vec<usize> = texts.iter().map(|text| sorted.partition_point(|other| other < text)).collect();
    (sorted, met.into_iter().map(|met| place[met]).collect())
}

fn parts(place: &Locality) -> [Option<&str>; 3] {
    [place.region.as_deref(), place.zone.as_deref(), place.sub_zone.as_deref()]
}

/// As a locality prints itself.
fn text(parts: &[Option<&str>; 3]) -> Arc<str> {
    let present = parts.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    parts[..present].iter().map(|part| part.unwrap_or("")).collect::<Vec<_>>().join("/").into()
}
