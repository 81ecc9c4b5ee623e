//! Vectors that another implementation wrote, round trips, and arbitrary bytes.

use federation_core::id::{ConfigKey, InstanceId, ServiceKey};
use federation_core::instance::Weight;
use federation_core::intents::{DrainIntent, DrainRamp, DrainTarget, OrderCounter, OrderGiver};
use federation_core::pattern::ServicePattern;
use federation_core::routing::{DrainGuard, Percent};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct KeyVector {
    r#type: String,
    name: [String; 3],
    rest: Vec<String>,
    key: String,
    hashed_hex: String,
    partition: std::collections::BTreeMap<u32, u32>,
}

#[derive(Deserialize)]
struct DigestVectors {
    records: Vec<DigestVector>,
    sum_hex: String,
}

#[derive(Deserialize)]
struct DigestVector {
    key_hex: String,
    value_hex: String,
    digest_hex: String,
}

#[derive(Deserialize)]
struct HeaderVector {
    schema: u16,
    term: u32,
    nonce: u32,
    seq: u64,
    observed_ms: u64,
    valid: bool,
    hex: String,
}

fn unhex(text: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(pair).collect()
}

fn data_key(vector: &KeyVector) -> DataKey {
    let [namespace, group, name] = &vector.name;
    match vector.r#type.as_str() {
        "i" => {
            let id = InstanceId::new(&vector.rest[0], vector.rest[1].parse().unwrap(), &vector.rest[2]);
            DataKey::Instance(ServiceKey::new(namespace, group, name), id)
        }
        _ => DataKey::Config(ConfigKey::new(namespace, group, name)),
    }
}

#[test]
fn keys_and_partitions_are_as_another_implementation_computes_them() {
    let vectors: Vec<KeyVector> = serde_json::from_str(include_str!("../../../../proto/vectors/keys.json")).unwrap();
    for vector in &vectors {
        let key = data_key(vector);
        assert_eq!(key.encode(), vector.key);
        assert_eq!(RecordKey::parse(vector.key.as_bytes()), RecordKey::Data(key.clone()));
        for (&partitions, &want) in &vector.partition {
            assert_eq!(key.partition(partitions), want, "{key:?} of {partitions}");
            assert_eq!(home_partition(vector.key.as_bytes(), partitions), want);
            assert_eq!(partition_of(&unhex(&vector.hashed_hex), partitions), want);
        }
    }
    assert!(vectors.len() >= 5);
}

#[test]
fn digests_are_as_another_implementation_computes_them() {
    let vectors: DigestVectors = serde_json::from_str(include_str!("../../../../proto/vectors/digests.json")).unwrap();
    let mut sum = 0u128;
    for vector in &vectors.records {
        let digest = digest(&unhex(&vector.key_hex), &unhex(&vector.value_hex));
        assert_eq!(format!("{digest:032x}"), vector.digest_hex);
        sum = sum.wrapping_add(digest);
    }
    assert_eq!(format!("{sum:032x}"), vectors.sum_hex);
}

#[test]
fn headers_are_as_another_implementation_packs_them() {
    let vectors: Vec<HeaderVector> =
        serde_json::from_str(include_str!("../../../../proto/vectors/headers.json")).unwrap();
    for vector in &vectors {
        let header = RecordHeader {
            schema: vector.schema,
            epoch: Epoch { term: vector.term, nonce: vector.nonce },
            seq: vector.seq,
            observed: WallMs(vector.observed_ms),
        };
        assert_eq!(encode_header(&header).to_vec(), unhex(&vector.hex));
        assert_eq!(decode_header(&unhex(&vector.hex)), vector.valid.then_some(header));
    }
    assert!(vectors.iter().any(|vector| !vector.valid));
}

#[derive(Deserialize)]
struct IntentVector {
    cluster: String,
    services: Option<[String; 3]>,
    key: String,
    valid: bool,
    counter: u64,
    percent: u8,
    force: bool,
    who: Arc<str>,
    why: Arc<str>,
    when_ms: u64,
    replica: u32,
    ramp: Option<RampVector>,
    value_hex: String,
}

#[derive(Deserialize)]
struct RampVector {
    from: u8,
    to: u8,
    started_ms: u64,
    over_ms: u64,
}

impl IntentVector {
    fn target(&self) -> DrainTarget {
        let services = self.services.as_ref().map(|parts| {
            let [namespace, group, service] = parts.each_ref().map(|part| part.parse().unwrap());
            ServicePattern { namespace, group, service }
        });
        DrainTarget::new(self.cluster.parse().unwrap(), services)
    }

