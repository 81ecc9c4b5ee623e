//! What the parts of the gateway tell about themselves.

use federation_core::reason::GatewayReason;

/// Named facts, in a fixed order.
pub type NamedFacts = Vec<(&'static str, String)>;

/// An adapter that has something to tell about itself.
pub trait FactSource: Send {
    /// What it has to tell now.
    fn facts(&self) -> NamedFacts;

    /// What is limited; nothing by default.
    fn limits(&self) -> Vec<GatewayReason> {
        Vec::new()
    }
}
