//! What the control plane knows of a backend: its health, what operators said, whether it is ejected.
//!
//! Only the control plane writes it, and reads it when it builds a snapshot; the admin address reads it too. Of the
//! data plane's code only two things are read here: the [limit](Standing::limit), and whether an operator or recovery has
//! [taken the backend out](Standing::is_taken_out). It stands beside the hot atomics so that it outlives every snapshot and
//! every reload, as they do. The [state](super::state) that follows from it is found in
//! [`precedence`](super::precedence).

mod announcing;
mod recovery;
mod shown;

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::state::{Announced, Condition, DecidedBy, State};
use crate::clock::Moment;
pub use shown::Shown;

/// The result of the last checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// No check has ended yet, or there are no checks.
    #[default]
    Unknown,
    /// The checks succeed.
    Up,
    /// The checks fail.
    Down,
}

/// What an operator, or the backend's own agent, has set in the place of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Override {
    /// Nothing: the configuration decides.
    #[default]
    Configured,
    /// The backend keeps the clients that stick to it and gets no other new work.
    Drained,
    /// The backend gets no work at all.
    Disabled,
    /// The backend gets work, even where the configuration has `drain`.
    Enabled,
}

impl Override {
    /// The state that this override gives a backend with which nothing else is wrong.
    fn state(self) -> State {
        match self {
            Self::Drained => State::Draining,
            Self::Disabled => State::Disabled,
            Self::Configured | Self::Enabled => State::Up,
        }
    }
}

/// The standing of one backend.
#[derive(Debug)]
pub struct Standing {
    health: AtomicU8,
    /// As [`Shown`].
    shown: AtomicU8,
    /// What operators have set, and [`REPAIRS`]: one word, because the data plane looks at both at each pick.
    operator: AtomicU8,
    agent: AtomicU8,
    /// `u32::MAX` = as configured.
    weight: AtomicU32,
    /// Share of the weight in thousandths that the agent asks for.
    agent_weight: AtomicU32,
    /// Exchanges at a time that the agent bounds it to; 0 = it does not.
    agent_limit: AtomicU32,
    ejected_until: AtomicU64,
    ejections: AtomicU32,
    /// Until when recovery holds its circuit open.
    broken_until: AtomicU64,
    /// The share of its work that it gets, in thousandths, while its answers are suspect.
    share: AtomicU32,
    joined: AtomicU64,
    /// The condition that was announced last, packed into one word; 0 = none yet.
    known: AtomicU16,
    texts: Mutex<Texts>,
}

/// The reasons, in words, each by who gives it.
#[derive(Debug, Default)]
struct Texts {
    health: String,
    operator: String,
    /// What was said with the weight that an operator has set.
    weight: String,
    agent: String,
    ejection: String,
    /// Why recovery has taken it out for a repair.
    repair: String,
    /// Why the recovery of another instance has.
    repair_elsewhere: String,
    /// Why recovery holds its circuit open.
    broken: String,
    unresolved: String,
    announced: Option<Announced>,
}

impl Texts {
    /// Gives the announced condition another reason, if it is the condition that the reason belongs to.
    fn update_reason(&mut self, reason: &str, is_of: impl Fn(Condition) -> bool) {
        if let Some(announced) = self.announced.as_mut().filter(|announced| is_of(announced.condition)) {
            reason.clone_into(&mut announced.reason);
        }
    }
}

/// How often any standing has changed.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// How often the standing of any backend has changed. Whoever looks at ten thousand backends many times a second can
/// skip the look when this number is the same as before. Changes that only time makes, such as the end of an ejection,
/// are not counted.
pub fn changes() -> u64 {
    CHANGES.load(Ordering::Relaxed)
}

/// The bit of `Standing::operator` that is set while recovery has taken the backend out. The bits below both have the [`Override`].
const REPAIR: u8 = 1 << 7;
/// The bit that is set while the recovery of another instance has.
const REPAIR_ELSEWHERE: u8 = 1 << 6;
/// Both.
const REPAIRS: u8 = REPAIR | REPAIR_ELSEWHERE;

/// The value of `Standing::weight` when no operator has set one.
const AS_CONFIGURED: u32 = u32::MAX;
/// All of its weight, or of its work, in thousandths.
pub const WHOLE: u32 = 1000;

impl Default for Standing {
    fn default() -> Self {
        Self {
            health: AtomicU8::new(0),
            shown: AtomicU8::new(0),
            operator: AtomicU8::new(0),
            agent: AtomicU8::new(0),
            weight: AtomicU32::new(AS_CONFIGURED),
            agent_weight: AtomicU32::new(WHOLE),
            agent_limit: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            ejections: AtomicU32::new(0),
            broken_until: AtomicU64::new(0),
            share: AtomicU32::new(WHOLE),
            joined: AtomicU64::new(0),
            known: AtomicU16::new(0),
            texts: Mutex::default(),
        }
    }
}

