//! Places in a text.

/// A place in a file: where something starts and how many characters of that line it covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceSpan {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// In characters, within the first line; 0 for a place that covers nothing.
    pub width: usize,
}
