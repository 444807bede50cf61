//! The access log: one line for each exchange and each session, formatted by the worker, written by a thread of its own.
//!
//! The data path never waits for a disk or for another machine: lines go through a queue that is bounded in lines and in bytes, and when the
//! writer does not keep up they are dropped and counted, which the writer says in the log itself.

mod attempts;
mod exchange;
mod json;
mod number;
pub mod session;
mod sink;
mod syslog;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod value;
mod writer;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

pub use attempts::AttemptLog;
use exchange::ExchangeFacts;
pub use exchange::{Chosen, ExchangeEntry, FirstLine};
use session::{SessionEntry, SessionFacts};
use time::LineTime;
use value::{Facts, Value};
use writer::Writer;

use super::Ended;
use crate::clock::Stamp;
use crate::metrics::PromiseEnd;
use crate::outcome::{Outcome, SessionOutcome};
use crate::policy::access_log::{AccessDestination, AccessLines, Field, Layout};

/// Lines that may wait for the writer.
const QUEUE: usize = 64 * 1024;
/// The memory that these lines may take: a client may make each of them as long as the head of a request.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;
/// The writer changes its destination after the lines that were made before, unless that takes longer than this.
const CHANGE_WITHIN: Duration = Duration::from_secs(1);
/// Most lines are shorter than this, and so get their memory at once. As many as may wait then take as much memory as they may.
const LINE: usize = 512;

/// The lines of the access log as the exchanges of a worker hold them: workers that counted in the `Arc` itself would contend for it.
pub type Lines = Rc<Arc<AccessLines>>;

/// A handle for workers: each has a clone of its own.
#[derive(Debug)]
pub struct Log {
    lines: SyncSender<Message>,
    backlog: Arc<Backlog>,
    own: RefCell<Own>,
}

/// What each clone of the handle has for itself.
#[derive(Debug, Default)]
struct Own {
    time: LineTime,
    random: fastrand::Rng,
}

/// What the writer has yet to write, and what it will never get.
#[derive(Debug, Default)]
struct Backlog {
    /// Memory of the lines that wait.
    bytes: AtomicUsize,
    /// Lines that did not get into the queue.
    dropped: AtomicU64,
    /// What the control plane wants of the writer. No worker takes this lock.
    wanted: Mutex<Option<Wanted>>,
}

impl Backlog {
    fn wanted(&self) -> MutexGuard<'_, Option<Wanted>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change of the destination.
#[derive(Debug)]
struct Wanted {
    /// The file is opened again.
    reopen: bool,
    /// Lines go there from now on. The flag says whether they are JSON.
    redirect: Option<(AccessDestination, bool)>,
    /// From when on it is made, whichever lines are still in the queue before it.
    due: Instant,
}

#[derive(Debug)]
enum Message {
    Line(Line),
    /// The lines before this one are those that were made before what is [wanted](Backlog::wanted) now.
    Change,
}

/// A line with its end.
#[derive(Debug)]
struct Line {
    text: Vec<u8>,
    /// When it was made.
    at: Stamp,
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
    /// The worker, from 0.
    pub worker: usize,
}

/// What is known of a line only when it is written.
#[derive(Debug)]
struct LineEnd<'a> {
    time: &'a LineTime,
    /// The share of the lines of its kind that are written, where it stands for others too.
    sample: Option<f64>,
}

impl LineEnd<'_> {
    /// What exchanges and sessions say alike; whatever is no field of either is absent.
    fn value<'v>(&'v self, field: Field, names: &'v Names<'_>, ended: &Ended) -> Value<'v> {
        match field {
            Field::Backend => Value::text(names.backend),
            Field::Duration => Value::Millis(ended.elapsed),
            Field::DurationMicros => Value::Number(u64::try_from(ended.elapsed.as_micros()).unwrap_or(u64::MAX)),
            Field::Listener => Value::text(Some(names.listener)),
            Field::Sample => self.sample.map_or(Value::Absent, Value::Share),
            Field::Service => Value::text(names.service),
            Field::Sla => Value::text_if(ended.promise.map(|end| end.as_str().as_bytes())),
            Field::Time => Value::Text(self.time.rfc3339()),
            Field::TimeClf => Value::Text(self.time.clf()),
            Field::Worker => Value::Number(names.worker as u64),
            _ => Value::Absent,
        }
    }
}

impl Ended {
    /// Whether it does not count against what is promised of its service.
    fn is_as_promised(&self) -> bool {
        !matches!(self.promise, Some(PromiseEnd::Failed | PromiseEnd::Slow))
    }
}