    fn intent(&self) -> DrainIntent {
        let percent = |percent| Percent::new(percent).unwrap();
        let ramp = self.ramp.as_ref().map(|ramp| {
            let (started, over) = (WallMs(ramp.started_ms), Millis(ramp.over_ms));
            DrainRamp::new(percent(ramp.from), percent(ramp.to), started, over).unwrap()
        });
        DrainIntent {
            counter: OrderCounter::new(self.counter).unwrap(),
            percent: percent(self.percent),
            guard: if self.force { DrainGuard::Force } else { DrainGuard::VoidIfNothingIsLeft },
            who: Arc::clone(&self.who),
            why: Arc::clone(&self.why),
            when: WallMs(self.when_ms),
            replica: self.replica,
            ramp,
            giver: Default::default(),
        }
    }
}

#[test]
fn drains_are_as_another_implementation_encodes_them() {
    let vectors: Vec<IntentVector> =
        serde_json::from_str(include_str!("../../../../proto/vectors/intents.json")).unwrap();
    for vector in &vectors {
        let (value, header_bytes) = (unhex(&vector.value_hex), encode_header(&header()));
        let raw = RawRecord { offset: 0, key: vector.key.as_bytes(), value: Some(&value), header: Some(&header_bytes) };
        let record = decode_control(&raw, &mut TextInterner::default());
        assert_eq!(record.key, ControlKey::Drain(vector.target()));
        if !vector.valid {
            assert_eq!(record.value, Some(ControlValue::Unreadable), "{}", vector.value_hex);
            continue;
        }
        let intent = ControlValue::Drain(vector.intent());
        let encoded = encode_control(&record.key, Some(&intent), &header()).unwrap();
        assert_eq!(record.value, Some(intent));
        assert_eq!((&encoded.key[..], encoded.value.as_deref()), (vector.key.as_bytes(), Some(&value[..])));
    }
    assert!(vectors.iter().filter(|vector| vector.valid).count() >= 5);
}

fn header() -> RecordHeader {
    RecordHeader { schema: SCHEMA, epoch: Epoch { term: 3, nonce: 7 }, seq: 42, observed: WallMs(1_795_000_000_000) }
}

fn instance_key() -> DataKey {
    DataKey::Instance(ServiceKey::new("public", "g", "s"), InstanceId::new("10.0.0.1", 80, "DEFAULT"))
}

fn read_back(encoded: &EncodedRecord) -> Record {
    let raw =
        RawRecord { offset: 5, key: &encoded.key, value: encoded.value.as_deref(), header: Some(&encoded.header) };
    decode_record(&raw, &mut TextInterner::default())
}

fn read_control_back(encoded: &EncodedRecord) -> ControlRecord {
    let raw =
        RawRecord { offset: 5, key: &encoded.key, value: encoded.value.as_deref(), header: Some(&encoded.header) };
    decode_control(&raw, &mut TextInterner::default())
}

#[test]
fn a_value_is_unreadable_without_a_readable_header_and_keeps_its_digest() {
    let key = instance_key().encode();
    let value = proto::InstanceRecord { weight: 1.0, health: 1, ..Default::default() }.encode_to_vec();
    let with = |schema, term| {
        let epoch = Epoch { term, nonce: 1 };
        encode_header(&RecordHeader { schema, epoch, ..header() })
    };
    let cases = [
        ("this schema", Some(with(SCHEMA, 1).to_vec()), true),
        ("the next schema", Some(with(SCHEMA + 1, 1).to_vec()), true),
        ("a header with an addition", Some([&with(SCHEMA + 1, 1)[..], &[9; 4]].concat()), true),
        ("a later schema", Some(with(SCHEMA + 2, 1).to_vec()), false),
        ("no schema", Some(with(0, 1).to_vec()), false),
        ("an absurd term", Some(with(SCHEMA, 1 << 31).to_vec()), false),
        ("a short header", Some(with(SCHEMA, 1)[..25].to_vec()), false),
        ("no header", None, false),
    ];
    for (name, header, readable) in cases {
        let raw =
            RawRecord { offset: 0, key: key.as_bytes(), value: Some(value.as_slice()), header: header.as_deref() };
        let record = decode_record(&raw, &mut TextInterner::default());
        assert_eq!(matches!(record.body, RecordBody::Instance(_)), readable, "{name}");
        assert_eq!(record.body == RecordBody::Unreadable, !readable, "{name}");
        assert_eq!(record.digest, digest(key.as_bytes(), &value), "{name}");
    }
}

