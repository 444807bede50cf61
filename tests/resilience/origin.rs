//! One backend, as a process: this executable started again. Its manners change by lines on its standard input; it ends when
//! that ends, so that none outlives the suite.
//!
//! Requests of the load carry `x-id`. Checks don't, and get a good answer unless the backend is to fail altogether. Each POST
//! is written to a file before it is answered, so that what was executed is known also after a SIGKILL.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use socket2::{Domain, SockRef, Socket, Type};

use crate::wire::{Head, Wire, body};

/// The first argument that makes this executable a backend: `origin NAME PORT FILE`.
pub const ARGUMENT: &str = "origin";

/// How it treats the requests of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manners {
    Good,
    /// 500 to everything, checks included.
    Failing,
    Slow(Duration),
    /// Half of the answer, then a reset.
    Half,
    /// Closes each connection after so many requests: announced, or unannounced 0 to 4 ms after the last answer.
    Closing {
        after: usize,
        announced: bool,
    },
}

impl Manners {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some(match words.as_slice() {
            ["good"] => Self::Good,
            ["failing"] => Self::Failing,
            ["slow", ms] => Self::Slow(Duration::from_millis(ms.parse().ok()?)),
            ["half"] => Self::Half,
            ["closing", after, how] => Self::Closing { after: after.parse().ok()?, announced: *how == "announced" },
            _ => return None,
        })
    }

    /// How a check is treated.
    fn to_checks(self) -> Self {
        if self == Self::Failing { self } else { Self::Good }
    }
}

struct Origin {
    name: String,
    manners: Mutex<Manners>,
    /// Requests of the load so far.
    requests: AtomicUsize,
    executed: File,
}

/// Serves until standard input ends.
pub fn run(arguments: &[String]) -> ExitCode {
    let [name, port, file] = arguments else { return ExitCode::FAILURE };
    let executed = OpenOptions::new().create(true).append(true).open(file).unwrap();
    let manners = Mutex::new(Manners::Good);
    let origin = Arc::new(Origin { name: name.clone(), manners, requests: AtomicUsize::new(0), executed });
    let listener = listen(port.parse().unwrap()).unwrap();
    say(&format!("ready {}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()));
    let accepting = Arc::clone(&origin);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let origin = Arc::clone(&accepting);
            let serve = move || drop(origin.serve(stream));
            thread::Builder::new().stack_size(128 * 1024).spawn(serve).unwrap();
        }
    });
    for line in io::stdin().lines().map_while(Result::ok) {
        if line == "count" {
            say(&format!("count {}", origin.requests.load(Ordering::Relaxed)));
        } else {
            *origin.manners.lock().unwrap() = Manners::parse(&line).unwrap();
            say("ok");
        }
    }
    ExitCode::SUCCESS
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// On a port that the suite holds, see `ports.rs`; with room for every connection that comes while the process is stopped.
fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

impl Origin {
    /// Serves one connection; an error ends it and is nobody's business here.
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut wire = Wire::new(stream);
        let mut requests = 0;
        while let Some(head) = wire.head()? {
            wire.exactly(head.number("content-length").unwrap_or(0))?;
            requests += 1;
            let id = head.field("x-id");
            let mut manners = *self.manners.lock().unwrap();
            match id {
                None => manners = manners.to_checks(),
                Some(id) => self.execute(&head, id)?,
            }
            if !self.answer(&mut wire, &head, manners, requests)? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn execute(&self, head: &Head, id: &str) -> io::Result<()> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if head.word(0) == "POST" { (&self.executed).write_all(format!("{id}\n").as_bytes()) } else { Ok(()) }
    }

    /// Answers; `false` when the connection ends here.
    fn answer(&self, wire: &mut Wire, head: &Head, manners: Manners, requests: usize) -> io::Result<bool> {
        // the path's last segment is the length of the body that is wanted
        let length = head.word(1).rsplit('/').next().and_then(|n| n.parse().ok()).unwrap_or(2);
        let status = if manners == Manners::Failing { "500 Internal Server Error" } else { "200 OK" };
        // both framings of a body are cut short
        let chunked = manners == Manners::Half && head.number("x-id").is_some_and(|id| id % 4 == 0) && length > 1024;
        let framing = if chunked {
            format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n")
        } else {
            format!("Content-Length: {length}\r\n\r\n")
        };
        let last = matches!(manners, Manners::Closing { after, .. } if requests >= after);
        let announced = last && matches!(manners, Manners::Closing { announced: true, .. });
        let close = if announced { "Connection: close\r\n" } else { "" };
        let mut answer = format!("HTTP/1.1 {status}\r\nx-backend: {}\r\n{close}{framing}", self.name).into_bytes();
        if let Manners::Slow(delay) = manners {
            thread::sleep(delay);
        }
        if manners == Manners::Half {
            answer.extend_from_slice(&body(length)[..length / 2]);
            wire.send(&answer)?;
            SockRef::from(&wire.stream).set_linger(Some(Duration::ZERO))?;
            return Ok(false);
        }
        answer.extend_from_slice(body(length));
        wire.send(&answer)?;
        if last && !announced {
            thread::sleep(Duration::from_micros(fastrand::u64(0..4000)));
        }
        Ok(!last)
    }
}
