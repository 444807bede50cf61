//! The access log: one line for each exchange and each session, formatted by the worker, written by a thread of its own.
//!
//! The data path never waits for a disk: lines go through a queue that is bounded in lines and in bytes, and when the writer does not keep
//! up they are dropped and counted, which the writer says in the log itself.

mod attempts;
mod exchange;
pub mod session;
mod time;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use attempts::AttemptLog;
pub use exchange::{ExchangeEntry, FirstLine};

use super::Ended;
use crate::metrics::PromiseEnd;
use crate::outcome::{Outcome, SessionOutcome};

/// Lines that may wait for the writer.
const QUEUE: usize = 64 * 1024;
/// The memory that these lines may take: a client may make each of them as long as the head of a request.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object.
    Json,
    /// The Apache "combined" format, with the time it took in microseconds at the end.
    Combined,
}

/// Where lines go.
#[derive(Debug, Clone)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// A handle for workers.
#[derive(Debug, Clone)]
pub struct Log {
    format: Format,
    lines: SyncSender<Message>,
    backlog: Arc<Backlog>,
}

/// What the writer has yet to write, and what it will never get.
#[derive(Debug, Default)]
struct Backlog {
    /// Memory of the lines in the queue.
    bytes: AtomicUsize,
    /// Lines that did not get into the queue.
    dropped: AtomicU64,
}

#[derive(Debug)]
enum Message {
    Line(String),
    Reopen,
    Redirect(Destination),
}

/// What a line says of where it went.
#[derive(Debug)]
pub struct Names<'a> {
    /// The listener.
    pub listener: &'a str,
    /// The service.
    pub service: Option<&'a str>,
    /// The backend.
    pub backend: Option<&'a str>,
}

impl Log {
    /// Opens the destination and starts the writer. Its thread ends, with everything written, when the last clone of the
    /// log is gone.
    ///
    /// # Errors
    ///
    /// When the file can't be opened or the thread not be started.
    pub fn start(destination: Destination, format: Format) -> io::Result<(Self, JoinHandle<()>)> {
        let (log, queue) = Self::queued(format);
        let backlog = Arc::clone(&log.backlog);
        let mut writer = Writer { out: open(&destination)?, destination, format, backlog, is_failing: false };
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run(&queue))?;
        Ok((log, thread))
    }

    /// A log, and what a writer takes its lines from.
    fn queued(format: Format) -> (Self, Receiver<Message>) {
        let (lines, queue) = mpsc::sync_channel(QUEUE);
        (Self { format, lines, backlog: Arc::default() }, queue)
    }

    /// Opens the file again, which a log rotation has moved away.
    pub fn reopen(&self) {
        // where the queue is full, the next signal asks again
        let _ = self.lines.try_send(Message::Reopen);
    }

    /// Writes to this destination from the next line on. Where that can't be opened, the log stays where it is.
    pub fn redirect(&self, destination: Destination) {
        let _ = self.lines.try_send(Message::Redirect(destination));
    }

    /// Writes the line of an exchange.
    pub fn exchange(&self, entry: &ExchangeEntry, names: &Names<'_>, outcome: &Outcome, ended: Ended) {
        self.line(match self.format {
            Format::Json => exchange::json(entry, names, outcome, ended),
            Format::Combined => exchange::combined(entry, outcome, ended.elapsed),
        });
    }

    /// Writes the line of a session.
    pub fn session(&self, entry: &session::SessionEntry, names: &Names<'_>, outcome: &SessionOutcome, ended: Ended) {
        self.line(match self.format {
            Format::Json => session::json(entry, names, outcome, ended),
            Format::Combined => session::combined(entry, names, outcome, ended.elapsed),
        });
    }

    fn line(&self, line: String) {
        let cost = line.capacity();
        let waiting = self.backlog.bytes.fetch_add(cost, Relaxed);
        if waiting + cost > QUEUE_BYTES || self.lines.try_send(Message::Line(line)).is_err() {
            self.backlog.bytes.fetch_sub(cost, Relaxed);
            self.backlog.dropped.fetch_add(1, Relaxed);
        }
    }
}

