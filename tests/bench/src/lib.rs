//! What the benches have in common.

pub mod figures;
pub mod machine;
pub mod plain;
