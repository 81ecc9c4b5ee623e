//! Tells the board that this gateway, or another one with its cluster's id, is a stranger there (rule R13), with both descriptors.

use federation_core::federation::Membership;
use federation_core::id::ClusterId;
use federation_core::log::belonging::Contradiction;
use federation_core::log::control::Descriptor;

use federation_ports::metrics::TroubleKind;
use federation_ports::trouble::TroubleBoard;

/// Makes the board's strangers those of now.
pub(super) fn tell_strangers(board: &TroubleBoard, cluster: &ClusterId, membership: &Membership) {
    let told = told(cluster, membership);
    if !told.is_empty() || board.has(TroubleKind::Stranger) {
        board.replace(TroubleKind::Stranger, told);
    }
}

fn told(cluster: &ClusterId, membership: &Membership) -> Vec<(String, String)> {
    let Some(in_force) = &membership.in_force else { return Vec::new() };
    let is = described(in_force);
    let mut told = Vec::new();
    if !membership.contradictions.is_empty() {
        let text = format!(
            "this gateway is a stranger in {cluster}, by its {}: it is configured as {}; the cluster is {is}. It reads and serves, and never \
             leads. Give it an id of its own, or let `nacos-fed adopt {cluster}` at this gateway say that the cluster has moved",
            by(&membership.contradictions),
            described(&membership.own),
        );
        told.push(("this gateway".to_owned(), text));
    }
    for stranger in &membership.strangers {
        let at = if stranger.advertised.is_empty() { String::new() } else { format!(" at {}", stranger.advertised) };
        let text = format!(
            "the gateway {}{at} has the id {cluster} and is a stranger, by its {}: it is configured as {}; the cluster is {is}",
            stranger.name,
            by(&stranger.contradictions),
            described(&stranger.descriptor),
        );
        told.push((format!("{} ({:08x})", stranger.name, stranger.nonce), text));
    }
    told
}

fn by(contradictions: &[Contradiction]) -> String {
    let name = |it: &Contradiction| match it {
        Contradiction::Locality => "locality",
        Contradiction::NacosServers => "nacos servers",
    };
    contradictions.iter().map(name).collect::<Vec<_>>().join(" and ")
}

/// In one line, for people.
fn described(descriptor: &Descriptor) -> String {
    let place = match descriptor.locality.to_string() {
        place if place.is_empty() => "nowhere".to_owned(),
        place => place,
    };
    let network = descriptor.locality.network.as_deref().map(|it| format!(" in the network {it}")).unwrap_or_default();
    format!("{place}{network} with the nacos servers {}", descriptor.nacos_servers.join(", "))
}

#[cfg(test)]
mod tests {
    use federation_core::federation::Stranger;
    use federation_core::locality::Locality;

    use super::*;

    fn descriptor(servers: &[&str]) -> Descriptor {
        Descriptor {
            locality: Locality { region: Some("cn".into()), network: Some("n".into()), ..Locality::default() },
            nacos_servers: servers.iter().map(|server| (*server).into()).collect(),
            partitions: 8,
            ..Descriptor::default()
        }
    }

    #[test]
    fn both_say_stranger_with_both_descriptors_until_there_is_none() {
        let (board, cluster) = (TroubleBoard::default(), "shanghai".parse().unwrap());
        let (first, second) = (descriptor(&["n1:8848", "n2:8848"]), descriptor(&["m1:8848"]));
        let contradictions = vec![Contradiction::NacosServers];
        let there = Membership {
            own: second.clone(),
            in_force: Some(first.clone()),
            contradictions: contradictions.clone(),
            strangers: vec![],
        };
        let stranger = Stranger {
            nonce: 7,
            name: "b-0".into(),
            advertised: "http://b".into(),
            descriptor: second,
            contradictions,
        };
        let here = Membership {
            own: first.clone(),
            in_force: Some(first.clone()),
            contradictions: vec![],
            strangers: vec![stranger],
        };
        for membership in [&there, &here] {
            tell_strangers(&board, &cluster, membership);
            let all = board.all();
            assert_eq!((all.len(), all[0].kind), (1, TroubleKind::Stranger));
            for part in ["stranger", "cn in the network n", "n1:8848, n2:8848", "m1:8848", "by its nacos servers"] {
                assert!(all[0].text.contains(part), "{part} in {}", all[0].text);
            }
        }
        tell_strangers(
            &board,
            &cluster,
            &Membership { own: first.clone(), in_force: Some(first), ..Membership::default() },
        );
        assert!(board.all().is_empty());
    }
}