#[test]
fn a_tombstone_stays_one_whatever_its_header() {
    let key = instance_key().encode();
    let raw = RawRecord { offset: 0, key: key.as_bytes(), value: None, header: None };
    assert_eq!(decode_record(&raw, &mut TextInterner::default()).body, RecordBody::Tombstone);
}

#[test]
fn values_that_no_gateway_writes_are_unreadable() {
    let instance = |weight, health| proto::InstanceRecord { weight, health, ..Default::default() }.encode_to_vec();
    let config = |content: &[u8]| [&[0x0a, u8::try_from(content.len()).unwrap()], content].concat();
    let config_key = DataKey::Config(ConfigKey::new("", "g", "d")).encode();
    let instance_key = instance_key().encode();
    let cases = [
        ("weight below zero", &instance_key, instance(-1.0, 1)),
        ("weight not a number", &instance_key, instance(f64::NAN, 1)),
        ("health unspecified", &instance_key, instance(1.0, 0)),
        ("health of a later version", &instance_key, instance(1.0, 9)),
        ("content not UTF-8", &config_key, config(&[0xff])),
        (
            "digest of 15 bytes",
            &"checkpoint".to_owned(),
            proto::Checkpoint { digest: vec![0; 15], ..Default::default() }.encode_to_vec(),
        ),
    ];
    for (name, key, value) in cases {
        let header = encode_header(&header());
        let raw = RawRecord { offset: 0, key: key.as_bytes(), value: Some(&value), header: Some(&header) };
        assert_eq!(decode_record(&raw, &mut TextInterner::default()).body, RecordBody::Unreadable, "{name}");
    }
}

#[test]
fn a_replica_with_an_absurd_term_is_unreadable() {
    let replica = proto::Replica {
        state: 2,
        epoch: Some(proto::Epoch { term: 1 << 31, nonce: 1 }),
        descriptor: Some(proto::Descriptor { partition_hash: 1, ..Default::default() }),
        ..Default::default()
    };
    let read = |replica: &proto::Replica| {
        let (value, header) = (replica.encode_to_vec(), encode_header(&header()));
        let raw = RawRecord { offset: 0, key: b"replica/0000002a", value: Some(&value), header: Some(&header) };
        decode_control(&raw, &mut TextInterner::default()).value
    };
    assert_eq!(read(&replica), Some(ControlValue::Unreadable));
    let sane = proto::Replica { epoch: Some(proto::Epoch { term: 1, nonce: 1 }), ..replica };
    assert!(matches!(read(&sane), Some(ControlValue::Replica(_))));
}

#[test]
fn a_drain_that_no_gateway_writes_is_unreadable() {
    let read = |drain: proto::DrainIntent| {
        let (value, header) = (drain.encode_to_vec(), encode_header(&header()));
        let raw = RawRecord { offset: 0, key: b"intent/drain/a", value: Some(&value), header: Some(&header) };
        let record = decode_control(&raw, &mut TextInterner::default());
        assert!(matches!(record.key, ControlKey::Drain(_)));
        matches!(record.value, Some(ControlValue::Drain(_)))
    };
    let sane = proto::DrainIntent { counter: 1, percent: 100, ..Default::default() };
    assert!(read(sane.clone()));
    let ramp = proto::DrainRamp { from: 0, to: 100, started_ms: 1, over_ms: 1 };
    assert!(read(proto::DrainIntent { ramp: Some(ramp), ..sane.clone() }));
    for (name, drain) in [
        ("no counter", proto::DrainIntent { counter: 0, ..sane.clone() }),
        ("an absurd counter", proto::DrainIntent { counter: u64::MAX, ..sane.clone() }),
        ("the first absurd counter", proto::DrainIntent { counter: 1 << 63, ..sane.clone() }),
        ("more than all", proto::DrainIntent { percent: 101, ..sane.clone() }),
        ("more than fits", proto::DrainIntent { percent: 256, ..sane.clone() }),
        ("a ramp beyond all", proto::DrainIntent { ramp: Some(proto::DrainRamp { to: 101, ..ramp }), ..sane.clone() }),
        ("a ramp to nowhere", proto::DrainIntent { ramp: Some(proto::DrainRamp { to: 0, ..ramp }), ..sane.clone() }),
        ("a ramp in no time", proto::DrainIntent { ramp: Some(proto::DrainRamp { over_ms: 0, ..ramp }), ..sane }),
    ] {
        assert!(!read(drain), "{name}");
    }
}

