//! Instances as Nacos sends them, read into the federation's own values.
//!
//! Input: a host list of Nacos. Output: each id once, and what was left out and why. Invariants: an instance that another federating
//! tool wrote is never passed on, whatever else it says; the order of the list means nothing.
//!
//! **Doubles.** Two clients may register one address in one Nacos cluster, and Nacos lists it twice. It is one place to send a request to,
//! so it is one instance: an enabled entry counts before a disabled one; of equals the one with the greater weight is shown, then the one
//! with the greater metadata (any order would do, if it is always the same); and it is healthy if one of them is. So a pushed list, in which
//! disabled entries are missing and protected ones are all called healthy, and a complete read come to the same entry.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use federation_core::id::InstanceId;
use federation_core::instance::{Health, Instance, Metadata, Weight};
use nacos_protocol::message::naming;

/// Set on every instance that a gateway wrote into a Nacos: passed on again, it would come back as somebody else's.
const OWN_MARK: &str = "nacos-fed.origin";
/// Both are set by nacos-sync on what it wrote.
const NACOS_SYNC_MARKS: [&str; 2] = ["syncSource", "sourceClusterId"];
/// What Nacos calls the cluster of an instance that named none.
const DEFAULT_CLUSTER: &str = "DEFAULT";

/// How many instances of one list are not as they were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Skipped {
    /// Left out: written by a federating tool.
    pub(super) marked: usize,
    /// Left out: no address, or a port that is none.
    pub(super) unusable: usize,
    /// Passed on with weight 0: theirs was negative or not finite.
    pub(super) weightless: usize,
    /// Made one with another entry of the same address.
    pub(super) doubled: usize,
}

impl Skipped {
    /// Adds the counts of another list.
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            marked: self.marked + other.marked,
            unusable: self.unusable + other.unusable,
            weightless: self.weightless + other.weightless,
            doubled: self.doubled + other.doubled,
        }
    }
}

/// What a host list says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct HostList {
    /// Sorted by id, each once.
    pub(super) instances: Vec<(InstanceId, Instance)>,
    /// What is not in it as it was sent.
    pub(super) skipped: Skipped,
}

/// Reads a host list.
pub(super) fn read(hosts: Vec<naming::NacosInstance>) -> HostList {
    let mut skipped = Skipped::default();
    let mut instances = BTreeMap::new();
    for host in hosts {
        if is_written_by_a_federating_tool(&host.metadata) {
            skipped.marked += 1;
            continue;
        }
        let Some(id) = id_of(&host) else {
            skipped.unusable += 1;
            continue;
        };
        let weight = Weight::try_from(host.weight).unwrap_or_else(|_| {
            skipped.weightless += 1;
            no_traffic()
        });
        match instances.entry(id) {
            Entry::Vacant(place) => drop(place.insert(instance_of(host, weight))),
            Entry::Occupied(mut place) => {
                skipped.doubled += 1;
                merge(place.get_mut(), instance_of(host, weight));
            }
        }
    }
    HostList { instances: instances.into_iter().collect(), skipped }
}

fn is_written_by_a_federating_tool(metadata: &BTreeMap<String, String>) -> bool {
    metadata.contains_key(OWN_MARK) || NACOS_SYNC_MARKS.iter().all(|mark| metadata.contains_key(*mark))
}

fn id_of(host: &naming::NacosInstance) -> Option<InstanceId> {
    let port = u16::try_from(host.port).ok()?;
    let cluster = if host.cluster_name.is_empty() { DEFAULT_CLUSTER } else { &host.cluster_name };
    (!host.ip.trim().is_empty()).then(|| InstanceId::new(&host.ip, port, cluster))
}

fn instance_of(host: naming::NacosInstance, weight: Weight) -> Instance {
    Instance {
        weight,
        health: if host.healthy { Health::Healthy } else { Health::Unhealthy },
        enabled: host.enabled,
        ephemeral: host.ephemeral,
        metadata: host.metadata.into_iter().collect::<Metadata>(),
    }
}

/// Makes two entries of one address one; see the module's words on doubles.
fn merge(shown: &mut Instance, other: Instance) {
    let healthy = |instance: &Instance| instance.health == Health::Healthy;
    match shown.enabled.cmp(&other.enabled) {
        Ordering::Greater => {}
        Ordering::Less => *shown = other,
        Ordering::Equal => {
            let health = if healthy(shown) || healthy(&other) { Health::Healthy } else { Health::Unhealthy };
            if rank(shown, &other) == Ordering::Less {
                *shown = other;
            }
            shown.health = health;
        }
    }
}

fn rank(one: &Instance, other: &Instance) -> Ordering {
    let weight = one.weight.get().total_cmp(&other.weight.get());
    let metadata = || one.metadata.iter().cmp(other.metadata.iter());
    weight.then_with(metadata).then_with(|| one.ephemeral.cmp(&other.ephemeral))
}