impl Clone for Log {
    fn clone(&self) -> Self {
        Self { lines: self.lines.clone(), backlog: Arc::clone(&self.backlog), own: RefCell::default() }
    }
}

impl Log {
    /// Opens the destination and starts the writer. Its thread ends, with everything written that can be, when the last clone of the
    /// log is gone. A destination that is reached over a socket is connected to by the writer: it may come later than we do.
    ///
    /// # Errors
    ///
    /// When the file can't be opened or the thread not be started.
    pub fn start(destination: AccessDestination, is_json: bool) -> io::Result<(Self, JoinHandle<()>)> {
        let (log, queue) = Self::queued();
        let mut writer = Writer::open(destination, is_json, Arc::clone(&log.backlog))?;
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run(&queue))?;
        Ok((log, thread))
    }

    /// A log, and what a writer takes its lines from.
    fn queued() -> (Self, Receiver<Message>) {
        let (lines, queue) = mpsc::sync_channel(QUEUE);
        (Self { lines, backlog: Arc::default(), own: RefCell::default() }, queue)
    }

    /// Opens the file again, which a log rotation has moved away.
    pub fn reopen(&self) {
        self.want(|wanted| wanted.reopen = true);
    }

    /// Writes to this destination from the next line on; `is_json` says how lines are written there. Where it can't be opened, the log
    /// stays where it is.
    pub fn redirect(&self, destination: AccessDestination, is_json: bool) {
        self.want(|wanted| wanted.redirect = Some((destination, is_json)));
    }

    /// What is wanted does not go through the queue, which may be full just when one wants to leave a destination.
    fn want(&self, change: impl FnOnce(&mut Wanted)) {
        let now = Instant::now();
        let mut wanted = self.backlog.wanted();
        let wanted = wanted.get_or_insert(Wanted { reopen: false, redirect: None, due: now + CHANGE_WITHIN });
        change(wanted);
        if self.lines.try_send(Message::Change).is_err() {
            wanted.due = now;
        }
    }

    /// Writes the line of an exchange, unless it is one of those that others stand for.
    pub fn exchange(&self, entry: &ExchangeEntry, names: &Names<'_>, outcome: &Outcome, ended: Ended) {
        let own = &mut *self.own.borrow_mut();
        let is_good = exchange::is_good(outcome, &ended);
        let decided = entry.lines.sampling.decide(is_good, ended.elapsed, || own.random.f64());
        let Some(sample) = decided else { return };
        self.write(&entry.lines.exchange, &mut own.time, |time| {
            let end = LineEnd { time, sample };
            ExchangeFacts { entry, names, outcome, ended, end }
        });
    }

    /// Writes the line of a session, unless it is one of those that others stand for. A session is slow when it took long to get a backend.
    pub fn session(&self, entry: &SessionEntry, names: &Names<'_>, outcome: &SessionOutcome, ended: Ended) {
        let own = &mut *self.own.borrow_mut();
        let is_good = session::is_good(outcome, &ended);
        let took = outcome.connected.unwrap_or_default();
        let Some(sample) = entry.lines.sampling.decide(is_good, took, || own.random.f64()) else { return };
        self.write(&entry.lines.session, &mut own.time, |time| {
            let end = LineEnd { time, sample };
            SessionFacts { entry, names, outcome, ended, end }
        });
    }

    fn write<'a, F: Facts + 'a>(&self, layout: &Layout, time: &'a mut LineTime, facts: impl FnOnce(&'a LineTime) -> F) {
        let now = SystemTime::now();
        time.set(now);
        let mut text = Vec::with_capacity(LINE);
        render(&mut text, layout, &facts(time));
        self.queue(Line { text, at: now.into() });
    }

    fn queue(&self, line: Line) {
        let cost = line.text.capacity();
        let waiting = self.backlog.bytes.fetch_add(cost, Relaxed);
        if waiting + cost > QUEUE_BYTES || self.lines.try_send(Message::Line(line)).is_err() {
            self.backlog.bytes.fetch_sub(cost, Relaxed);
            self.backlog.dropped.fetch_add(1, Relaxed);
        }
    }
}

fn render(line: &mut Vec<u8>, layout: &Layout, facts: &impl Facts) {
    match layout {
        Layout::Json(members) => json::object(line, members, facts),
        Layout::Text(parts) => text::line(line, parts, facts),
    }
}
