//! What a registrant says of an instance, as one text, from all ends: as it was registered, as a
//! Nacos lists it, and as a gateway shows it.

use std::collections::BTreeMap;

use federation_harness::{SdkInstance, SdkService};
use serde_json::Value as Json;

use crate::history::{InstanceName, Value};
use crate::judge::{Health, Shown};

fn text(weight: f64, enabled: bool, metadata: &BTreeMap<String, String>) -> Value {
    let pairs: Vec<String> = metadata.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("weight {weight}, enabled {enabled}, {{{}}}", pairs.join(", ")).into()
}

pub(crate) fn registered_name(origin: &str, service: &SdkService, instance: &SdkInstance) -> InstanceName {
    InstanceName::new(origin, &service.service, &instance.ip, instance.port.into(), &instance.cluster)
}

pub(crate) fn registered_value(instance: &SdkInstance) -> Value {
    text(instance.weight, instance.enabled, &instance.metadata)
}

/// An instance of `service` in the list of `origin`'s Nacos (`/nacos/v1/ns/instance/list`).
pub(crate) fn listed(origin: &str, service: &str, instance: &Json) -> (InstanceName, Value) {
    named(origin, service, instance)
}

/// An instance of `service` in a document of `/v1/service`. What is not as documented becomes a value that nobody registered.
pub(crate) fn shown(service: &str, instance: &Json) -> (InstanceName, Shown) {
    let (name, value) = named(instance["origin"].as_str().unwrap_or("?"), service, instance);
    let health = match (&instance["held"], instance["health"].as_str()) {
        (Json::Null, Some("healthy")) => Health::Well,
        (Json::Null, _) => Health::Ill,
        _ => Health::Held,
    };
    (name, Shown { value, health })
}

/// What both documents have under the same names.
fn named(origin: &str, service: &str, instance: &Json) -> (InstanceName, Value) {
    let field = |name: &str| instance[name].as_str().unwrap_or("?").to_owned();
    let port = instance["port"].as_u64().unwrap_or_default();
    let name = InstanceName::new(origin, service, &field("ip"), port, &field("clusterName"));
    let pairs = instance["metadata"].as_object().into_iter().flatten();
    let metadata = pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or("?").to_owned())).collect();
    let weight = instance["weight"].as_f64().unwrap_or(f64::NAN);
    (name, text(weight, instance["enabled"] == true, &metadata))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_instance_has_one_name_and_one_value_at_all_ends() {
        let mut instance = SdkInstance { weight: 0.5, ..SdkInstance::new("10.0.0.1", 80) };
        instance.metadata.insert("version".into(), "7".into());
        let service = SdkService::public("orders");
        let document = json!({"origin": "shanghai", "ip": "10.0.0.1", "port": 80, "clusterName": "DEFAULT", "weight": 0.5,
            "enabled": true, "health": "healthy", "held": null, "metadata": {"version": "7"}});
        let (name, seen) = shown("orders", &document);
        assert_eq!(name, registered_name("shanghai", &service, &instance));
        assert_eq!(name.to_string(), "shanghai orders 10.0.0.1:80/DEFAULT");
        assert_eq!(seen, Shown { value: registered_value(&instance), health: Health::Well });
        assert_eq!(listed("shanghai", "orders", &document), (name, registered_value(&instance)));
        let mut held = document.clone();
        held["held"] = json!({"ageMs": 1, "reason": "r"});
        assert_eq!(shown("orders", &held).1.health, Health::Held);
        let mut whole = document;
        whole["weight"] = json!(1);
        assert_eq!(&*shown("orders", &whole).1.value, "weight 1, enabled true, {version=7}");
    }
}
