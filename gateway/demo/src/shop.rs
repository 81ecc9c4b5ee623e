//! The shop: which services run where, and a script by which their instances come, go and change, the same in each run.
//!
//! Input: "next", and what a person stops and starts by hand. Output: what changed, and what each region's registry should
//! hold. Invariants: the script takes at most one instance of a service in a region at a time and never the last, never
//! touches what a person has stopped, and touches everything else once in each round, so that no record of it grows old in
//! the log.

use std::collections::BTreeMap;

use federation_core::host::Host;
use nacos_protocol::message::naming::NacosInstance;

use super::region::DemoRegion;

/// The group of the shop's config items; services are in Nacos's default group.
pub(super) const CONFIG_GROUP: &str = "SHOP";
/// One change in so many rewrites a config item.
const CONFIG_EVERY: u64 = 9;

/// Services, and how many instances each region has.
const SERVICES: [(&str, u16, [u8; 3]); 6] = [
    ("catalog", 8080, [3, 2, 2]),
    ("cart", 8081, [3, 2, 3]),
    ("orders", 8082, [2, 0, 2]),
    ("payment", 8083, [0, 3, 0]),
    ("inventory", 8084, [3, 0, 0]),
    ("reviews", 8085, [0, 0, 2]),
];

/// What runs in all regions.
#[derive(Clone, Debug)]
pub(super) struct Shop {
    instances: Vec<ShopInstance>,
    configs: [ShopConfig; 3],
    /// Instances whose turn in this round is yet to come.
    round: Vec<usize>,
    turn: u64,
    dice: Dice,
}

/// One instance, running or not.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ShopInstance {
    /// Where.
    pub(super) region: DemoRegion,
    /// Its service.
    pub(super) service: &'static str,
    /// Its name in the demo, for example `cart-2`; Nacos knows it by its address.
    pub(super) name: String,
    /// Its address; nothing listens there.
    pub(super) ip: String,
    /// Its port.
    pub(super) port: u16,
    /// Whether it runs.
    pub(super) state: InstanceState,
    weight: f64,
    release: u32,
}

/// Whether an instance runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InstanceState {
    /// Registered.
    Running,
    /// Taken away by the script, which will bring it back.
    Away,
    /// Stopped by a person, who may start it.
    Stopped,
}

/// A config item of a region.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ShopConfig {
    region: DemoRegion,
    data_id: &'static str,
    revision: u64,
}

/// What one region's registry should hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wanted {
    /// By service; without instances where all are away.
    pub(super) services: BTreeMap<&'static str, Vec<NacosInstance>>,
    /// Contents by data id.
    pub(super) configs: BTreeMap<&'static str, String>,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// Where.
    pub(super) region: DemoRegion,
    /// In words.
    pub(super) text: String,
    /// How one sees at a gateway that it has arrived.
    pub(super) sign: Sign,
}

/// What a gateway shows once a change has arrived.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sign {
    /// An instance of the service, with this weight and release; `None` once it is gone.
    Instance {
        /// The service.
        service: &'static str,
        /// Its address.
        ip: String,
        /// What the gateway shows of it.
        shown: Option<(f64, String)>,
    },
    /// A config item with this content.
    Config {
        /// Which.
        data_id: &'static str,
        /// All of it.
        content: String,
    },
}

impl Shop {
    /// Everything runs; the script depends on nothing but `seed`.
    pub(super) fn open(seed: u64) -> Self {
        let mut instances = Vec::new();
        for (number, (service, port, counts)) in (1..).zip(SERVICES) {
            for region in DemoRegion::ALL {
                for nth in 1..=counts[region.index()] {
                    instances.push(ShopInstance {
                        region,
                        service,
                        name: format!("{service}-{nth}"),
                        ip: format!("10.{}.{number}.{nth}", region.index() + 1),
                        port,
                        state: InstanceState::Running,
                        weight: 1.0,
                        release: 1,
                    });
                }
            }
        }
        let config = |region, data_id| ShopConfig { region, data_id, revision: 1 };
        let configs = [
            config(DemoRegion::Shanghai, "flash-sale.yaml"),
            config(DemoRegion::Frankfurt, "fees.json"),
            config(DemoRegion::Virginia, "banner.txt"),
        ];
        Self { instances, configs, round: Vec::new(), turn: 0, dice: Dice(seed) }
    }

