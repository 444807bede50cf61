//! The story of one exchange: a request comes in, a route takes it, a backend answers it or we do, and however it ends it is
//! recorded once.
//!
//! `http` tells it from top to bottom; `attempt` is one try with one backend; `rescue` turns an error into an answer, in one
//! exhaustive place; `body` is what the client gets to read, with the exchange's record hanging on it, so that the record is
//! made when the last byte has gone, or when anything on the way is dropped.

mod attempt;
mod body;
mod exchange;
mod http;
mod ingress;
mod rescue;

use std::cell::RefCell;
use std::rc::Rc;

pub use body::Body;
pub use http::Connection;
pub use ingress::Ingress;

use crate::balance::Cursors;
use crate::protocol::fields::Date;
use crate::record::Recorder;
use crate::snapshot;
use crate::timer::Timers;
use crate::upstream::Pools;

/// What one worker brings to each exchange.
#[derive(Debug)]
pub struct Worker {
    /// Its number, from 0.
    pub index: usize,
    /// Its time-outs.
    pub timers: Timers,
    /// Its `Date`.
    pub date: Date,
    /// Its connections to backends.
    pub pools: Rc<Pools>,
    /// Where the ends of exchanges are recorded.
    pub recorder: Recorder,
    snapshot: snapshot::Reader,
    cursors: RefCell<Cursors>,
    random: RefCell<fastrand::Rng>,
}

impl Worker {
    /// Worker number `index`; to be made on its own thread.
    pub fn new(index: usize, snapshot: snapshot::Reader, recorder: Recorder) -> Self {
        let timers = Timers::new();
        Self {
            index,
            date: Date::default(),
            pools: Rc::new(Pools::new(index, &timers)),
            recorder,
            snapshot,
            cursors: RefCell::new(Cursors::new(index)),
            random: RefCell::new(fastrand::Rng::new()),
            timers,
        }
    }

    /// The current snapshot.
    pub fn snapshot(&self) -> Rc<snapshot::Current> {
        self.snapshot.current()
    }
}
