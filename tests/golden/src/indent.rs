//! JSON with a field a line, fields in the order in which they came: a parser that sorts them would hide what is promised.

/// Text of a list or object up to this length stays on its line.
const SHORT: usize = 100;

/// `json` on several lines; what is no JSON comes out as odd text, and differs.
#[must_use]
pub fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut rest, mut depth) = (json.trim(), 0_usize);
    while let Some(character) = rest.chars().next() {
        let mut taken = character.len_utf8();
        match character {
            '"' => {
                taken = text_end(rest);
                out.push_str(&rest[..taken]);
            }
            '{' | '[' => match short(rest) {
                Some(end) if depth > 0 => {
                    taken = end;
                    out.push_str(&spaced(&rest[..end]));
                }
                _ => {
                    depth += 1;
                    out.push(character);
                    break_line(&mut out, depth);
                }
            },
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                break_line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(',');
                break_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            white if white.is_whitespace() => {}
            other => out.push(other),
        }
        rest = &rest[taken..];
    }
    out
}

fn break_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Where the text that `rest` begins with ends, behind its quote.
fn text_end(rest: &str) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Where the list or object that `rest` begins with ends, if it is short and has at most one level.
fn short(rest: &str) -> Option<usize> {
    let mut at = 1;
    while at < rest.len().min(SHORT) {
        match rest.as_bytes()[at] {
            b'"' => at += text_end(&rest[at..]),
            b'{' | b'[' => return None,
            b'}' | b']' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// A short one with a space behind commas and colons.
fn spaced(short: &str) -> String {
    let (mut out, mut rest) = (String::new(), short);
    while let Some(character) = rest.chars().next() {
        let taken = if character == '"' { text_end(rest) } else { character.len_utf8() };
        match character {
            white if white.is_whitespace() => {}
            _ => out.push_str(&rest[..taken]),
        }
        if matches!(character, ',' | ':') {
            out.push(' ');
        }
        rest = &rest[taken..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::indented;

    #[test]
    fn fields_keep_their_order_and_texts_their_bytes() {
        let json = r#"{"b":[{"x":"a\"{,:ü","y":[]},{"z":{"n":null}}],"a":1.50}"#;
        let want = "{\n  \"b\": [\n    {\n      \"x\": \"a\\\"{,:ü\",\n      \"y\": []\n    },\n    {\n      \"z\": {\"n\": null}\n    }\n  ],\n  \"a\": 1.50\n}";
        assert_eq!(indented(json), want);
        assert_eq!(indented(want), want, "it may be indented already");
    }
}
