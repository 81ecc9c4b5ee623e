//! What others wrote, as it may reach a terminal or a text log.
//!
//! Names, metadata, reasons and contents come from whoever registers, orders or writes. Characters among them can move a terminal's cursor,
//! recolour it, retitle it, end a line of a log and begin another, or reorder what a person reads. They are shown as escapes.

/// `text` on one line: every control character and every mark of direction is an escape, a line's end included.
#[must_use]
pub fn printable(text: &str) -> String {
    escaped(text, is_unsafe, |character, safe| safe.extend(character.escape_default()))
}

/// `text` on its lines: as [`printable`], but line ends and tabs stay. For texts whose lines are ours, or known to be nobody's in particular.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    let is_unsafe = |character| is_unsafe(character) && !matches!(character, '\n' | '\t');
    escaped(text, is_unsafe, |character, safe| safe.extend(character.escape_default()))
}

/// JSON that means the same and harms no terminal: what JSON itself lets stand in texts is an escape of JSON (RFC 8259, section 7).
#[must_use]
pub fn printable_json(json: &str) -> String {
    let is_unsafe = |character| is_unsafe(character) && !matches!(character, '\n' | '\r' | '\t');
    escaped(json, is_unsafe, |character, safe| safe.push_str(&format!("\\u{:04x}", u32::from(character))))
}

fn escaped(text: &str, is_unsafe: impl Fn(char) -> bool, escape: impl Fn(char, &mut String)) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            escape(character, &mut safe);
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Controls of both sets, separators of lines and paragraphs, and what changes the direction of reading (UAX #9). All are below U+10000.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[31mb\u{9b}31m\u{7f}\u{202e}\u{61c}\u{2028}\nforged";

    #[test]
    fn one_line_stays_one_line_without_controls() {
        let want = r"a\u{1b}[31mb\u{9b}31m\u{7f}\u{202e}\u{61c}\u{2028}\nforged";
        assert_eq!(printable(HOSTILE), want);
        assert_eq!(printable("商店 ü 🙂 \"'\\"), "商店 ü 🙂 \"'\\");
    }

    #[test]
    fn lines_and_tabs_stay_where_lines_are_meant() {
        assert_eq!(printable_lines("a:\n\tb\r\u{1b}c"), "a:\n\tb\\r\\u{1b}c");
    }

    #[test]
    fn json_means_the_same_and_has_no_raw_control() {
        let value = serde_json::json!({ HOSTILE: [HOSTILE, "商店"] });
        let safe = printable_json(&serde_json::to_string_pretty(&value).unwrap());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
        assert!(safe.contains("\\u009b31m\\u007f\\u202e\\u061c\\u2028") && safe.contains("商店"), "{safe}");
        assert!(!safe.chars().any(|character| character != '\n' && is_unsafe(character)), "{safe}");
    }
}
