//! Clients with bad intentions.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::{Setting, three};
use crate::proxy::Setup;
use crate::report::{Report, ms};

/// A request that never ends, sent a byte at a time.
const TRICKLE: &[u8] = b"GET /load/1 HTTP/1.1\r\nHost: load.test\r\nx-filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// How long after the limit a connection is given up.
const GRACE: Duration = Duration::from_secs(5);

pub fn trickle(setting: &Setting) -> Result<Report, String> {
    let fleet = three();
    let limit = setting.span(10_000, 2000);
    // 10 s is the contract's default
    let header_timeout = if setting.full { None } else { Some("2s") };
    let proxy = setting.proxy(&Setup { header_timeout, ..Setup::of(&fleet) })?;
    let load = setting.load(setting.plan(&proxy));
    let connections = if setting.full { 400 } else { 100 };
    let address = proxy.address();
    let attack = thread::spawn(move || attack(address, connections, limit + GRACE));
    let closed = attack.join().unwrap().map_err(|e| e.to_string())?;
    let tally = load.end();

    let mut report = Report::default();
    let times = || closed.iter().copied();
    let measured = format!("{} of {connections}", closed.len());
    report.must("all closed with 408", closed.len() == connections, measured);
    let (first, last) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
    let slack = Duration::from_millis(500);
    let on_time = !closed.is_empty() && first + slack >= limit && last <= limit + slack;
    report.timing("at header_timeout", on_time, format!("after {} to {}", ms(first), ms(last)));
    let required = "no normal request lost";
    report.must(required, tally.lost().is_empty() && !tally.is_empty(), tally.lost().of(&tally));
    Ok(report)
}

/// One connection of the attack.
struct Slow {
    stream: TcpStream,
    sent: usize,
    answer: Vec<u8>,
}

/// Sends a byte a second on each connection, and says after what time each was closed with 408.
fn attack(address: SocketAddr, connections: usize, limit: Duration) -> io::Result<Vec<Duration>> {
    let mut open: Vec<Slow> = (0..connections).map(|_| Slow::connect(address)).collect::<io::Result<_>>()?;
    let begun = Instant::now();
    let mut closed = Vec::new();
    while !open.is_empty() && begun.elapsed() < limit {
        let due = begun.elapsed().as_secs() as usize + 1;
        open.retain_mut(|slow| match slow.step(due) {
            None => true,
            Some(refused) => {
                closed.extend(refused.then(|| begun.elapsed()));
                false
            }
        });
        thread::sleep(Duration::from_millis(10));
    }
    Ok(closed)
}

impl Slow {
    fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, sent: 0, answer: Vec::new() })
    }

    /// Sends what is due and reads what there is; at the connection's end, whether its last word was 408.
    fn step(&mut self, due: usize) -> Option<bool> {
        if self.sent < due.min(TRICKLE.len()) {
            // a connection that is closed already says so when it is read
            let _ = self.stream.write(&TRICKLE[self.sent..=self.sent]);
            self.sent += 1;
        }
        let mut buffer = [0; 1024];
        match self.stream.read(&mut buffer) {
            Ok(n) if n > 0 => {
                self.answer.extend_from_slice(&buffer[..n]);
                None
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => None,
            Ok(_) | Err(_) => {
                Some(self.answer.starts_with(b"HTTP/1.1 408 ") || self.answer.starts_with(b"HTTP/1.0 408 "))
            }
        }
    }
}
