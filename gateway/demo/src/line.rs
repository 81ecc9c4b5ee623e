//! Lines of text for a terminal: pieces with a tone, of which a width can be taken and which can be cut.

use std::fmt::Write as _;

use crossterm::style::Stylize;
use federation_answers::printable::printable;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What a piece of text says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Nothing.
    Plain,
    /// Read it last.
    Quiet,
    /// A heading.
    Strong,
    /// As it should be.
    Good,
    /// Look here.
    Warn,
    /// Not as it should be.
    Bad,
}

/// Whether tones become colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    /// They do.
    Shown,
    /// The reader is no terminal, or wants none.
    None,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line(Vec<(Tone, String)>);

impl Line {
    /// A line of one piece.
    pub(super) fn of(tone: Tone, text: impl AsRef<str>) -> Self {
        Self::default().and(tone, text)
    }

    /// A line of plain text.
    pub(super) fn plain(text: impl AsRef<str>) -> Self {
        Self::of(Tone::Plain, text)
    }

    /// The line and a further piece. Control characters are escapes: names come from whoever registers.
    #[must_use]
    pub(super) fn and(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        self.0.push((tone, printable(text.as_ref())));
        self
    }

    /// The line and a further piece, filled with spaces to `width` columns.
    #[must_use]
    pub(super) fn column(self, tone: Tone, text: &str, width: usize) -> Self {
        let line = self.and(tone, text);
        let padding = line.0.last().map_or(0, |(_, piece)| width.saturating_sub(piece.width()));
        line.and(Tone::Plain, " ".repeat(padding))
    }

    /// The line and another one behind it.
    #[must_use]
    pub(super) fn append(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The text in at most `width` columns.
    pub(super) fn render(&self, width: usize, colours: Colours) -> String {
        let mut rendered = String::new();
        let mut left = width;
        for (tone, text) in &self.0 {
            let mut piece = String::new();
            for character in text.chars() {
                left = match left.checked_sub(character.width().unwrap_or(0)) {
                    Some(left) => left,
                    None => break,
                };
                piece.push(character);
            }
            let _ = match (colours, tone) {
                (Colours::None, _) | (_, Tone::Plain) => write!(rendered, "{piece}"),
                (_, Tone::Quiet) => write!(rendered, "{}", piece.dark_grey()),
                (_, Tone::Strong) => write!(rendered, "{}", piece.bold()),
                (_, Tone::Good) => write!(rendered, "{}", piece.green()),
                (_, Tone::Warn) => write!(rendered, "{}", piece.yellow()),
                (_, Tone::Bad) => write!(rendered, "{}", piece.red()),
            };
        }
        rendered.truncate(rendered.trim_end().len());
        rendered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_the_width_and_holds_no_control_characters() {
        let line = Line::default().column(Tone::Good, "a\u{1b}[2J", 12).and(Tone::Plain, "订单b");
        assert_eq!(line.render(80, Colours::None), r"a\u{1b}[2J  订单b");
        assert_eq!(line.render(15, Colours::None), r"a\u{1b}[2J  订");
        assert_eq!(line.render(2, Colours::None), r"a\");
    }

    #[test]
    fn tones_become_colours_only_where_they_are_shown() {
        assert_eq!(Line::of(Tone::Bad, "lost").render(80, Colours::None), "lost");
        assert!(Line::of(Tone::Bad, "lost").render(80, Colours::Shown).starts_with('\u{1b}'));
    }
}