#[test]
fn a_lone_instance_record_is_small() {
    let instance = Instance {
        weight: Weight::DEFAULT,
        health: Health::Healthy,
        enabled: true,
        ephemeral: true,
        metadata: [("version", "1.0")].into_iter().collect(),
    };
    assert!(instance_to_proto(&instance).encode_to_vec().len() <= 32);
}

fn texts() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![Just(String::new()), "[a-z0-9.:-]{1,20}", "\\PC{0,80}", any::<String>()].prop_map(Into::into)
}

fn optional_texts() -> impl Strategy<Value = Option<Arc<str>>> {
    proptest::option::of(texts())
}

fn instances() -> impl Strategy<Value = Instance> {
    let health = prop_oneof![Just(Health::Healthy), Just(Health::Unhealthy), Just(Health::Unknown)];
    (0.0..=10_000.0, health, any::<bool>(), any::<bool>(), btree_map(texts(), texts(), 0..6)).prop_map(
        |(weight, health, enabled, ephemeral, metadata)| Instance {
            weight: Weight::try_from(weight).unwrap(),
            health,
            enabled,
            ephemeral,
            metadata: metadata.into_iter().collect(),
        },
    )
}

fn config_items() -> impl Strategy<Value = ConfigItem> {
    ([texts(), texts(), texts(), texts()], [texts(), texts(), texts()], any::<u64>()).prop_map(
        |([content, md5, content_type, encrypted_data_key], [description, tags, application], last_modified_ms)| {
            ConfigItem {
                content: content.into(),
                sealed_under: None,
                md5,
                content_type,
                encrypted_data_key,
                description,
                tags,
                application,
                last_modified_ms,
            }
        },
    )
}

/// As every gateway reads it, whoever wrote it.
fn told(Locality { region, zone, sub_zone, network }: &Locality) -> Locality {
    Locality::told(region.as_deref(), zone.as_deref(), sub_zone.as_deref(), network.as_deref())
}

fn descriptors() -> impl Strategy<Value = Descriptor> {
    let locality = [optional_texts(), optional_texts(), optional_texts(), optional_texts()];
    let reached = (btree_map(texts(), texts(), 0..3), optional_texts());
    (locality, vec(texts(), 0..4), any::<u32>(), any::<u32>(), any::<u16>(), reached).prop_map(
        |([region, zone, sub_zone, network], nacos_servers, partitions, generation, reads_schema, reached)| {
            let (advertise, signing_key) = reached;
            Descriptor {
                locality: told(&Locality { region, zone, sub_zone, network }),
                nacos_servers,
                partitions,
                generation,
                reads_schema,
                advertise,
                signing_key: signing_key.filter(|key| !key.is_empty()), // Without a text there is none.
            }
        },
    )
}

fn targets() -> impl Strategy<Value = DrainTarget> {
    let part = prop_oneof!["[a-z*?]{0,8}", "\\PC{0,20}", any::<String>()].prop_map(|text| text.parse().unwrap());
    let services = proptest::option::of([part.clone(), part.clone(), part]);
    ("[a-z0-9-]{1,63}", services).prop_map(|(cluster, services)| {
        let services = services.map(|[namespace, group, service]| ServicePattern { namespace, group, service });
        DrainTarget::new(cluster.parse().unwrap(), services)
    })
}

fn percents() -> impl Strategy<Value = Percent> {
    (0..=100u8).prop_map(|percent| Percent::new(percent).unwrap())
}

fn drains() -> impl Strategy<Value = DrainIntent> {
    let ramp = (percents(), percents(), any::<u64>(), any::<u64>())
        .prop_map(|(from, to, started, over)| DrainRamp::new(from, to, WallMs(started), Millis(over)));
    ((1..1u64 << 63), percents(), any::<bool>(), [(); 5].map(|()| texts()), any::<u64>(), any::<u32>(), ramp).prop_map(
        |(counter, percent, force, [who, why, identity, from, means], when, replica, ramp)| DrainIntent {
            counter: OrderCounter::new(counter).unwrap(),
            percent,
            guard: if force { DrainGuard::Force } else { DrainGuard::VoidIfNothingIsLeft },
            who,
            why,
            when: WallMs(when),
            replica,
            ramp,
            giver: OrderGiver { identity, from, means },
        },
    )
}

