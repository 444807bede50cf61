//! What each client has at a time, such as connections that are open and requests that are in flight, and how often it begins something new.
//!
//! A client is an IPv4 address, or a network of IPv6 of 64 bits ([`By::Client`]). It has an entry in a sharded map from the first thing that it has
//! to the last one, so the map is as large as what is open, and there is nothing to tidy up. The map is asked when a connection is accepted. Whoever
//! holds a [`Place`] of a client takes the next one through it, by one atomic operation and without a look at the map.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use ahash::RandomState;
use dashmap::DashMap;

use super::{By, Rate, Table, Taken};
use crate::bandwidth::{Bucket, ByteRate, Direction};

/// What one client may have of a listener, as the configuration has it; `None` = as much as it likes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerClient {
    /// Connections that are open, or sessions over UDP; above 0.
    pub connections: Option<u32>,
    /// Connections, or sessions over UDP, that begin.
    pub new_connections: Option<Rate>,
    /// TLS handshakes that begin.
    pub handshakes: Option<Rate>,
    /// Requests that are in flight; above 0.
    pub requests: Option<u32>,
    /// Bytes of requests, and what else clients send.
    pub upload: Option<ByteRate>,
    /// Bytes of answers, and what else clients are sent.
    pub download: Option<ByteRate>,
    /// For how many clients each rate has room at a time; above 0.
    pub keys: usize,
    /// Nothing is refused, and it is counted what would have been.
    pub dry_run: bool,
}

/// What is counted of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Connections that are open.
    Connections,
    /// Requests that are in flight.
    Requests,
}

/// All clients that have something, and what they have.
#[derive(Debug, Default)]
pub struct Clients {
    used: DashMap<IpAddr, Arc<Usage>, RandomState>,
    /// What clients that have nothing any more have used of their bandwidth, once that is limited. Without this each new connection would have a new burst.
    buckets: OnceLock<KeptBuckets>,
}

#[derive(Debug)]
struct KeptBuckets {
    table: Table,
    hasher: RandomState,
}

/// What one client has.
#[derive(Debug)]
struct Usage {
    client: IpAddr,
    /// Where it stands, under its address.
    clients: Weak<Clients>,
    connections: AtomicU32,
    requests: AtomicU32,
    /// Its bandwidth, by [`Direction`], from the first time on that it is limited.
    buckets: [OnceLock<Arc<Bucket>>; 2],
    /// How many hold it. It goes from 0 to 1 under the lock of its shard only, and leaves the map at 0, under the same lock.
    holders: AtomicUsize,
}

/// Something that a client has, counted while this is there.
#[derive(Debug)]
pub struct Place {
    usage: Holder,
    what: Counted,
}

/// Keeps a client's entry in the map.
#[derive(Debug)]
struct Holder(Arc<Usage>);

impl Clients {
    /// The client at this address takes one more; `None` = it has as many as `most` already.
    pub fn take(self: &Arc<Self>, address: IpAddr, what: Counted, most: u32) -> Option<Place> {
        let client = By::Client.prefix(address);
        let new = || {
            let (connections, requests, holders) = (AtomicU32::new(0), AtomicU32::new(0), AtomicUsize::new(0));
            let (clients, buckets) = (Arc::downgrade(self), Default::default());
            Arc::new(Usage { client, clients, connections, requests, buckets, holders })
        };
        // one statement, so that the shard's lock is free again before anything is dropped
        let holder = Holder::new(self.used.entry(client).or_insert_with(new).value());
        holder.take(what, most)
    }

    /// Bandwidth is limited from now on: what was used of it is kept of so many clients at a time.
    pub fn keep_buckets(&self, keys: usize) {
        self.buckets.get_or_init(|| KeptBuckets { table: Table::new(2 * keys), hasher: RandomState::new() });
    }

    /// How many clients have something.
    pub fn len(&self) -> usize {
        self.used.len()
    }

    /// Whether none has anything.
    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }
}

impl KeptBuckets {
    fn key(&self, client: IpAddr, direction: usize) -> u64 {
        self.hasher.hash_one((client, direction))
    }
}

impl Usage {
    fn bucket(&self, direction: Direction) -> &Arc<Bucket> {
        let kept = || {
            let clients = self.clients.upgrade()?;
            let buckets = clients.buckets.get()?;
            Some(buckets.table.kept(buckets.key(self.client, direction as usize)))
        };
        self.buckets[direction as usize].get_or_init(|| Arc::new(Bucket::new(kept().unwrap_or(0))))
    }

    /// Nobody holds it any more: what it has used of its bandwidth is kept.
    fn keep(&self, clients: &Clients) {
        let Some(buckets) = clients.buckets.get() else { return };
        for (direction, bucket) in self.buckets.iter().enumerate() {
            if let Some(bucket) = bucket.get() {
                buckets.table.keep(buckets.key(self.client, direction), bucket.kept());
            }
        }
    }

    fn count(&self, what: Counted) -> &AtomicU32 {
        match what {
            Counted::Connections => &self.connections,
            Counted::Requests => &self.requests,
        }
    }
}

impl Place {
    /// The same client takes one more of something; `None` = it has as many as `most` already.
    pub fn another(&self, what: Counted, most: u32) -> Option<Place> {
        Holder::new(&self.usage.0).take(what, most)
    }

    /// What its client has used of its bandwidth.
    pub fn bucket(&self, direction: Direction) -> &Arc<Bucket> {
        self.usage.0.bucket(direction)
    }

    /// Whether it is counted among these clients.
    pub fn is_among(&self, clients: &Arc<Clients>) -> bool {
        std::ptr::eq(self.usage.0.clients.as_ptr(), Arc::as_ptr(clients))
    }
}

