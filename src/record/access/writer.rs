//! The thread that writes the access log.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use metrics::{Counter, counter};

use super::batch::{Batch, Line};
use super::sink::{Sink, Trouble};
use super::{Backlog, Message, Wanted};
use crate::clock::Stamp;
use crate::metrics::names;
use crate::policy::access_log::AccessDestination;

/// The pause between two looks while there is nobody to write to.
const OUTAGE_PAUSE: Duration = Duration::from_millis(50);
/// The same while there is nothing to write.
const IDLE_PAUSE: Duration = Duration::from_secs(1);
/// However many lines come, all else is seen to so often.
const SETTLE: Duration = Duration::from_millis(50);
/// How long lines may still be written when the process ends: whoever ends it does not wait for long, and a receiver may never take them.
const END: Duration = Duration::from_secs(2);
/// The pause after the first attempt at a connection that failed; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Where an error shows only with a later line, an outage is over after so long without one.
const CALM: Duration = Duration::from_secs(10);

/// What may be too slow for the lines.
const DISK: &str = "disk";
const RECEIVER: &str = "receiver";

/// Writes lines.
pub(super) struct Writer {
    sink: Sink,
    is_json: bool,
    backlog: Arc<Backlog>,
    /// Lines that wait until there is a connection again. They are part of the backlog, and so are bounded with it.
    waiting: VecDeque<Batch>,
    /// When the next attempt at a connection is made, and how long the pause after that is.
    retry: (Instant, Duration),
    /// When something went wrong last, while that lasts. It was logged.
    outage: Option<Instant>,
    /// Lines that were dropped in this outage.
    missing: u64,
    /// Lines that were dropped and that the log has not been told of.
    untold: u64,
    /// What was too slow for the last line that was dropped.
    slow: &'static str,
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
        Ok(Self { sink, is_json, backlog, waiting, retry, outage, missing: 0, untold: 0, slow: DISK, dropped })
    }

    /// Writes until the last worker is gone, and then what can be written within [`END`].
    pub(super) fn run(&mut self, queue: &Receiver<Message>) {
        let mut settled = Instant::now();
        while !self.is_late() {
            match queue.try_recv() {
                Ok(message) => {
                    self.handle(message);
                    if settled.elapsed() < SETTLE {
                        continue;
                    }
                    self.attend();
                }
                Err(TryRecvError::Disconnected) => break,
                // there is nothing more to write for now: what was written must be visible
                Err(TryRecvError::Empty) => {
                    self.attend();
                    let is_held_up = !self.sink.is_open() || !self.waiting.is_empty();
                    match queue.recv_timeout(if is_held_up { OUTAGE_PAUSE } else { IDLE_PAUSE }) {
                        Ok(message) => self.handle(message),
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => break,
                    }
                }
            }
            settled = Instant::now();
        }
        self.end(queue);
    }

    fn handle(&mut self, message: Message) {
        match message {
            // none overtakes those that wait
            Message::Lines(batch) if self.sink.is_open() && self.waiting.is_empty() => self.write(batch),
            Message::Lines(batch) => self.waiting.push_back(batch),
            Message::Change => self.change(|_| true),
        }
    }

    /// Sees to all that is no line in the queue.
    fn attend(&mut self) {
        // whoever has a clone of the log holds the backlog too
        if self.sink.deadline().is_none() && Arc::strong_count(&self.backlog) == 1 {
            self.sink.limit(Some(Instant::now() + END));
        }
        self.change(|wanted| wanted.due <= Instant::now());
        self.settle();
    }

    /// Makes the change that is wanted, if it is time to.
    fn change(&mut self, is_due: impl FnOnce(&mut Wanted) -> bool) {
        let Some(wanted) = self.backlog.wanted().take_if(is_due) else { return };
        if wanted.reopen {
            self.to(self.sink.destination().clone(), self.is_json);
        }
        if let Some((destination, is_json)) = wanted.redirect {
            self.to(destination, is_json);
        }
    }

    /// Whether the time is over in which lines may still be written.
    fn is_late(&self) -> bool {
        self.sink.deadline().is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Writes these lines. Those that a connection has not taken when it is gone wait for the next one.
    fn write(&mut self, mut batch: Batch) {
        while let Some(line) = batch.first() {
            match self.sink.put(line, 0) {
                Ok(()) => {}
                Err(Trouble::Lost(error)) => {
                    self.failed(&error);
                    self.lost(1);
                }
                Err(Trouble::Gone(error)) => {
                    self.failed(&error);
                    self.waiting.push_front(batch);
                    return;
                }
            }
            batch.advance();
        }
        self.backlog.bytes.fetch_sub(batch.memory(), Relaxed);
    }

    fn lost(&mut self, lines: u64) {
        if lines > 0 {
            self.dropped.increment(lines);
            self.missing += lines;
            self.untold += lines;
            self.slow = if self.sink.is_remote() { RECEIVER } else { DISK };
        }
    }

    /// Gives up what the destination has not taken.
    fn discard(&mut self) -> u64 {
        let discarded = self.sink.discard();
        self.lost(discarded.lines);
        self.untold += discarded.untold;
        discarded.lines
    }

    /// Logged once: a disk that is full would be filled with that as well.
    fn failed(&mut self, error: &io::Error) {
        if self.outage.replace(Instant::now()).is_none() {
            let destination = self.sink.destination();
            tracing::error!(%error, %destination, "the access log can't be written");
        }
    }

    /// Makes the connection where there is none and it is time to, writes what waits (for [`SETTLE`] at most), and all that was gathered.
    fn settle(&mut self) {
        if !self.sink.is_open() {
            self.connect();
        }
        let began = Instant::now();
        while self.sink.is_open()
            && began.elapsed() < SETTLE
            && let Some(batch) = self.waiting.pop_front()
        {
            self.write(batch);
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
            false => format!("# {dropped} lines were dropped: the {} did not keep up\n", self.slow),
        };
        if let Err(Trouble::Lost(error) | Trouble::Gone(error)) =
            self.sink.put(Line { text: text.as_bytes(), at: Stamp::now() }, dropped)
        {
            self.untold = dropped;
            self.failed(&error);
        }
    }

    fn recovered(&mut self) {
        let is_over = |since: &Instant| !self.sink.is_full() && (!self.sink.is_blind() || since.elapsed() >= CALM);
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
        sink.limit(self.sink.deadline());
        self.discard();
        (self.sink, self.is_json) = (sink, is_json);
        self.retry = (Instant::now(), FIRST_PAUSE);
        if self.sink.is_remote() {
            self.connect();
        }
    }

    /// Writes what can still be written in time, and counts the rest.
    fn end(&mut self, queue: &Receiver<Message>) {
        if self.sink.deadline().is_none() {
            self.sink.limit(Some(Instant::now() + END));
        }
        while !self.is_late() {
            self.settle();
            if !self.sink.is_open() || self.waiting.is_empty() {
                break;
            }
        }
        let queued = queue.try_iter().map(|message| match message {
            Message::Lines(batch) => batch.len(),
            Message::Change => 0,
        });
        let left = queued.chain(self.waiting.iter().map(Batch::len)).sum::<usize>();
        let unwritten = left as u64 + self.backlog.dropped.swap(0, Relaxed);
        self.lost(unwritten);
        let left = unwritten + self.discard();
        if left > 0 {
            let destination = self.sink.destination();
            tracing::error!(lines = left, %destination, "lines of the access log were not written");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixDatagram;
    use std::path::PathBuf;

    use super::*;
    use crate::record::access::{Log, QUEUE};

    fn opened(destination: AccessDestination) -> (Log, Receiver<Message>, Writer) {
        let (log, queue) = Log::queued();
        let writer = Writer::open(destination, false, Arc::clone(&log.backlog)).unwrap();
        (log, queue, writer)
    }

    fn full() -> AccessDestination {
        AccessDestination::File("/dev/full".into())
    }

    fn write(log: &Log, lines: u64) {
        for n in 0..lines {
            let mut batch = Batch::default();
            batch.add(Stamp::default(), |line| line.extend_from_slice(format!("{n}\n").as_bytes()));
            batch.shrink();
            log.queue(batch);
        }
    }

    /// What the writer does with all that is in the queue now.
    fn work_off(writer: &mut Writer, queue: &Receiver<Message>) {
        queue.try_iter().for_each(|message| writer.handle(message));
        writer.attend();
    }

    /// A path at which there is nothing.
    fn path(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("evenkeel-access-{name}-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        path
    }

    #[test]
    fn a_receiver_that_does_not_read_holds_up_one_line_and_costs_no_line_uncounted() {
        let path = path("receiver");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let (log, queue, mut writer) = opened(AccessDestination::Unixgram(path.clone()));
        writer.attend();
        write(&log, 3_000);
        let began = Instant::now();
        queue.try_iter().for_each(|message| writer.handle(message));
        // a second for the first, and for each further one without the remedy: 50 minutes
        assert!(began.elapsed() < Duration::from_secs(60));
        assert!(writer.sink.is_full() && writer.outage.is_some());
        writer.settle();
        assert!(writer.outage.is_some(), "that is no recovery");
        receiver.set_nonblocking(true).unwrap();
        let came = std::iter::from_fn(|| receiver.recv(&mut [0; 99]).ok()).count() as u64;
        assert_eq!(came + writer.missing, 3_000);
        // it reads again: it is told what it has missed
        let missing = writer.missing;
        writer.settle();
        assert!(!writer.sink.is_full() && writer.outage.is_none());
        let mut told = [0; 99];
        let length = receiver.recv(&mut told).unwrap();
        let want = format!("# {missing} lines were dropped: the receiver did not keep up");
        assert_eq!(String::from_utf8_lossy(&told[..length]), want);
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_end_comes_however_many_lines_are_left_and_counts_them() {
        let path = path("end");
        let destination = AccessDestination::File(path.clone());
        let (log, queue, mut writer) = opened(destination);
        write(&log, 5);
        work_off(&mut writer, &queue);
        assert!(writer.sink.deadline().is_none(), "a worker is there");
        write(&log, 7);
        drop(log);
        writer.attend();
        assert!(writer.sink.deadline().is_some(), "they have all gone");
        writer.sink.limit(Some(Instant::now()));
        writer.run(&queue);
        assert_eq!(writer.missing, 7);
        assert_eq!(fs::read_to_string(&path).unwrap(), "0\n1\n2\n3\n4\n");
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn lines_that_a_full_disk_has_not_taken_are_counted_at_the_end() {
        let (log, queue, mut writer) = opened(full());
        write(&log, 20);
        work_off(&mut writer, &queue);
        assert_eq!(writer.missing, 0, "there may be room again");
        drop(log);
        writer.run(&queue);
        assert_eq!(writer.missing, 20);
    }

    #[test]
    fn lines_that_a_full_disk_has_not_taken_are_told_of_where_the_log_goes_then() {
        let path = path("told");
        let destination = AccessDestination::File(path.clone());
        let (log, queue, mut writer) = opened(full());
        write(&log, 20);
        work_off(&mut writer, &queue);
        log.reopen();
        work_off(&mut writer, &queue);
        write(&log, 1);
        log.redirect(destination, false);
        write(&log, 1);
        work_off(&mut writer, &queue);
        // the last line of the full disk told of the 20 before it, and is none itself
        let written = fs::read_to_string(&path).unwrap();
        assert_eq!(written, "0\n# 21 lines were dropped: the disk did not keep up\n");
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_change_of_the_destination_comes_after_the_lines_before_it_or_at_once_where_the_queue_is_full() {
        let path = path("change");
        let destination = AccessDestination::File(path.clone());
        let (log, queue, mut writer) = opened(full());
        log.redirect(destination.clone(), false);
        log.backlog.wanted().as_mut().unwrap().due += Duration::from_secs(3_600);
        writer.attend();
        assert_eq!(*writer.sink.destination(), full(), "lines may stand before it");
        work_off(&mut writer, &queue);
        assert_eq!(*writer.sink.destination(), destination);
        write(&log, QUEUE as u64);
        fs::remove_file(&path).unwrap();
        log.reopen();
        writer.attend();
        assert!(path.exists());
        log.redirect(full(), false);
        writer.attend();
        assert_eq!(*writer.sink.destination(), full());
        fs::remove_file(path).unwrap();
    }
}
