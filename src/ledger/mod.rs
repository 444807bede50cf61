//! The history of what was promised and what came of it: one SQLite file, `ledger.sqlite` in `state_dir`, that an auditor can open with the
//! `sqlite3` shell (its table `about` says what is what).
//!
//! One thread writes it, a batch at a time; each batch is one transaction, and a batch that can't be written waits for the disk. Nothing that
//! serves waits for it. Everybody else reads, through connections of their own.
//!
//! * `level`: seconds, minutes, hours, days; `batch`: what is handed over
//! * `schema`: the tables; `spans`, `seal`, `meta`, `age`, `write`: how a batch becomes rows
//! * `claim`: which process keeps it; `file`: opening, damage, setting aside; `touched`, `moved`: what others do with the file meanwhile; `owner`: whose it is; `writer`: the thread
//! * `reader`: the answers; [`tools`], `check` and `plausible`: what the command line does with the file
//!
//! A file that is damaged is set aside as a whole and a new one begun. Nothing is taken over from it, since nobody could say which of its numbers
//! are right; it stays beside the new one, which says so in its table `gap`.

mod age;
mod batch;
mod check;
mod claim;
mod file;
mod level;
mod meta;
mod moved;
mod owner;
mod plausible;
mod reader;
mod schema;
mod seal;
mod spans;
#[cfg(test)]
pub(crate) mod tests;
pub mod tools;
mod touched;
mod write;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::clock::Stamp;
use claim::{Answer, Claim};

pub use batch::{
    Batch, ClockJump, ENDED, EventRow, Gap, GapReason, Keeper, Maintenance, Note, REPLACED, STOPPED, Unread,
};
pub use file::NAME as FILE_NAME;
pub use level::{Level, Span, unknown};
pub use reader::{Reader, Series, StoredIncident};
pub use seal::Head;

/// How long the end of the last handle waits for the thread.
const AT_THE_END: Duration = Duration::from_secs(5);
/// How many batches wait for the thread at most. It takes each at once, unless the disk is slow.
const QUEUE: usize = 4;

/// How often a place in the queue is looked for.
const AGAIN: Duration = Duration::from_millis(2);

/// What is wrong with the ledger, or was done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It can't be written. Everything waits in memory; it is tried again each second.
    NotWritten {
        /// Why.
        why: String,
    },
    /// It can be written again, and what had waited is in it.
    WrittenAgain {
        /// For how long it could not.
        after_s: u64,
    },
    /// The file was damaged. It lies beside the new one that was begun.
    SetAside {
        /// What was wrong with it.
        why: String,
        /// Where it is now.
        file: PathBuf,
    },
    /// Another process keeps it, and this one has nothing to do with that. It writes nothing and keeps nothing in memory, until the other one has ended.
    KeptElsewhere {
        /// Which process, and in what folder; in words.
        by: String,
    },
    /// A newer program has written the file. It is left as it is; everything waits in memory.
    Newer {
        /// The version of its schema.
        version: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// Somebody has deleted the history before this. It is told once, by whichever process sees it first.
    Pruned {
        /// The first time that is kept.
        before: Stamp,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWritten { why } => {
                write!(f, "the ledger can't be written: {why}; what is to be kept waits in memory")
            }
            Self::WrittenAgain { after_s } => write!(f, "the ledger is written again, after {after_s} s"),
            Self::SetAside { why, file } => {
                write!(
                    f,
                    "the ledger was damaged ({why}); it was set aside as {} and a new one was begun",
                    file.display()
                )
            }
            Self::KeptElsewhere { by } => write!(
                f,
                "{by} keeps this ledger: this process serves, but has no history until the other one has ended. \
                 Each process needs a `state_dir` of its own"
            ),
            Self::Newer { version, known } => write!(
                f,
                "the ledger was written by a newer version of this program (its schema is {version}, this program knows {known}); \
                 it is left as it is, and what is to be kept waits in memory"
            ),
            Self::Pruned { before } => write!(f, "the history before {before} was deleted by hand"),
        }
    }
}

