//! Keys of a terminal, read by a thread of their own: the terminal can only be waited for by blocking.

use std::thread::JoinHandle;
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::region::DemoRegion;
use super::target::Target;

/// How soon the thread sees that it should end.
const LOOK_UP: Duration = Duration::from_millis(200);

/// What a person pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Stop this part, or start it if it is stopped.
    Toggle(Target),
    /// Stop some instance.
    StopInstance,
    /// Start the instances that were stopped.
    StartInstances,
    /// Hold the script, or go on with it.
    Pause,
    /// Show the addresses and commands again.
    Help,
    /// End.
    Quit,
    /// Not a key: the terminal has another size.
    Resized,
}

/// The thread; ended when dropped.
pub(super) struct Keys {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Keys {
    /// Reads keys from standard input from now on.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub(super) fn read() -> std::io::Result<(Self, mpsc::Receiver<Key>)> {
        let (pressed, keys) = mpsc::channel(16); // Nobody types faster than a part stops; what is too much waits in the terminal.
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("demo-keys".to_owned()).spawn(move || {
            while !stopped.is_cancelled() {
                // The terminal is gone if it cannot be read.
                let Some(key) = next().unwrap_or(Some(Key::Quit)) else { continue };
                let last = key == Key::Quit;
                if pressed.blocking_send(key).is_err() || last {
                    return;
                }
            }
        })?;
        Ok((Self { stop, thread: Some(thread) }, keys))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that reads keys panicked");
        }
    }
}

fn next() -> std::io::Result<Option<Key>> {
    if !event::poll(LOOK_UP)? {
        return Ok(None);
    }
    Ok(match event::read()? {
        Event::Key(key) if key.kind != KeyEventKind::Release => meaning(key.code, key.modifiers),
        Event::Resize(..) => Some(Key::Resized),
        _ => None,
    })
}

fn meaning(code: KeyCode, modifiers: KeyModifiers) -> Option<Key> {
    let region = |digit: char| DemoRegion::ALL[usize::from(digit as u8 - b'1') % 3];
    match code {
        KeyCode::Char('c' | 'd') if modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Quit),
        KeyCode::Char(digit @ '1'..='3') => Some(Key::Toggle(Target::Gateway(region(digit)))),
        KeyCode::Char(digit @ '4'..='6') => Some(Key::Toggle(Target::Registry(region(digit)))),
        KeyCode::Char('k') => Some(Key::Toggle(Target::Kafka)),
        KeyCode::Char('i') => Some(Key::StopInstance),
        KeyCode::Char('s') => Some(Key::StartInstances),
        KeyCode::Char('p' | ' ') => Some(Key::Pause),
        KeyCode::Char('h' | '?') => Some(Key::Help),
        KeyCode::Char('q') | KeyCode::Esc => Some(Key::Quit),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_for_gateways_and_then_for_registries() {
        let pressed = |character| meaning(KeyCode::Char(character), KeyModifiers::NONE);
        assert_eq!(pressed('2'), Some(Key::Toggle(Target::Gateway(DemoRegion::Frankfurt))));
        assert_eq!(pressed('6'), Some(Key::Toggle(Target::Registry(DemoRegion::Virginia))));
        assert_eq!(pressed('7'), None);
    }
}
