//! What a coordinator wants done. Whoever drives it obeys these in the order in which they come.

use std::sync::Arc;
use std::time::Duration;

use super::attempt::Attempt;
use super::plan::Destination;
use crate::detect::fault::Fault;

/// One thing to do. `attempt` is the id of the attempt that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// The record of an attempt has changed: it has to be written to the ledger.
    Enter {
        /// The record as it is now.
        attempt: Box<Attempt>,
        /// Nothing of this attempt is ordered before [`Coordinator::entered`](super::Coordinator::entered) has said that the record is on the
        /// disk. Where nothing is kept, that is said at once.
        must_be_kept: bool,
    },
    /// The backend gets no new work.
    Drain {
        /// Whose order it is.
        attempt: i64,
        /// Which backend.
        backend: Arc<str>,
        /// Why, for people.
        reason: String,
    },
    /// The backend gets work again, if it was drained. It may be gone meanwhile. This comes after every restart that succeeded, drained or not.
    Return {
        /// Whose order it is.
        attempt: i64,
        /// Which backend.
        backend: Arc<str>,
        /// The backend was started anew: what was held against it (an ejection, an open breaker, failures in a row) is of the process that ended.
        restarted: bool,
    },
    /// A command is started, or a webhook called. Its end is told by [`Coordinator::finished`](super::Coordinator::finished).
    Run(Run),
    /// What runs for this attempt is killed. The end of each run is told all the same.
    Kill {
        /// Whose order it is.
        attempt: i64,
    },
    /// All work goes there from now on.
    FailOver {
        /// Whose order it is.
        attempt: i64,
        /// Where to.
        to: Destination,
    },
    /// So much of the work goes home again.
    FailBack {
        /// Whose order it is.
        attempt: i64,
        /// The share that goes home, in thousandths: 1000 = all of it, and the failover is over.
        share_thousandths: u32,
    },
    /// The circuit of the backend is held open.
    Break {
        /// Whose order it is.
        attempt: i64,
        /// Which backend.
        backend: Arc<str>,
        /// For how long.
        open_for: Duration,
    },
    /// Requests whose path begins like this are answered without any backend.
    Cut {
        /// Whose order it is.
        attempt: i64,
        /// What the path begins with.
        path: Arc<str>,
        /// For how long.
        open_for: Duration,
    },
    /// The circuit of the backend is closed again, or requests for the path are let through.
    Mend {
        /// Whose order it is.
        attempt: i64,
        /// What was broken.
        what: Circuit,
    },
    /// The backend is checked at once, and often, until it is seen well.
    HurryChecks {
        /// Which backend.
        backend: Arc<str>,
        /// For how long at most.
        at_most: Duration,
    },
    /// Something that people want to hear.
    Tell(Notice),
}

/// What is run, and for what.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Which run it is: no other run of this process has the same number. An attempt may have several, and what was killed may report its end
    /// when the next one has begun.
    pub id: u64,
    /// Whose order it is.
    pub attempt: i64,
    /// The backend that it is about; `None` = the service as a whole.
    pub backend: Option<Arc<str>>,
    /// The name of the strategy, in whose section of the configuration the means stand.
    pub strategy: Arc<str>,
    /// Which of the means.
    pub role: Role,
    /// The fault that it is for.
    pub fault: Fault,
    /// Which attempt of this strategy against this fault it is, from 1.
    pub number: u32,
}

/// What a command is run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// To repair something.
    Act,
    /// To take that back.
    Undo,
    /// To take an instance away again.
    Down,
}

/// What can be broken, and mended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Circuit {
    /// A backend.
    Backend(Arc<str>),
    /// Requests whose path begins like this.
    Path(Arc<str>),
}

/// Something that people want to hear.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// An attempt waits for a person who approves it.
    Proposed(Box<Attempt>),
    /// An attempt began.
    Began(Box<Attempt>),
    /// Its act is done: the command has ended, the work was sent elsewhere. The service is to be seen well now.
    Acted(Box<Attempt>),
    /// It is over.
    Ended(Box<Attempt>),
    /// What it did was taken back, because it made things worse or because a person wanted it.
    Undone(Box<Attempt>),
    /// What it did is in force no more: a failover ended, an instance was taken away, a circuit may close.
    Released(Box<Attempt>),
    /// Nothing is done about a fault now. It is told once for a fault and a brake, and once for the service where the brake holds all its faults alike.
    Braked {
        /// The backend; `None` = the service as a whole, or whichever backend it is.
        backend: Option<Arc<str>>,
        /// The fault; the first one of those that are held alike.
        fault: Fault,
        /// The name of the brake.
        brake: &'static str,
        /// Why, for people.
        text: String,
    },
    /// Every strategy has failed against a fault.
    Exhausted {
        /// The backend; `None` = the service as a whole.
        backend: Option<Arc<str>>,
        /// The fault.
        fault: Fault,
        /// After how long the strategies are tried once more.
        again_after: Duration,
        /// The strategies that were tried.
        tried: Vec<String>,
    },
}

impl Role {
    /// The word for it in the environment of a command and the body of a webhook.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Undo => "undo",
            Self::Down => "down",
        }
    }
}
