//! How many bytes of plans are kept where the configuration does not say: a part of the memory that the process may use.
//!
//! Every service that is asked for again and again needs some 10 KB. A number that suits a federation of 100,000 services
//! would end a gateway in a small container, and one that suits the container would plan each answer of the other anew.

use std::fs;

/// One part of so many is for plans: the view of what they are made from takes about as much.
const PART: u64 = 8;
const LEAST: u64 = 64 << 20;
/// Where the system does not tell its memory.
const UNKNOWN: u64 = 256 << 20;

/// Files that name a limit in bytes, or `max`: that of a container of either kind.
const LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// Bytes for plans on this machine, 64 MiB or more.
#[must_use]
pub fn kept_bytes() -> usize {
    let read = |path: &str| fs::read_to_string(path).ok();
    usize::try_from(part_of(LIMITS.map(read), read("/proc/meminfo"))).unwrap_or(usize::MAX)
}

fn part_of(limits: [Option<String>; 2], meminfo: Option<String>) -> u64 {
    let limits = limits.iter().flatten().filter_map(|limit| limit.trim().parse::<u64>().ok());
    let least = limits.chain(meminfo.as_deref().and_then(total)).min();
    least.map_or(UNKNOWN, |memory| (memory / PART).max(LEAST))
}

/// `MemTotal: 16384 kB`.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_get_an_eighth_of_what_the_process_may_use() {
        let meminfo = Some("MemTotal:       16777216 kB\nMemFree:  1 kB\n");
        for (name, limits, meminfo, want) in [
            ("a machine", [None, None], meminfo, 2 << 30),
            ("a container without a limit", [Some("max\n"), None], meminfo, 2 << 30),
            ("a container", [Some("1073741824\n"), None], meminfo, 128 << 20),
            ("an older container", [None, Some("1073741824\n")], meminfo, 128 << 20),
            ("an older container without a limit", [None, Some("9223372036854771712\n")], meminfo, 2 << 30),
            ("a small container", [Some("134217728\n"), None], meminfo, LEAST),
            ("another system", [None, None], None, UNKNOWN),
            ("nonsense", [Some("much"), None], Some("MemTotal: 1 MB"), UNKNOWN),
        ] {
            let text = |text: Option<&str>| text.map(str::to_owned);
            assert_eq!(part_of(limits.map(text), text(meminfo)), want, "{name}");
        }
    }
}
