use super::*;

const PATIENCE: RemovalPatience =
    RemovalPatience { removal_hold: Millis::from_secs(15), sweep_interval: Millis::from_secs(300) };

fn at(seconds: u64) -> Mono {
    Mono(seconds * 1000)
}

/// Carries out what is due until `end`, and answers no question. Returns when reads were asked for.
fn reads_until(local: &mut LocalObservation, end: Mono) -> Vec<Mono> {
    let mut reads = Vec::new();
    while let Some(now) = local.next_deadline().filter(|due| *due <= end) {
        let mut effects = Vec::new();
        local.tick(now, &mut effects);
        reads.extend(effects.iter().filter(|it| matches!(it, Effect::ReadService(_))).map(|_| now));
    }
    reads
}

#[test]
fn the_first_sweep_is_not_later_than_a_sweep_is_due() {
    for (interval, latest) in [(10, 15), (300, 65)] {
        for name in 0..20 {
            let patience = RemovalPatience { sweep_interval: Millis::from_secs(interval), ..PATIENCE };
            let mut local = LocalObservation::new(patience, NameSelection::everything(), Seed(1));
            let service = ServiceKey::new("public", "G", &name.to_string());
            let listed = LocalInput::Listed { service: service.clone(), instances: Vec::new(), protected: false };
            for input in [LocalInput::Connected, LocalInput::Discovered(service), listed] {
                drop(local.step(at(0), input, &|_| false, &mut Vec::new()));
            }
            let reads = reads_until(&mut local, at(latest));
            assert!(!reads.is_empty(), "service {name}, with a sweep each {interval} s");
        }
    }
}

#[test]
fn a_service_that_falls_due_while_nacos_is_away_is_asked_for_after() {
    let mut local = LocalObservation::new(PATIENCE, NameSelection::everything(), Seed(1));
    let step = |local: &mut LocalObservation, now, input| drop(local.step(now, input, &|_| false, &mut Vec::new()));
    let service = ServiceKey::new("public", "G", "s");
    step(&mut local, at(0), LocalInput::Connected);
    step(&mut local, at(0), LocalInput::Discovered(service.clone()));
    let listed = || LocalInput::Listed { service: service.clone(), instances: Vec::new(), protected: false };
    step(&mut local, at(0), listed());
    let first = *reads_until(&mut local, at(65)).first().expect("the first sweep comes within 65 s");
    let reading = ServiceReading::All(Vec::new());
    step(&mut local, first, LocalInput::Read { service: service.clone(), reading });
    step(&mut local, at(100), LocalInput::Disconnected { reason: "gone".into() });
    assert_eq!(reads_until(&mut local, at(500)), [], "nothing is asked of nobody");
    step(&mut local, at(500), LocalInput::Connected);
    step(&mut local, at(501), listed());
    let reads = reads_until(&mut local, at(520));
    assert!(!reads.is_empty(), "the second sweep fell due meanwhile, and it is not scheduled any more");
}

#[test]
fn a_question_that_nacos_did_not_answer_makes_its_last_word_no_younger() {
    let mut local = LocalObservation::new(PATIENCE, NameSelection::everything(), Seed(1));
    let service = ServiceKey::new("public", "G", "s");
    let failed = LocalInput::Read { service: service.clone(), reading: ServiceReading::Failed };
    let key = crate::id::ConfigKey::new("public", "G", "d");
    let failed_item = LocalInput::Config { key, reading: ConfigReading::Failed };
    let heard = LocalInput::Listed { service: service.clone(), instances: Vec::new(), protected: false };
    for (second, input, age) in [
        (0, LocalInput::Connected, 0),
        (1, LocalInput::Discovered(service), 1),
        (11, failed, 11),
        (12, failed_item, 12),
        (13, heard, 0),
        (14, LocalInput::Disconnected { reason: "gone".into() }, 1),
    ] {
        drop(local.step(at(second), input, &|_| false, &mut Vec::new()));
        assert_eq!(local.age(at(second)), Some(Millis::from_secs(age)), "in second {second}");
    }
}

#[test]
fn a_list_that_says_what_is_known_changes_nothing_and_makes_nothing_anew() {
    use crate::instance::{Health, Metadata, Weight};

    let mut local = LocalObservation::new(PATIENCE, NameSelection::everything(), Seed(1));
    let service = ServiceKey::new("public", "G", "s");
    let listed = |ips: [&str; 3]| {
        let instance = Instance {
            weight: Weight::DEFAULT,
            health: Health::Healthy,
            enabled: true,
            ephemeral: true,
            metadata: [("k", "v")].into_iter().collect::<Metadata>(),
        };
        let instances = ips.map(|ip| (InstanceId::new(ip, 80, "DEFAULT"), instance.clone())).into();
        LocalInput::Listed { service: service.clone(), instances, protected: false }
    };
    let step = |local: &mut LocalObservation, input| local.step(at(1), input, &|_| false, &mut Vec::new());
    step(&mut local, LocalInput::Connected);
    step(&mut local, LocalInput::Discovered(service.clone()));
    let shown = |local: &LocalObservation| -> Vec<Arc<Instance>> {
        local.service(&service).unwrap().instances().map(|(_, instance, _)| Arc::clone(instance)).collect()
    };
    assert_eq!(step(&mut local, listed(["10.0.0.1", "10.0.0.2", "10.0.0.3"])).len(), 3);
    let before = shown(&local);
    assert_eq!(step(&mut local, listed(["10.0.0.3", "10.0.0.1", "10.0.0.2"])), [], "in whatever order");
    assert!(before.iter().zip(shown(&local)).all(|(before, after)| Arc::ptr_eq(before, &after)));
}

#[test]
fn many_services_are_swept_no_more_than_fifty_a_second_whatever_the_interval() {
    const SERVICES: u64 = 10_000;
    let patience = RemovalPatience { sweep_interval: Millis::from_secs(10), ..PATIENCE };
    let mut local = LocalObservation::new(patience, NameSelection::everything(), Seed(1));
    drop(local.step(at(0), LocalInput::Connected, &|_| false, &mut Vec::new()));
    let names = (0..SERVICES).map(|name| ServiceKey::new("public", "G", &name.to_string()));
    for service in names.clone() {
        drop(local.step(at(0), LocalInput::Discovered(service.clone()), &|_| false, &mut Vec::new()));
        let listed = LocalInput::Listed { service, instances: Vec::new(), protected: false };
        drop(local.step(at(0), listed, &|_| false, &mut Vec::new()));
    }
    let mut reads = 0;
    while let Some(now) = local.next_deadline().filter(|due| *due <= at(1_000)) {
        let mut effects = Vec::new();
        local.tick(now, &mut effects);
        for effect in effects {
            let Effect::ReadService(service) = effect else { continue };
            let reading = ServiceReading::All(Vec::new());
            drop(local.step(now, LocalInput::Read { service, reading }, &|_| false, &mut Vec::new()));
            reads += u64::from(now >= at(400));
        }
    }
    // Each of them three times in ten minutes, not sixty times.
    assert!((2 * SERVICES..=4 * SERVICES).contains(&reads), "{reads} reads");
}
