//! Section `guard`: when a loss of instances is held until an operator says what it is.

use std::time::Duration;

use federation_core::guard::GuardSettings;
use federation_core::percent::Percent;
use federation_core::time::Millis;
use federation_document::reader::{FieldPlace, ReadValue};

/// What a mass loss is, and how long it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard(pub GuardSettings);

impl ReadValue for Guard {
    fn read(place: &mut FieldPlace<'_>) -> Option<Self> {
        place.section(|fields| {
            let percent = fields.get::<u16>("mass_percent");
            let instances = fields.get::<u16>("mass_instances");
            let window = fields.get::<Duration>("mass_window");
            let confirm_after = fields.maybe::<Duration>("mass_confirm_after");
            let trust_for = fields.get::<Duration>("trust_for");
            Some(Self(GuardSettings {
                percent: u8::try_from(percent?).ok().and_then(Percent::new).expect("the table's bounds are 0 and 100"),
                instances: usize::from(instances?),
                window: millis(window?),
                confirm_after: confirm_after?.map(millis),
                trust_for: millis(trust_for?),
            }))
        })
    }
}

fn millis(time: Duration) -> Millis {
    Millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
