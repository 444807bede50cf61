//! Recorded samples (`detect.record`): one row for each backend and interval, in the columns that `evenkeel detect --replay` reads.
//!
//! Rows are made and written by a thread of its own, which gives way to the workers. Whoever hands samples to it never waits: what does not fit
//! into its queue is dropped, and that is logged.

mod file;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::SystemTime;

use file::RotatedFile;

use crate::clock::rfc3339;
use crate::detect::sample::Sample;
use crate::io::be_nice;
use crate::replay::column::Column;
use crate::replay::figures::Figures;

/// Samples that may wait for the writer: some 30 MiB, or five intervals of 10,000 backends.
const QUEUE: usize = 50_000;

/// All files to which samples are recorded. Services that name the same file share it.
#[derive(Debug, Default)]
pub struct SampleLogs {
    open: HashMap<PathBuf, (SampleLog, JoinHandle<()>)>,
}

/// A file to which samples are recorded; a handle.
#[derive(Debug, Clone)]
pub struct SampleLog {
    messages: Sender<Message>,
    backlog: Arc<Backlog>,
}

/// What the writer has yet to write, and what it will never get.
#[derive(Debug, Default)]
struct Backlog {
    samples: AtomicUsize,
    dropped: AtomicU64,
}

#[derive(Debug)]
enum Message {
    Samples { time: SystemTime, service: String, samples: Vec<(String, Sample)> },
    Reopen,
}

impl SampleLogs {
    /// Opens the files that are new, and ends the writing to those that are none any more; to be called for each new configuration.
    pub fn update<'a>(&mut self, files: impl IntoIterator<Item = &'a Path>) {
        let mut before = std::mem::take(&mut self.open);
        for path in files {
            if self.open.contains_key(path) {
                continue;
            }
            match before.remove(path).map_or_else(|| SampleLog::start(path.to_owned()), Ok) {
                Ok(log) => _ = self.open.insert(path.to_owned(), log),
                Err(error) => tracing::error!(%error, file = %path.display(), "samples can't be recorded"),
            }
        }
    }

    /// The log that writes to this file.
    pub fn get(&self, file: &Path) -> Option<&SampleLog> {
        self.open.get(file).map(|(log, _)| log)
    }

    /// Opens all files again, which a log rotation has moved away.
    pub fn reopen(&self) {
        self.open.values().for_each(|(log, _)| log.send(Message::Reopen));
    }
}

impl SampleLog {
    /// Starts the writer. It opens the file, and tries again later where that fails; it ends, with everything written, when the last copy of
    /// this handle is gone.
    fn start(file: PathBuf) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (messages, queue) = mpsc::channel();
        let backlog = Arc::<Backlog>::default();
        let writer = Writer { file: RotatedFile::new(file, header()), backlog: Arc::clone(&backlog) };
        let thread = std::thread::Builder::new().name("samples".to_owned()).spawn(move || writer.run(&queue))?;
        Ok((Self { messages, backlog }, thread))
    }

    /// Records what the backends of a service have shown during the interval that ended then.
    pub fn record(&self, time: SystemTime, service: &str, backends: &[(&str, &Sample)]) {
        let count = backends.len();
        if self.backlog.samples.fetch_add(count, Relaxed) + count > QUEUE {
            self.backlog.samples.fetch_sub(count, Relaxed);
            self.backlog.dropped.fetch_add(count as u64, Relaxed);
            return;
        }
        let samples = backends.iter().map(|(id, sample)| ((*id).to_owned(), (*sample).clone())).collect();
        self.send(Message::Samples { time, service: service.to_owned(), samples });
    }

    fn send(&self, message: Message) {
        // it ends after this handle
        let _ = self.messages.send(message);
    }
}

struct Writer {
    file: RotatedFile,
    backlog: Arc<Backlog>,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Message>) {
        be_nice();
        self.file.open();
        while let Ok(message) = queue.recv() {
            match message {
                Message::Reopen => self.file.open(),
                Message::Samples { time, service, samples } => {
                    self.file.append(&rows(time, &service, &samples));
                    self.backlog.samples.fetch_sub(samples.len(), Relaxed);
                }
            }
            let dropped = self.backlog.dropped.swap(0, Relaxed);
            if dropped > 0 {
                tracing::warn!(dropped, file = %self.file.path().display(), "samples were not recorded: the disk does not keep up");
            }
        }
    }
}

fn columns() -> impl Iterator<Item = Column> {
    Column::ALL.into_iter().filter(|column| *column != Column::Value)
}

fn header() -> String {
    let names = ["time", "service", "backend"].into_iter().chain(columns().map(Column::name));
    names.collect::<Vec<_>>().join(",") + "\n"
}

fn rows(time: SystemTime, service: &str, samples: &[(String, Sample)]) -> String {
    let beginning = format!("{},{}", rfc3339(time), quoted(service));
    let mut text = String::with_capacity(samples.len() * 200);
    for (id, sample) in samples {
        let figures = Figures::of(sample);
        text.push_str(&beginning);
        text.push(',');
        text.push_str(&quoted(id));
        for column in columns() {
            text.push(',');
            if let Some(number) = figures.get(column) {
                text.push_str(&column.write(number));
            }
        }
        text.push('\n');
    }
    text
}

/// A name as a field of CSV (RFC 4180). A line break within it would be two lines, and is left out.
fn quoted(name: &str) -> String {
    let line = name.replace(['\r', '\n'], " ");
    match line.contains([',', '"']) {
        true => format!("\"{}\"", line.replace('"', "\"\"")),
        false => line,
    }
}

#[cfg(test)]
mod tests;