/// What the thread is sent.
enum Message {
    Batch(Box<Batch>),
    /// Wants to know when everything before is on the disk.
    Flush(SyncSender<()>),
}

/// A handle on the ledger. When the last one is dropped, the thread writes what it has and ends, and the drop waits for that.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// `None` = nothing is kept.
    shared: Option<Arc<Shared>>,
}

/// Told what is wrong, on the ledger's thread.
type Tell = Box<dyn Fn(Trouble) + Send>;

struct Shared {
    folder: PathBuf,
    /// Taken by the thread.
    tell: Mutex<Option<Tell>>,
    is_failing: Arc<AtomicBool>,
    /// Nobody waits for the disk any more.
    is_given_up: Arc<AtomicBool>,
    /// There once the ledger was begun; `None` = it has no thread.
    kept: OnceLock<Option<Kept>>,
    /// Given back last, when the thread has ended.
    claim: Mutex<Claim>,
}

#[derive(Debug)]
struct Kept {
    /// `None` only while it is dropped.
    sender: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
    is_given_up: Arc<AtomicBool>,
}

impl Ledger {
    /// The ledger of a folder. Nothing is opened, made or written before [`begin`](Self::begin).
    ///
    /// What `tell` holds must not include a handle: the thread would wait for itself.
    pub fn of(folder: &Path, tell: Tell) -> Self {
        let tell = Mutex::new(Some(tell));
        let shared = Shared {
            folder: folder.to_owned(),
            tell,
            is_failing: Arc::default(),
            is_given_up: Arc::default(),
            kept: OnceLock::new(),
            claim: Mutex::default(),
        };
        Self { shared: Some(Arc::new(shared)) }
    }

    /// Opens the ledger, makes it if there is none, and starts its thread, unless that was done before. It returns when the file is open or is
    /// known not to open: what is wrong then is told to `tell`, as all that is wrong later. `false` = another process keeps it, and nothing was begun;
    /// it may be tried again.
    pub fn begin(&self) -> bool {
        let Some(shared) = &self.shared else { return true };
        let may_write = shared.kept.get().is_some() || shared.claim();
        if may_write {
            shared.kept.get_or_init(|| shared.start());
        }
        may_write
    }

    /// Keeps it alone, once the process that was replaced does not any more.
    pub fn keep_alone(&self) {
        if let Some(shared) = &self.shared {
            shared.claim();
        }
    }

    /// Lets another process keep it from now on. What this one has left may be written beside.
    pub fn release(&self) {
        if let Some(shared) = &self.shared {
            *shared.claim.lock().unwrap_or_else(PoisonError::into_inner) = Claim::Released;
        }
    }

    /// Whether it was begun, so that what is entered goes somewhere.
    pub fn is_begun(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| shared.kept.get().is_some())
    }

    /// Whether anything is kept.
    pub fn is_kept(&self) -> bool {
        self.sender().is_some()
    }

    /// Whether what was to be written last could not be. What is wrong was told.
    pub fn is_failing(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.is_failing.load(Ordering::Acquire))
    }

    /// Hands a batch over; never waits. A batch that comes back found no place: [`Batch::merge`] the next one into it.
    pub fn enter(&self, batch: Batch) -> Result<(), Box<Batch>> {
        let Some(sender) = self.sender() else { return Ok(()) };
        match sender.try_send(Message::Batch(Box::new(batch))) {
            Err(TrySendError::Full(Message::Batch(batch)) | TrySendError::Disconnected(Message::Batch(batch))) => {
                Err(batch)
            }
            _ => Ok(()),
        }
    }

    /// Hands a batch over and waits until it is on the disk, and for a place in the queue where there is none; `false` = it is not there so far.
    /// Blocks.
    pub fn keep(&self, mut batch: Batch, within: Duration) -> bool {
        let until = Instant::now() + within;
        while let Err(back) = self.enter(batch) {
            if Instant::now() >= until {
                return false;
            }
            thread::sleep(AGAIN);
            batch = *back;
        }
        self.is_kept() && self.flush(until.saturating_duration_since(Instant::now()))
    }

    /// Nobody waits for the disk any more: what is not there when the last handle is dropped is lost.
    pub fn give_up(&self) {
        if let Some(shared) = &self.shared {
            shared.is_given_up.store(true, Ordering::Release);
        }
    }

    /// Waits until everything that was entered before is on the disk; `false` = that took longer.
    pub fn flush(&self, timeout: Duration) -> bool {
        let Some(sender) = self.sender() else { return true };
        let until = Instant::now() + timeout;
        let (done, is_done) = mpsc::sync_channel(1);
        let mut message = Message::Flush(done);
        loop {
            match sender.try_send(message) {
                Ok(()) => return is_done.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok(),
                Err(TrySendError::Full(same)) if Instant::now() < until => message = same,
                Err(_) => return false,
            }
            thread::sleep(AGAIN);
        }
    }

    /// Opens it for reading. What is read is the state of this moment, for as long as the reader is held, so it should not be held for long: the
    /// log of changes can't be cleared meanwhile. Blocks for as long as a file takes.
    pub fn read(&self) -> Result<Reader, String> {
        match &self.shared {
            Some(shared) => Reader::open(&shared.folder),
            None => Err("no ledger is kept: `state_dir` is not set".to_owned()),
        }
    }

    fn sender(&self) -> Option<&SyncSender<Message>> {
        self.shared.as_ref()?.kept.get()?.as_ref()?.sender.as_ref()
    }
}