    /// The next change of the script; `None` if a person has stopped everything.
    pub(super) fn next(&mut self) -> Option<Change> {
        self.turn += 1;
        if self.turn.is_multiple_of(CONFIG_EVERY) {
            let which = (self.turn / CONFIG_EVERY) as usize % self.configs.len();
            return Some(self.rewrite(which));
        }
        self.next_of_round().map(|which| self.touch(which))
    }

    /// Stops an instance by hand. `None` if there is no such instance, or nothing to do.
    pub(super) fn stop(&mut self, region: DemoRegion, name: &str) -> Option<Change> {
        let which = self.position(region, name)?;
        if self.instances[which].state == InstanceState::Stopped {
            return None;
        }
        Some(self.set(which, InstanceState::Stopped))
    }

    /// Starts an instance. `None` if there is no such instance, or nothing to do.
    pub(super) fn start(&mut self, region: DemoRegion, name: &str) -> Option<Change> {
        let which = self.position(region, name)?;
        if self.instances[which].state == InstanceState::Running {
            return None;
        }
        Some(self.set(which, InstanceState::Running))
    }

    /// All services.
    pub(super) fn services() -> impl Iterator<Item = &'static str> {
        SERVICES.into_iter().map(|(service, ..)| service)
    }

    /// All instances.
    pub(super) fn instances(&self) -> &[ShopInstance] {
        &self.instances
    }

    /// An instance by its name.
    pub(super) fn find(&self, region: DemoRegion, name: &str) -> Option<&ShopInstance> {
        self.position(region, name).map(|which| &self.instances[which])
    }

    /// What the registry of a region should hold now.
    pub(super) fn wanted(&self, region: DemoRegion) -> Wanted {
        let mut wanted = Wanted::default();
        for instance in self.instances.iter().filter(|instance| instance.region == region) {
            let service = wanted.services.entry(instance.service).or_default();
            if instance.state == InstanceState::Running {
                service.push(instance.registered());
            }
        }
        for config in self.configs.iter().filter(|config| config.region == region) {
            wanted.configs.insert(config.data_id, config.content());
        }
        wanted
    }

    fn position(&self, region: DemoRegion, name: &str) -> Option<usize> {
        self.instances.iter().position(|instance| instance.region == region && instance.name == name)
    }

    fn next_of_round(&mut self) -> Option<usize> {
        let stopped = |shop: &Self, which: usize| shop.instances[which].state == InstanceState::Stopped;
        if (0..self.instances.len()).all(|which| stopped(self, which)) {
            return None;
        }
        loop {
            if self.round.is_empty() {
                self.round = (0..self.instances.len()).collect();
            }
            let picked = self.dice.below(self.round.len());
            let which = self.round.swap_remove(picked);
            if !stopped(self, which) {
                return Some(which);
            }
        }
    }

    fn touch(&mut self, which: usize) -> Change {
        let instance = &self.instances[which];
        if instance.state == InstanceState::Away {
            return self.set(which, InstanceState::Running);
        }
        if self.can_be_spared(instance) && self.dice.below(3) > 0 {
            return self.set(which, InstanceState::Away);
        }
        let instance = &mut self.instances[which];
        let former = instance.weight;
        instance.weight = if former < 1.0 { 1.0 } else { 0.5 };
        let text = format!("{} {}: weight {former} to {}", instance.name, instance.address(), instance.weight);
        instance.change(text)
    }

    /// Whether its service has others in its region, and all of them run.
    fn can_be_spared(&self, one: &ShopInstance) -> bool {
        let same = |other: &&ShopInstance| (other.region, other.service) == (one.region, one.service);
        let mut others = self.instances.iter().filter(same).filter(|other| other.name != one.name).peekable();
        others.peek().is_some() && others.all(|other| other.state == InstanceState::Running)
    }

    fn set(&mut self, which: usize, state: InstanceState) -> Change {
        let instance = &mut self.instances[which];
        instance.state = state;
        let happens = match state {
            InstanceState::Running => {
                instance.release += 1;
                "comes"
            }
            InstanceState::Away => "goes",
            InstanceState::Stopped => "is stopped",
        };
        let text = format!("{} {} {happens}", instance.name, instance.address());
        instance.change(text)
    }

    fn rewrite(&mut self, which: usize) -> Change {
        let config = &mut self.configs[which];
        config.revision += 1;
        let sign = Sign::Config { data_id: config.data_id, content: config.content() };
        Change { region: config.region, text: format!("config {} is rewritten", config.data_id), sign }
    }
}

