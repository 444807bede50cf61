//! What the control plane holds of a backend: its health, what operators said, whether it is ejected.
//!
//! Written by the control plane alone, read by it when a snapshot is built, and by the admin address; the data plane reads the
//! [limit](Standing::limit), and whether an operator has [taken it out](Standing::is_taken_out). It lives beside the hot
//! atomics so that it outlives every snapshot and every reload, as they do. What it comes to is found in [`state`](super::state).

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::state::{By, Condition, State, Told};
use crate::clock::Moment;

/// What the last checks said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// Nothing yet, or nobody checks.
    #[default]
    Unknown,
    /// It is well.
    Up,
    /// It is not.
    Down,
}

/// What an operator, or the backend's own agent, wants of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// What the configuration says.
    #[default]
    Configured,
    /// It keeps its sessions and gets no new ones.
    Drained,
    /// It gets nothing.
    Disabled,
    /// It takes part, whatever the configuration says of draining.
    Enabled,
}

/// The standing of one backend.
#[derive(Debug)]
pub struct Standing {
    health: AtomicU8,
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
    joined: AtomicU64,
    /// The condition that everybody was told last, in one word; 0 = none yet.
    known: AtomicU16,
    texts: Mutex<Texts>,
}

/// What is said in words, by those who say it.
#[derive(Debug, Default)]
struct Texts {
    health: String,
    operator: String,
    /// What was said with the weight that an operator has set.
    weight: String,
    agent: String,
    ejection: String,
    unknown: String,
    told: Option<Told>,
}

impl Texts {
    /// The same condition has another reason.
    fn retell(&mut self, reason: &str, is_of: impl Fn(Condition) -> bool) {
        if let Some(told) = self.told.as_mut().filter(|told| is_of(told.condition)) {
            reason.clone_into(&mut told.reason);
        }
    }
}

/// Changes of any standing so far.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// How often the standing of any backend has changed: who looks at ten thousand of them many times a second need not when none
/// has. What changes by time alone, the end of an ejection, is not among it.
pub fn changes() -> u64 {
    CHANGES.load(Ordering::Relaxed)
}

/// `Standing::weight` when nobody has set one.
const AS_CONFIGURED: u32 = u32::MAX;
/// All of its weight, in thousandths.
const WHOLE: u32 = 1000;

impl Default for Standing {
    fn default() -> Self {
        Self {
            health: AtomicU8::new(0),
            operator: AtomicU8::new(0),
            agent: AtomicU8::new(0),
            weight: AtomicU32::new(AS_CONFIGURED),
            agent_weight: AtomicU32::new(WHOLE),
            agent_limit: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            ejections: AtomicU32::new(0),
            joined: AtomicU64::new(0),
            known: AtomicU16::new(0),
            texts: Mutex::default(),
        }
    }
}

