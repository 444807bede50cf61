//! Clients: many keep-alive connections that send at a steady rate, whatever becomes of the answers.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::tally::{End, Sample, Tally};
use crate::wire::{Head, Wire, body};

/// How long a client waits for an answer. Longer than anything that a proxy may make of the situations.
const PATIENCE: Duration = Duration::from_secs(12);

/// What is sent.
#[derive(Debug, Clone)]
pub struct Plan {
    pub address: SocketAddr,
    /// Requests a second.
    pub rate: u32,
    /// Each sends one request at a time, and they take turns. So with fewer than rate x the longest answer time, stuck
    /// requests hold back others.
    pub connections: usize,
    pub post: bool,
    /// The answer's length in bytes.
    pub length: usize,
    /// One request in so many gets a connection of its own; 0 = none.
    pub fresh: u64,
}

/// A load under way.
pub struct Load {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<Vec<Sample>>>,
}

struct Shared {
    plan: Plan,
    begun: Instant,
    next: AtomicU64,
    ended: AtomicBool,
    answered: [AtomicUsize; BACKENDS],
    generation: AtomicUsize,
}

/// Backends have one letter as their name.
const BACKENDS: usize = 26;

/// The body of a POST.
const FORM: &[u8] = b"amount=1&currency=EUR&to=somebody";

impl Load {
    /// Begins.
    pub fn start(plan: Plan) -> Self {
        let connections = plan.connections;
        let answered = std::array::from_fn(|_| AtomicUsize::new(0));
        let (next, ended) = (AtomicU64::new(0), AtomicBool::new(false));
        let generation = AtomicUsize::new(0);
        let shared = Arc::new(Shared { plan, begun: Instant::now(), next, ended, answered, generation });
        let workers = (0..connections).map(|_| {
            let shared = Arc::clone(&shared);
            thread::Builder::new().stack_size(128 * 1024).spawn(move || shared.work()).unwrap()
        });
        let workers = workers.collect();
        Self { shared, workers }
    }

    /// Answers of a backend so far.
    pub fn answered_by(&self, backend: usize) -> usize {
        self.shared.answered[backend].load(Ordering::Relaxed)
    }

    /// Answers of all backends so far.
    pub fn answered(&self) -> usize {
        (0..BACKENDS).map(|backend| self.answered_by(backend)).sum()
    }

    /// The latest generation of the configuration that answered so far.
    pub fn generation(&self) -> usize {
        self.shared.generation.load(Ordering::Relaxed)
    }

    /// Ends it, waits for what is under way, and says what became of each request.
    pub fn end(self) -> Tally {
        self.shared.ended.store(true, Ordering::Relaxed);
        Tally::new(self.workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect())
    }
}

impl Shared {
    fn work(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        let mut connection = None;
        loop {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            self.wait_for_turn(id);
            if self.ended.load(Ordering::Relaxed) {
                return samples;
            }
            if self.plan.fresh > 0 && id.is_multiple_of(self.plan.fresh) {
                connection = None;
            }
            let begun = Instant::now();
            let mut sample = Sample { id, begun, took: Duration::ZERO, backend: None, generation: None, end: End::Cut };
            sample.end = self.exchange(&mut connection, &mut sample);
            sample.took = begun.elapsed();
            if let Some(answered) = sample.backend.filter(|_| sample.end == End::Good).map(|b| &self.answered[b]) {
                answered.fetch_add(1, Ordering::Relaxed);
            }
            samples.push(sample);
        }
    }

    fn wait_for_turn(&self, id: u64) {
        let rate = f64::from(self.plan.rate);
        let due = self.begun + Duration::from_secs_f64(id as f64 / rate);
        let now = Instant::now();
        thread::sleep(due.saturating_duration_since(now));
        if now.saturating_duration_since(due) > Duration::from_millis(100) {
            // All connections were stuck. What could not be sent meanwhile is left out rather than sent in a burst.
            let turn = (now - self.begun).as_secs_f64() * rate;
            self.next.fetch_max(turn as u64, Ordering::Relaxed);
        }
    }

    /// One request and its answer; what is left of the connection can be used again.
    fn exchange(&self, connection: &mut Option<Wire>, sample: &mut Sample) -> End {
        // A connection that the other side has closed between two requests is replaced, as every client does.
        let idle = connection.take().filter(|wire| !wire.has_news());
        let mut wire = match idle.map_or_else(|| self.connect(), Ok) {
            Ok(wire) => wire,
            Err(_) => return End::Refused,
        };
        let sent = wire.send(&self.request(sample.id));
        let head = match sent.and_then(|()| wire.head()) {
            Ok(Some(head)) => head,
            Err(e) if is_late(&e) => return End::Late,
            Ok(None) | Err(_) => return End::Cut,
        };
        sample.backend = head.field("x-backend").and_then(|name| usize::from(name.bytes().next()?).checked_sub(97));
        sample.generation = head.number("x-generation");
        self.generation.fetch_max(sample.generation.unwrap_or(0), Ordering::Relaxed);
        let end = self.judge(&mut wire, &head, sample.backend.is_some());
        if matches!(end, End::Good | End::Status(_)) && !head.says("connection", "close") {
            *connection = Some(wire);
        }
        end
    }

    fn connect(&self) -> io::Result<Wire> {
        let stream = TcpStream::connect_timeout(&self.plan.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Wire::new(stream))
    }

    fn request(&self, id: u64) -> Vec<u8> {
        let (method, length) = (if self.plan.post { "POST" } else { "GET" }, self.plan.length);
        let mut request = format!("{method} /load/{length} HTTP/1.1\r\nHost: load.test\r\nx-id: {id}\r\n").into_bytes();
        if self.plan.post {
            request.extend_from_slice(format!("Content-Length: {}\r\n\r\n", FORM.len()).as_bytes());
            request.extend_from_slice(FORM);
        } else {
            request.extend_from_slice(b"\r\n");
        }
        request
    }

    /// Reads the body, and judges the answer.
    fn judge(&self, wire: &mut Wire, head: &Head, from_backend: bool) -> End {
        let read = if head.says("transfer-encoding", "chunked") {
            wire.chunks()
        } else if let Some(length) = head.number("content-length") {
            wire.exactly(length)
        } else {
            wire.rest()
        };
        let Ok(status) = head.word(1).parse::<u16>() else { return End::Wrong };
        match read {
            Err(e) if is_late(&e) => End::Late,
            Err(_) => End::Broken,
            Ok(_) if !(200..300).contains(&status) => End::Status(status),
            Ok(read) if from_backend && read == body(self.plan.length) => End::Good,
            Ok(_) => End::Wrong,
        }
    }
}

fn is_late(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