impl ShopInstance {
    /// `ip:port`.
    pub(super) fn address(&self) -> String {
        Host::from(&*self.ip).with_port(self.port).to_string()
    }

    fn release(&self) -> String {
        format!("1.{}", self.release)
    }

    fn registered(&self) -> NacosInstance {
        let (_, zone) = self.region.locality();
        let metadata = [("release", self.release()), ("zone", zone.to_owned())];
        NacosInstance {
            ip: self.ip.clone(),
            port: self.port.into(),
            weight: self.weight,
            metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
            ..NacosInstance::default()
        }
    }

    fn change(&self, text: String) -> Change {
        let shown = (self.state == InstanceState::Running).then(|| (self.weight, self.release()));
        Change { region: self.region, text, sign: Sign::Instance { service: self.service, ip: self.ip.clone(), shown } }
    }
}

impl ShopConfig {
    fn content(&self) -> String {
        let revision = self.revision;
        match self.region {
            DemoRegion::Shanghai => format!("sale: tea\npercent: {}\nrevision: {revision}\n", 10 + revision % 5 * 5),
            DemoRegion::Frankfurt => format!("{{\"cents\": {}, \"revision\": {revision}}}\n", 25 + revision % 4),
            DemoRegion::Virginia => format!("Free delivery, offer {revision}\n"),
        }
    }
}

/// SplitMix64: the same numbers on every machine and in every version.
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    /// From 0 up to `limit`, exclusive; `limit` is small and not 0.
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn running(shop: &Shop, region: DemoRegion, service: &str) -> usize {
        shop.wanted(region).services[service].len()
    }

    #[test]
    fn the_script_is_the_same_in_each_run() {
        let (mut one, mut other) = (Shop::open(7), Shop::open(7));
        for _ in 0..500 {
            assert_eq!(one.next(), other.next());
        }
    }

    #[test]
    fn no_service_ever_loses_its_last_instance_in_a_region() {
        let mut shop = Shop::open(1);
        for turn in 0..2_000 {
            shop.next();
            for (service, _, counts) in SERVICES {
                for region in DemoRegion::ALL.into_iter().filter(|region| counts[region.index()] > 0) {
                    assert!(running(&shop, region, service) > 0, "{service} of {region} after {turn}");
                }
            }
        }
    }

    #[test]
    fn every_record_is_written_anew_within_two_rounds() {
        let mut shop = Shop::open(1);
        let (mut instances, mut configs) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..3 * shop.instances.len() {
            match shop.next().unwrap().sign {
                Sign::Instance { ip, .. } => instances.insert(ip),
                Sign::Config { data_id, .. } => configs.insert(data_id.to_owned()),
            };
        }
        assert_eq!((instances.len(), configs.len()), (shop.instances.len(), shop.configs.len()));
    }

    #[test]
    fn the_script_leaves_alone_what_a_person_has_stopped() {
        let mut shop = Shop::open(1);
        let names: Vec<_> = shop.instances.iter().map(|instance| (instance.region, instance.name.clone())).collect();
        for (region, name) in &names[1..] {
            shop.stop(*region, name).unwrap();
        }
        assert_eq!(shop.stop(names[1].0, &names[1].1), None);
        for _ in 0..50 {
            shop.next();
        }
        let stopped = shop.instances.iter().filter(|instance| instance.state == InstanceState::Stopped).count();
        assert_eq!(stopped, names.len() - 1);
        shop.stop(names[0].0, &names[0].1);
        let instance_changed = |change: Change| matches!(change.sign, Sign::Instance { .. });
        assert!(!(0..20).filter_map(|_| shop.next()).any(instance_changed));
        assert!(shop.start(names[0].0, &names[0].1).is_some());
    }
}
