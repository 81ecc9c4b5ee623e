//! Services and instances as the HTTP API shows them: with what Nacos derives from metadata, which old clients read.

use serde_json::{Value, json};

use crate::message::naming::{NacosInstance, ServiceInfo};

/// Metadata keys by which a registrant sets its own times, their names in answers, and Nacos's defaults in ms.
const TIMES: [(&str, &str, u64); 3] = [
    ("preserved.heart.beat.interval", "instanceHeartBeatInterval", 5_000),
    ("preserved.heart.beat.timeout", "instanceHeartBeatTimeOut", 15_000),
    ("preserved.ip.delete.timeout", "ipDeleteTimeout", 30_000),
];
const ID_GENERATOR: &str = "preserved.instance.id.generator";

/// An instance.
#[must_use]
pub fn shown_instance(instance: &NacosInstance) -> Value {
    let mut shown = json!(instance);
    for (key, name, default) in TIMES {
        let own = instance.metadata.get(key).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        shown[name] = own.and_then(|text| text.parse::<u64>().ok()).unwrap_or(default).into();
    }
    // Of an instance with other metadata Nacos shows no generator.
    let generator = instance.metadata.get(ID_GENERATOR).map(String::as_str);
    if let Some(generator) = generator.or(instance.metadata.is_empty().then_some("simple")) {
        shown["instanceIdGenerator"] = generator.into();
    }
    shown
}

/// A service with its instances.
#[must_use]
pub fn shown_service(info: &ServiceInfo) -> Value {
    let hosts: Vec<Value> = info.hosts.iter().map(shown_instance).collect();
    let mut shown = json!(ServiceInfo { hosts: Vec::new(), ..info.clone() });
    shown["hosts"] = hosts.into();
    shown["valid"] = true.into();
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_digits_are_the_registrants_and_others_are_the_defaults() {
        let with = |pairs: &[(&str, &str)]| {
            let metadata = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let shown = shown_instance(&NacosInstance { metadata, ..NacosInstance::default() });
            (shown["instanceHeartBeatInterval"].clone(), shown["instanceIdGenerator"].clone())
        };
        assert_eq!(with(&[]), (json!(5000), json!("simple")));
        assert_eq!(with(&[("preserved.heart.beat.interval", "7000")]), (json!(7000), Value::Null));
        for odd in ["soon", "-5", "1.5", "", "99999999999999999999"] {
            assert_eq!(with(&[("preserved.heart.beat.interval", odd)]).0, json!(5000), "{odd:?}");
        }
        assert_eq!(with(&[(ID_GENERATOR, "snowflake")]).1, json!("snowflake"));
    }
}
