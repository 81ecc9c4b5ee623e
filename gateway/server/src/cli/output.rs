//! Where answers go: text for people, or the documents as they came.

use std::io::Write;

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

    /// Text as it is, and the end of its line.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.out, "{}", text.trim_end_matches('\n'))?;
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
        self.text(&text)
    }

    /// Bytes as they are.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes)?;
        Ok(self.out.flush()?)
    }
}
