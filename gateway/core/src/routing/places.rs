//! Localities of endpoints as they are printed, each printed once: a service has many endpoints in few places.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::endpoint::Endpoint;
use crate::locality::Locality;

/// All localities in byte order, and for each endpoint the index of its own.
pub(super) fn printed(endpoints: &[impl AsRef<Endpoint>]) -> (Vec<Arc<str>>, Vec<usize>) {
    let mut seen: HashMap<[Option<&str>; 3], usize, FixedState> = HashMap::default();
    let mut texts: Vec<Arc<str>> = Vec::new();
    let met: Vec<usize> = endpoints
        .iter()
        .map(|endpoint| {
            let endpoint: &Endpoint = endpoint.as_ref();
            *seen.entry(parts(&endpoint.locality)).or_insert_with(|| {
                texts.push(endpoint.locality.to_string().into());
                texts.len() - 1
            })
        })
        .collect();
    let mut sorted = texts.clone();
    sorted.sort();
    sorted.dedup(); // What prints alike is one locality.
    let place: Vec<usize> = texts.iter().map(|text| sorted.partition_point(|other| other < text)).collect();
    (sorted, met.into_iter().map(|met| place[met]).collect())
}

fn parts(place: &Locality) -> [Option<&str>; 3] {
    [place.region.as_deref(), place.zone.as_deref(), place.sub_zone.as_deref()]
}
