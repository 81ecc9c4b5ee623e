//! Where answers go: text for people, or the documents as they came. What others wrote moves nobody's terminal.

use std::io::{IsTerminal, Write};

use federation_answers::printable::{printable_json, printable_lines};
use serde::Serialize;

use super::client::Answer;
use super::exit::Failure;

/// How answers look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Aligned columns for people; `text` means the same.
    #[value(alias = "text")]
    Table,
    /// The gateway's own documents.
    Json,
}

/// Standard output in the format that was asked for.
pub(super) struct Output<'a> {
    /// What was asked for.
    pub(super) format: Format,
    out: &'a mut dyn Write,
}

impl<'a> Output<'a> {
    /// Writes to `out`.
    pub(super) fn new(format: Format, out: &'a mut dyn Write) -> Self {
        Self { format, out }
    }

    /// Text on its lines, and the end of the last.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.out, "{}", printable_lines(text.trim_end_matches('\n')))?;
        Ok(self.out.flush()?)
    }

    /// An answer: as it came, or as `table` shows what is known of it.
    pub(super) fn answer<T>(&mut self, answer: &Answer<T>, table: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.document(&answer.as_it_came),
            Format::Table => self.text(&table(&answer.document)),
        }
    }

    /// A document on several lines.
    pub(super) fn document(&mut self, document: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(document).map_err(Failure::failed)?;
        self.json(&text)
    }

    /// Text that is JSON already.
    pub(super) fn json(&mut self, json: &str) -> Result<(), Failure> {
        writeln!(self.out, "{}", printable_json(json))?;
        Ok(self.out.flush()?)
    }

    /// A text that is to be kept as it is: byte for byte, unless a terminal reads it.
    pub(super) fn content(&mut self, content: &str) -> Result<(), Failure> {
        let shown = if std::io::stdout().is_terminal() { printable_lines(content) } else { content.to_owned() };
        self.out.write_all(shown.as_bytes())?;
        Ok(self.out.flush()?)
    }
}
