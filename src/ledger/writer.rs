//! The thread that writes: it takes batches, keeps what can't be written, and tells what is wrong.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use super::batch::{Batch, Gap, GapReason};
use super::file::{self, Obstacle, Open};
use super::moved::Last;
use super::touched::Touched;
use super::write::{BatchId, Services, untold_prune, write, write_gap};
use super::{Message, Trouble};
use super::{meta, schema};
use crate::clock::Stamp;
use crate::io::be_nice;

/// How long it waits before it tries again.
const RETRY: Duration = Duration::from_secs(1);

/// How long it must have been written without a failure before it counts as well again.
const HEALED: Duration = Duration::from_secs(10);

/// How long it waits before it sets a file aside again.
const PAUSE: Duration = Duration::from_secs(60);

/// How many pages may be unused before some are given back to the file system, and how many at a time.
const UNUSED: i64 = 512;

/// A batch that has been tried to be written.
struct Pending {
    /// Tells it from all others.
    id: BatchId,
    batch: Batch,
}

/// What the thread holds.
pub struct Writer {
    folder: PathBuf,
    tell: Box<dyn Fn(Trouble) + Send>,
    /// Whether the last attempt to write has failed.
    is_failing: Arc<AtomicBool>,
    open: Option<Open>,
    /// It was open before, so it was looked through: to do that again each second while a disk is full would cost more than it tells.
    was_open: bool,
    services: Services,
    /// It may be on the disk already, so it stays as it is.
    pending: Option<Pending>,
    /// What has come since; all of it becomes one batch.
    waiting: Option<Batch>,
    /// The last batch that was begun.
    last: BatchId,
    /// How many rows of `waiting` were left when it was made smaller last.
    coarsened: usize,
    /// What was written last.
    written: Option<Last>,
    /// What the next file has to say about the one before it.
    gap: Option<Gap>,
    /// When a file was set aside last.
    set_aside: Option<Instant>,
    /// Since when nothing can be written, and when it is tried again.
    trouble: Option<(Instant, Instant)>,
    /// Since when it could not be written, and since when it can be again. That is told once it has lasted: on a full disk there is now and then
    /// room for a little.
    healing: Option<(Instant, Instant)>,
    flushes: Vec<SyncSender<()>>,
}

impl Writer {
    /// Nothing is opened yet.
    pub fn new(folder: PathBuf, tell: Box<dyn Fn(Trouble) + Send>, is_failing: Arc<AtomicBool>) -> Self {
        Self {
            folder,
            tell,
            is_failing,
            open: None,
            was_open: false,
            services: Services::new(),
            pending: None,
            waiting: None,
            last: BatchId { run: fastrand::u64(1..), number: 0 },
            coarsened: 0,
            written: None,
            gap: None,
            set_aside: None,
            trouble: None,
            healing: None,
            flushes: Vec::new(),
        }
    }

    /// The thread's work; `ready` is told when the file is open, or is known not to open.
    pub fn run(mut self, inbox: &Receiver<Message>, ready: &SyncSender<()>) {
        be_nice();
        self.attempt();
        let _ = ready.send(());
        if let Some(open) = &self.open
            && open.is_unchecked
            && let Err(obstacle) = open.look_through()
        {
            self.meet(obstacle);
            self.attempt();
        }
        while self.take(inbox) {
            if self.trouble.is_none_or(|(_, next)| Instant::now() >= next) {
                self.attempt();
            }
        }
        self.attempt();
        if let Some(left) = self.pending.take().map(|pending| pending.batch).or(self.waiting.take()) {
            tracing::error!(
                tallies = left.tallies.len(),
                "the ledger could not be written before the end; what was not written is lost"
            );
        }
    }

