//! Settings that are weaker than they look. Each is a mistake unless it is asked for by name, with `insecure: true` in its section; then
//! each start and `status` say so.

use std::net::IpAddr;

use federation_document::reader::MappingFields;
use federation_document::values::HostPort;
use serde::Serialize;

use super::{GatewayConfig, RegistryChoice};

/// What is weak in one section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SectionWeakness {
    /// The field that makes it so.
    pub(super) field: &'static str,
    /// What is weak.
    pub(super) what: &'static str,
    /// What would be right.
    pub(super) right: &'static str,
}

impl SectionWeakness {
    /// Makes a mistake of it if it was not asked for.
    pub(super) fn refuse(fields: &mut MappingFields<'_>, weakness: Option<Self>, insecure: bool) -> Option<()> {
        match weakness {
            Some(Self { field, what, right }) if !insecure => {
                let expected = format!("{right}, or `insecure: true` where nobody else is on the line");
                fields.mistake(field, what, &expected);
                None
            }
            _ => Some(()),
        }
    }
}

/// Something weak that was asked for by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AcceptedWeakness {
    /// The field that asks for it.
    pub field: &'static str,
    /// What is weak, for people.
    pub text: String,
}

impl GatewayConfig {
    /// All that is weak because `insecure: true` allows it.
    #[must_use]
    pub fn weaknesses(&self) -> Vec<AcceptedWeakness> {
        let of_section = |weakness: Option<SectionWeakness>| weakness.map(|it| it.what.to_owned());
        let (nacos, registry) = match &self.nacos.registry {
            RegistryChoice::Remote(remote) => {
                let logins = self.access.as_ref().filter(|access| access.nacos_login);
                let logins = logins.and_then(|_| remote.weakness_of_logins()).map(str::to_owned);
                (of_section(remote.weakness()).or(logins), None)
            }
            RegistryChoice::Embedded(embedded) => (None, embedded.security.weakness()),
        };
        let door = self.front_door.as_ref().and_then(|door| door.security.weakness());
        let found = [
            ("listen.insecure", self.listen.security.weakness()),
            ("front_door.insecure", door),
            ("nacos.insecure", nacos),
            ("nacos.listen.insecure", registry),
            ("kafka.insecure", of_section(self.kafka.weakness())),
        ];
        found.into_iter().filter_map(|(field, text)| Some(AcceptedWeakness { field, text: text? })).collect()
    }
}

/// Whether nobody else is on the way there.
pub(super) fn is_on_this_machine(server: &HostPort) -> bool {
    let host = server.host.text();
    let address = host.parse::<IpAddr>();
    address.map_or(**host == *"localhost", |address| address.to_canonical().is_loopback())
}
