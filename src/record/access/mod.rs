//! The access log: one line for each exchange and each session, formatted by the worker, written by a thread of its own.
//!
//! The data path never waits for a disk or for another machine: a worker gathers its lines for a moment ([`GATHER`]) and hands them over together
//! through a queue that is bounded in bytes. When the writer does not keep up they are dropped and counted, which the writer says in the log
//! itself.

mod attempts;
mod batch;
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
use std::mem::take;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

pub use attempts::AttemptLog;
use batch::Batch;
use exchange::ExchangeFacts;
pub use exchange::{Chosen, ExchangeEntry, FirstLine};
use session::{SessionEntry, SessionFacts};
use sink::Sink;
use time::LineTime;
use tokio::sync::Notify;
use tokio::time::sleep;
use value::{Facts, Value};
use writer::Writer;

use super::Ended;

use crate::metrics::PromiseEnd;
use crate::outcome::{Outcome, SessionOutcome};
use crate::policy::access_log::{AccessDestination, AccessLines, Field, Layout};

/// While lines come, a worker gathers them for so long before it hands them over: so it seldom has to wake the writer, which is a system
/// call, and shares little with it.
const GATHER: Duration = Duration::from_millis(20);
/// Batches of lines that may wait for the writer.
const QUEUE: usize = 4 * 1024;
/// The memory that they may take: a client may make each line as long as the head of a request.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;
/// The writer changes its destination after the lines that were made before, unless that takes longer than this.
const CHANGE_WITHIN: Duration = Duration::from_secs(1);
/// The lines of the access log as the exchanges of a worker hold them: workers that counted in the `Arc` itself would contend for it.
pub type Lines = Rc<Arc<AccessLines>>;

/// A handle for workers: each has a clone of its own.
#[derive(Debug)]
pub struct Log {
    batches: SyncSender<Message>,
    backlog: Arc<Backlog>,
    own: RefCell<Own>,
    /// Tells [`hand_over`](Self::hand_over) that there is a first line.
    begun: Notify,
}

/// What each clone of the handle has for itself.
#[derive(Debug, Default)]
struct Own {
    /// Lines that were not handed over yet.
    batch: Batch,
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
    Lines(Batch),
    /// The lines before this one are those that were handed over before what is [wanted](Backlog::wanted) now.
    Change,
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
            Field::Sla => ended.promise.map_or(Value::Absent, |end| Value::Plain(end.as_str().as_bytes())),
            Field::Time => Value::Plain(self.time.rfc3339()),
            Field::TimeClf => Value::Plain(self.time.clf()),
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
        Self::handle(self.batches.clone(), Arc::clone(&self.backlog))
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

    /// Whether lines could be written there. Of a destination that is reached over a socket that is never asked: it may come later.
    ///
    /// # Errors
    ///
    /// When the file can't be opened.
    pub fn probe(destination: &AccessDestination) -> io::Result<()> {
        let mut sink = Sink::new(destination.clone());
        if sink.is_remote() { Ok(()) } else { sink.open() }
    }

    /// A log, and what a writer takes its lines from.
    fn queued() -> (Self, Receiver<Message>) {
        let (batches, queue) = mpsc::sync_channel(QUEUE);
        (Self::handle(batches, Arc::default()), queue)
    }

    fn handle(batches: SyncSender<Message>, backlog: Arc<Backlog>) -> Self {
        Self { batches, backlog, own: RefCell::default(), begun: Notify::new() }
    }

    /// Opens the file again, which a log rotation has moved away.
    pub fn reopen(&self) {
        self.want(|wanted| wanted.reopen = true);
    }

    /// Writes to this destination what is handed over from now on; `is_json` says how lines are written there. Where it can't be opened, the
    /// log stays where it is.
    pub fn redirect(&self, destination: AccessDestination, is_json: bool) {
        self.want(|wanted| wanted.redirect = Some((destination, is_json)));
    }

    /// What is wanted does not go through the queue, which may be full just when one wants to leave a destination.
    fn want(&self, change: impl FnOnce(&mut Wanted)) {
        let now = Instant::now();
        let mut wanted = self.backlog.wanted();
        let wanted = wanted.get_or_insert(Wanted { reopen: false, redirect: None, due: now + CHANGE_WITHIN });
        change(wanted);
        if self.batches.try_send(Message::Change).is_err() {
            wanted.due = now;
        }
    }

    /// Writes the line of an exchange, unless it is one of those that others stand for.
    pub fn exchange(&self, entry: &ExchangeEntry, names: &Names<'_>, outcome: &Outcome, ended: Ended) {
        let is_good = exchange::is_good(entry, outcome, &ended);
        self.write(&entry.lines, is_good, ended.elapsed, |lines, line, end| {
            render(line, &lines.exchange, &ExchangeFacts { entry, names, outcome, ended, end });
        });
    }

    /// Writes the line of a session, unless it is one of those that others stand for. A session is slow when it took long to get a backend.
    pub fn session(&self, entry: &SessionEntry, names: &Names<'_>, outcome: &SessionOutcome, ended: Ended) {
        let is_good = session::is_good(outcome, &ended);
        self.write(&entry.lines, is_good, outcome.connected.unwrap_or_default(), |lines, line, end| {
            render(line, &lines.session, &SessionFacts { entry, names, outcome, ended, end });
        });
    }

    fn write(
        &self,
        lines: &AccessLines,
        is_good: bool,
        took: Duration,
        write: impl FnOnce(&AccessLines, &mut Vec<u8>, LineEnd<'_>),
    ) {
        let Own { batch, time, random } = &mut *self.own.borrow_mut();
        let Some(sample) = lines.sampling.decide(is_good, took, || random.f64()) else { return };
        let now = SystemTime::now();
        time.set(now);
        let is_first = batch.len() == 0;
        batch.add(now.into(), |line| write(lines, line, LineEnd { time, sample }));
        if batch.is_full() {
            self.queue(take(batch));
        } else if is_first {
            self.begun.notify_one();
        }
    }

    /// Hands lines over when they have been gathered for long enough. Never done: the worker runs it beside its connections.
    pub async fn hand_over(&self) {
        loop {
            self.begun.notified().await;
            sleep(GATHER).await;
            self.queue_what_there_is(&mut self.own.borrow_mut());
        }
    }

    fn queue_what_there_is(&self, own: &mut Own) {
        let mut batch = take(&mut own.batch);
        batch.shrink();
        self.queue(batch);
    }

    fn queue(&self, batch: Batch) {
        let (lines, memory) = (batch.len() as u64, batch.memory());
        if lines == 0 {
            return;
        }
        let waiting = self.backlog.bytes.fetch_add(memory, Relaxed);
        if waiting + memory > QUEUE_BYTES || self.batches.try_send(Message::Lines(batch)).is_err() {
            self.backlog.bytes.fetch_sub(memory, Relaxed);
            self.backlog.dropped.fetch_add(lines, Relaxed);
        }
    }
}

/// What a worker has gathered is not lost with it.
impl Drop for Log {
    fn drop(&mut self) {
        let mut own = take(self.own.get_mut());
        self.queue_what_there_is(&mut own);
    }
}

fn render(line: &mut Vec<u8>, layout: &Layout, facts: &impl Facts) {
    match layout {
        Layout::Json(members) => json::object(line, members, facts),
        Layout::Text(parts) => text::line(line, parts, facts),
    }
}
