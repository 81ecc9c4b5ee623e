//! What is looked at before a record is decoded: decoding makes lists, maps and texts of what the bytes say, and a few bytes can say a
//! lot. So each kind of value has a length and a number of fields here that no true one reaches; what is beyond cannot be read
//! (rule R3). What a decoded record may contain is judged in the core (`log/bounds.rs`); these bounds lie above those.
//!
//! Invariant: depends on nothing but the record's bytes, and costs what it looks at, at most the bound.

use federation_core::log::census::MOST_HASHES;
use federation_core::log::control::ControlKey;
use federation_core::log::key::{DataKey, RecordKey};
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The longest key: five parts of 4 KiB, in the worst case three times as long when encoded, with room.
const KEY_BYTES: usize = 256 << 10;
/// An instance: 1 MiB of metadata, and what protobuf adds.
const INSTANCE_BYTES: usize = 2 << 20;
/// Nacos allows 1,024 characters of metadata, which is some hundred pairs.
const INSTANCE_FIELDS: usize = 16 << 10;
/// A config item: 12 MiB of content and attributes, and what protobuf adds.
const CONFIG_BYTES: usize = 13 << 20;
/// A replica that complains of 256 things, with 256 servers and 256 addresses, each of 1 KiB.
const CONTROL_BYTES: usize = 2 << 20;
/// All of a message's few fields, and room for those of versions to come.
const FEW_FIELDS: usize = 4 << 10;
/// A checkpoint has some forty bytes.
const CHECKPOINT_BYTES: usize = 4 << 10;
/// Eight bytes for each hash, and room for additions.
const CENSUS_BYTES: usize = 8 * MOST_HASHES + (4 << 10);
/// Field of a replica that is a message with lists of its own.
const DESCRIPTOR_OF_A_REPLICA: u32 = 7;

/// Whether a key of this length can be one.
pub(super) fn is_key(bytes: &[u8]) -> bool {
    bytes.len() <= KEY_BYTES
}

/// Whether the value of a data topic's record may be decoded.
pub(super) fn is_value(key: &RecordKey, value: &[u8]) -> bool {
    let (most_bytes, most_fields) = match key {
        RecordKey::Data(DataKey::Instance(..)) => (INSTANCE_BYTES, INSTANCE_FIELDS),
        RecordKey::Data(DataKey::Config(_)) => (CONFIG_BYTES, FEW_FIELDS),
        RecordKey::Checkpoint => (CHECKPOINT_BYTES, FEW_FIELDS),
        RecordKey::Census(_) => (CENSUS_BYTES, FEW_FIELDS),
        RecordKey::Other | RecordKey::Malformed => return false,
    };
    let is_sealed = matches!(key, RecordKey::Data(DataKey::Config(_))) && crate::seal::is_sealed(value);
    value.len() <= most_bytes && (is_sealed || has_at_most(most_fields, value, None))
}

/// Whether the value of a control topic's record may be decoded.
pub(super) fn is_control_value(key: &ControlKey, value: &[u8]) -> bool {
    let nested = matches!(key, ControlKey::Replica(_)).then_some(DESCRIPTOR_OF_A_REPLICA);
    *key != ControlKey::Other && value.len() <= CONTROL_BYTES && has_at_most(FEW_FIELDS, value, nested)
}

/// Whether the message has no more fields than that, those of the messages under the number `nested` counted, too. One that is not
/// well formed has more.
fn has_at_most(most: usize, message: &[u8], nested: Option<u32>) -> bool {
    let mut left = most;
    count_down(&mut left, message, nested).is_some()
}

fn count_down(left: &mut usize, mut message: &[u8], nested: Option<u32>) -> Option<()> {
    while message.has_remaining() {
        *left = left.checked_sub(1)?;
        let (number, wire_type) = decode_key(&mut message).ok()?;
        if nested == Some(number) && wire_type == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut message).ok()?).ok()?;
            let (inner, rest) = message.split_at_checked(length)?;
            count_down(left, inner, None)?;
            message = rest;
        } else {
            skip_field(wire_type, number, &mut message, DecodeContext::default()).ok()?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use federation_core::id::{InstanceId, ServiceKey};
    use federation_proto::federation::log::v1 as proto;
    use prost::Message;

    use super::*;

    const REPLICA: ControlKey = ControlKey::Replica(1);

    fn instance() -> RecordKey {
        let service = ServiceKey::new("public", "g", "orders");
        RecordKey::Data(DataKey::Instance(service, InstanceId::new("10.0.0.1", 80, "DEFAULT")))
    }

    fn replica(complaints: usize, servers: usize, text: &str) -> Vec<u8> {
        let descriptor = proto::Descriptor { nacos_servers: vec![text.to_owned(); servers], ..Default::default() };
        let complaints = vec![text.to_owned(); complaints];
        proto::Replica { complaints, descriptor: Some(descriptor), ..Default::default() }.encode_to_vec()
    }

    #[test]
    fn what_is_within_the_bounds_of_the_format_may_be_decoded() {
        let metadata = (0..10_000).map(|n| (n.to_string(), "x".repeat(100))).collect();
        assert!(is_value(&instance(), &proto::InstanceRecord { metadata, ..Default::default() }.encode_to_vec()));
        assert!(is_control_value(&REPLICA, &replica(256, 256, &"x".repeat(1024))));
        assert!(is_control_value(&ControlKey::Descriptor, &[]));
        let checkpoint =
            proto::Checkpoint { count: u64::MAX, digest: vec![0; 16], beat: u64::MAX, partitions: u32::MAX };
        assert!(is_value(&RecordKey::Checkpoint, &checkpoint.encode_to_vec()));
    }

    #[test]
    fn lists_that_are_little_on_the_wire_and_much_in_memory_are_not_decoded() {
        assert!(!is_control_value(&REPLICA, &replica(5_000, 0, "")));
        assert!(!is_control_value(&REPLICA, &replica(0, 5_000, "")), "in a message within");
        let metadata = (0..20_000).map(|n| (n.to_string(), String::new())).collect();
        assert!(!is_value(&instance(), &proto::InstanceRecord { metadata, ..Default::default() }.encode_to_vec()));
    }

    #[test]
    fn what_is_too_long_or_not_well_formed_is_not_decoded() {
        assert!(!is_value(&instance(), &vec![0; INSTANCE_BYTES + 1]));
        assert!(!is_control_value(&REPLICA, &replica(1, 0, &"x".repeat(CONTROL_BYTES))));
        assert!(!is_value(&instance(), &[0xff; 20]));
        assert!(!is_control_value(&REPLICA, &[0x3a, 0xff, 0xff, 0xff, 0x7f]), "a length beyond the end");
        assert!(!is_key(&vec![0x1f; KEY_BYTES + 1]));
        assert!(!is_value(&RecordKey::Other, &[]) && !is_control_value(&ControlKey::Other, &[]));
    }
}
