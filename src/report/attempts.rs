//! What was done about faults, in words, for the formats that people read.

use super::phrase::{self, NOTHING};
use crate::clock::Stamp;
use crate::recover::{Attempt, Outcome};

/// The columns of the table of attempts.
pub(super) const COLUMNS: [&str; 7] = ["No.", "Began", "Backend", "Fault", "Strategy", "Came to", "Recovery time"];

/// How many attempts there were, and what they came to. Those that were only said to be done are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub all: usize,
    /// Those after which the service was seen well.
    pub healed: usize,
    /// Those after which it was not.
    pub not_healed: usize,
    /// The mean time from the fault to the moment since which the service was seen well, in milliseconds; `None` = nothing was healed.
    pub mean_ms: Option<i64>,
}

impl Counts {
    /// Of these attempts.
    pub fn of(attempts: &[Attempt]) -> Self {
        let mut counts = Self::default();
        let mut times = Vec::new();
        for attempt in attempts.iter().filter(|attempt| !attempt.dry_run) {
            counts.all += 1;
            match success(attempt) {
                Some(true) => {
                    counts.healed += 1;
                    times.extend(attempt.recovery_ms);
                }
                Some(false) => counts.not_healed += 1,
                None => {}
            }
        }
        let count = i64::try_from(times.len()).unwrap_or(i64::MAX);
        counts.mean_ms = (count > 0).then(|| times.iter().sum::<i64>() / count);
        counts
    }
}

/// Whether an attempt has helped; `None` = it is not over, or shows nothing: it was a dry run, the fault passed before, or a person ended it.
pub fn success(attempt: &Attempt) -> Option<bool> {
    if attempt.dry_run {
        return None;
    }
    match attempt.outcome? {
        Outcome::Healed => Some(true),
        Outcome::NotHealed | Outcome::Worse | Outcome::Failed => Some(false),
        Outcome::Passed | Outcome::Refused | Outcome::Stopped | Outcome::Gone | Outcome::Unknown => None,
    }
}

/// How many attempts there were and what they came to, in a sentence; `None` = there were none.
pub(super) fn sum(attempts: &[Attempt]) -> Option<String> {
    if attempts.is_empty() {
        return None;
    }
    let Counts { all, healed, not_healed, mean_ms } = Counts::of(attempts);
    let mut said = format!("{}: {healed} healed, {not_healed} did not help", phrase::many(all, "attempt"));
    let others = all - healed - not_healed;
    if others > 0 {
        said += &format!(", {others} without a result");
    }
    if let Some(mean) = mean_ms {
        said += &format!("; mean recovery time {}", phrase::span(mean));
    }
    let dry = attempts.len() - all;
    if dry > 0 {
        said += &format!(". Beside them {} in a dry run, in which nothing is done", phrase::many(dry, "attempt"));
    }
    Some(said + ".")
}

/// An attempt in the words of [`COLUMNS`].
pub(super) fn cells(attempt: &Attempt) -> [String; COLUMNS.len()] {
    [
        attempt.id.to_string(),
        phrase::moment(Stamp::from_millis(attempt.start)),
        attempt.backend.clone().unwrap_or_else(|| "all".to_owned()),
        fault(attempt),
        attempt.strategy.clone(),
        came_to(attempt),
        // nothing was recovered in a dry run
        attempt.recovery_ms.filter(|_| !attempt.dry_run).map_or_else(|| NOTHING.to_owned(), phrase::span),
    ]
}

/// The fault in words.
pub(super) fn fault(attempt: &Attempt) -> String {
    attempt.fault.replace('_', " ")
}

/// What an attempt came to, in words.
pub(super) fn came_to(attempt: &Attempt) -> String {
    let outcome = match attempt.outcome {
        Some(Outcome::Healed) if attempt.dry_run => "passed by itself".to_owned(),
        Some(Outcome::NotHealed) if attempt.dry_run => "did not pass by itself".to_owned(),
        None if attempt.dry_run => "watched".to_owned(),
        None => attempt.phase.as_str().to_owned(),
        Some(Outcome::Healed) if !attempt.credited => "healed, not credited".to_owned(),
        Some(outcome) => outcome.as_str().replace('_', " "),
    };
    let dry = if attempt.dry_run { " (dry run)" } else { "" };
    let in_force = if attempt.in_force { ", in force" } else { "" };
    format!("{outcome}{in_force}{dry}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(outcome: Option<Outcome>, recovery_ms: Option<i64>) -> Attempt {
        Attempt { outcome, recovery_ms, credited: true, ..Attempt::default() }
    }

    #[test]
    fn what_is_not_over_or_shows_nothing_is_neither_a_success_nor_a_failure() {
        let success = |outcome| success(&attempt(outcome, None));
        assert_eq!(success(Some(Outcome::Healed)), Some(true));
        for outcome in [Outcome::NotHealed, Outcome::Worse, Outcome::Failed] {
            assert_eq!(success(Some(outcome)), Some(false));
        }
        let nothing = [Outcome::Passed, Outcome::Refused, Outcome::Stopped, Outcome::Gone, Outcome::Unknown];
        assert!(nothing.map(Some).into_iter().chain([None]).all(|outcome| success(outcome).is_none()));
    }

    #[test]
    fn a_dry_run_neither_helps_nor_fails_nor_takes_time() {
        let dry = |outcome| Attempt { dry_run: true, ..attempt(outcome, Some(60_000)) };
        for (outcome, words) in [
            (Some(Outcome::Healed), "passed by itself (dry run)"),
            (Some(Outcome::NotHealed), "did not pass by itself (dry run)"),
            (None, "watched (dry run)"),
        ] {
            assert_eq!(success(&dry(outcome)), None);
            assert_eq!(cells(&dry(outcome))[5..], [words.to_owned(), NOTHING.to_owned()]);
        }
    }

    #[test]
    fn attempts_are_summed_up_in_a_sentence() {
        assert_eq!(sum(&[]), None);
        let mut all = vec![
            attempt(Some(Outcome::Healed), Some(2_000)),
            attempt(Some(Outcome::Healed), Some(4_000)),
            attempt(Some(Outcome::Worse), None),
            attempt(None, None),
        ];
        let said = "4 attempts: 2 healed, 1 did not help, 1 without a result; mean recovery time 3 s.";
        assert_eq!(sum(&all).as_deref(), Some(said));
        all.truncate(1);
        all.push(Attempt { dry_run: true, ..attempt(Some(Outcome::Healed), Some(60_000)) });
        let said = "1 attempt: 1 healed, 0 did not help; mean recovery time 2 s. \
                    Beside them 1 attempt in a dry run, in which nothing is done.";
        assert_eq!(sum(&all).as_deref(), Some(said));
    }
}
