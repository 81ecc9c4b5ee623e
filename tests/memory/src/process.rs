//! What this process uses, as the kernel counts it.

use std::fs;

/// Processor seconds of this thread.
pub(crate) fn processor() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos: f64 = text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(f64::NAN);
    nanos / 1e9
}

/// Bytes of memory that are resident.
pub(crate) fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<usize>().ok()).unwrap_or(0) * 1024
}