/// What is not a weight gets no traffic: the instance stays visible, and nobody is sent to it by a number that means nothing.
fn no_traffic() -> Weight {
    Weight::try_from(0.0).expect("0 is a weight")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(ip: &str, port: i32) -> naming::NacosInstance {
        naming::NacosInstance { ip: ip.to_owned(), port, ..naming::NacosInstance::default() }
    }

    fn with_metadata(pairs: &[&str]) -> naming::NacosInstance {
        let metadata = pairs.iter().map(|key| ((*key).to_owned(), "x".to_owned())).collect();
        naming::NacosInstance { metadata, ..host("10.0.0.9", 1) }
    }

    #[test]
    fn a_host_keeps_all_that_nacos_says_of_it() {
        let sent = naming::NacosInstance {
            weight: 0.5,
            healthy: false,
            enabled: false,
            ephemeral: false,
            cluster_name: "zone-a".to_owned(),
            metadata: BTreeMap::from([("k\u{1f}".to_owned(), "\"quoted\" ü".to_owned())]),
            ..host("10.0.0.1", 80)
        };
        let read = read(vec![sent]);
        let instance = Instance {
            weight: Weight::try_from(0.5).unwrap(),
            health: Health::Unhealthy,
            enabled: false,
            ephemeral: false,
            metadata: [("k\u{1f}", "\"quoted\" ü")].into_iter().collect(),
        };
        assert_eq!(read.instances, [(InstanceId::new("10.0.0.1", 80, "zone-a"), instance)]);
        assert_eq!(read.skipped, Skipped::default());
    }

    #[test]
    fn one_address_in_two_nacos_clusters_is_two_instances_and_a_double_is_one() {
        let in_cluster = |cluster: &str, weight| naming::NacosInstance {
            cluster_name: cluster.to_owned(),
            weight,
            ..host("10.0.0.1", 80)
        };
        let read = read(vec![in_cluster("", 1.0), in_cluster("b", 1.0), in_cluster("DEFAULT", 2.0)]);
        let shown: Vec<_> = read.instances.iter().map(|(id, found)| (id.to_string(), found.weight.get())).collect();
        assert_eq!(shown, [("10.0.0.1:80@DEFAULT".to_owned(), 2.0), ("10.0.0.1:80@b".to_owned(), 1.0)]);
        assert_eq!(read.skipped, Skipped { doubled: 1, ..Skipped::default() });
    }

    /// An entry of one address: (enabled, healthy, weight, a value of its metadata).
    fn double((enabled, healthy, weight, word): (bool, bool, u8, &str)) -> naming::NacosInstance {
        let metadata = BTreeMap::from([("k".to_owned(), word.to_owned())]);
        naming::NacosInstance { enabled, healthy, weight: f64::from(weight), metadata, ..host("10.0.0.1", 80) }
    }

    fn shown(hosts: Vec<naming::NacosInstance>) -> (bool, bool, f64, String) {
        let read = read(hosts);
        let [(_, one)] = &read.instances[..] else { panic!("{:?}", read.instances) };
        (one.enabled, one.health == Health::Healthy, one.weight.get(), one.metadata.get("k").unwrap().to_owned())
    }

    #[test]
    fn of_two_entries_of_an_address_the_enabled_one_counts_and_it_is_healthy_if_one_is() {
        for (entries, want) in [
            ([(true, false, 1, "a"), (false, true, 9, "z")], (true, false, 1.0, "a")),
            ([(true, false, 9, "a"), (true, true, 1, "z")], (true, true, 9.0, "a")),
            ([(true, true, 1, "a"), (true, true, 1, "z")], (true, true, 1.0, "z")),
            ([(false, false, 1, "a"), (false, false, 2, "z")], (false, false, 2.0, "z")),
        ] {
            let (enabled, healthy, weight, word) = want;
            assert_eq!(shown(entries.map(double).into()), (enabled, healthy, weight, word.to_owned()), "{entries:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_pushed_list_and_a_read_come_to_the_same_entry_in_any_order(
            entries in proptest::collection::vec((proptest::bool::ANY, proptest::bool::ANY, 0..3u8, "[ab]"), 1..5),
            turn in 0..5usize,
        ) {
            let entries: Vec<_> = entries.iter().map(|(a, b, c, d)| (*a, *b, *c, &**d)).collect();
            let mut turned = entries.clone();
            turned.rotate_left(turn % entries.len());
            let complete = shown(entries.iter().copied().map(double).collect());
            proptest::prop_assert_eq!(&complete, &shown(turned.iter().copied().map(double).collect()));
            // A push lacks disabled entries, and under protection calls all the others healthy.
            let enabled: Vec<_> = entries.into_iter().filter(|entry| entry.0).collect();
            if !enabled.is_empty() {
                proptest::prop_assert_eq!(&complete, &shown(enabled.iter().copied().map(double).collect()));
                let protected = enabled.into_iter().map(|(enabled, _, weight, word)| double((enabled, true, weight, word)));
                let protected = shown(protected.collect());
                proptest::prop_assert_eq!((complete.2, complete.3), (protected.2, protected.3));
            }
        }
    }

    #[test]
    fn what_another_tool_wrote_is_left_out() {
        let (ours, theirs) = (with_metadata(&[OWN_MARK]), with_metadata(&NACOS_SYNC_MARKS));
        let read = read(vec![ours, theirs, with_metadata(&["syncSource"])]);
        assert_eq!((read.instances.len(), read.skipped), (1, Skipped { marked: 2, ..Skipped::default() }));
    }

    #[test]
    fn an_impossible_port_is_left_out_and_an_impossible_weight_is_no_weight() {
        let negative = naming::NacosInstance { weight: -1.0, ..host("10.0.0.1", 0) };
        let read = read(vec![host("10.0.0.1", 65_536), host("10.0.0.1", -1), host("", 1), host(" ", 1), negative]);
        assert_eq!(read.skipped, Skipped { unusable: 4, weightless: 1, ..Skipped::default() });
        assert_eq!(read.instances.len(), 1);
        assert_eq!((read.instances[0].0.port, read.instances[0].1.weight.get()), (0, 0.0));
    }
}
