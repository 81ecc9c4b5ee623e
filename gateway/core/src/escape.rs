//! Names inside keys: the bytes below 0x20, 0x7F, `%` and whatever parts the fields of a key are percent-encoded, because
//! Nacos allows them in names. Nothing else is, so that each name has exactly one spelling.

use std::fmt::Write as _;

/// Appends `plain`, encoded. `reserved` are the further ASCII characters that must not stand in the outcome.
pub(crate) fn push(text: &mut String, plain: &str, reserved: &[char]) {
    for character in plain.chars() {
        if character < ' ' || matches!(character, '\u{7f}' | '%') || reserved.contains(&character) {
            let _ = write!(text, "%{:02X}", u32::from(character));
        } else {
            text.push(character);
        }
    }
}

/// Whether [`push`] leaves the text as it is where nothing is reserved.
pub(crate) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte >= b' ' && !matches!(byte, 0x7f | b'%'))
}

/// Undoes [`push`]; `None` if the text is not what that writes.
pub(crate) fn undo(text: &str, reserved: &[char]) -> Option<String> {
    if !text.contains(['%', '\u{7f}']) && !text.contains(|c: char| c < ' ' || reserved.contains(&c)) {
        return Some(text.to_owned());
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        let code = u8::from_str_radix(rest.get(at + 1..at + 3)?, 16).ok().filter(u8::is_ascii)?;
        plain.push(char::from(code));
        rest = &rest[at + 3..];
    }
    plain.push_str(rest);
    let mut canonical = String::with_capacity(text.len());
    push(&mut canonical, &plain, reserved);
    (canonical == text).then_some(plain)
}
