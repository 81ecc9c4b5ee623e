//! Takes out of a text what two runs may tell differently: the server's address, the names' tag, times and generated ids.

/// Of one text that is longer only the beginning is compared.
const TEXT_LIMIT: usize = 600;
/// What follows is quoted from a driver's log.
const LOG_QUOTED: &str = "; the end of ";
const REQUEST_ID: &str = "request_id:";
/// Numbers with as many digits are times or ids.
const LONG_NUMBER: usize = 9;

/// What is replaced, for one server and one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextMask {
    replaced: Vec<(String, &'static str)>,
}

impl TextMask {
    /// For a server with HTTP on this port and names with this tag.
    pub(crate) fn of(port: u16, tag: &str) -> Self {
        let ports = [port, port.saturating_add(1000)];
        let mut replaced: Vec<_> = ports.map(|port| (format!("127.0.0.1:{port}"), "<server>")).into();
        replaced.extend(ports.map(|port| (format!("127.0.0.1', {port}"), "<server>")));
        replaced.push((tag.into(), "<tag>"));
        Self { replaced }
    }

    /// The same for names with this tag too.
    pub(crate) fn and_tag(&self, tag: &str) -> Self {
        let mut replaced = vec![(tag.to_owned(), "<tag>")]; // The longer one first, if it begins as the other.
        replaced.extend(self.replaced.iter().cloned());
        Self { replaced }
    }

    pub(crate) fn apply(&self, text: &str) -> String {
        let text = text.split(LOG_QUOTED).next().unwrap_or_default();
        let mut text = text.replace(['\n', '\r'], " ");
        for (what, by) in &self.replaced {
            text = text.replace(what, by);
        }
        let words: Vec<String> = split_words(&text).into_iter().map(masked).collect();
        let text = without_request_id(words.concat());
        // Some servers end a text with a blank or a line of its own.
        let text: String = text.chars().take(TEXT_LIMIT).collect();
        text.trim_end().into()
    }
}

/// The Rust SDK tells which of its questions was refused, where the server repeats that.
fn without_request_id(text: String) -> String {
    let Some((before, after)) = text.split_once(REQUEST_ID) else { return text };
    let rest = after.find(' ').map_or("", |end| &after[end..]);
    format!("{before}{REQUEST_ID}<id>{rest}")
}

/// Words of letters, digits and `-`, and what is between them.
fn split_words(text: &str) -> Vec<&str> {
    let of_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c: char| of_word(c) != of_word(first)).unwrap_or(rest.len());
        let (word, further) = rest.split_at(end);
        words.push(word);
        rest = further;
    }
    words
}

fn masked(word: &str) -> String {
    let is_uuid = word.len() == 36 && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let is_long = word.len() >= LONG_NUMBER && word.chars().all(|c| c.is_ascii_digit());
    match (is_uuid, is_long) {
        (true, _) => "<id>".into(),
        (_, true) => "<number>".into(),
        _ => word.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_tag_that_begins_as_the_first_is_taken_out_as_a_whole() {
        assert_eq!(
            TextMask::of(8848, "t7f3").and_tag("t7f3-again").apply("s-t7f3-again-go s-t7f3-go"),
            "s-<tag>-go s-<tag>-go"
        );
    }

    #[test]
    fn what_differs_from_run_to_run_is_taken_out_and_all_else_is_kept() {
        let mask = TextMask::of(8848, "t7f3");
        for (text, want) in [
            ("http://127.0.0.1:8848/nacos said 400", "http://<server>/nacos said 400"),
            ("127.0.0.1:9848 s-t7f3-java", "<server> s-<tag>-java"),
            ("at 1795752000123, id 3f2504e0-4f89-11d3-9a0c-0305e82c3301", "at <number>, id <id>"),
            ("request_id:Some(\"69\") ret_code:400", "request_id:<id> ret_code:400"),
            ("refused. \n", "refused."),
            ("it ended; the end of /tmp/1/log: panic", "it ended"),
            ("10.0.0.1:80 weight 0.5 ü\nend", "10.0.0.1:80 weight 0.5 ü end"),
        ] {
            assert_eq!(mask.apply(text), want);
        }
    }
}
