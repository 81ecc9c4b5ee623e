//! The record of an instance: key and value, read without lists, maps and texts in between, because there are half a million of them at each
//! start. Output: what the general decoders would give; property tests compare them byte for byte.

use std::sync::Arc;

use federation_core::id::{InstanceId, ServiceKey};
use federation_core::instance::{Health, Instance, Metadata, Weight};
use federation_core::log::key::{DataKey, RecordKey, SEPARATOR};
use federation_proto::federation::log::v1 as proto;
use prost::encoding::{DecodeContext, WireType, bool, decode_key, decode_varint, double, int32, skip_field};

use crate::interner::TextInterner;

/// Pairs that most instances have at most.
const PAIRS: usize = 16;

/// Reads a key of a data topic. Of instances whose names need no decoding, service and Nacos cluster are those of the interner.
pub(super) fn parse_key(bytes: &[u8], interner: &mut TextInterner) -> RecordKey {
    if let Some(key) = parse_plain(bytes, interner) {
        return RecordKey::Data(key);
    }
    match RecordKey::parse(bytes) {
        RecordKey::Data(DataKey::Instance(service, mut id)) => {
            id.nacos_cluster = interner.text(&id.nacos_cluster);
            RecordKey::Data(DataKey::Instance(interner.service(service), id))
        }
        other => other,
    }
}

/// `None` if it is another kind of key, one with something encoded in it, or none: then the general way decides.
fn parse_plain(bytes: &[u8], interner: &mut TextInterner) -> Option<DataKey> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_plain = |byte: u8| byte == SEPARATOR as u8 || (byte >= b' ' && !matches!(byte, 0x7f | b'%'));
    if !text.bytes().all(is_plain) {
        return None;
    }
    let (rest, nacos_cluster) = text.rsplit_once(SEPARATOR)?;
    let (rest, port) = rest.rsplit_once(SEPARATOR)?;
    let (name, ip) = rest.rsplit_once(SEPARATOR)?;
    let is_canonical = port.bytes().all(|byte| byte.is_ascii_digit()) && (port.len() == 1 || !port.starts_with('0'));
    let port = port.parse().ok().filter(|_| is_canonical)?;
    let service = match interner.last_service(name) {
        Some(service) => service,
        None => {
            let mut fields = name.split(SEPARATOR);
            let (kind, namespace, group, service) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
            if kind != "i" || fields.next().is_some() {
                return None;
            }
            interner.named_service(name, ServiceKey::new(namespace, group, service))
        }
    };
    let id = InstanceId { ip: ip.into(), port, nacos_cluster: interner.text(nacos_cluster) };
    Some(DataKey::Instance(service, id))
}

/// Reads a value; `None` if it is none of an instance.
pub(super) fn decode(value: &[u8], interner: &mut TextInterner) -> Option<Arc<Instance>> {
    let (mut weight, mut health, mut disabled, mut persistent) = (0.0, 0, false, false);
    let mut pairs = Vec::with_capacity(PAIRS);
    let (mut rest, context) = (value, DecodeContext::default());
    while !rest.is_empty() {
        let (number, wire_type) = decode_key(&mut rest).ok()?;
        match number {
            1 => double::merge(wire_type, &mut weight, &mut rest, context.clone()).ok()?,
            2 => int32::merge(wire_type, &mut health, &mut rest, context.clone()).ok()?,
            3 => bool::merge(wire_type, &mut disabled, &mut rest, context.clone()).ok()?,
            4 => bool::merge(wire_type, &mut persistent, &mut rest, context.clone()).ok()?,
            5 => pairs.push(decode_pair(take(wire_type, &mut rest)?)?),
            _ => skip_field(wire_type, number, &mut rest, context.clone()).ok()?,
        }
    }
    let health = match proto::Health::try_from(health).ok()? {
        proto::Health::Unspecified => return None,
        proto::Health::Healthy => Health::Healthy,
        proto::Health::Unhealthy => Health::Unhealthy,
        proto::Health::Unknown => Health::Unknown,
    };
    Some(Arc::new(Instance {
        weight: Weight::try_from(weight).ok()?,
        health,
        enabled: !disabled,
        ephemeral: !persistent,
        metadata: metadata(pairs, interner),
    }))
}

