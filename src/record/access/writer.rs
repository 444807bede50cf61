//! The thread that writes the access log.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use metrics::{Counter, counter};

use super::sink::{Sink, Trouble};
use super::{Backlog, Line, Message};
use crate::clock::Stamp;
use crate::metrics::names;
use crate::policy::access_log::AccessDestination;

/// While lines come, they are gathered for so long before they are written together. Meanwhile no worker has to wake the writer, which is
/// a system call.
const GATHER: Duration = Duration::from_millis(5);
/// The same while there is nobody to write to.
const GATHER_IN_OUTAGE: Duration = Duration::from_millis(50);
/// The pause after the first attempt at a connection that failed; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Where an error shows only with a later line, an outage is over after so long without one.
const CALM: Duration = Duration::from_secs(10);

/// Writes lines.
pub(super) struct Writer {
    sink: Sink,
    is_json: bool,
    backlog: Arc<Backlog>,
    /// Lines that wait until there is a connection again. They are part of the backlog, and so are bounded with it.
    waiting: VecDeque<Line>,
    /// When the next attempt at a connection is made, and how long the pause after that is.
    retry: (Instant, Duration),
    /// When something went wrong last, while that lasts. It was logged.
    outage: Option<Instant>,
    /// Lines that were dropped in this outage.
    missing: u64,
    /// Lines that were dropped and that the log has not been told of.
    untold: u64,
    dropped: Counter,
}

impl Writer {
    /// Opens the destination. One that is reached over a socket is connected to later.
    pub(super) fn open(destination: AccessDestination, is_json: bool, backlog: Arc<Backlog>) -> io::Result<Self> {
        let mut sink = Sink::new(destination);
        if !sink.is_remote() {
            sink.open()?;
        }
        let dropped = counter!(names::ACCESS_LOG_DROPPED.name);
        // it is there from the start, so that the first one is an increase
        dropped.increment(0);
        let retry = (Instant::now(), FIRST_PAUSE);
        let (waiting, outage) = (VecDeque::new(), None);
        Ok(Self { sink, is_json, backlog, waiting, retry, outage, missing: 0, untold: 0, dropped })
    }

    /// Writes until the last worker is gone.
    pub(super) fn run(&mut self, queue: &Receiver<Message>) {
        let mut is_busy = false;
        loop {
            let is_over = loop {
                match queue.try_recv() {
                    Ok(message) => {
                        is_busy = true;
                        self.handle(message);
                    }
                    Err(error) => break error == TryRecvError::Disconnected,
                }
            };
            // there is nothing more to write for now: what was written must be visible
            self.settle();
            if is_over {
                break;
            }
            if std::mem::take(&mut is_busy) || !self.sink.is_open() {
                sleep(if self.sink.is_open() { GATHER } else { GATHER_IN_OUTAGE });
                continue;
            }
            match queue.recv_timeout(Duration::from_secs(1)) {
                Ok(message) => {
                    is_busy = true;
                    self.handle(message);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.end();
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Line(line) if self.sink.is_open() => self.write(line),
            Message::Line(line) => self.waiting.push_back(line),
            Message::Reopen => self.to(self.sink.destination().clone(), self.is_json),
            Message::Redirect(destination, is_json) => self.to(destination, is_json),
        }
    }

    fn write(&mut self, line: Line) {
        let lost = match self.sink.put(&line) {
            Ok(()) => 0,
            Err(Trouble::Lost(error)) => {
                self.failed(&error);
                1
            }
            Err(Trouble::Gone(error)) => {
                self.failed(&error);
                self.waiting.push_front(line);
                return;
            }
        };
        self.lost(lost);
        self.backlog.bytes.fetch_sub(line.text.capacity(), Relaxed);
    }

    fn lost(&mut self, lines: u64) {
        if lines > 0 {
            self.dropped.increment(lines);
            self.missing += lines;
            self.untold += lines;
        }
    }

    /// Logged once: a disk that is full would be filled with that as well.
    fn failed(&mut self, error: &io::Error) {
        if self.outage.replace(Instant::now()).is_none() {
            let destination = self.sink.destination();
            tracing::error!(%error, %destination, "the access log can't be written");
        }
    }

    /// Makes the connection where there is none and it is time to, writes what waits, and all that was gathered.
    fn settle(&mut self) {
        if !self.sink.is_open() {
            self.connect();
        }
        while self.sink.is_open()
            && let Some(line) = self.waiting.pop_front()
        {
            self.write(line);
        }
        let dropped = self.backlog.dropped.swap(0, Relaxed);
        self.lost(dropped);
        self.tell_of_dropped();
        match self.sink.flush() {
            Err(error) => self.failed(&error),
            Ok(()) if self.sink.is_open() => self.recovered(),
            Ok(()) => {}
        }
    }

    fn connect(&mut self) {
        let (next, pause) = self.retry;
        if Instant::now() < next {
            return;
        }
        match self.sink.open() {
            Ok(()) => self.retry = (Instant::now(), FIRST_PAUSE),
            Err(error) => {
                self.failed(&error);
                self.retry = (Instant::now() + pause, (pause * 2).min(LONGEST_PAUSE));
            }
        }
    }

    /// Says in the log itself how many lines are missing.
    fn tell_of_dropped(&mut self) {
        if self.untold == 0 || !self.sink.is_open() {
            return;
        }
        let dropped = std::mem::take(&mut self.untold);
        let text = match self.is_json {
            true => format!("{{\"dropped_lines\":{dropped}}}\n"),
            false => format!("# {dropped} lines were dropped: the disk did not keep up\n"),
        };
        if let Err(Trouble::Lost(error) | Trouble::Gone(error)) =
            self.sink.put(&Line { text: text.into_bytes(), at: Stamp::now() })
        {
            self.untold = dropped;
            self.failed(&error);
        }
    }

    fn recovered(&mut self) {
        let is_over = |since: &Instant| !self.sink.is_blind() || since.elapsed() >= CALM;
        if self.outage.as_ref().is_some_and(is_over) {
            self.outage = None;
            match std::mem::take(&mut self.missing) {
                0 => tracing::warn!("the access log is written again"),
                lines => tracing::warn!(lines, "the access log is written again; lines are missing"),
            }
        }
    }

    fn to(&mut self, destination: AccessDestination, is_json: bool) {
        self.settle();
        let mut sink = Sink::new(destination);
        if !sink.is_remote()
            && let Err(error) = sink.open()
        {
            let destination = sink.destination();
            tracing::error!(%error, %destination, "the access log can't be opened: the old file is written on");
            return;
        }
        // a connection goes on while only a file is to be opened again
        if sink.is_remote() && sink.destination() == self.sink.destination() {
            self.is_json = is_json;
            return;
        }
        (self.sink, self.is_json) = (sink, is_json);
        self.retry = (Instant::now(), FIRST_PAUSE);
        if self.sink.is_remote() {
            self.connect();
        }
    }

    /// Writes what can still be written.
    fn end(&mut self) {
        self.settle();
        let left = self.waiting.len() as u64;
        if left > 0 {
            self.lost(left);
            let destination = self.sink.destination();
            tracing::error!(lines = left, %destination, "lines of the access log were not written");
        }
    }
}