struct Writer {
    out: BufWriter<Box<dyn Write + Send>>,
    destination: Destination,
    format: Format,
    backlog: Arc<Backlog>,
    /// The last write failed, and that was logged.
    is_failing: bool,
}

impl Writer {
    /// Writes until the last worker is gone.
    fn run(&mut self, queue: &Receiver<Message>) {
        loop {
            let message = match queue.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    // there is nothing more to write for now: what was written must be visible in the file
                    self.flush();
                    match queue.recv_timeout(Duration::from_secs(1)) {
                        Ok(message) => message,
                        Err(RecvTimeoutError::Timeout) => continue,
                        Err(RecvTimeoutError::Disconnected) => break,
                    }
                }
            };
            match message {
                Message::Line(line) => {
                    self.line(&line);
                    self.backlog.bytes.fetch_sub(line.capacity(), Relaxed);
                }
                Message::Reopen => self.to(self.destination.clone()),
                Message::Redirect(destination) => self.to(destination),
            }
        }
        self.flush();
    }

    fn line(&mut self, line: &str) {
        if let Err(error) = self.out.write_all(line.as_bytes()) {
            self.failed(&error);
        }
    }

    /// Logged once: a disk that is full would be filled with that as well.
    fn failed(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::error!(%error, "the access log can't be written");
        }
    }

    fn flush(&mut self) {
        let dropped = self.backlog.dropped.swap(0, Relaxed);
        if dropped > 0 {
            let line = match self.format {
                Format::Json => format!("{{\"dropped_lines\":{dropped}}}\n"),
                Format::Combined => format!("# {dropped} lines were dropped: the disk did not keep up\n"),
            };
            self.line(&line);
        }
        match self.out.flush() {
            Err(error) => self.failed(&error),
            Ok(()) if std::mem::take(&mut self.is_failing) => {
                tracing::warn!("the access log is written again; lines are missing");
            }
            Ok(()) => {}
        }
    }

    fn to(&mut self, destination: Destination) {
        self.flush();
        match open(&destination) {
            Ok(out) => (self.out, self.destination) = (out, destination),
            Err(error) => {
                tracing::error!(%error, %destination, "the access log can't be opened: the old file is written on");
            }
        }
    }
}

/// Adds how it counts for the promise of its service, where there is one.
fn add_promise(line: &mut serde_json::Value, promise: Option<PromiseEnd>) {
    if let Some(end) = promise {
        line["sla"] = end.as_str().into();
    }
}

/// Adds what a PROXY header said of the client beyond its address, where there was one.
fn add_proxy_header(line: &mut serde_json::Value, header: &[(Box<str>, Box<str>)]) {
    if !header.is_empty() {
        let header = header.iter().map(|(what, value)| ((**what).to_owned(), serde_json::Value::from(&**value)));
        line["proxy"] = serde_json::Value::Object(header.collect());
    }
}

fn open(destination: &Destination) -> io::Result<BufWriter<Box<dyn Write + Send>>> {
    let out: Box<dyn Write + Send> = match destination {
        Destination::Stdout => Box::new(io::stdout()),
        Destination::File(path) => {
            let file: File = OpenOptions::new().create(true).append(true).open(path)?;
            Box::new(file)
        }
    };
    Ok(BufWriter::with_capacity(64 * 1024, out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(queue: &Receiver<Message>) -> usize {
        let lines = queue.try_iter().map(|message| match message {
            Message::Line(line) => line.capacity(),
            Message::Reopen | Message::Redirect(_) => 0,
        });
        lines.sum()
    }

    #[test]
    fn the_queue_holds_so_many_bytes_however_long_its_lines_are() {
        for length in [300, 64 * 1024] {
            let (log, queue) = Log::queued(Format::Json);
            (0..2 * QUEUE_BYTES / length).for_each(|_| log.line("x".repeat(length)));
            assert!(log.backlog.dropped.load(Relaxed) > 0);
            let held = log.backlog.bytes.load(Relaxed);
            assert!(held <= QUEUE_BYTES && held > QUEUE_BYTES / 2, "{held}");
            assert_eq!(cost(&queue), held);
        }
    }
}
