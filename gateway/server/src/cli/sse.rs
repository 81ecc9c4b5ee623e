//! Server-sent events, as the WHATWG standard defines their lines.
//!
//! Input: pieces of a byte stream, divided anywhere. Output: whole events, and a note for every comment.

/// What a piece of the stream completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// An event with its name and data; the name is `message` where none was given.
    Event {
        /// Its name.
        name: String,
        /// Its data, lines joined by a line feed.
        data: String,
    },
    /// A comment: the connection lives.
    Comment,
}

/// Longest line in bytes; a service of 5,000 instances with metadata of 1,024 characters each has some 10 MB.
const LONGEST_LINE_BYTES: usize = 64 << 20;

/// A line that is longer than any event of a gateway.
#[derive(Debug, thiserror::Error)]
#[error("a line of the stream is longer than {LONGEST_LINE_BYTES} bytes")]
pub struct LineTooLong;

/// Puts events together from pieces.
#[derive(Default)]
pub struct Decoder {
    line: Vec<u8>,
    name: String,
    data: Option<String>,
}

impl Decoder {
    /// Takes the next piece; gives what it completed.
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<Message>, LineTooLong> {
        let mut messages = Vec::new();
        let mut lines = piece.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = lines.next() {
            self.line.extend_from_slice(part);
            if self.line.len() > LONGEST_LINE_BYTES {
                return Err(LineTooLong);
            }
            if lines.peek().is_some() {
                let line = std::mem::take(&mut self.line);
                messages.extend(self.end_line(&String::from_utf8_lossy(&line)));
            }
        }
        Ok(messages)
    }

    fn end_line(&mut self, line: &str) -> Option<Message> {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let name = if name.is_empty() { "message".to_owned() } else { name };
            return self.data.take().map(|data| Message::Event { name, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, &mut self.data) {
            ("", _) => return Some(Message::Comment),
            ("event", _) => self.name = value.to_owned(),
            ("data", Some(data)) => data.extend(["\n", value]),
            ("data", none) => *none = Some(value.to_owned()),
            _ => {} // `id` and `retry` serve clients that reconnect; unknown fields are to be ignored.
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Message {
        Message::Event { name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_come_whole_however_the_stream_is_divided() {
        let stream =
            "event: service\r\nid: 7\r\ndata: {\"a\":\ndata: \"ä\"}\n\n: still here\n\ndata:x\n\nevent: lost\n\n";
        let want = [event("service", "{\"a\":\n\"ä\"}"), Message::Comment, event("message", "x")];
        for size in [1, 2, 7, stream.len()] {
            let mut decoder = Decoder::default();
            let messages: Vec<Message> =
                stream.as_bytes().chunks(size).flat_map(|piece| decoder.push(piece).unwrap()).collect();
            assert_eq!(messages, want, "pieces of {size}");
        }
    }
}