/// The bytes of a field that says how long it is.
fn take<'a>(wire_type: WireType, rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if wire_type != WireType::LengthDelimited {
        return None;
    }
    let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
    let (field, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(field)
}

fn decode_pair(mut rest: &[u8]) -> Option<(&str, &str)> {
    let (mut key, mut value) = ("", "");
    while !rest.is_empty() {
        let (number, wire_type) = decode_key(&mut rest).ok()?;
        match number {
            1 => key = std::str::from_utf8(take(wire_type, &mut rest)?).ok()?,
            2 => value = std::str::from_utf8(take(wire_type, &mut rest)?).ok()?,
            _ => skip_field(wire_type, number, &mut rest, DecodeContext::default()).ok()?,
        }
    }
    Some((key, value))
}

/// Of pairs with one key the last one counts. Gateways write them sorted.
fn metadata(mut pairs: Vec<(&str, &str)>, interner: &mut TextInterner) -> Metadata {
    if !pairs.is_sorted_by(|left, right| left.0 < right.0) {
        let sorted: std::collections::BTreeMap<&str, &str> = pairs.drain(..).collect();
        pairs.extend(sorted);
    }
    interner.metadata(&pairs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    /// By way of the message, as its generated code reads it.
    fn decode_by_message(value: &[u8]) -> Option<Instance> {
        let record = proto::InstanceRecord::decode(value).ok()?;
        let health = match record.health() {
            proto::Health::Unspecified => return None,
            proto::Health::Healthy => Health::Healthy,
            proto::Health::Unhealthy => Health::Unhealthy,
            proto::Health::Unknown => Health::Unknown,
        };
        Some(Instance {
            weight: Weight::try_from(record.weight).ok()?,
            health,
            enabled: !record.disabled,
            ephemeral: !record.persistent,
            metadata: record.metadata.into_iter().collect(),
        })
    }

    prop_compose! {
        fn record()(
            weight in prop_oneof![Just(1.0), any::<f64>()],
            health in -1..6_i32,
            disabled: bool,
            persistent: bool,
            metadata in prop::collection::btree_map(".{0,4}", ".{0,70}", 0..6),
        ) -> proto::InstanceRecord {
            proto::InstanceRecord { weight, health, disabled, persistent, metadata }
        }
    }

    fn is_read_alike(bytes: &[u8]) -> Result<(), TestCaseError> {
        let read = decode(bytes, &mut TextInterner::default());
        let expected = decode_by_message(bytes).map(Arc::new);
        prop_assert_eq!(read, expected);
        Ok(())
    }

    proptest! {
        /// Two messages one after the other are one, with fields twice and out of order.
        #[test]
        fn a_value_is_read_as_by_its_message(first in record(), second in record(), both: bool) {
            let mut bytes = first.encode_to_vec();
            if both {
                second.encode(&mut bytes).unwrap();
            }
            is_read_alike(&bytes)?;
        }

        #[test]
        fn a_damaged_value_is_read_as_by_its_message(
            record in record(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = record.encode_to_vec();
            for (at, byte) in changes {
                if let Some(place) = (!bytes.is_empty()).then(|| at.index(bytes.len())) {
                    bytes[place] = byte;
                }
            }
            is_read_alike(&bytes)?;
            is_read_alike(&bytes[..cut.index(bytes.len() + 1)])?;
        }

        #[test]
        fn a_key_is_read_as_by_the_general_way(
            fields in prop::collection::vec("[a-b0-9%é\\x1f\n]{0,3}|i|DEFAULT|8080|65536", 0..9),
            repeated: bool,
        ) {
            let mut interner = TextInterner::default();
            let well_formed = ["i", "public", "g", "s", "10.0.0.1", "80", "DEFAULT"].join("\u{1f}");
            if repeated {
                parse_key(well_formed.as_bytes(), &mut interner);
            }
            let mut parts: Vec<&str> = well_formed.split('\u{1f}').collect();
            for (at, field) in fields.iter().enumerate() {
                match at % 7 {
                    at if at < parts.len() && !field.is_empty() => parts[at] = field,
                    _ => {}
                }
            }
            let joined = [fields.join("\u{1f}"), parts.join("\u{1f}")];
            for key in joined {
                for _ in 0..2 {
                    prop_assert_eq!(parse_key(key.as_bytes(), &mut interner), RecordKey::parse(key.as_bytes()), "{:?}", key);
                }
            }
        }
    }
}
