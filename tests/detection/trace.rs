//! A trace: a fleet, what happens to it, and the truth about who is at fault.

use evenkeel::detect::fault::Fault;

use crate::fleet::Fleet;

/// What is played to the detection.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The row of the tables.
    pub name: &'static str,
    /// Of everything that is left to chance.
    pub seed: u64,
    pub fleet: Fleet,
    /// In seconds.
    pub length: f64,
    pub events: Vec<Event>,
    pub truth: Vec<Truth>,
    /// From when to when requests come so many times as often.
    pub surges: Vec<(f64, f64, f64)>,
    /// From when to when what the service depends on does not answer.
    pub dependency_down: Option<(f64, f64)>,
    /// When the driver does not come to its turn, and for how long.
    pub gaps: Vec<(f64, f64)>,
    /// The whole service really is bad for some time: a verdict on the service as such is not false.
    pub is_bad_as_a_whole: bool,
}

/// What happens to a backend.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    pub backend: usize,
    pub from: f64,
    pub to: f64,
    pub effect: Effect,
}

/// What it does to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effect {
    /// Its process is not there: connections are refused.
    Refuse,
    /// This share of the requests is reset.
    Reset(f64),
    /// This share of the requests is answered with 500, earlier than usual.
    Fail(f64),
    /// All requests for this path are answered with 500.
    FailPath(usize),
    /// No route to it: connections fail within a second.
    Unreachable,
    /// Packets to it are lost: connections time out.
    Silent,
    /// It stands still: what it has got waits.
    Pause,
    Slow(Slow),
    /// Its processors are all in use, and it says so in its reports.
    Busy,
    /// Its memory fills up until this share is in use.
    Fill(f64),
    NoHeartbeat,
    /// It is drained, or not there yet.
    Absent,
    /// This share of the requests is answered when there is something to tell, within 10 to 30 s.
    LongPolls(f64),
}

/// How it is slower.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Slow {
    /// Everything takes so many times longer.
    Times(f64),
    /// Everything takes so many medians longer.
    Plus(f64),
    /// Half of the requests take so many times longer.
    Half(f64),
    /// Everything takes so many seconds.
    Instead(f64),
    /// Requests for these paths (one bit for each) take so many times longer.
    Paths(u16, f64),
    /// In so many seconds from 1 to so many times as long.
    Growing(f64, f64),
}

/// Who is at fault.
#[derive(Debug, Clone)]
pub struct Truth {
    pub whom: Whom,
    /// Its backends.
    pub backends: Vec<usize>,
    /// The right names for it.
    pub names: Vec<Fault>,
    pub from: f64,
    pub to: f64,
}

/// Whom a verdict has to name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    Backend(usize),
    Host(usize),
    Zone(usize),
    Service,
}
