//! What the benches have in common.

pub mod machine;
pub mod plain;
