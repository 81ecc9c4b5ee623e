//! `nacos-fed`: one registry out of many Nacos clusters.

use std::process::ExitCode;

/// Answers are many small allocations that end on other threads than they began on.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    federation_gateway::cli::main()
}
