//! Progress lines: what happens, and how long after the start of this process.

use std::io::Write;
use std::sync::OnceLock;
use std::time::Instant;

/// Writes one line to standard error. Straight to the descriptor, so that `cargo test` shows it while a test waits for a server.
pub fn announce(line: &str) {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed().as_secs_f64();
    // A closed standard error is no reason to fail a test.
    let _ = writeln!(std::io::stderr(), "[{elapsed:7.1}s] {line}");
}
