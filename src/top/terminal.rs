//! The terminal: raw mode and the alternate screen, which are left again whatever happens; keys; signals.

use std::io;
use std::sync::mpsc::Sender;
use std::thread;

use ratatui::DefaultTerminal;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyEvent};
use ratatui::crossterm::terminal::is_raw_mode_enabled;
use ratatui::layout::Rect;
use tokio::signal::unix::{SignalKind, signal};

use super::report::Report;

/// What makes the view do something.
#[derive(Debug)]
pub enum Input {
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal has another size, or has to be drawn anew.
    Redraw,
    /// The client has heard something.
    Report(Report),
    /// A signal says stop, or the terminal is gone.
    Stop,
}

/// The terminal while the view has it. When it is dropped the terminal is as it was before.
#[derive(Debug)]
pub struct Screen(DefaultTerminal);

impl Screen {
    /// Takes the terminal. A panic, too, gives it back before it is reported.
    ///
    /// # Errors
    ///
    /// It can't be set to raw mode, or written to.
    pub fn open() -> io::Result<Self> {
        ratatui::try_init().map(Self).inspect_err(|_| ratatui::restore())
    }

    /// How many rows it has.
    pub fn height(&self) -> usize {
        self.0.size().map_or(0, |size| usize::from(size.height))
    }

    /// Draws. Only what has changed is written.
    ///
    /// # Errors
    ///
    /// It can't be written to.
    pub fn draw(&mut self, picture: impl FnOnce(&mut Buffer, Rect)) -> io::Result<()> {
        self.0.draw(|frame| {
            let area = frame.area();
            picture(frame.buffer_mut(), area);
        })?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // a panic has given it back already, and what it has said must not be written over
        if is_raw_mode_enabled().unwrap_or(true) {
            ratatui::restore();
        }
    }
}

/// Starts the threads that wait for keys and for signals. They end with the process: nothing else ends a wait for a key.
///
/// # Errors
///
/// The system has no threads for them.
pub fn listen(tell: &Sender<Input>) -> io::Result<()> {
    let (keys, signals) = (tell.clone(), tell.clone());
    thread::Builder::new().name("top-keys".to_owned()).spawn(move || wait_for_keys(&keys))?;
    thread::Builder::new().name("top-signals".to_owned()).spawn(move || {
        // without signals it is still the terminal that says stop
        if wait_for_signal().is_ok() {
            let _ = signals.send(Input::Stop);
        }
    })?;
    Ok(())
}

fn wait_for_keys(tell: &Sender<Input>) {
    loop {
        let input = match event::read() {
            Ok(Event::Key(key)) => Input::Key(key),
            Ok(_) => Input::Redraw,
            Err(_) => Input::Stop,
        };
        let is_last = matches!(input, Input::Stop);
        if tell.send(input).is_err() || is_last {
            return;
        }
    }
}

/// Waits for a signal that says stop: from a service manager, from a shell, or because the terminal was closed.
fn wait_for_signal() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
        Ok(())
    })
}
