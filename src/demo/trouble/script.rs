//! What is done to the fleet, and when.

use std::time::Duration;

use crate::demo::condition::Condition;

/// How long a backend that is well takes for an answer.
pub const TYPICAL: Duration = Duration::from_millis(5);
/// How long a backend that is slow takes.
const SLOW: Duration = Duration::from_millis(300);

/// A change for the worse or the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It answers slowly.
    Slow,
    /// It is as fast as before.
    Fast,
    /// Its port is closed, and its connections are reset.
    Die,
    /// It fails on one path.
    Fail,
    /// That path works again.
    Repair,
}

/// One step of the script.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// When, as a share of the whole time.
    at: f64,
    /// To whom: the place in the fleet.
    pub member: usize,
    /// What.
    pub change: Change,
}

/// The whole script. After the end of each trouble there is time to see the backend come back. Who has died is started again by Evenkeel's recovery,
/// and by nobody else.
pub const SCRIPT: [Step; 5] = [
    Step { at: 10.0 / 120.0, member: 1, change: Change::Slow },
    Step { at: 26.0 / 120.0, member: 1, change: Change::Fast },
    Step { at: 45.0 / 120.0, member: 3, change: Change::Die },
    Step { at: 70.0 / 120.0, member: 2, change: Change::Fail },
    Step { at: 86.0 / 120.0, member: 2, change: Change::Repair },
];

impl Step {
    /// When it is due, where the whole takes `length`.
    pub fn due(&self, length: Duration) -> Duration {
        length.mul_f64(self.at)
    }
}

impl Change {
    /// Makes it so, and says it of the backend `name`.
    pub fn apply(self, name: &str, condition: &Condition) -> String {
        match self {
            Self::Slow => {
                condition.set_latency(SLOW);
                let (slow, typical) = (SLOW.as_millis(), TYPICAL.as_millis());
                format!("{name} becomes slow: {slow} ms for each answer instead of {typical}")
            }
            Self::Fast => {
                condition.set_latency(TYPICAL);
                format!("{name} is as fast as before")
            }
            Self::Die => {
                condition.set_alive(false);
                format!("{name} dies: its port is closed, its connections are reset")
            }
            Self::Fail => {
                condition.set_failing(true);
                format!("{name} fails on one path: 503 on /checkout. The rest of it works, its health check too")
            }
            Self::Repair => {
                condition.set_failing(false);
                format!("{name} is repaired: /checkout works again")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_in_order_and_within_the_time() {
        let whole = Duration::from_secs(60);
        let due: Vec<_> = SCRIPT.iter().map(|step| step.due(whole)).collect();
        assert!(due.is_sorted());
        assert!(due.iter().all(|due| *due < whole));
    }

    #[test]
    fn who_is_made_slow_or_failing_is_well_at_the_end() {
        let fleet: Vec<_> = (0..5).map(|_| Condition::new(TYPICAL)).collect();
        for step in SCRIPT {
            assert!(!step.change.apply("x", &fleet[step.member]).is_empty());
        }
        for condition in &fleet {
            assert_eq!((condition.latency(), condition.is_failing()), (TYPICAL, false));
        }
        assert_eq!(fleet.iter().filter(|condition| !condition.is_alive()).count(), 1, "this one waits for Evenkeel");
    }
}
