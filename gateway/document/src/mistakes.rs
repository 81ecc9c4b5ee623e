//! Mistakes in a configuration: collected while it is read, so that one run shows them all, each with its place, the
//! field and what would be right.

use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::place::SourceSpan;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// Line in the file, from 1; 0 where no line is at fault (the file cannot be read).
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Path of the field, for example `nacos.servers[0]`; empty for the file as a whole.
    pub field: String,
    /// What is wrong, with the value unless that is secret.
    pub problem: String,
    /// What would be right.
    pub expected: String,
    #[serde(skip)]
    width: usize,
    #[serde(skip)]
    excerpt: Excerpt,
}

/// Whether the source may be shown beside a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excerpt {
    Shown,
    Hidden,
}

/// All mistakes of one file.
#[derive(Clone, Debug, Default)]
pub struct Mistakes {
    file: String,
    lines: Vec<String>,
    found: Vec<Mistake>,
}

impl Mistakes {
    /// None yet. `file` is the name to show, `text` its content, of which parts are shown.
    #[must_use]
    pub fn new(file: &str, text: &str) -> Self {
        Self { file: file.to_owned(), lines: text.lines().map(str::to_owned).collect(), found: Vec::new() }
    }

    /// Adds one, of which the source may be shown.
    pub fn add(&mut self, span: SourceSpan, field: &str, problem: &str, expected: &str) {
        self.push(span, field, problem, expected, Excerpt::Shown);
    }

    /// Adds one at a place that holds a secret: the source there is not shown. `problem` must not name the value.
    pub fn add_hidden(&mut self, span: SourceSpan, field: &str, problem: &str, expected: &str) {
        self.push(span, field, problem, expected, Excerpt::Hidden);
    }

    fn push(&mut self, span: SourceSpan, field: &str, problem: &str, expected: &str, excerpt: Excerpt) {
        self.found.push(Mistake {
            line: span.line,
            column: span.column,
            field: field.to_owned(),
            problem: problem.to_owned(),
            expected: expected.to_owned(),
            width: span.width,
            excerpt,
        });
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// All of them, in the order of the file.
    #[must_use]
    pub fn sorted(&self) -> Vec<&Mistake> {
        let mut sorted: Vec<&Mistake> = self.found.iter().collect();
        sorted.sort_by_key(|mistake| (mistake.line, mistake.column));
        sorted
    }

    fn render(&self, mistake: &Mistake, out: &mut String) -> fmt::Result {
        let colon = if mistake.field.is_empty() { "" } else { ": " };
        writeln!(out, "error: {}{colon}{}", mistake.field, mistake.problem)?;
        let number = mistake.line.to_string();
        let margin = " ".repeat(number.len());
        if mistake.line == 0 {
            writeln!(out, "{margin}--> {}", self.file)?;
        } else {
            writeln!(out, "{margin}--> {}:{}:{}", self.file, mistake.line, mistake.column)?;
        }
        if let Some((shown, column)) = self.excerpt(mistake) {
            let carets = "^".repeat(mistake.width);
            writeln!(out, "{margin} |\n{number} | {shown}\n{margin} | {}{carets}", " ".repeat(column))?;
        }
        writeln!(out, "{margin} = expected: {}\n", mistake.expected)
    }

    /// The faulty part of its line, and the column from 0 where it starts in what is shown. What stands around it may be
    /// a secret (the value of a misspelt `pasword`, a neighbour in braces), so only an indentation and the name of the
    /// field itself are shown with it.
    fn excerpt(&self, mistake: &Mistake) -> Option<(String, usize)> {
        if mistake.excerpt == Excerpt::Hidden || mistake.width == 0 {
            return None;
        }
        let line: Vec<char> = self.lines.get(mistake.line.checked_sub(1)?)?.chars().collect();
        let start = mistake.column - 1;
        let end = (start + mistake.width).min(line.len());
        let (before, part) = (line.get(..start)?, line.get(start..end)?);
        let mut shown: String = if before.iter().any(|character| "{[,\"'#&".contains(*character)) {
            "… ".to_owned()
        } else {
            before.iter().map(|character| if *character == '\t' { ' ' } else { *character }).collect()
        };
        let column = shown.chars().count();
        shown.extend(part);
        if end < line.len() {
            shown.push_str(" …");
        }
        Some((shown, column))
    }
}

impl fmt::Display for Mistakes {
    /// Like a compiler: one paragraph per mistake, then their number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        for mistake in self.sorted() {
            self.render(mistake, &mut out)?;
        }
        let plural = if self.count() == 1 { "mistake" } else { "mistakes" };
        write!(f, "{out}{}: {} {plural}", self.file, self.count())
    }
}

impl std::error::Error for Mistakes {}
