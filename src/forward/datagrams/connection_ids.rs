//! The connection ids by which a QUIC client is found whose address changes.
//!
//! A NAT that forgets a mapping gives the client's next packet another address. To UDP that is a new client; to QUIC it is the same
//! connection, which the connection id tells: one that the backend has chosen, seen in the long headers of its handshake. So
//! a datagram from an unknown address is looked at once more before it becomes a new session: if it carries such an id, it belongs to
//! the session that the id belongs to, and answers go to the new address from then on. The kernel may have dealt the new address
//! to another worker than the one that has the session, so what is needed for this is shared by all workers.
//!
//! Who could abuse it: an id is 8 bytes or more (shorter ones are not learned) and random, so who has not seen it can't guess
//! it. Who can read a client's packets on their way can turn the answers to another address by a copy of one, until the client's own
//! next packet turns them back; a router on the way could do that anyway. The path validation of RFC 9000, section 9, happens
//! between the client and a backend that sees our address alone, so it doesn't notice either change.
//!
//! What can't be seen: ids that are agreed on in encrypted frames. A client that moves deliberately uses one of those, and is
//! taken for a new client.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ahash::RandomState;

use super::table::Flow;
use crate::clock::Moment;
use crate::layer4::quic::{self, ConnectionId, Head};

/// How many ids are known at most, over all workers. A connection shows one or two.
const MOST: usize = 262_144;

/// The connection ids of one listener's sessions, over all workers. Asked only about datagrams from unknown addresses, written to
/// once or twice for a connection: a lock serves.
#[derive(Debug, Default)]
pub struct ConnectionIds {
    ids: RwLock<HashMap<ConnectionId, Arc<Path>, RandomState>>,
    /// A bit for each length that an id was seen with. A short header does not say how long its id is, so these lengths are tried.
    lengths: AtomicU32,
}

/// What any worker needs of a session: the socket to its backend, and where its client is now.
#[derive(Debug)]
pub struct Path {
    /// The socket that is connected to its backend.
    pub socket: Arc<UdpSocket>,
    /// The backend.
    pub backend: SocketAddr,
    client: Mutex<Flow>,
    moved: AtomicBool,
    /// When something came from another address last.
    last: AtomicU64,
    closed: AtomicBool,
    /// What came from other addresses.
    datagrams: AtomicU64,
    bytes: AtomicU64,
}

impl ConnectionIds {
    /// The session that a datagram belongs to by its connection id.
    pub fn find(&self, datagram: &[u8]) -> Option<Arc<Path>> {
        let lengths = self.lengths.load(Relaxed);
        if lengths == 0 {
            return None;
        }
        let head = quic::head(datagram)?;
        let ids = self.ids.read().unwrap_or_else(PoisonError::into_inner);
        let known = |id: &[u8]| ids.get(&ConnectionId::new(id)?).cloned();
        match head {
            Head::Long { to, .. } => known(to),
            Head::Short(rest) => {
                let lengths = (quic::SHORTEST..=rest.len().min(20)).filter(|length| lengths >> length & 1 == 1);
                lengths.filter_map(|length| known(&rest[..length])).next()
            }
        }
    }

    /// The session is found by this id from now on; returns whether that is new.
    pub fn learn(&self, id: ConnectionId, path: &Arc<Path>) -> bool {
        let mut ids = self.ids.write().unwrap_or_else(PoisonError::into_inner);
        // the first owner stays: nobody takes a session over by claiming its id
        if ids.len() >= MOST || ids.contains_key(&id) {
            return false;
        }
        ids.insert(id, Arc::clone(path));
        self.lengths.fetch_or(1 << id.length(), Relaxed);
        true
    }

    /// No session is found by these ids any more.
    pub fn forget(&self, gone: &[ConnectionId]) {
        if !gone.is_empty() {
            let mut ids = self.ids.write().unwrap_or_else(PoisonError::into_inner);
            gone.iter().for_each(|id| _ = ids.remove(id));
        }
    }
}

