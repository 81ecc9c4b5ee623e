//! Marks what clients register with the gateway that registers it, and takes the mark out of what clients are told.
//!
//! The mark is for the gateways of this cluster alone: without it a Nacos from which a killed gateway's clients went looks like one whose clients
//! stopped. Services that are not exported nobody watches, so what is registered in them stays as it came.

use std::sync::Arc;

use federation_core::id::ServiceKey;
use federation_core::local::mark::DoorMark;
use nacos_protocol::message::naming::NacosInstance;
use nacos_protocol::server::ServiceName;

use crate::names::ServiceNames;

/// Nacos refuses instances whose metadata have more characters than that, keys and values together.
const MOST_CHARACTERS: usize = 1024;

/// What marks are given by.
pub(crate) struct Marking {
    /// Names this process.
    pub(crate) mark: DoorMark,
    /// Which services are exported.
    pub(crate) names: Arc<dyn ServiceNames>,
}

impl Marking {
    /// The instances with the mark. One that would be too long for Nacos with it goes without, and is removed as soon as Nacos drops it.
    pub(super) fn marked(&self, service: &ServiceName, mut instances: Vec<NacosInstance>) -> Vec<NacosInstance> {
        let name = ServiceKey::new(&service.namespace, &service.group, &service.service);
        if self.names.federated(&name).is_none() {
            return instances;
        }
        unmark(&mut instances);
        for instance in instances.iter_mut().filter(|instance| has_room(instance)) {
            instance.metadata.insert(DoorMark::KEY.to_owned(), self.mark.to_string());
        }
        instances
    }
}

fn has_room(instance: &NacosInstance) -> bool {
    let characters = |text: &str| text.encode_utf16().count(); // As Java counts them.
    let taken: usize = instance.metadata.iter().map(|(key, value)| characters(key) + characters(value)).sum();
    taken + DoorMark::LENGTH <= MOST_CHARACTERS
}

/// Takes the mark out.
pub(crate) fn unmark(instances: &mut [NacosInstance]) {
    for instance in instances {
        instance.metadata.remove(DoorMark::KEY);
    }
}

/// The same in the JSON text of an answer. Inside a text the quotes of this pattern would be escaped.
pub(crate) fn unmark_text(text: &str) -> Option<String> {
    let key = format!("\"{}\":\"", DoorMark::KEY);
    let begin = text.find(&key)?;
    let end = begin + key.len() + text[begin + key.len()..].find('"')? + 1;
    let (before, behind) = (&text[..begin], &text[end..]);
    // With one of the commas between which it stands.
    Some(match behind.strip_prefix(',') {
        Some(behind) => [before, behind].concat(),
        None => [before.strip_suffix(',').unwrap_or(before), behind].concat(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naming::tests::SameNames;

    fn with_metadata(pairs: &[(&str, &str)]) -> NacosInstance {
        let metadata = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        NacosInstance { metadata, ..NacosInstance::default() }
    }

    #[test]
    fn what_has_no_room_for_the_mark_goes_without_and_nobody_marks_for_others() {
        let marking = Marking { mark: DoorMark(7), names: Arc::new(SameNames) };
        let service = ServiceName { namespace: "public".into(), group: "G".into(), service: "s".into() };
        let (full, room) = ("v".repeat(1023), "v".repeat(1023 - DoorMark::LENGTH));
        let one = |value: &str| with_metadata(&[("k", value)]);
        let given = vec![one("a"), one(&room), one(&full), with_metadata(&[(DoorMark::KEY, "x")])];
        let marked = marking.marked(&service, given);
        let marks: Vec<_> = marked.iter().map(|it| it.metadata.get(DoorMark::KEY).map(String::as_str)).collect();
        assert_eq!(marks, [Some("00000007"), Some("00000007"), None, Some("00000007")]);
        let mut told = marked;
        unmark(&mut told);
        assert_eq!(told, [one("a"), one(&room), one(&full), with_metadata(&[])]);
    }

    #[test]
    fn the_mark_is_taken_out_of_a_text_and_nothing_else_is() {
        for (text, want) in [
            (r#"{"metadata":{"nacos-fed.via":"0000ab01"}}"#, Some(r#"{"metadata":{}}"#)),
            (r#"{"metadata":{"a":"1","nacos-fed.via":"0000ab01"}}"#, Some(r#"{"metadata":{"a":"1"}}"#)),
            (r#"{"metadata":{"nacos-fed.via":"0000ab01","z":"1"}}"#, Some(r#"{"metadata":{"z":"1"}}"#)),
            (r#"{"metadata":{"a":"1","nacos-fed.via":"0","z":"1"}}"#, Some(r#"{"metadata":{"a":"1","z":"1"}}"#)),
            (r#"{"metadata":{"a":"\"nacos-fed.via\":\"0\""}}"#, None),
        ] {
            assert_eq!(unmark_text(text).as_deref(), want, "{text}");
        }
    }
}