fn replicas() -> impl Strategy<Value = ReplicaRecord> {
    let state = prop_oneof![
        Just(ReplicaState::Standby),
        Just(ReplicaState::Leader),
        Just(ReplicaState::Stopped),
        Just(ReplicaState::Stranger)
    ];
    let numbers = (0..TERM_LIMIT, any::<u32>(), any::<u64>(), any::<bool>(), any::<Option<u64>>(), any::<u64>());
    (state, numbers, descriptors(), texts(), texts(), vec(texts(), 0..4)).prop_map(
        |(state, (term, nonce, beat, warm, nacos_age, unpublished), descriptor, name, advertised, complaints)| {
            ReplicaRecord {
                state,
                epoch: Epoch { term, nonce },
                beat,
                warm,
                nacos_age: nacos_age.map(Millis),
                unpublished_age: Millis(unpublished),
                descriptor,
                name,
                advertised,
                complaints,
                readings: Vec::new(),
            }
        },
    )
}

fn outgoing(key: DataKey, body: RecordBody) -> OutgoingRecord {
    OutgoingRecord { topic: TopicKind::Instances, partition: 1, key, body, header: header() }
}

proptest! {
    #[test]
    fn an_instance_comes_back_equal(instance in instances(), parts in [texts(), texts(), texts(), texts(), texts()], port: u16) {
        let service = ServiceKey::new(&parts[0], &parts[1], &parts[2]);
        let key = DataKey::Instance(service, InstanceId::new(&parts[3], port, &parts[4]));
        let encoded = encode_outgoing(&outgoing(key.clone(), RecordBody::Instance(Arc::new(instance.clone()))));
        let record = read_back(&encoded);
        prop_assert_eq!(&record.key, &RecordKey::Data(key));
        prop_assert_eq!(record.header, Some(header()));
        prop_assert_eq!(record.body, RecordBody::Instance(Arc::new(instance)));
        prop_assert_eq!(record.digest, digest(&encoded.key, encoded.value.as_deref().unwrap()));
        prop_assert_eq!(encoded.send, Some(SendId(header().seq)));
    }

    #[test]
    fn a_config_item_comes_back_equal(item in config_items(), parts in [texts(), texts(), texts()]) {
        let key = DataKey::Config(ConfigKey::new(&parts[0], &parts[1], &parts[2]));
        let record = read_back(&encode_outgoing(&outgoing(key.clone(), RecordBody::Config(Arc::new(item.clone())))));
        prop_assert_eq!(record.key, RecordKey::Data(key));
        prop_assert_eq!(record.body, RecordBody::Config(Arc::new(item)));
    }

    #[test]
    fn a_checkpoint_comes_back_equal(count: u64, digest: u128, beat: u64, partitions: u32) {
        let checkpoint = Checkpoint { count, digest, beat, partitions };
        let encoded = encode_checkpoint(TopicKind::Configs, 2, &OutgoingCheckpoint { checkpoint, header: header() });
        let record = read_back(&encoded);
        prop_assert_eq!(record.key, RecordKey::Checkpoint);
        prop_assert_eq!(record.body, RecordBody::Checkpoint(checkpoint));
    }

    #[test]
    fn a_replica_and_a_descriptor_come_back_equal(replica in replicas(), nonce: u32) {
        let key = ControlKey::Replica(nonce);
        let value = ControlValue::Replica(replica.clone());
        let read = read_control_back(&encode_control(&key, Some(&value), &header()).unwrap());
        prop_assert_eq!((read.key, read.value), (key, Some(value)));
        let value = ControlValue::Descriptor(replica.descriptor);
        let read = read_control_back(&encode_control(&ControlKey::Descriptor, Some(&value), &header()).unwrap());
        prop_assert_eq!((read.key, read.value), (ControlKey::Descriptor, Some(value)));
    }

    #[test]
    fn blanks_around_the_places_of_another_cluster_are_not_read(descriptor in descriptors(), blank in "[ \t]{0,2}") {
        let spaced = |part: &Option<Arc<str>>| part.as_ref().map(|part| format!("{blank}{part}{blank}").into());
        let Locality { region, zone, sub_zone, network } = &descriptor.locality;
        let [region, zone, sub_zone, network] = [region, zone, sub_zone, network].map(spaced);
        let written = Descriptor { locality: Locality { region, zone, sub_zone, network }, ..descriptor.clone() };
        let value = ControlValue::Descriptor(written);
        let read = read_control_back(&encode_control(&ControlKey::Descriptor, Some(&value), &header()).unwrap());
        prop_assert_eq!(read.value, Some(ControlValue::Descriptor(descriptor)));
    }

    #[test]
    fn a_drain_and_its_target_come_back_equal(target in targets(), intent in drains()) {
        let (key, value) = (ControlKey::Drain(target), ControlValue::Drain(intent));
        let read = read_control_back(&encode_control(&key, Some(&value), &header()).unwrap());
        prop_assert_eq!((read.key, read.value), (key, Some(value)));
    }

    #[test]
    fn arbitrary_bytes_are_read_without_a_panic(
        key in prop_oneof![
            vec(any::<u8>(), 0..40),
            Just(instance_key().encode().into_bytes()),
            Just(b"c\x1fa\x1fb\x1fc".to_vec()),
            Just(b"checkpoint".to_vec()),
            Just(b"replica/0000002a".to_vec()),
            Just(b"descriptor".to_vec()),
            Just(b"intent/drain/frankfurt".to_vec()),
        ],
        value in proptest::option::of(vec(any::<u8>(), 0..200)),
        good_header: bool,
        noise in vec(any::<u8>(), 0..40),
    ) {
        let header = if good_header { encode_header(&header()).to_vec() } else { noise };
        let raw = RawRecord { offset: 1, key: &key, value: value.as_deref(), header: Some(&header) };
        let record = decode_record(&raw, &mut TextInterner::default());
        prop_assert_eq!(record.body == RecordBody::Tombstone, value.is_none());
        let control = decode_control(&raw, &mut TextInterner::default());
        prop_assert_eq!(control.value.is_none(), value.is_none());
    }
}

