//! `make bench-memory`: what many instances cost a reader, without servers: bytes of one instance by stage and by size of allocation, processor
//! time of the fold and of a change, and of a snapshot that is written and read. Everything is of one thread, and processor time is the kernel's
//! count of it, so that a busy machine hardly shows in the figures. What librdkafka and answers cost is not in it: see `make bench-fold`.

mod counting;
mod process;
mod registry;

use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use federation_codec::snapshot;

use crate::counting::Counting;
use crate::process::{processor, resident};
use crate::registry::{PARTITIONS, Registry, Written};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Instances where none are named.
const SIZES: [u64; 3] = [10_000, 100_000, 500_000];
/// Records that are handed over at once, as the reader of the log does.
const BATCH: usize = 500;
/// Services that are shown at once while much changes.
const SHOWN_AT_ONCE: usize = 1_000;
/// Changes that are measured.
const CHANGES: u64 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut sizes = std::env::args().skip(1).map(|text| text.parse()).collect::<Result<Vec<u64>, _>>()?;
    if sizes.is_empty() {
        sizes = SIZES.to_vec();
    }
    sizes.into_iter().try_for_each(measure)
}

fn measure(instances: u64) -> Result<(), Box<dyn Error>> {
    println!("\n{instances} instances");
    let (empty, empty_resident) = (counting::held(), resident());
    let each = |bytes: usize| bytes as f64 / instances as f64;
    let since = |before: usize| each(counting::held().saturating_sub(before));
    let mut registry = Registry::new();
    let took = fold(&mut registry, instances);
    tell("decode and fold, processor time", took / instances as f64 * 1e6, "us an instance");
    let folded = counting::held();
    let begun = processor();
    registry.show(SHOWN_AT_ONCE);
    tell("show, processor time", (processor() - begun) / instances as f64 * 1e6, "us an instance");
    assert_eq!(registry.shown() as u64, instances, "all are shown");
    let shown = counting::held();
    registry.forget_texts();
    let texts = shown - counting::held();
    tell("held: fold", each(folded - empty - texts), "bytes an instance");
    tell("held: view", each(shown - folded), "bytes an instance");
    tell("held: texts that the decoder remembers", each(texts), "bytes an instance");
    tell("held in all", since(empty) + each(texts), "bytes an instance");
    tell("resident", each(resident().saturating_sub(empty_resident)), "bytes an instance");
    tell_pieces(instances);
    tell_changes(&mut registry, instances);
    let folder = std::env::temp_dir().join(format!("bench-memory-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let outcome = tell_snapshot(registry, instances, &folder.join("snapshot"));
    fs::remove_dir_all(&folder)?;
    outcome
}

/// Processor seconds that it took.
fn fold(registry: &mut Registry, instances: u64) -> f64 {
    let mut waiting: Vec<Vec<Written>> = (0..PARTITIONS).map(|_| Vec::with_capacity(BATCH)).collect();
    let mut took = 0.0;
    let mut hand_over = |registry: &mut Registry, written: &mut Vec<Written>| {
        let Some(partition) = written.first().map(Written::partition) else { return };
        let begun = processor();
        let records = written.iter().map(|written| registry.decode(written)).collect();
        registry.fold(partition, records);
        took += processor() - begun;
        written.clear();
    };
    for instance in 0..instances {
        let written = registry::write(instance, 0);
        let batch = &mut waiting[written.partition() as usize];
        batch.push(written);
        if batch.len() == BATCH {
            hand_over(registry, batch);
        }
    }
    waiting.iter_mut().for_each(|batch| hand_over(registry, batch));
    let begun = processor();
    registry.end();
    took + processor() - begun
}

/// The sizes of which most bytes are held.
fn tell_pieces(instances: u64) {
    let mut pieces: Vec<(usize, usize)> = counting::pieces().collect();
    pieces.sort_by_key(|(size, number)| std::cmp::Reverse(size * number));
    for (size, number) in pieces.into_iter().take(12) {
        let (of_each, bytes) = (number as f64 / instances as f64, (size * number) as f64 / instances as f64);
        tell(&format!("  pieces of {size} bytes, {of_each:.3} of them an instance"), bytes, "bytes an instance");
    }
}

/// Single changes all over the registry, each shown before the next is read.
fn tell_changes(registry: &mut Registry, instances: u64) {
    let written: Vec<Written> =
        (1..=CHANGES).map(|version| registry::write(version * 7_919 % instances, version)).collect();
    let (mut decode, mut shown) = (0.0, 0.0);
    for turn in written.chunks(BATCH) {
        // One after the other for all of a batch: reading the clock costs about as much as a step.
        let begun = processor();
        let records: Vec<_> = turn.iter().map(|written| (written.partition(), registry.decode(written))).collect();
        decode += processor() - begun;
        let begun = processor();
        for (partition, record) in records {
            registry.fold(partition, vec![record]);
            registry.show(1);
        }
        shown += processor() - begun;
    }
    tell("a change: decode, processor time", decode / CHANGES as f64 * 1e6, "us");
    tell("a change: fold and show, processor time", shown / CHANGES as f64 * 1e6, "us");
}

/// A snapshot, and a start from it.
fn tell_snapshot(registry: Registry, instances: u64, file: &Path) -> Result<(), Box<dyn Error>> {
    let each = |bytes: usize| bytes as f64 / instances as f64;
    let (before, begun) = (counting::held(), processor());
    counting::begin_peak();
    let longest = registry.keep(BufWriter::new(File::create(file)?))?;
    tell("a snapshot: written, processor time", processor() - begun, "s");
    tell("  of it one turn of the engine at most", longest * 1000.0, "ms");
    tell("  held beside all else", each(counting::peak() - before), "bytes an instance");
    tell("  on disk", each(usize::try_from(fs::metadata(file)?.len())?), "bytes an instance");
    drop(registry);
    let (before, begun) = (counting::held(), processor());
    counting::begin_peak();
    let mut restored = Registry::new();
    let content = snapshot::read(File::open(file)?, &federation_codec::seal::SealKeys::default())??;
    let read = processor();
    restored.restore(content.origins);
    let folded = processor();
    restored.show(SHOWN_AT_ONCE);
    tell("a start from it: all, processor time", processor() - begun, "s");
    tell("  read", read - begun, "s");
    tell("  folded", folded - read, "s");
    assert_eq!(restored.shown() as u64, instances, "all are shown");
    restored.forget_texts();
    tell("  held afterwards", each(counting::held() - before), "bytes an instance");
    tell("  held at most", each(counting::peak() - before), "bytes an instance");
    Ok(())
}

fn tell(what: &str, figure: f64, unit: &str) {
    println!("{what:<66} {figure:>12.3} {unit}");
}
