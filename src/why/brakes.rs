//! What keeps rules from acting, and recovery from repairing. Pure.

use super::facts::Facts;
use super::figures::count;
use crate::detect::phrase;

/// A brake, as it stands for one backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brake {
    /// Its name in the API.
    pub brake: &'static str,
    /// It keeps something from being done now.
    pub holds: bool,
    /// What was found, for people.
    pub text: String,
}

/// All brakes.
pub fn of(facts: &Facts) -> Vec<Brake> {
    let mut brakes = Vec::with_capacity(4);
    if let Some(sight) = &facts.traffic {
        let figures = &sight.figures;
        let policy = &facts.limits.outlier;
        let is_out = facts.ejected.is_some();
        // what would not be ejected is not held back by anything
        let is_wanted = figures.reason.is_some() && !is_out && figures.observation.takes_part;
        let (is_full, is_last) = (figures.room == 0, figures.working <= 1);
        brakes.push(Brake {
            brake: "max_ejected",
            holds: is_wanted && is_full && !is_last,
            text: format!(
                "{} of {} ejected; at most {} may be at a time",
                figures.out,
                count(facts.fleet.total as u64, "backend"),
                phrase::share(policy.max_ejected)
            ),
        });
        brakes.push(Brake {
            brake: "last_one",
            holds: is_wanted && is_last,
            text: format!("{} without being ejected; the last one is never ejected", working(figures.working)),
        });
    }
    if facts.fleet.panic {
        let text = "health is ignored: what is down or ejected gets work all the same";
        brakes.push(Brake { brake: "panic", holds: true, text: text.to_owned() });
    }
    brakes.extend(of_recovery(facts));
    brakes
}

fn working(number: usize) -> String {
    if number == 1 { "1 takes part".to_owned() } else { format!("{number} take part") }
}

/// The brakes of recovery, where the service is to be repaired.
fn of_recovery(facts: &Facts) -> Vec<Brake> {
    let recovery = &facts.recovery;
    if !recovery.is_on {
        return Vec::new();
    }
    let paused =
        if recovery.is_paused { "somebody has paused recovery: nothing is repaired" } else { "recovery is not paused" };
    let braked = recovery.braked.as_deref();
    vec![
        Brake { brake: "recovery_paused", holds: recovery.is_paused, text: paused.to_owned() },
        Brake {
            brake: "recovery",
            holds: braked.is_some(),
            text: braked.map_or_else(
                || "nothing holds the repair of the service back".to_owned(),
                |why| format!("a repair is held back: {why}"),
            ),
        },
    ]
}