    /// Waits for a message, or until it is time to try again; `false` = nobody can send any more.
    fn take(&mut self, inbox: &Receiver<Message>) -> bool {
        let healed = self.healing.map(|(_, since)| since + HEALED);
        let message = match self.trouble.map(|(_, next)| next).or(healed) {
            Some(next) => inbox.recv_timeout(next.saturating_duration_since(Instant::now())),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match message {
            Ok(Message::Batch(batch)) => self.add(*batch),
            Ok(Message::Flush(done)) => self.flushes.push(done),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    fn add(&mut self, batch: Batch) {
        let Some(waiting) = &mut self.waiting else {
            self.coarsened = 0;
            self.waiting = Some(batch);
            return;
        };
        waiting.merge(batch);
        if waiting.rows() > 2 * self.coarsened + 1000 || waiting.history.len() > 20_000 {
            waiting.coarsen();
            self.coarsened = waiting.rows();
        }
    }

    /// Writes all there is, as far as that is possible.
    fn attempt(&mut self) {
        if let Err(obstacle) = self.write_all()
            && self.meet(obstacle)
            // a new file has been begun
            && let Err(obstacle) = self.write_all()
        {
            self.fail(obstacle);
        }
        if self.trouble.is_none() && self.pending.is_none() && self.waiting.is_none() {
            for done in self.flushes.drain(..) {
                let _ = done.send(());
            }
        }
    }

    fn write_all(&mut self) -> Result<(), Obstacle> {
        self.look_at_the_files()?;
        if self.open.is_none() {
            self.services.clear();
            let open = self.open.insert(file::open(&self.folder, !self.was_open)?);
            self.was_open = true;
            if let Some(last) = self.written.take_if(|last| last.file != open.identity()) {
                self.last.number += 1;
                last.go_on(&mut open.connection, self.last)?;
            }
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        if let Some(gap) = &self.gap {
            write_gap(&open.connection, gap)?;
            self.gap = None;
        }
        loop {
            if self.pending.is_none() {
                let Some(batch) = self.waiting.take() else { break };
                self.last.number += 1;
                self.pending = Some(Pending { id: self.last, batch });
            }
            let Some(Pending { id, batch }) = &self.pending else { break };
            write(&mut open.connection, batch, *id, &mut self.services)?;
            self.pending = None;
        }
        if let Some(before) = untold_prune(&open.connection)?
            && meta::raise(&open.connection, meta::TOLD, before)?
        {
            (self.tell)(Trouble::Pruned { before });
        }
        if schema::pragma(&open.connection, "freelist_count")? > UNUSED {
            file::shrink(&open.connection, 64)?;
        }
        self.written = Some(Last::of(&open.connection, open.identity())?);
        open.seen()?;
        self.is_failing.store(false, Ordering::Release);
        if let Some((since, _)) = self.trouble.take() {
            self.healing = Some((since, Instant::now()));
        }
        if let Some((since, healed)) = self.healing.take_if(|(_, healed)| healed.elapsed() >= HEALED) {
            (self.tell)(Trouble::WrittenAgain { after_s: (healed - since).as_secs() });
        }
        Ok(())
    }

    /// Whether what is open is still what is on the disk. Otherwise what waits is written a moment later, to what is there then.
    fn look_at_the_files(&mut self) -> Result<(), Obstacle> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let why = match open.touched() {
            Touched::No => return Ok(()),
            Touched::Emptied => return Err(Obstacle::Damage("somebody has emptied it while it was in use".to_owned())),
            Touched::Written => return open.look_afresh(),
            Touched::Moved => {
                "it was moved away or deleted while it was in use; it goes on with what is in its place, or a new one"
            }
            Touched::Log => "its log was deleted while it was in use; what was in that is saved",
        };
        // closing it takes over what is in the log, and what is opened next is looked through
        self.was_open = false;
        Err(Obstacle::Later(why.to_owned()))
    }

    /// Does what can be done about an obstacle; `true` = it can go on with a new file at once.
    fn meet(&mut self, obstacle: Obstacle) -> bool {
        let why = match obstacle {
            // a disk that spoils each new file at once is not to be filled with them
            Obstacle::Damage(why) if self.set_aside.is_none_or(|last| last.elapsed() > PAUSE) => why,
            _ => {
                self.fail(obstacle);
                return false;
            }
        };
        match file::set_open_aside(self.open.take(), &self.folder) {
            Ok(Some(file)) => {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let gap = Gap { from: Stamp::default(), to: Stamp::now(), why: GapReason::SetAside { file: name } };
                self.gap = Some(gap);
                self.set_aside = Some(Instant::now());
                self.written = None;
                (self.tell)(Trouble::SetAside { why, file });
            }
            // another process has set it aside
            Ok(None) => {}
            Err(error) => {
                self.fail(Obstacle::Later(format!("it is damaged ({why}) and can't be set aside: {error}")));
                return false;
            }
        }
        true
    }

    fn fail(&mut self, obstacle: Obstacle) {
        self.open = None;
        let next = Instant::now() + RETRY;
        let known = self.trouble.take().or(self.healing.take());
        self.trouble = Some((known.map_or_else(Instant::now, |(since, _)| since), next));
        if known.is_none() {
            (self.tell)(match obstacle {
                Obstacle::Newer(version) => Trouble::Newer { version, known: schema::VERSION },
                other => Trouble::NotWritten { why: other.to_string() },
            });
        }
        // whoever looks at it may ask what was told
        self.is_failing.store(true, Ordering::Release);
    }
}
