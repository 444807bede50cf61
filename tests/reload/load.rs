//! Clients that never stop asking, and remember every answer that was not what it should be.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use crate::support::{Client, wait_until};

/// Clients under way.
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Four clients: two keep their connection for as long as they are let, two make a new one after three requests.
    pub fn on(address: SocketAddr) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |number: usize| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            let most = if number.is_multiple_of(2) { usize::MAX } else { 3 };
            thread::spawn(move || {
                let mut lost = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    connection(address, most, &stop, &answered, &mut lost);
                }
                lost
            })
        };
        let clients = (0..4).map(client).collect();
        Self { stop, answered, clients }
    }

    /// Waits until this many more requests are answered.
    pub fn goes_on(&self, requests: usize) {
        let from = self.answered.load(Ordering::SeqCst);
        wait_until("requests are answered", || self.answered.load(Ordering::SeqCst) >= from + requests);
    }

    /// Ends it; fails when anything was lost.
    pub fn lost_nothing(self) {
        self.stop.store(true, Ordering::SeqCst);
        let lost: Vec<String> = self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        let answered = self.answered.load(Ordering::SeqCst);
        assert!(lost.is_empty(), "{} lost, {answered} answered: {:?}", lost.len(), &lost[..lost.len().min(5)]);
        assert!(answered > 0);
    }
}

fn connection(address: SocketAddr, most: usize, stop: &AtomicBool, answered: &AtomicUsize, lost: &mut Vec<String>) {
    let mut client = Client::connect(address);
    for _ in 0..most {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        if let Err(error) = client.try_send("GET /load HTTP/1.1\r\nHost: a\r\n\r\n") {
            return lost.push(format!("sending: {error}"));
        }
        match client.broken_response() {
            (response, None) if response.status == 200 && response.text() == "ok" => {
                answered.fetch_add(1, Ordering::SeqCst);
                if response.head.lists("connection", "close") {
                    return;
                }
            }
            (response, broken) => return lost.push(format!("{broken:?} {response:?}")),
        }
    }
}
