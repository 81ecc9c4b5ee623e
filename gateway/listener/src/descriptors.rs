//! How many sockets this process may hold open for clients.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::{MOST_PLACES, RESERVED_DESCRIPTORS};

/// Raises the soft limit of descriptors to the hard one, which every process may do for itself, and returns what then holds. A system
/// that refuses leaves the limit as it was.
#[must_use]
pub fn raise() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(u64::MAX, |hard| hard);
    if current.is_some_and(|soft| soft < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::debug!(%error, "the limit of descriptors stays as it is");
    }
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |soft| usize::try_from(soft).unwrap_or(usize::MAX))
}

/// Connections, in and out, for which `descriptors` suffice, beside what the process needs itself.
#[must_use]
pub fn places_for(descriptors: usize) -> usize {
    let reserved = RESERVED_DESCRIPTORS.min(descriptors / 2);
    (descriptors - reserved).min(MOST_PLACES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_keeps_descriptors_for_itself() {
        for (descriptors, places) in
            [(0, 0), (10, 5), (256, 128), (1024, 768), (16_384, 16_128), (1 << 20, MOST_PLACES)]
        {
            assert_eq!(places_for(descriptors), places, "{descriptors} descriptors");
        }
    }

    #[test]
    fn the_soft_limit_is_the_hard_one_afterwards() {
        let raised = raise();
        let hard = getrlimit(Resource::Nofile).maximum;
        assert_eq!(raised, hard.map_or(usize::MAX, |hard| usize::try_from(hard).unwrap()));
    }
}
