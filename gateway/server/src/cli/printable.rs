//! What others wrote, as it may reach a terminal.

/// `text` with every character that could move a terminal's cursor or change its colours written as an escape. Names and
/// metadata come from whoever registers.
pub(super) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        // Bidirectional overrides reorder what a person reads.
        if character.is_control()
            || matches!(character, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}
