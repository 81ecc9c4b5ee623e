//! Where the demo tells what happens. On a terminal, notes scroll by above a board that is redrawn in place; elsewhere the
//! notes are lines, and there is no board.
//!
//! Only the thread that holds standard output may write here: the command line holds it while it runs a command. The
//! terminal is restored when the console is closed or dropped.

use std::io::{self, IsTerminal, Write};

use crossterm::cursor::{Hide, MoveToColumn, MoveUp, Show};
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use crossterm::{QueueableCommand, terminal};

use super::line::{Colours, Line};

/// Where notes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DemoProgress {
    /// To standard output, with a board if it is a terminal.
    Screen,
    /// To standard output, as lines.
    Lines,
    /// To standard error, as lines: standard output is for the result.
    Aside,
}

/// A place for notes, and on a terminal for a board.
pub(super) struct Console {
    out: Box<dyn Write>,
    colours: Colours,
    screen: Option<Screen>,
}

/// The state of a terminal that has a board.
struct Screen {
    board: Vec<Line>,
    /// Rows of the board as it stands there.
    drawn: u16,
    raw: bool,
}

impl Console {
    /// Opens it. With a board, keys come unechoed from now on, if standard input is a terminal, too.
    ///
    /// # Errors
    /// The terminal refuses.
    pub(super) fn open(progress: DemoProgress) -> io::Result<Self> {
        let out: Box<dyn Write> = match progress {
            DemoProgress::Aside => Box::new(io::stderr()),
            DemoProgress::Screen | DemoProgress::Lines => Box::new(io::stdout()),
        };
        let is_terminal = match progress {
            DemoProgress::Aside => io::stderr().is_terminal(),
            DemoProgress::Screen | DemoProgress::Lines => io::stdout().is_terminal(),
        };
        let colours = if is_terminal { Colours::Shown } else { Colours::None };
        let mut console = Self { out, colours, screen: None };
        if progress == DemoProgress::Screen && is_terminal {
            let raw = io::stdin().is_terminal();
            if raw {
                terminal::enable_raw_mode()?;
            }
            console.screen = Some(Screen { board: Vec::new(), drawn: 0, raw });
            console.out.queue(Hide)?.flush()?;
        }
        Ok(console)
    }

    /// Whether there is a board.
    pub(super) fn has_board(&self) -> bool {
        self.screen.is_some()
    }

    /// Whether keys can be read.
    pub(super) fn has_keys(&self) -> bool {
        self.screen.as_ref().is_some_and(|screen| screen.raw)
    }

    /// Tells something.
    ///
    /// # Errors
    /// The reader is gone.
    pub(super) fn say(&mut self, notes: &[Line]) -> io::Result<()> {
        self.begin()?;
        let end = if self.screen.is_some() { "\r\n" } else { "\n" }; // In raw mode a line feed does not return.
        for note in notes {
            // A note may be longer than the terminal is wide: it wraps, so that commands can be copied whole.
            write!(self.out, "{}{end}", note.render(usize::MAX, self.colours))?;
        }
        self.finish()
    }

    /// Shows the board anew; nothing where there is none.
    ///
    /// # Errors
    /// The reader is gone.
    pub(super) fn draw(&mut self, board: Vec<Line>) -> io::Result<()> {
        match &mut self.screen {
            Some(screen) if screen.board != board => screen.board = board,
            _ => return Ok(()),
        }
        self.begin()?;
        self.finish()
    }

    /// The terminal has another size: what was drawn may have wrapped anywhere.
    ///
    /// # Errors
    /// The reader is gone.
    pub(super) fn resized(&mut self) -> io::Result<()> {
        if let Some(screen) = &mut self.screen {
            screen.drawn = 0;
            self.out.queue(Clear(ClearType::All))?.queue(crossterm::cursor::MoveTo(0, 0))?;
        }
        self.finish()
    }

    /// Gives the terminal back; the board stays where it is.
    pub(super) fn close(&mut self) {
        if let Some(screen) = self.screen.take() {
            // The terminal may be gone, and then nothing needs to be given back.
            let _ = self.out.queue(Show).and_then(|out| out.flush());
            if screen.raw {
                let _ = terminal::disable_raw_mode();
            }
        }
    }

    /// Takes the board away, so that something can be written in its place.
    fn begin(&mut self) -> io::Result<()> {
        if let Some(screen) = &mut self.screen {
            self.out.queue(BeginSynchronizedUpdate)?.queue(MoveToColumn(0))?;
            if screen.drawn > 0 {
                self.out.queue(MoveUp(screen.drawn))?;
            }
            self.out.queue(Clear(ClearType::FromCursorDown))?;
            screen.drawn = 0;
        }
        Ok(())
    }

    /// Puts the board below what was written: as much of it as there is room for.
    fn finish(&mut self) -> io::Result<()> {
        if let Some(screen) = &mut self.screen {
            let (columns, rows) = terminal::size().unwrap_or((80, 24));
            let room = usize::from(rows.saturating_sub(1));
            for line in screen.board.iter().take(room) {
                // One column is left free: a cursor behind the last one stands differently on each terminal.
                write!(self.out, "{}\r\n", line.render(usize::from(columns.saturating_sub(1)), self.colours))?;
            }
            screen.drawn = u16::try_from(screen.board.len().min(room)).unwrap_or(rows);
            self.out.queue(EndSynchronizedUpdate)?;
        }
        self.out.flush()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.close();
    }
}
