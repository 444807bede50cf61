//! The pace of one direction of a connection, or of one body.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::{Bucket, ByteRate};
use crate::clock;
use crate::metrics::client_limits::{ClientLimit, ClientLimited};
use crate::timer::{Alarm, Timers};

/// Holds one direction of a connection, or one body, to the bandwidth of its client. While it is held nothing is read, and all that it costs is an alarm.
#[derive(Debug)]
pub struct Pace {
    bucket: Arc<Bucket>,
    rate: ByteRate,
    timers: Timers,
    /// Set while nothing may be moved.
    held: Option<Alarm>,
    /// It was looked whether something may be moved, which others may have used up.
    has_looked: bool,
    was_held: bool,
    counts: Arc<ClientLimited>,
    worker: usize,
    limit: ClientLimit,
    /// Nothing is held, and it is counted what would have been.
    dry_run: bool,
}

/// The paces of both directions; `None` = as fast as it goes.
#[derive(Debug, Default)]
pub struct Paces {
    /// From the client.
    pub up: Option<Box<Pace>>,
    /// To the client.
    pub down: Option<Box<Pace>>,
}

impl Pace {
    /// A pace at this rate, whose bytes count in `bucket`. `limit` is what is counted in `counts`, on the thread of `worker`, when it is held for the first time.
    pub fn new(
        (bucket, rate): (&Arc<Bucket>, ByteRate),
        timers: &Timers,
        (counts, limit, worker): (&Arc<ClientLimited>, ClientLimit, usize),
        dry_run: bool,
    ) -> Self {
        Self {
            bucket: Arc::clone(bucket),
            rate,
            timers: timers.clone(),
            held: None,
            has_looked: false,
            was_held: false,
            counts: Arc::clone(counts),
            worker,
            limit,
            dry_run,
        }
    }

    /// How many bytes are to be moved before [`moved`](Self::moved) is told of them.
    pub fn piece(&self) -> usize {
        self.rate.piece()
    }

    /// Ready while bytes may be moved. The task is woken when they may again.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.has_looked {
            self.has_looked = true;
            let wait = self.bucket.wait(self.rate, clock::monotonic(Instant::now()));
            self.hold(wait);
        }
        if let Some(alarm) = &mut self.held {
            ready!(alarm.poll(cx));
            self.held = None;
        }
        Poll::Ready(())
    }

    /// Whether nothing may be moved now, as far as that was found out by the last look.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// So many bytes were moved.
    pub fn moved(&mut self, bytes: u64) {
        if bytes > 0 {
            let wait = self.bucket.charge(self.rate, bytes, clock::monotonic(Instant::now()));
            self.hold(wait);
        }
    }

    /// Whether it has held anything so far: then what took long may have done so for that.
    pub fn was_held(&self) -> bool {
        self.was_held && !self.dry_run
    }

    fn hold(&mut self, wait: Duration) {
        if wait.is_zero() {
            return;
        }
        if !std::mem::replace(&mut self.was_held, true) {
            self.counts.count(self.worker, self.limit, self.dry_run);
        }
        if !self.dry_run {
            self.held = Some(Alarm::new(&self.timers, wait));
        }
    }
}

/// Whether a pace, where there is one, lets no bytes be moved now.
pub fn is_held(pace: Option<&Pace>) -> bool {
    pace.is_some_and(Pace::is_held)
}

/// Ready while a pace, where there is one, lets bytes be moved.
pub fn poll(pace: &mut Option<Box<Pace>>, cx: &mut Context<'_>) -> Poll<()> {
    pace.as_mut().map_or(Poll::Ready(()), |pace| pace.poll(cx))
}
