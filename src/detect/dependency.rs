//! What a service depends on, and is gone.
//!
//! The endpoints of `[[service.*.detect.dependency]]` are checked once for all services that name them. When [`IN_A_ROW`] checks of one have failed
//! in a row, that is a [dependency failure](Fault::DependencyFailure) of the service: its backends may be well, and nothing that is done to them helps.
//! (The count is that of the `fall` of health checks in HAProxy: a single lost packet proves nothing.)

use super::fault::{Detector, Fault, Subject, Vote};
use super::settings::Dependency;

/// How many checks in a row fail before that is a fault (mission, part 4).
pub const IN_A_ROW: u32 = 3;

/// How sure it is (mission, part 4).
const CONFIDENCE: f64 = 0.85;

/// Says which dependencies are gone.
pub fn observe(dependencies: &[Dependency], votes: &mut Vec<Vote>) {
    for dependency in dependencies.iter().filter(|dependency| dependency.failed >= IN_A_ROW) {
        let why = if dependency.error.is_empty() { "" } else { ": " };
        let reason = format!(
            "{} checks of the dependency `{}` have failed in a row{why}{}",
            dependency.failed, dependency.name, dependency.error
        );
        let (subject, fault) = (Subject::Service, Fault::DependencyFailure);
        Vote { detector: Detector::Dependency, subject, fault, confidence: CONFIDENCE, reason }.cast(votes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn votes(failed: &[(&str, u32)]) -> Vec<Vote> {
        let dependency = |(name, failed): &(&str, u32)| Dependency {
            name: (*name).into(),
            failed: *failed,
            error: if *failed > 0 { "connection refused".into() } else { String::new() },
        };
        let dependencies: Vec<Dependency> = failed.iter().map(dependency).collect();
        let mut votes = Vec::new();
        observe(&dependencies, &mut votes);
        votes
    }

    #[test]
    fn three_failed_checks_in_a_row_are_a_fault_of_the_service() {
        let votes = votes(&[("database", 3), ("cache", 2)]);
        assert_eq!(votes.len(), 1);
        let vote = &votes[0];
        assert_eq!((&vote.subject, vote.fault, vote.confidence), (&Subject::Service, Fault::DependencyFailure, 0.85));
        assert_eq!(vote.reason, "3 checks of the dependency `database` have failed in a row: connection refused");
    }

    #[test]
    fn fewer_are_none() {
        assert_eq!(votes(&[("database", 2), ("cache", 0)]), []);
    }

    #[test]
    fn two_that_are_gone_are_one_vote_that_names_both() {
        let votes = votes(&[("database", 3), ("cache", 9)]);
        assert_eq!(votes.len(), 1);
        assert!(
            votes[0].reason.contains("`database`") && votes[0].reason.contains("; 9 checks of the dependency `cache`")
        );
    }
}
