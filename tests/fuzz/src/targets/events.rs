//! The stream of server-sent events that the command line reads from a gateway.

use federation_gateway::cli::sse::{Decoder, Message};

use super::{Checked, Memory, Target, same};

pub(super) const EVENTS: Target = Target {
    name: "events",
    also: &[],
    words: &[b"event: ", b"data: ", b"id: ", b"retry: ", b"\n\n", b"\r\n", b": ", b"\n", "ä".as_bytes()],
    memory: Memory { base: 16 << 10, each: 256 },
    check: events,
};

/// The events do not depend on where the stream is divided.
fn events(stream: &[u8]) -> Checked {
    let whole = read(stream, stream.len().max(1))?;
    for size in [1, 3, 64] {
        same("divided elsewhere, a stream has other events", &read(stream, size)?, &whole)?;
    }
    let events = whole.iter().filter(|message| matches!(message, Message::Event { .. })).count();
    Ok(format!("{} events, {} comments", events.min(9), (whole.len() - events).min(9)))
}

fn read(stream: &[u8], size: usize) -> Result<Vec<Message>, String> {
    let mut decoder = Decoder::default();
    let mut messages = Vec::new();
    for piece in stream.chunks(size) {
        messages.extend(decoder.push(piece).map_err(|refused| format!("a short stream is refused: {refused}"))?);
    }
    let said: usize = messages
        .iter()
        .map(|message| match message {
            Message::Event { data, .. } => data.len(),
            Message::Comment => 0,
        })
        .sum();
    // A byte that is no UTF-8 becomes a mark of three.
    if said > 3 * stream.len() { Err("more is told than was said".into()) } else { Ok(messages) }
}