impl Standing {
    /// What the checks say.
    pub fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            1 => Health::Up,
            2 => Health::Down,
            _ => Health::Unknown,
        }
    }

    /// The checks say this, and why.
    pub fn set_health(&self, health: Health, reason: &str) {
        let texts = &mut *self.texts();
        texts.health = reason.to_owned();
        // who is told of the state is told why it is so now; what is told of another state comes with that
        texts.retell(reason, |told| told.by == By::Checks && told.state == State::Down && health == Health::Down);
        self.health.store(health as u8, Ordering::Relaxed);
        changed();
    }

    /// Its name can't be looked up, for this reason. The next answer may give another one, of which who asks is told.
    pub fn set_unknown(&self, reason: &str) {
        let texts = &mut *self.texts();
        texts.unknown = format!("its name can't be looked up: {reason}");
        let reason = texts.unknown.clone();
        texts.retell(&reason, |told| told.by == By::Names);
    }

    /// What operators want. Their word goes before the agent's.
    pub fn operator(&self) -> Wanted {
        wanted(&self.operator)
    }

    /// An operator wants this, and why.
    pub fn set_operator(&self, wanted: Wanted, reason: &str) {
        let texts = &mut *self.texts();
        texts.operator = reason.to_owned();
        texts.retell(reason, |told| told == Condition { state: State::of_wanted(wanted), by: By::Operator });
        self.operator.store(wanted as u8, Ordering::Relaxed);
        changed();
    }

    /// Whether an operator has said anything of it that holds.
    pub fn has_operators_word(&self) -> bool {
        self.operator() != Wanted::Configured || self.weight.load(Ordering::Relaxed) != AS_CONFIGURED
    }

    /// Whether an operator has taken it out. The data plane asks at each pick: an operator's word is in force when it is answered, also
    /// for exchanges that hold an older snapshot.
    pub fn is_taken_out(&self) -> bool {
        matches!(self.operator(), Wanted::Drained | Wanted::Disabled)
    }

    /// What the backend's agent wants.
    pub fn agent(&self) -> Wanted {
        wanted(&self.agent)
    }

    /// The backend's agent wants this, and why.
    pub fn set_agent(&self, wanted: Wanted, reason: &str) {
        let texts = &mut *self.texts();
        texts.agent = reason.to_owned();
        texts.retell(reason, |told| told == Condition { state: State::of_wanted(wanted), by: By::Agent });
        self.agent.store(wanted as u8, Ordering::Relaxed);
        changed();
    }

    /// The weight that it has, where `configured` is what the file says.
    pub fn weight(&self, configured: u32) -> u32 {
        let base = match self.weight.load(Ordering::Relaxed) {
            AS_CONFIGURED => configured,
            set => set,
        };
        match self.agent_weight.load(Ordering::Relaxed) {
            WHOLE => base,
            share => {
                let scaled = u64::from(base) * u64::from(share) / u64::from(WHOLE);
                // a share above nothing never rounds to nothing
                u32::try_from(scaled).unwrap_or(u32::MAX - 1).max(u32::from(base > 0 && share > 0))
            }
        }
    }

    /// An operator sets the weight, and says why; `None` = as configured.
    pub fn set_weight(&self, weight: Option<u32>, reason: &str) {
        let texts = &mut *self.texts();
        texts.weight = reason.to_owned();
        self.weight.store(weight.unwrap_or(AS_CONFIGURED), Ordering::Relaxed);
        let reason = self.why_weightless(texts);
        texts.retell(&reason, |told| told.by == By::Weight);
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

    /// The agent asks for this share of the weight, in thousandths.
    pub fn set_agent_weight(&self, thousandths: u32) {
        self.agent_weight.store(thousandths, Ordering::Relaxed);
        changed();
    }

    /// The exchanges at a time that it takes, where `configured` is what the file says; 0 = no limit. The agent can only lower what
    /// the file says: that may be there to protect what stands behind the backend, which the agent knows nothing of.
    ///
    /// The one thing here that the data plane reads: what changes from one moment to the next can't wait for a snapshot.
    pub fn limit(&self, configured: u32) -> u32 {
        match (configured, self.agent_limit.load(Ordering::Relaxed)) {
            (configured, 0) => configured,
            (0, agent) => agent,
            (configured, agent) => configured.min(agent),
        }
    }

    /// The exchanges at a time that the agent bounds it to.
    pub fn agent_limit(&self) -> Option<u32> {
        Some(self.agent_limit.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }

    /// The agent bounds it to this many exchanges at a time; `None` = it does not.
    pub fn set_agent_limit(&self, limit: Option<u32>) {
        // no snapshot depends on it
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

    /// Ejects it, and says why; gives back how often that has happened by now.
    pub fn eject(&self, until: Moment, reason: &str) -> u32 {
        self.texts().ejection = reason.to_owned();
        self.ejected_until.store(until.as_millis(), Ordering::Relaxed);
        changed();
        self.ejections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Ends its ejection; the count of them stays.
    pub fn readmit(&self) {
        self.ejected_until.store(0, Ordering::Relaxed);
        changed();
    }

    /// How often it was ejected.
    pub fn ejections(&self) -> u32 {
        self.ejections.load(Ordering::Relaxed)
    }

    /// It has been well for long: the next ejection is a first one again.
    pub fn forget_ejections(&self) {
        self.ejections.store(0, Ordering::Relaxed);
    }

    /// When it last came, or came back: slow start counts from here.
    pub fn joined(&self) -> Moment {
        Moment::from_millis(self.joined.load(Ordering::Relaxed))
    }

    /// It comes, or comes back.
    pub fn join(&self, now: Moment) {
        self.joined.store(now.as_millis(), Ordering::Relaxed);
    }

    /// What everybody was told last of how it stands; `None` before the first look.
    pub fn told(&self) -> Option<Told> {
        self.texts().told.clone()
    }

    /// Makes a condition known, if it is another one than was told last; gives back the one before and this one then.
    pub fn tell(&self, condition: Condition, now: Moment, at: SystemTime) -> Option<(Option<Told>, Told)> {
        // ten thousand backends are looked at, and hardly ever has one changed
        let word = word(condition);
        if self.known.swap(word, Ordering::Relaxed) == word {
            return None;
        }
        let texts = &mut *self.texts();
        let reason = match condition.by {
            By::Operator => texts.operator.clone(),
            By::Configuration if condition.state == State::Draining => "`drain` in the configuration".to_owned(),
            By::Configuration => String::new(),
            By::Agent => texts.agent.clone(),
            By::Names => texts.unknown.clone(),
            By::Checks if condition.state == State::Unknown => "not checked yet".to_owned(),
            By::Checks => texts.health.clone(),
            By::Outlier => texts.ejection.clone(),
            By::Breaker => "its circuit breaker is open".to_owned(),
            By::Weight => self.why_weightless(texts),
            By::SlowStart => "its share of the work grows".to_owned(),
        };
        let told = Told { condition, reason, since: now, at };
        Some((texts.told.replace(told.clone()), told))
    }

    fn texts(&self) -> MutexGuard<'_, Texts> {
        // texts are whole whatever panicked while they were held
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A condition in one word above zero.
fn word(Condition { state, by }: Condition) -> u16 {
    (state as u16 + 1) << 8 | by as u16
}

/// Comes after what has changed.
fn changed() {
    CHANGES.fetch_add(1, Ordering::Relaxed);
}

fn wanted(of: &AtomicU8) -> Wanted {
    match of.load(Ordering::Relaxed) {
        1 => Wanted::Drained,
        2 => Wanted::Disabled,
        3 => Wanted::Enabled,
        _ => Wanted::Configured,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_set_is_read_back() {
        let standing = Standing::default();
        assert_eq!((standing.health(), standing.operator(), standing.agent()), Default::default());
        for health in [Health::Up, Health::Down, Health::Unknown] {
            standing.set_health(health, "");
            assert_eq!(standing.health(), health);
        }
        for wanted in [Wanted::Drained, Wanted::Disabled, Wanted::Enabled, Wanted::Configured] {
            standing.set_operator(wanted, "");
            standing.set_agent(wanted, "");
            assert_eq!((standing.operator(), standing.agent()), (wanted, wanted));
        }
    }

    #[test]
    fn a_condition_is_told_once_with_the_reason_of_who_says_so() {
        let (standing, now, at) = (Standing::default(), Moment::now(), SystemTime::UNIX_EPOCH);
        let up = Condition { state: State::Up, by: By::Checks };
        standing.set_health(Health::Up, "status 200");
        let (before, told) = standing.tell(up, now, at).unwrap();
        assert_eq!((before, &*told.reason, told.since), (None, "status 200", now));
        assert_eq!(standing.tell(up, now.plus(Duration::from_secs(1)), at), None);
        standing.set_operator(Wanted::Drained, "a new disk");
        let draining = Condition { state: State::Draining, by: By::Operator };
        let (before, told) = standing.tell(draining, now.plus(Duration::from_secs(2)), at).unwrap();
        assert_eq!((before.map(|told| told.condition), &*told.reason), (Some(up), "a new disk"));
        assert_eq!(standing.told(), Some(told));
        standing.set_operator(Wanted::Drained, "a new controller");
        assert_eq!(standing.tell(draining, now.plus(Duration::from_secs(3)), at), None, "it is the same state");
        assert_eq!(standing.told().unwrap().reason, "a new controller");
        standing.set_health(Health::Down, "connection refused");
        assert_eq!(standing.told().unwrap().reason, "a new controller", "that is not why");
    }

    #[test]
    fn weights_of_operators_replace_and_those_of_agents_scale() {
        let standing = Standing::default();
        assert_eq!(standing.weight(7), 7);
        standing.set_weight(Some(20), "");
        standing.set_agent_weight(500);
        assert_eq!(standing.weight(7), 10);
        standing.set_weight(None, "");
        standing.set_agent_weight(1);
        assert_eq!(standing.weight(7), 1, "a share above nothing never rounds to nothing");
        standing.set_agent_weight(0);
        assert_eq!(standing.weight(7), 0);
    }

    #[test]
    fn an_agent_can_lower_what_a_backend_takes_and_not_raise_it() {
        let standing = Standing::default();
        assert_eq!((standing.limit(0), standing.limit(7)), (0, 7));
        standing.set_agent_limit(Some(5));
        assert_eq!((standing.limit(0), standing.limit(7), standing.limit(3)), (5, 5, 3));
        assert_eq!(standing.agent_limit(), Some(5));
        standing.set_agent_limit(None);
        assert_eq!((standing.limit(0), standing.limit(7), standing.agent_limit()), (0, 7, None));
    }

    #[test]
    fn an_ejection_ends_by_itself_or_early_and_is_counted() {
        let (standing, now) = (Standing::default(), Moment::now());
        assert!(!standing.is_ejected(now));
        assert_eq!(standing.eject(now.plus(Duration::from_secs(10)), ""), 1);
        assert!(standing.is_ejected(now.plus(Duration::from_millis(9_999))));
        assert!(!standing.is_ejected(now.plus(Duration::from_secs(10))));
        standing.readmit();
        assert!(!standing.is_ejected(now));
        assert_eq!(standing.eject(now, ""), 2);
        standing.forget_ejections();
        assert_eq!(standing.ejections(), 0);
    }
}
