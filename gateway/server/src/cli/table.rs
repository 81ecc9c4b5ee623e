//! Aligned columns for terminals, by the width that characters have there.

use unicode_width::UnicodeWidthStr;

use federation_answers::printable::printable;

/// Columns with a heading each.
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

/// A heading and where its cells stand.
pub(super) struct Column {
    heading: String,
    align: Align,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

/// A column of text.
pub(super) fn left(heading: &str) -> Column {
    Column { heading: printable(heading), align: Align::Left }
}

/// A column of numbers.
pub(super) fn right(heading: &str) -> Column {
    Column { heading: printable(heading), align: Align::Right }
}

impl Table {
    /// A table without rows.
    pub(super) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row of as many cells as there are columns. Control characters are escaped, an empty cell becomes `-`.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let shown = |cell: String| if cell.is_empty() { "-".to_owned() } else { printable(&cell) };
        let row: Vec<String> = cells.into_iter().map(shown).collect();
        assert_eq!(row.len(), self.columns.len(), "a row has one cell per column");
        self.rows.push(row);
    }

    /// Lines with their ends; two spaces between columns, none at the end of a line.
    pub(super) fn render(&self) -> String {
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|index| {
                let cells = self.rows.iter().map(|row| row[index].width());
                cells.chain([self.columns[index].heading.width()]).max().unwrap_or(0)
            })
            .collect();
        let headings: Vec<&str> = self.columns.iter().map(|column| column.heading.as_str()).collect();
        let mut text = self.line(&headings, &widths);
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            text.push_str(&self.line(&cells, &widths));
        }
        text
    }

    fn line(&self, cells: &[&str], widths: &[usize]) -> String {
        let mut line = String::new();
        for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let padding = " ".repeat(width - cell.width());
            let separator = if index > 0 { "  " } else { "" };
            line.push_str(separator);
            match self.columns[index].align {
                Align::Left => line.extend([*cell, &padding]),
                Align::Right => line.extend([&padding, *cell]),
            }
        }
        format!("{}\n", line.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_by_the_width_on_the_terminal() {
        let mut table = Table::new([left("NAME"), right("N"), left("NOTE")]);
        table.row(["订单".to_owned(), "3".to_owned(), String::new()]);
        table.row(["a\u{1f}b\u{1b}[31m".to_owned(), "12".to_owned(), "x".to_owned()]);
        let want =
            concat!("NAME                 N  NOTE\n", "订单                 3  -\n", "a\\u{1f}b\\u{1b}[31m  12  x\n");
        assert_eq!(table.render(), want);
    }
}
