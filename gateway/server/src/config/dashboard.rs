//! Section `dashboard`: the pages that show the federation.

use federation_document::reader::{FieldPlace, ReadValue};

/// Whether there are pages, and what they may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DashboardConfig {
    /// Whether they are served at all.
    pub enabled: bool,
    /// Whether they may only look, whoever looks at them.
    pub read_only: bool,
}

impl ReadValue for DashboardConfig {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let (enabled, read_only) = (fields.get::<bool>("enabled"), fields.get::<bool>("read_only"));
            Some(Self { enabled: enabled?, read_only: read_only? })
        })
    }
}
