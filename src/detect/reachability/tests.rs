use super::super::fault::{Fault, Subject};
use super::*;

/// Six backends: two on each of three hosts; the first host in zone a, the others in zone b.
fn fleet() -> Vec<Backend> {
    let places = [("h1", "a"), ("h1", "a"), ("h2", "b"), ("h2", "b"), ("h3", "b"), ("h3", "b")];
    let backend = |(at, (host, zone)): (usize, (&str, &str))| Backend {
        id: at.to_string().into(),
        host: host.into(),
        zone: zone.into(),
    };
    places.into_iter().enumerate().map(backend).collect()
}

fn answers() -> Sample {
    Sample { answers: 20, ..Sample::default() }
}

fn fails(failures: Failures) -> Sample {
    Sample { failures, ..Sample::default() }
}

fn refused() -> Sample {
    fails(Failures { refused: 5, ..Failures::default() })
}

fn timed_out() -> Sample {
    fails(Failures { timed_out: 5, ..Failures::default() })
}

fn unreachable() -> Sample {
    fails(Failures { unreachable: 5, ..Failures::default() })
}

/// The subjects and faults after these samples, a second each.
fn after(backends: &[Backend], seconds: &[Vec<Sample>]) -> Vec<(Subject, Fault)> {
    let mut monitor = Monitor::default();
    let mut votes = Vec::new();
    for (now, samples) in seconds.iter().enumerate() {
        votes.clear();
        monitor.observe(Duration::from_secs(1000 + now as u64), backends, samples, &mut votes);
    }
    assert!(votes.iter().all(|vote| vote.confidence == 0.8 && !vote.reason.is_empty()));
    votes.into_iter().map(|vote| (vote.subject, vote.fault)).collect()
}

/// All answer, and then these backends do otherwise.
fn when(gone: &[usize], sample: &Sample) -> Vec<(Subject, Fault)> {
    let samples = (0..6).map(|at| if gone.contains(&at) { sample.clone() } else { answers() }).collect();
    after(&fleet(), &[vec![answers(); 6], samples])
}

#[test]
fn one_that_is_gone_while_its_hosts_others_answer_is_unresponsive() {
    for sample in [refused(), timed_out(), unreachable()] {
        assert_eq!(when(&[2], &sample), [(Subject::Backend(2), Fault::Unresponsive)]);
    }
}

#[test]
fn a_host_that_is_gone_with_all_its_backends_is_a_hardware_failure() {
    assert_eq!(when(&[2, 3], &timed_out()), [(Subject::Host("h2".into()), Fault::HardwareFailure)]);
    // all of its zone too, but the zone is no more than this host
    assert_eq!(when(&[0, 1], &unreachable()), [(Subject::Host("h1".into()), Fault::HardwareFailure)]);
}

#[test]
fn a_zone_that_is_gone_with_more_than_one_host_is_a_network_partition() {
    assert_eq!(when(&[2, 3, 4, 5], &timed_out()), [(Subject::Zone("b".into()), Fault::NetworkPartition)]);
}

#[test]
fn backends_of_a_zone_whose_hosts_are_not_known_have_the_zone_in_common() {
    let mut backends = fleet();
    backends.iter_mut().for_each(|backend| backend.host = "".into());
    let gone = vec![unreachable(), unreachable(), answers(), answers(), answers(), answers()];
    assert_eq!(after(&backends, &[gone]), [(Subject::Zone("a".into()), Fault::NetworkPartition)]);
}

#[test]
fn everything_gone_at_once_is_the_network_on_this_side_unless_it_refuses() {
    assert_eq!(when(&[0, 1, 2, 3, 4, 5], &unreachable()), [(Subject::Service, Fault::NetworkPartition)]);
    assert_eq!(when(&[0, 1, 2, 3, 4, 5], &refused()), [(Subject::Service, Fault::Unresponsive)]);
}

