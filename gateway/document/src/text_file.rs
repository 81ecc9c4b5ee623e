//! Text files of bounded size.
//!
//! Input: a path or an open source. Output: UTF-8 text, or a sentence that says why there is none. Never more than the bound is read.

use std::io::Read;
use std::path::Path;

/// Reads a file of at most `most_bytes`.
///
/// # Errors
/// What is wrong, for people, without the file's name.
pub fn read(path: &Path, most_bytes: u64) -> Result<String, String> {
    read_open(std::fs::File::open(path).map_err(|error| cannot(&error))?, most_bytes)
}

/// Reads a file that is named on the command line; `-` is standard input.
///
/// # Errors
/// As [`read`].
pub fn read_named(file: &str, most_bytes: u64) -> Result<String, String> {
    if file == "-" { read_open(std::io::stdin().lock(), most_bytes) } else { read(Path::new(file), most_bytes) }
}

fn read_open(source: impl Read, most_bytes: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    // One byte more than is allowed tells what is too large from what is not.
    source.take(most_bytes + 1).read_to_end(&mut bytes).map_err(|error| cannot(&error))?;
    if bytes.len() as u64 > most_bytes {
        return Err(format!("too large: more than {most_bytes} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("not UTF-8: on line {line}")
    })
}

fn cannot(error: &std::io::Error) -> String {
    format!("cannot be read: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_whole_or_refused_with_the_reason() {
        for (bytes, want) in [
            (&b"a: 1\n"[..], Ok("a: 1\n")),
            (b"12345678", Ok("12345678")),
            (b"123456789", Err("too large: more than 8 bytes")),
            (b"a\n\xff", Err("not UTF-8: on line 2")),
        ] {
            assert_eq!(read_open(bytes, 8).as_deref().map_err(String::as_str), want);
        }
        assert!(read(Path::new("/nowhere"), 8).unwrap_err().starts_with("cannot be read: "));
    }
}