impl Holder {
    fn new(usage: &Arc<Usage>) -> Self {
        usage.holders.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(usage))
    }

    fn take(self, what: Counted, most: u32) -> Option<Place> {
        let next = |used: u32| (used < most).then(|| used + 1);
        self.0.count(what).fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        Some(Place { usage: self, what })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.usage.0.count(self.what).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        if self.0.holders.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(clients) = self.0.clients.upgrade()
        {
            // somebody may have come meanwhile
            clients.used.remove_if(&self.0.client, |_, usage| {
                let is_over = usage.holders.load(Ordering::Acquire) == 0;
                if is_over {
                    usage.keep(&clients);
                }
                is_over
            });
        }
    }
}

/// How often each client begins something.
#[derive(Debug)]
pub struct ClientRates {
    table: Table,
    hasher: RandomState,
}

impl ClientRates {
    /// Room for so many clients at a time.
    pub fn new(keys: usize) -> Self {
        Self { table: Table::new(keys), hasher: RandomState::new() }
    }

    /// Whether the client at this address may begin one more, at `now` since any one moment. What it may not does not count.
    pub fn take(&self, address: IpAddr, rate: Rate, now: Duration) -> bool {
        let look = self.table.take(self.key(address), rate, now, Duration::ZERO);
        matches!(look.taken, Taken::Allowed { .. })
    }

    /// What the client has begun does not count after all.
    pub fn give_back(&self, address: IpAddr, rate: Rate) {
        self.table.give_back(self.key(address), rate);
    }

    fn key(&self, address: IpAddr) -> u64 {
        self.hasher.hash_one(By::Client.prefix(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_client_has_as_much_as_it_may_and_more_when_something_ends() {
        let clients = Arc::new(Clients::default());
        let take = |last| clients.take(address(last), Counted::Connections, 2);
        let (first, second) = (take(1).unwrap(), take(1).unwrap());
        assert!(take(1).is_none());
        assert!(take(2).is_some(), "another client");
        drop(first);
        let third = take(1).unwrap();
        assert!(third.another(Counted::Connections, 2).is_none());
        assert!(third.another(Counted::Requests, 1).is_some(), "they are counted apart");
        drop((second, third));
        assert!(clients.is_empty(), "what has ended leaves nothing behind");
    }

    #[test]
    fn a_request_that_outlives_its_connection_keeps_its_client() {
        let clients = Arc::new(Clients::default());
        let connection = clients.take(address(1), Counted::Connections, 1).unwrap();
        let request = connection.another(Counted::Requests, 1).unwrap();
        drop(connection);
        assert!(clients.take(address(1), Counted::Requests, 1).is_none());
        assert!(request.is_among(&clients) && !request.is_among(&Arc::default()));
        drop(request);
        assert_eq!(clients.len(), 0);
    }

    #[test]
    fn a_network_of_64_bits_is_one_client() {
        let clients = Arc::new(Clients::default());
        let take = |text: &str| clients.take(text.parse().unwrap(), Counted::Connections, 1);
        let held = [take("2001:db8::1"), take("2001:db8::2"), take("2001:db8:0:1::1"), take("::ffff:192.0.2.1")];
        assert_eq!(held.each_ref().map(Option::is_some), [true, false, true, true]);
        assert!(take("192.0.2.1").is_none(), "the same address in IPv4");
    }

    #[test]
    fn threads_that_come_and_go_are_never_above_the_limit_and_leave_nothing() {
        let clients = Arc::new(Clients::default());
        let open = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for turn in 0_u8..=255 {
                        let Some(place) = clients.take(address(turn % 2), Counted::Connections, 1) else { continue };
                        assert!(place.another(Counted::Connections, 1).is_none());
                        assert!(open.fetch_add(1, Ordering::SeqCst) < 2, "one for each of two clients");
                        std::thread::yield_now();
                        open.fetch_sub(1, Ordering::SeqCst);
                        drop(place);
                    }
                });
            }
        });
        assert!(clients.is_empty());
    }

    #[test]
    fn a_client_that_connects_again_has_no_new_burst() {
        let (clients, rate) = (Arc::new(Clients::default()), ByteRate::new(1_000, 1_000));
        clients.keep_buckets(100);
        let (now, take) =
            (Duration::from_secs(100), |last| clients.take(address(last), Counted::Connections, 9).unwrap());
        let (first, other) = (take(1), take(1));
        assert_eq!(first.bucket(Direction::Down).charge(rate, 3_000, now), Duration::from_secs(2));
        assert_eq!(other.bucket(Direction::Down).wait(rate, now), Duration::from_secs(2), "its connections share it");
        assert_eq!(first.bucket(Direction::Up).wait(rate, now), Duration::ZERO);
        drop((first, other));
        assert!(clients.is_empty());
        assert_eq!(take(1).bucket(Direction::Down).wait(rate, now), Duration::from_secs(2));
        assert_eq!(take(2).bucket(Direction::Down).wait(rate, now), Duration::ZERO);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let (rates, rate) = (ClientRates::new(16), Rate::new(1, Duration::from_secs(60), 2));
        let now = Duration::from_secs(100);
        let take = |last| rates.take(address(last), rate, now);
        assert_eq!([take(1), take(1), take(1), take(2)], [true, true, false, true]);
        rates.give_back(address(1), rate);
        assert_eq!([take(1), take(1)], [true, false]);
        rates.give_back(address(3), rate);
        assert_eq!([take(3), take(3), take(3)], [true, true, false], "who has nothing gets no more");
    }
}