impl Standing {
    /// The result of the checks.
    pub fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            1 => Health::Up,
            2 => Health::Down,
            _ => Health::Unknown,
        }
    }

    /// Records the result of the checks, with the reason.
    pub fn set_health(&self, health: Health, reason: &str) {
        let texts = &mut *self.texts();
        texts.health = reason.to_owned();
        // an announced `up` or `down` of the checks gets the newest reason; another state gets its reason when it is announced
        texts.update_reason(reason, |announced| {
            let is_same = matches!((announced.state, health), (State::Down, Health::Down) | (State::Up, Health::Up));
            announced.by == DecidedBy::Checks && is_same
        });
        self.health.store(health as u8, Ordering::Relaxed);
        changed();
    }

    /// The reason for the result of the checks.
    pub fn health_reason(&self) -> String {
        self.texts().health.clone()
    }

    /// Records why the backend's name can't be looked up. The resolver's next answer may give another reason, which
    /// then replaces the announced one.
    pub fn set_unresolved(&self, reason: &str) {
        let texts = &mut *self.texts();
        texts.unresolved = format!("its name can't be looked up: {reason}");
        let reason = texts.unresolved.clone();
        texts.update_reason(&reason, |announced| announced.by == DecidedBy::Names);
    }

    /// What operators have set. It goes before what the agent says.
    pub fn operator(&self) -> Override {
        wanted(&self.operator)
    }

    /// Records what an operator has set, with the reason.
    pub fn set_operator(&self, wanted: Override, reason: &str) {
        let texts = &mut *self.texts();
        texts.operator = reason.to_owned();
        texts.update_reason(reason, |announced| {
            announced == Condition { state: wanted.state(), by: DecidedBy::Operator }
        });
        self.set_operator_word(|word| word & REPAIRS | wanted as u8);
    }

    fn set_operator_word(&self, change: impl Fn(u8) -> u8) {
        let word = self.operator.load(Ordering::Relaxed);
        // no word is lost: whoever writes holds the lock of the texts
        self.operator.store(change(word), Ordering::Relaxed);
        changed();
    }

    /// Whether an operator has set anything that still holds.
    pub fn has_operator_override(&self) -> bool {
        self.operator() != Override::Configured || self.weight.load(Ordering::Relaxed) != AS_CONFIGURED
    }

    /// Whether an operator has drained or disabled the backend, or recovery repairs it. The data plane asks at each pick, so that
    /// the command is in force when it is answered, also for exchanges that hold an older snapshot.
    pub fn is_taken_out(&self) -> bool {
        let word = self.operator.load(Ordering::Relaxed);
        word & REPAIRS != 0 || is_out(override_of(word))
    }

    /// Whether an operator has drained or disabled the backend.
    pub fn is_taken_out_by_operator(&self) -> bool {
        is_out(self.operator())
    }

    /// What the backend's agent has set.
    pub fn agent(&self) -> Override {
        wanted(&self.agent)
    }

    /// Records what the backend's agent has set, with the reason.
    pub fn set_agent(&self, wanted: Override, reason: &str) {
        let texts = &mut *self.texts();
        texts.agent = reason.to_owned();
        texts.update_reason(reason, |announced| announced == Condition { state: wanted.state(), by: DecidedBy::Agent });
        self.agent.store(wanted as u8, Ordering::Relaxed);
        changed();
    }

    /// The weight in force; `configured` is the one in the file.
    pub fn weight(&self, configured: u32) -> u32 {
        let base = match self.weight.load(Ordering::Relaxed) {
            AS_CONFIGURED => configured,
            set => set,
        };
        match self.agent_weight.load(Ordering::Relaxed) {
            WHOLE => base,
            share => {
                let scaled = u64::from(base) * u64::from(share) / u64::from(WHOLE);
                // a share above 0 must not round to a weight of 0
                u32::try_from(scaled).unwrap_or(u32::MAX - 1).max(u32::from(base > 0 && share > 0))
            }
        }
    }

    /// Records the weight that an operator has set, and why; `None` = the configured one holds again.
    pub fn set_weight(&self, weight: Option<u32>, reason: &str) {
        let texts = &mut *self.texts();
        texts.weight = reason.to_owned();
        self.weight.store(weight.unwrap_or(AS_CONFIGURED), Ordering::Relaxed);
        let reason = self.why_weightless(texts);
        texts.update_reason(&reason, |announced| announced.by == DecidedBy::Weight);
        changed();
    }

    /// Why it has a weight of 0, where it has.
    fn why_weightless(&self, texts: &Texts) -> String {
        match (self.weight.load(Ordering::Relaxed), self.agent_weight.load(Ordering::Relaxed)) {
            (0, _) => format!("its weight is 0: {}", texts.weight),
            (_, 0) => "its weight is 0: its agent says so".to_owned(),
            _ => "its weight is 0 in the configuration".to_owned(),
        }
    }

    /// Records the share of the weight that the agent asks for, in thousandths.
    pub fn set_agent_weight(&self, thousandths: u32) {
        self.agent_weight.store(thousandths, Ordering::Relaxed);
        changed();
    }

    /// How many exchanges the backend takes at a time; `configured` is the limit in the file, and 0 is no limit. The
    /// agent can only lower the configured limit: that may be there to protect what stands behind the backend, which
    /// the agent knows nothing of.
    ///
    /// The data plane reads this at each exchange: a limit that changes from one moment to the next can't wait for a
    /// snapshot.
    pub fn limit(&self, configured: u32) -> u32 {
        match (configured, self.agent_limit.load(Ordering::Relaxed)) {
            (configured, 0) => configured,
            (0, agent) => agent,
            (configured, agent) => configured.min(agent),
        }
    }

    /// The agent's limit to the exchanges at a time.
    pub fn agent_limit(&self) -> Option<u32> {
        Some(self.agent_limit.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }

    /// Records the agent's limit to the exchanges at a time; `None` = the agent sets none.
    pub fn set_agent_limit(&self, limit: Option<u32>) {
        // no snapshot depends on the limit, so this is not counted as a change
        self.agent_limit.store(limit.unwrap_or(0), Ordering::Relaxed);
    }

    /// Whether it is ejected at `now`.
    pub fn is_ejected(&self, now: Moment) -> bool {
        self.ejected_until.load(Ordering::Relaxed) > now.as_millis()
    }

    /// Until when it is ejected.
    pub fn ejected_until(&self) -> Moment {
        Moment::from_millis(self.ejected_until.load(Ordering::Relaxed))
    }

    /// Ejects the backend, with the reason; returns how often it has been ejected by now.
    pub fn eject(&self, until: Moment, reason: &str) -> u32 {
        self.texts().ejection = reason.to_owned();
        self.ejected_until.store(until.as_millis(), Ordering::Relaxed);
        changed();
        self.ejections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Ends the ejection; the number of ejections stays.
    pub fn readmit(&self) {
        self.ejected_until.store(0, Ordering::Relaxed);
        changed();
    }

    /// How often it was ejected.
    pub fn ejections(&self) -> u32 {
        self.ejections.load(Ordering::Relaxed)
    }

    /// Forgets the ejections, because the backend has been well for long: the next ejection is a first one again.
    pub fn forget_ejections(&self) {
        self.ejections.store(0, Ordering::Relaxed);
    }

    /// The share of its work that it gets, in thousandths: less than [`WHOLE`] while it is suspect, and for a while after an ejection.
    pub fn share(&self) -> u32 {
        self.share.load(Ordering::Relaxed)
    }

    /// Sets the share of its work that it gets, in thousandths.
    pub fn set_share(&self, thousandths: u32) {
        if self.share.swap(thousandths, Ordering::Relaxed) != thousandths {
            changed();
        }
    }

    /// When the backend was added or last recovered: slow start counts from here.
    pub fn joined(&self) -> Moment {
        Moment::from_millis(self.joined.load(Ordering::Relaxed))
    }

    /// Records that the backend was added or has recovered.
    pub fn join(&self, now: Moment) {
        self.joined.store(now.as_millis(), Ordering::Relaxed);
    }

    fn texts(&self) -> MutexGuard<'_, Texts> {
        // a panic while the lock is held leaves the texts whole
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a change of a standing, or of something else that decides who may be picked. To be called after the change itself, so that
/// whoever sees the new number sees the change.
pub fn changed() {
    CHANGES.fetch_add(1, Ordering::Relaxed);
}

fn wanted(of: &AtomicU8) -> Override {
    override_of(of.load(Ordering::Relaxed))
}

fn is_out(wanted: Override) -> bool {
    matches!(wanted, Override::Drained | Override::Disabled)
}

fn override_of(word: u8) -> Override {
    match word & !REPAIRS {
        1 => Override::Drained,
        2 => Override::Disabled,
        3 => Override::Enabled,
        _ => Override::Configured,
    }
}

#[cfg(test)]
mod tests;
