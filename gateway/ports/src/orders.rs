//! Who is told what people ordered elsewhere, as the engine reads it in the log.

use federation_core::orders::HeardOrder;

/// Keeps who did what. Told on the engine's thread: it must not wait.
pub trait OrderListener: Send {
    /// An order of another gateway was read, or one that is not accepted here.
    fn heard(&self, order: HeardOrder);
}

/// Nobody is told.
impl OrderListener for () {
    fn heard(&self, _: HeardOrder) {}
}
