use super::*;

/// The backends 0 and 1 run on the host "a"; `ejected` can't be seen.
struct Fleet {
    ejected: Option<usize>,
}

impl Subjects for Fleet {
    fn is_kept(&self, subject: &Subject) -> bool {
        self.ejected.is_some_and(|at| *subject == Subject::Backend(at))
    }

    fn covers(&self, whole: &Subject, part: &Subject) -> bool {
        *whole == Subject::Host("a".into()) && matches!(part, Subject::Backend(0 | 1))
    }
}

fn vote(detector: Detector, subject: Subject, fault: Fault, confidence: f64) -> Vote {
    Vote { detector, subject, fault, confidence, reason: String::new() }
}

fn look(composite: &mut Composite, seconds: u64, votes: &[Vote], ejected: Option<usize>) -> (Vec<Fault>, Vec<Fault>) {
    let now = Duration::from_secs(seconds);
    let look = Look { votes, threshold: 0.8, now, is_full: true };
    let Outcome { raised, cleared } = composite.count(&look, &Fleet { ejected });
    let faults = |verdicts: Vec<Verdict>| verdicts.iter().map(|verdict| verdict.fault).collect();
    (faults(raised), faults(cleared))
}

#[test]
fn detectors_that_name_the_same_fault_are_believed_together_at_the_second_look() {
    let mut composite = Composite::default();
    let subject = Subject::Backend(3);
    let half = vote(Detector::Anomaly, subject.clone(), Fault::HighLatency, 0.5);
    let other = vote(Detector::Performance, subject.clone(), Fault::HighLatency, 0.4);
    let none = (vec![], vec![]);
    assert_eq!(look(&mut composite, 1, std::slice::from_ref(&half), None), none);
    assert_eq!(look(&mut composite, 2, &[half.clone(), other.clone()], None), none);
    assert_eq!(look(&mut composite, 3, &[half, other], None), (vec![Fault::HighLatency], vec![]));
    let verdict = &composite.verdicts()[0];
    assert_eq!(
        (verdict.votes.len(), verdict.since, (verdict.confidence * 10.0).round()),
        (2, Duration::from_secs(3), 9.0)
    );
}

#[test]
fn peers_are_believed_at_once_and_a_verdict_is_cleared_after_three_seconds_without_votes() {
    let mut composite = Composite::default();
    let slow = [vote(Detector::Peers, Subject::Backend(0), Fault::HighLatency, 0.8)];
    assert_eq!(look(&mut composite, 1, &slow, None).0, [Fault::HighLatency]);
    for seconds in 2..5 {
        assert_eq!(look(&mut composite, seconds, &[], None).1, []);
    }
    assert_eq!(look(&mut composite, 5, &[], None).1, [Fault::HighLatency]);
    assert!(composite.standings.is_empty());
}

#[test]
fn a_verdict_on_a_backend_that_is_ejected_holds_until_it_is_back() {
    let mut composite = Composite::default();
    look(&mut composite, 1, &[vote(Detector::Peers, Subject::Backend(0), Fault::Unresponsive, 0.9)], None);
    for seconds in 2..60 {
        assert_eq!(look(&mut composite, seconds, &[], Some(0)).1, []);
    }
    let cleared: Vec<usize> = (60..66).map(|seconds| look(&mut composite, seconds, &[], None).1.len()).collect();
    assert_eq!(cleared, [0, 0, 0, 1, 0, 0]);
}

#[test]
fn another_fault_takes_over_when_it_has_clearly_more_and_the_verdict_stays_as_old_as_it_is() {
    let mut composite = Composite::default();
    let slow = vote(Detector::Anomaly, Subject::Backend(0), Fault::HighLatency, 0.8);
    let failing = |confidence| vote(Detector::Performance, Subject::Backend(0), Fault::HighErrorRate, confidence);
    look(&mut composite, 1, std::slice::from_ref(&slow), None);
    look(&mut composite, 2, std::slice::from_ref(&slow), None);
    assert_eq!(look(&mut composite, 3, &[slow.clone(), failing(0.85)], None).0, []);
    assert_eq!(look(&mut composite, 4, &[slow, failing(0.95)], None).0, [Fault::HighErrorRate]);
    assert_eq!(composite.verdicts()[0].since, Duration::from_secs(2));
}

#[test]
fn what_is_said_of_a_host_is_not_said_of_its_backends_again() {
    let mut composite = Composite::default();
    let of = |at| vote(Detector::Peers, Subject::Backend(at), Fault::Unresponsive, 0.9);
    let host = vote(Detector::Reachability, Subject::Host("a".into()), Fault::HardwareFailure, 0.8);
    look(&mut composite, 1, &[of(0), of(2)], None);
    look(&mut composite, 2, &[of(0), of(1), of(2), host.clone()], None);
    look(&mut composite, 3, &[of(0), of(1), of(2), host], None);
    let subjects: Vec<&Subject> = composite.verdicts().iter().map(|verdict| &verdict.subject).collect();
    assert_eq!(subjects, [&Subject::Backend(2), &Subject::Host("a".into())]);
}

#[test]
fn verdicts_go_with_their_backends_to_new_places() {
    let mut composite = Composite::default();
    let of = |at| vote(Detector::Peers, Subject::Backend(at), Fault::Unresponsive, 0.9);
    look(&mut composite, 1, &[of(0), of(2)], None);
    let gone = composite.reorder(&[None, Some(2)]);
    assert_eq!(gone.len(), 1);
    assert_eq!(composite.verdicts()[0].subject, Subject::Backend(1));
    assert_eq!(composite.verdicts()[0].votes[0].subject, Subject::Backend(1));
}
