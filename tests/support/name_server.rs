//! A name server that knows what the test says (RFC 1035, section 4), and may be silent.

use std::collections::HashMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::{Arc, Mutex};

/// Where a message's question begins: behind its header.
const QUESTION: usize = 12;

/// A name server on port 53, until the test's process ends: to be had in a network of the test's own.
pub struct NameServer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    names: HashMap<String, Ipv4Addr>,
    is_silent: bool,
    asked: usize,
}

impl NameServer {
    /// One at this address that knows no name.
    pub fn at(address: &str) -> Self {
        let socket = UdpSocket::bind((address, 53)).unwrap();
        let state = Arc::<Mutex<State>>::default();
        let held = Arc::clone(&state);
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let answer = held.lock().unwrap().answer(&buffer[..length]);
                if let Some(answer) = answer {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self(state)
    }

    /// It knows this name from now on.
    pub fn knows(&self, name: &str, address: &str) {
        self.0.lock().unwrap().names.insert(name.to_owned(), address.parse().unwrap());
    }

    /// It knows no name any more.
    pub fn forgets_all(&self) {
        self.0.lock().unwrap().names.clear();
    }

    /// Whether it leaves every question without an answer.
    pub fn is_silent(&self, is_silent: bool) {
        self.0.lock().unwrap().is_silent = is_silent;
    }

    /// Questions that it has got.
    pub fn asked(&self) -> usize {
        self.0.lock().unwrap().asked
    }
}

impl State {
    fn answer(&mut self, query: &[u8]) -> Option<Vec<u8>> {
        self.asked += 1;
        if self.is_silent {
            return None;
        }
        let (mut at, mut labels) = (QUESTION, Vec::new());
        while query[at] > 0 {
            let end = at + 1 + usize::from(query[at]);
            labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
            at = end;
        }
        let (kind, end) = (u16::from_be_bytes([query[at + 1], query[at + 2]]), at + 5);
        let known = self.names.get(&labels.join("."));
        let address = known.filter(|_| kind == 1);
        // an answer, recursion desired and available; no such name = 3
        let code = if known.is_some() { 0 } else { 3 };
        let mut answer = [&query[..2], &[0x81, 0x80 | code, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]].concat();
        answer.extend(&query[QUESTION..end]);
        if let Some(address) = address {
            // the name of the question, A, IN, for 0 s, 4 bytes
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
            answer.extend(address.octets());
        }
        Some(answer)
    }
}
