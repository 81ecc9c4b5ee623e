//! Tells the board which removals nothing confirms or refutes, by service.

use federation_core::local::observation::LocalObservation;

use federation_ports::metrics::TroubleKind;
use federation_ports::trouble::TroubleBoard;

/// Services that are told one by one at most: the board keeps fewer, and a Nacos that answers no read at all must not make this slow.
const MOST_TOLD: usize = 1000;

/// Makes the board's troubles of this kind those of now; the cost grows with their number alone, and is bounded.
pub(super) fn tell_unconfirmed(board: &TroubleBoard, local: &LocalObservation) {
    let told = local.unconfirmed().take(MOST_TOLD).map(|(service, found)| {
        let (what, health) = match found.instances {
            1 => ("1 instance is".to_owned(), "its health is"),
            count => (format!("{count} instances are"), "their health is"),
        };
        let text = format!(
            "{what} missing from nacos's lists of {service}, and no complete read has told whether to remove or keep: \
             shown on, {health} no longer known"
        );
        (service.to_string(), text)
    });
    // Nearly always there is nothing to tell, and then nothing is built.
    if told.len() > 0 || board.has(TroubleKind::RemovalUnconfirmed) {
        board.replace(TroubleKind::RemovalUnconfirmed, told);
    }
}

#[cfg(test)]
mod tests {
    use federation_core::id::{InstanceId, ServiceKey};
    use federation_core::input::LocalInput;
    use federation_core::instance::{Health, Instance, Metadata, Weight};
    use federation_core::local::service::RemovalPatience;
    use federation_core::pattern::NameSelection;
    use federation_core::time::{Millis, Mono};

    use super::*;

    #[test]
    fn a_removal_that_stays_unconfirmed_is_a_trouble_of_its_service_until_it_is_decided() {
        let patience = RemovalPatience { removal_hold: Millis::from_secs(15), sweep_interval: Millis::from_secs(300) };
        let (mut local, board) = (
            LocalObservation::new(patience, NameSelection::everything(), federation_core::seed::Seed(1)),
            TroubleBoard::default(),
        );
        let service = ServiceKey::new("public", "G", "orders");
        let instance = Instance {
            weight: Weight::DEFAULT,
            health: Health::Healthy,
            enabled: true,
            ephemeral: true,
            metadata: Metadata::default(),
        };
        let one = vec![(InstanceId::new("10.0.0.1", 80, "DEFAULT"), instance)];
        let listed = |instances| LocalInput::Listed { service: service.clone(), instances, protected: false };
        let about = |board: &TroubleBoard| board.all().into_iter().map(|it| it.about).collect::<Vec<_>>();
        let mut step = |seconds: u64, input| {
            drop(local.step(Mono(seconds * 1000), input, &|_| false, &mut Vec::new()));
            tell_unconfirmed(&board, &local);
            about(&board)
        };
        step(0, LocalInput::Connected);
        step(0, LocalInput::Discovered(service.clone()));
        step(0, listed(one.clone()));
        step(50, listed(one.clone()));
        assert!(step(100, listed(Vec::new())).is_empty());
        assert_eq!(step(161, LocalInput::Heard), ["public/G@@orders"]);
        assert!(step(170, listed(one)).is_empty());
    }
}