#[derive(Deserialize)]
struct CensusVectors {
    keys: Vec<HashedKey>,
    records: Vec<CensusVector>,
}

#[derive(Deserialize)]
struct HashedKey {
    key: String,
    xxh3_64: String,
}

#[derive(Deserialize)]
struct CensusVector {
    key: String,
    value_hex: String,
}

#[test]
fn censuses_are_those_of_another_implementation() {
    use federation_core::log::census::{Census, key_hash};

    let vectors: CensusVectors = serde_json::from_str(include_str!("../../../../proto/vectors/census.json")).unwrap();
    let mut hashes = Vec::new();
    for vector in &vectors.keys {
        let RecordKey::Data(key) = RecordKey::parse(vector.key.as_bytes()) else { panic!("{:?}", vector.key) };
        assert_eq!(format!("{:016x}", key_hash(&key)), vector.xxh3_64, "{:?}", vector.key);
        hashes.push(key_hash(&key));
    }
    let header = RecordHeader { schema: 1, epoch: Epoch { term: 1, nonce: 1 }, seq: 1, observed: WallMs(0) };
    let mut written = Census::of_partition(hashes);
    assert_eq!(written.len(), 256);
    written.retain(|(_, census)| !census.hashes().is_empty());
    assert_eq!(written.len(), vectors.records.len());
    for ((bucket, census), vector) in written.into_iter().zip(&vectors.records) {
        let outgoing = OutgoingCensus { bucket, census: census.clone(), header };
        let encoded = encode_census(TopicKind::Instances, 3, &outgoing);
        assert_eq!(encoded.key.as_ref(), vector.key.as_bytes());
        let value = encoded.value.unwrap();
        assert_eq!(value.to_vec(), unhex(&vector.value_hex));
        let raw = RawRecord { offset: 9, key: &encoded.key, value: Some(&value), header: Some(&encoded.header) };
        let read = decode_record(&raw, &mut TextInterner::default());
        assert_eq!((read.key, read.body), (RecordKey::Census(bucket), RecordBody::Census(census)));
    }
}

#[test]
fn a_census_that_is_not_one_is_unreadable() {
    let header = RecordHeader { schema: 1, epoch: Epoch { term: 1, nonce: 1 }, seq: 1, observed: WallMs(0) };
    let header = encode_header(&header);
    for (name, value) in [
        ("descending", vec![0x0a, 16, 2, 0, 0, 0, 0, 0, 0, 7, 1, 0, 0, 0, 0, 0, 0, 7]),
        ("of another bucket", vec![0x0a, 8, 1, 0, 0, 0, 0, 0, 0, 8]),
        ("cut off", vec![0x0a, 8, 1, 0, 0]),
    ] {
        let raw = RawRecord { offset: 9, key: b"census\x1f07", value: Some(&value), header: Some(&header) };
        let read = decode_record(&raw, &mut TextInterner::default());
        assert_eq!((read.key, read.body), (RecordKey::Census(7), RecordBody::Unreadable), "{name}");
    }
}