impl Shared {
    /// Wants to keep the ledger; `false` = another process does. Where nobody can tell, because no lock can be had, the thread says what is wrong.
    fn claim(&self) -> bool {
        let mut claim = self.claim.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*claim, Claim::Ours { .. } | Claim::Released) {
            return true;
        }
        let asked = std::fs::create_dir_all(&self.folder).and_then(|()| claim::ask(&self.folder));
        let next = match asked {
            Ok(Answer::Ours(lock)) => Claim::Ours { _lock: lock },
            Ok(Answer::Beside) => Claim::Beside,
            Ok(Answer::Elsewhere(by)) => {
                if !matches!(*claim, Claim::Elsewhere(_)) {
                    self.tell_early(Trouble::KeptElsewhere { by: format!("{by} ({})", self.folder.display()) });
                    *claim = Claim::Elsewhere(Instant::now());
                }
                return false;
            }
            Err(_) => Claim::None,
        };
        if let Claim::Elsewhere(since) = std::mem::replace(&mut *claim, next) {
            self.tell_early(Trouble::WrittenAgain { after_s: since.elapsed().as_secs() });
        }
        true
    }

    /// Tells what there is to tell before there is a thread.
    fn tell_early(&self, trouble: Trouble) {
        if let Some(tell) = &*self.tell.lock().unwrap_or_else(PoisonError::into_inner) {
            tell(trouble);
        }
    }

    fn start(&self) -> Option<Kept> {
        let tell = self.tell.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let (sender, inbox) = mpsc::sync_channel(QUEUE);
        let (ready, is_ready) = mpsc::sync_channel(1);
        let writer = writer::Writer::new(self.folder.clone(), tell, Arc::clone(&self.is_failing));
        let thread = thread::Builder::new().name("ledger".to_owned()).spawn(move || writer.run(&inbox, &ready));
        match thread {
            Ok(thread) => {
                let _ = is_ready.recv();
                let is_given_up = Arc::clone(&self.is_given_up);
                Some(Kept { sender: Some(sender), thread: Some(thread), is_given_up })
            }
            Err(error) => {
                tracing::error!(%error, "the ledger has no thread; nothing is kept");
                None
            }
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("folder", &self.folder).field("kept", &self.kept).finish_non_exhaustive()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.sender.take());
        let Some(thread) = self.thread.take() else { return };
        let until = Instant::now() + AT_THE_END;
        while !thread.is_finished() {
            if self.is_given_up.load(Ordering::Acquire) {
                // that was told
                return;
            }
            if Instant::now() >= until {
                // a disk that hangs must not keep the process from ending
                tracing::error!(
                    "the ledger is still being written after {AT_THE_END:?}: what is not on the disk is lost"
                );
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let _ = thread.join();
    }
}
