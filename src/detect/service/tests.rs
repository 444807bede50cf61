use super::*;
use crate::detect::sample::Failures;

const TICK: Duration = Duration::from_millis(100);

fn backends(count: usize) -> Vec<Backend> {
    (0..count).map(|at| Backend { id: at.to_string().into(), host: at.to_string().into(), zone: "".into() }).collect()
}

/// A backend that fails all that it gets, or answers all in 5 ms.
fn sample(fails: bool) -> Sample {
    let mut sample = Sample { takes_part: true, joined: Duration::from_secs(60), begun: 20, ..Sample::default() };
    if fails {
        sample.failures = Failures { refused: 20, ..Failures::default() };
        return sample;
    }
    sample.answers = 20;
    (0..20).for_each(|at| sample.latencies.add(Duration::from_micros(4_500 + 50 * at)));
    sample
}

fn play(detection: &mut Detection, ticks: std::ops::Range<u32>, samples: &[Sample]) -> Changes {
    let mut all = Changes::default();
    for tick in ticks {
        let input = Input { now: TICK * tick, lasted: TICK, samples, dependencies: &[] };
        let Changes { mut raised, mut cleared, mut left_out } = detection.observe(&input);
        all.raised.append(&mut raised);
        all.cleared.append(&mut cleared);
        all.left_out.append(&mut left_out);
    }
    all
}

#[test]
fn a_backend_that_refuses_is_accused_and_its_verdict_holds_while_it_is_ejected() {
    let mut detection = Detection::new(Settings::default(), backends(4));
    let well = sample(false);
    let before = play(&mut detection, 0..200, &[well.clone(), well.clone(), well.clone(), well.clone()]);
    assert_eq!(before, Changes::default());
    let mut samples = vec![well.clone(), sample(true), well.clone(), well.clone()];
    let raised = play(&mut detection, 200..205, &samples).raised;
    assert_eq!(raised.len(), 1, "{raised:?}");
    assert!(detection.accusation(1).is_some() && detection.suspicion(1) >= 1.0 && detection.suspicion(0) < 0.1);
    detection.forgive(1);
    assert!(detection.accusation(1).is_none() && detection.suspicion(1) == 0.0);
    samples[1] = Sample { takes_part: true, is_ejected: true, ..Sample::default() };
    assert_eq!(play(&mut detection, 205..300, &samples), Changes::default());
    samples[1] = well;
    let cleared = play(&mut detection, 300..400, &samples).cleared;
    assert_eq!((cleared.len(), detection.verdicts().len()), (1, 0));
}

#[test]
fn a_detector_that_is_off_says_nothing() {
    let settings = Settings { off: Detector::ALL.to_vec(), ..Settings::default() };
    let mut detection = Detection::new(settings, backends(3));
    let changes = play(&mut detection, 0..100, &[sample(false), sample(true), sample(false)]);
    assert_eq!((changes, detection.suspicion(1)), (Changes::default(), 0.0));
}

#[test]
fn verdicts_on_backends_that_are_gone_are_cleared() {
    let mut detection = Detection::new(Settings::default(), backends(3));
    play(&mut detection, 0..100, &[sample(false), sample(false), sample(false)]);
    play(&mut detection, 100..110, &[sample(false), sample(true), sample(false)]);
    assert_eq!(detection.verdicts().len(), 1);
    let gone = detection.update(Settings::default(), backends(2), &[Some(0), Some(2)]);
    assert_eq!((gone.len(), detection.verdicts().len()), (1, 0));
    assert_eq!(gone[0].subject, Subject::Backend(1));
    let changes = play(&mut detection, 110..111, &[sample(false), sample(false)]);
    assert_eq!(changes, Changes::default());
}