#[test]
fn backends_of_a_host_that_went_at_different_times_did_not_go_with_the_host() {
    let with = |first: Sample, second: Sample| vec![answers(), answers(), first, second, answers(), answers()];
    let mut seconds = vec![with(refused(), answers()); 60];
    seconds.push(with(refused(), refused()));
    let gone = [(Subject::Backend(2), Fault::Unresponsive), (Subject::Backend(3), Fault::Unresponsive)];
    assert_eq!(after(&fleet(), &seconds), gone);
}

#[test]
fn a_lonely_backend_that_is_gone_is_unresponsive() {
    assert_eq!(after(&fleet()[..1], &[vec![timed_out()]]), [(Subject::Backend(0), Fault::Unresponsive)]);
}

#[test]
fn one_that_sends_heartbeats_and_can_not_be_reached_is_cut_off() {
    let sample = Sample { heartbeat: Some(Duration::from_secs(2)), ..unreachable() };
    assert_eq!(when(&[4], &sample), [(Subject::Backend(4), Fault::NetworkPartition)]);
}

#[test]
fn a_few_failures_and_failures_among_answers_are_nothing() {
    let few = fails(Failures { refused: 2, ..Failures::default() });
    assert_eq!(when(&[1], &few), []);
    let some = Sample { answers: 1, ..timed_out() };
    assert_eq!(when(&[1], &some), []);
    let errors = fails(Failures { status: 50, ..Failures::default() });
    assert_eq!(when(&[1], &errors), []);
}

#[test]
fn checks_count_too_and_a_row_of_failures_ends_with_one_that_succeeds() {
    let check = |failed_checks| Sample { checks: 1, failed_checks, ..Sample::default() };
    let second = |failed| vec![check(0), check(failed), check(0), check(0), check(0), check(0)];
    let gone = [(Subject::Backend(1), Fault::Unresponsive)];
    assert_eq!(after(&fleet(), &[second(1), second(1)]), []);
    assert_eq!(after(&fleet(), &[second(1), second(1), second(1)]), gone);
    assert_eq!(after(&fleet(), &[second(1), second(1), second(1), second(0)]), []);
}

#[test]
fn checks_that_fail_where_requests_are_answered_with_failures_do_not_show_that_nobody_is_there() {
    let check = Sample { checks: 3, failed_checks: 3, ..Sample::default() };
    let errors = fails(Failures { status: 50, ..Failures::default() });
    let second = |sample: &Sample| vec![answers(), sample.clone(), answers(), answers(), answers(), answers()];
    assert_eq!(after(&fleet(), &[second(&errors), second(&check), second(&check)]), []);
    let gone = [(Subject::Backend(1), Fault::Unresponsive)];
    assert_eq!(after(&fleet(), &[second(&errors), second(&answers()), second(&check)]), gone);
}

#[test]
fn what_is_gone_stays_gone_while_nothing_is_sent_to_it_but_not_for_ever() {
    let second = |sample: Sample| vec![answers(), sample, answers(), answers(), answers(), answers()];
    let mut seconds = vec![second(refused())];
    seconds.extend(vec![second(Sample::default()); 100]);
    assert_eq!(after(&fleet(), &seconds), [(Subject::Backend(1), Fault::Unresponsive)]);
    seconds.extend(vec![second(Sample::default()); 30]);
    assert_eq!(after(&fleet(), &seconds), []);
}

#[test]
fn what_was_withdrawn_may_go() {
    assert_eq!(when(&[1], &Sample { is_withdrawn: true, ..refused() }), []);
}

#[test]
fn what_is_known_moves_with_the_backends() {
    let (backends, mut monitor, mut votes) = (fleet(), Monitor::default(), Vec::new());
    let samples = [answers(), answers(), answers(), answers(), answers(), refused()];
    monitor.observe(Duration::from_secs(1), &backends, &samples, &mut votes);
    monitor.update(&[Some(5), None]);
    votes.clear();
    monitor.observe(Duration::from_secs(2), &backends[4..], &[Sample::default(), answers()], &mut votes);
    assert_eq!(votes[0].subject, Subject::Backend(0));
}
