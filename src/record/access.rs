//! The access log: one line for each exchange, formatted by the worker, written by a thread of its own.
//!
//! The data path never waits for a disk: lines go through a bounded queue, and when the writer does not keep up they are
//! dropped and counted, which the writer says in the log itself.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use http::header::HeaderValue;
use http::{Method, Uri, Version};

use crate::outcome::Outcome;

/// Lines that may wait for the writer.
const QUEUE: usize = 64 * 1024;

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

/// A handle for workers.
#[derive(Debug, Clone)]
pub struct Log {
    format: Format,
    lines: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Line(String),
    Reopen,
    Redirect(Destination),
}

/// What a line says of a request; kept while the exchange lasts.
#[derive(Debug)]
pub struct Entry {
    /// Who sent it; `None` over a Unix socket.
    pub client: Option<IpAddr>,
    /// Its method.
    pub method: Method,
    /// Its target.
    pub target: Uri,
    /// Its version.
    pub version: Version,
    /// The host that it was for.
    pub host: Option<HeaderValue>,
    /// `Referer`
    pub referer: Option<HeaderValue>,
    /// `User-Agent`
    pub user_agent: Option<HeaderValue>,
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
        let (lines, queue) = mpsc::sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut writer = Writer { out: open(&destination)?, destination, format, dropped: Arc::clone(&dropped) };
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run(&queue))?;
        Ok((Self { format, lines, dropped }, thread))
    }

    /// Opens the file anew: it was moved away by a log rotation.
    pub fn reopen(&self) {
        // a full queue is a writer that is alive: it is asked again by the next signal
        let _ = self.lines.try_send(Message::Reopen);
    }

    /// Writes there from the next line on. Where that can't be opened, the log goes on as it is.
    pub fn redirect(&self, destination: Destination) {
        let _ = self.lines.try_send(Message::Redirect(destination));
    }

    /// Writes a line.
    pub fn write(&self, entry: &Entry, names: &Names<'_>, outcome: &Outcome, elapsed: Duration) {
        let line = match self.format {
            Format::Json => json(entry, names, outcome, elapsed),
            Format::Combined => combined(entry, outcome, elapsed),
        };
        if self.lines.try_send(Message::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Writer {
    out: BufWriter<Box<dyn Write + Send>>,
    destination: Destination,
    format: Format,
    dropped: Arc<AtomicU64>,
}

impl Writer {
    /// Until the last worker is gone.
    fn run(&mut self, queue: &Receiver<Message>) {
        loop {
            let message = match queue.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    // nothing more for now: what there is must be visible
                    self.flush();
                    match queue.recv_timeout(Duration::from_secs(1)) {
                        Ok(message) => message,
                        Err(RecvTimeoutError::Timeout) => continue,
                        Err(RecvTimeoutError::Disconnected) => break,
                    }
                }
            };
            match message {
                Message::Line(line) => self.line(&line),
                Message::Reopen => self.to(self.destination.clone()),
                Message::Redirect(destination) => self.to(destination),
            }
        }
        self.flush();
    }

    fn line(&mut self, line: &str) {
        if let Err(error) = self.out.write_all(line.as_bytes()) {
            tracing::error!(%error, "the access log can't be written");
        }
    }

    fn flush(&mut self) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let line = match self.format {
                Format::Json => format!("{{\"dropped_lines\":{dropped}}}\n"),
                Format::Combined => format!("# {dropped} lines were dropped: the disk did not keep up\n"),
            };
            self.line(&line);
        }
        if let Err(error) = self.out.flush() {
            tracing::error!(%error, "the access log can't be written");
        }
    }

    fn to(&mut self, destination: Destination) {
        self.flush();
        match open(&destination) {
            Ok(out) => (self.out, self.destination) = (out, destination),
            Err(error) => {
                tracing::error!(%error, ?destination, "the access log can't be opened: the old file is written on");
            }
        }
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

fn json(entry: &Entry, names: &Names<'_>, outcome: &Outcome, elapsed: Duration) -> String {
    let text = |value: &Option<HeaderValue>| value.as_ref().map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    let line = serde_json::json!({
        "time": humantime(SystemTime::now()),
        "client": entry.client,
        "listener": names.listener,
        "method": entry.method.as_str(),
        "host": text(&entry.host),
        "target": entry.target.path_and_query().map(|p| p.as_str()),
        "protocol": version(entry.version),
        "status": outcome.status.map(|s| s.as_u16()),
        "bytes": outcome.body_bytes,
        "duration_ms": (elapsed.as_secs_f64() * 1e6).round() / 1e3,
        "service": names.service,
        "backend": names.backend,
        "failure": outcome.failure.map(|kind| kind.as_str()),
        "referer": text(&entry.referer),
        "user_agent": text(&entry.user_agent),
    });
    format!("{line}\n")
}

fn combined(entry: &Entry, outcome: &Outcome, elapsed: Duration) -> String {
    let mut line = String::with_capacity(256);
    match entry.client {
        Some(client) => _ = write!(line, "{client} - - ["),
        None => line.push_str("- - - ["),
    }
    let _ = write!(
        line,
        "{}] \"{} {} {}\" {} {} ",
        humantime(SystemTime::now()),
        entry.method,
        entry.target.path_and_query().map_or("", |p| p.as_str()),
        version(entry.version),
        outcome.status.map_or(499, |s| s.as_u16()),
        outcome.body_bytes,
    );
    for value in [&entry.referer, &entry.user_agent] {
        quoted(&mut line, value.as_ref());
    }
    let _ = writeln!(line, "{}", elapsed.as_micros());
    line
}

/// A value in quotes; what could end the quotes, or is no printable ASCII, as `\xHH`, as Apache does.
fn quoted(line: &mut String, value: Option<&HeaderValue>) {
    line.push('"');
    for &byte in value.map_or(&b"-"[..], HeaderValue::as_bytes) {
        match byte {
            b'"' | b'\\' => _ = write!(line, "\\{}", char::from(byte)),
            b' '..=b'~' => line.push(char::from(byte)),
            _ => _ = write!(line, "\\x{byte:02x}"),
        }
    }
    line.push_str("\" ");
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

/// RFC 3339, to the millisecond, in UTC.
fn humantime(now: SystemTime) -> String {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, secs) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        secs / 3_600,
        secs / 60 % 60,
        secs % 60,
        since.subsec_millis()
    )
}

/// The date of a day since 1970-01-01 in the proleptic Gregorian calendar, by Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>), for days that are not before it.
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(humantime(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
        let leap = SystemTime::UNIX_EPOCH + Duration::from_millis(1_709_210_096_789);
        assert_eq!(humantime(leap), "2024-02-29T12:34:56.789Z");
    }

    #[test]
    fn quotes_cannot_be_ended_from_within() {
        let mut line = String::new();
        quoted(&mut line, HeaderValue::from_bytes(b"a\" \\ \xff").ok().as_ref());
        assert_eq!(line, "\"a\\\" \\\\ \\xff\" ");
    }
}