impl Path {
    /// Of a session with this backend whose client is there.
    pub fn new(socket: Arc<UdpSocket>, backend: SocketAddr, client: Flow) -> Self {
        Self {
            socket,
            backend,
            client: Mutex::new(client),
            moved: AtomicBool::new(false),
            last: AtomicU64::new(Moment::NEVER.as_millis()),
            closed: AtomicBool::new(false),
            datagrams: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// The client's address, when that is not the one that the session began with.
    pub fn moved_to(&self) -> Option<Flow> {
        self.moved.load(Relaxed).then(|| *self.client.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The client has this address now.
    pub fn move_to(&self, flow: Flow) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = flow;
        self.moved.store(true, Relaxed);
    }

    /// Datagrams came from an address that is not the one that the session began with.
    pub fn received(&self, datagrams: u64, bytes: u64, now: Moment) {
        self.datagrams.fetch_add(datagrams, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        self.last.store(now.as_millis(), Relaxed);
    }

    /// How many datagrams and bytes came from such addresses.
    pub fn tally(&self) -> (u64, u64) {
        (self.datagrams.load(Relaxed), self.bytes.load(Relaxed))
    }

    /// When a datagram came from such an address last.
    pub fn last(&self) -> Moment {
        Moment::from_millis(self.last.load(Relaxed))
    }

    /// The session is over.
    pub fn close(&self) {
        self.closed.store(true, Relaxed);
    }

    /// Whether it is.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(port: u16) -> Flow {
        Flow { client: SocketAddr::from(([192, 0, 2, 1], port)), local: None }
    }

    fn path() -> Arc<Path> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let backend = socket.local_addr().unwrap();
        Arc::new(Path::new(Arc::new(socket), backend, flow(1)))
    }

    fn short(id: &[u8]) -> Vec<u8> {
        [&[0x40], id, &[9; 30]].concat()
    }

    #[test]
    fn a_session_is_found_by_the_id_that_its_backend_chose_however_long_it_is() {
        let (connection_ids, eight, twenty) = (ConnectionIds::default(), path(), path());
        assert!(connection_ids.find(&short(&[1; 8])).is_none());
        assert!(connection_ids.learn(ConnectionId::new(&[1; 8]).unwrap(), &eight));
        assert!(connection_ids.learn(ConnectionId::new(&[2; 20]).unwrap(), &twenty));
        assert!(Arc::ptr_eq(&connection_ids.find(&short(&[1; 8])).unwrap(), &eight));
        assert!(Arc::ptr_eq(&connection_ids.find(&short(&[2; 20])).unwrap(), &twenty));
        let long = [&[0xe0, 0, 0, 0, 1, 8][..], &[1; 8], &[0, 0, 0]].concat();
        assert!(Arc::ptr_eq(&connection_ids.find(&long).unwrap(), &eight));
        assert!(connection_ids.find(&short(&[3; 20])).is_none());
        assert!(connection_ids.find(&short(&[1; 8])[..8]).is_none(), "cut within the id");
    }

    #[test]
    fn an_id_keeps_its_first_owner_until_it_is_forgotten() {
        let (connection_ids, first, second, id) =
            (ConnectionIds::default(), path(), path(), ConnectionId::new(&[1; 8]).unwrap());
        assert!(connection_ids.learn(id, &first));
        assert!(!connection_ids.learn(id, &second));
        assert!(Arc::ptr_eq(&connection_ids.find(&short(&[1; 8])).unwrap(), &first));
        connection_ids.forget(&[id]);
        assert!(connection_ids.find(&short(&[1; 8])).is_none());
        assert!(connection_ids.learn(id, &second));
    }

    #[test]
    fn a_client_is_where_it_was_last() {
        let path = path();
        assert_eq!(path.moved_to(), None);
        path.move_to(flow(2));
        assert_eq!(path.moved_to(), Some(flow(2)));
        path.move_to(flow(1));
        assert_eq!(path.moved_to(), Some(flow(1)));
    }
}
