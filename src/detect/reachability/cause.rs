//! Where the fault is when backends are gone: the backend, its host, its zone, or the network on this side.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::fault::{Detector, Fault, Subject, Vote};
use super::super::phrase;
use super::{AT_ONCE, Backend, How, Sample, State};

/// How sure it is (mission, part 4).
const CONFIDENCE: f64 = 0.8;

/// Backends that share something: who of them is gone, and how many are there.
#[derive(Default)]
struct Group {
    gone: Vec<usize>,
    there: usize,
}

/// Votes for the causes that explain what is gone.
pub(super) fn find(states: &[State], backends: &[Backend], samples: &[Sample], votes: &mut Vec<Vote>) {
    let all = Group::of(states, 0..states.len());
    if all.gone.is_empty() {
        return;
    }
    if all.there == 0 && all.went_together(states).len() == all.gone.len() && all.gone.len() > 1 {
        return everything(states, &all).cast(votes);
    }
    let mut explained = vec![false; states.len()];
    if all.there > 0 {
        zones(states, backends, &mut explained, votes);
        hosts(states, backends, &mut explained, votes);
    }
    for &at in all.gone.iter().filter(|at| !explained[**at]) {
        single(at, states, backends, &samples[at]).cast(votes);
    }
}

/// All backends of the service are gone.
fn everything(states: &[State], all: &Group) -> Vote {
    let count = all.gone.len();
    let refused = all.gone.iter().filter(|at| states[**at].failed.how() == How::Refused).count();
    if refused * 2 > count {
        let reason = format!("{refused} of {count} backends refuse connections, and none of the others can be reached");
        return vote(Subject::Service, Fault::Unresponsive, reason);
    }
    let reason = format!(
        "none of {count} backends can be reached: {}; the network on this side may be cut off",
        ways(states, &all.gone)
    );
    vote(Subject::Service, Fault::NetworkPartition, reason)
}

/// Zones that are gone as a whole, with more than one host: what they have in common is the network.
fn zones(states: &[State], backends: &[Backend], explained: &mut [bool], votes: &mut Vec<Vote>) {
    for (zone, members) in groups(backends, |backend| &backend.zone) {
        let group = Group::of(states, members.iter().copied());
        let together = group.went_together(states);
        let host = |at: &usize| &backends[*at].host;
        let one_host = together
            .first()
            .is_some_and(|first| !host(first).is_empty() && together.iter().all(|at| host(at) == host(first)));
        if group.there > 0 || together.len() < 2 || one_host {
            continue;
        }
        together.iter().for_each(|at| explained[*at] = true);
        let reason = format!(
            "all {} backends of the zone `{zone}` went within {}: {}; backends of other zones answer",
            together.len(),
            phrase::time(spread(states, &together)),
            ways(states, &together)
        );
        vote(Subject::Zone(zone), Fault::NetworkPartition, reason).cast(votes);
    }
}

/// Hosts that are gone with all that ran on them.
fn hosts(states: &[State], backends: &[Backend], explained: &mut [bool], votes: &mut Vec<Vote>) {
    for (host, members) in groups(backends, |backend| &backend.host) {
        let group = Group::of(states, members.iter().copied());
        let together = group.went_together(states);
        if group.there > 0 || together.len() < 2 || together.iter().all(|at| explained[*at]) {
            continue;
        }
        together.iter().for_each(|at| explained[*at] = true);
        let reason = format!(
            "all {} backends of the host {host} went within {}: {}; backends of other hosts answer",
            together.len(),
            phrase::time(spread(states, &together)),
            ways(states, &together)
        );
        vote(Subject::Host(host), Fault::HardwareFailure, reason).cast(votes);
    }
}

/// A backend is gone by itself.
fn single(at: usize, states: &[State], backends: &[Backend], sample: &Sample) -> Vote {
    let row = states[at].failed;
    let how = row.how();
    let what = if how == How::Check { "checks" } else { "attempts" };
    let mut reason = format!("the last {} {what} {}", row.total(), how.as_str());
    let host = &backends[at].host;
    let twins = (0..states.len()).filter(|twin| *twin != at && backends[*twin].host == *host && !host.is_empty());
    let twins = twins.filter(|twin| states[*twin].is_there).count();
    if twins > 0 {
        reason += &format!("; {twins} other backends of its host answer");
    }
    // Its heartbeats come by another way than the one by which it can't be reached. (Attempts that time out would prove less: a process that
    // hangs may still send heartbeats from another thread.)
    let lives = sample.heartbeat.filter(|age| *age < AT_ONCE / 3);
    if let (How::Unreachable, Some(age)) = (how, lives) {
        reason += &format!("; yet its last heartbeat came {} ago", phrase::time(age));
        return vote(Subject::Backend(at), Fault::NetworkPartition, reason);
    }
    vote(Subject::Backend(at), Fault::Unresponsive, reason)
}

impl Group {
    fn of(states: &[State], members: impl Iterator<Item = usize>) -> Self {
        let mut group = Self::default();
        for at in members {
            if states[at].is_gone() {
                group.gone.push(at);
            } else if states[at].is_there {
                group.there += 1;
            }
        }
        group
    }

    /// Those that went at about the time at which the last one went.
    fn went_together(&self, states: &[State]) -> Vec<usize> {
        let last = self.gone.iter().map(|at| states[*at].failing_since).max().unwrap_or_default();
        self.gone.iter().copied().filter(|at| last - states[*at].failing_since <= AT_ONCE).collect()
    }
}

/// The backends by what they share; what is not known is not shared.
fn groups(backends: &[Backend], key: impl Fn(&Backend) -> &Arc<str>) -> BTreeMap<Arc<str>, Vec<usize>> {
    let mut groups: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
    for (at, backend) in backends.iter().enumerate().filter(|(_, backend)| !key(backend).is_empty()) {
        groups.entry(Arc::clone(key(backend))).or_default().push(at);
    }
    groups
}

/// How long it took until all had gone.
fn spread(states: &[State], gone: &[usize]) -> Duration {
    let since = || gone.iter().map(|at| states[*at].failing_since);
    since().max().unwrap_or_default().saturating_sub(since().min().unwrap_or_default())
}

/// How many attempts and checks failed in which way, such as "12 attempts timed out, 3 checks failed".
fn ways(states: &[State], gone: &[usize]) -> String {
    let sum = |count: fn(&State) -> u64| gone.iter().map(|at| count(&states[*at])).sum::<u64>();
    let counts = [
        (sum(|state| state.failed.refused), "attempts", How::Refused),
        (sum(|state| state.failed.timed_out), "attempts", How::TimedOut),
        (sum(|state| state.failed.unreachable), "attempts", How::Unreachable),
        (sum(|state| state.failed.checks), "checks", How::Check),
    ];
    let ways = counts.into_iter().filter(|(count, ..)| *count > 0);
    ways.map(|(count, what, how)| format!("{count} {what} {}", how.as_str())).collect::<Vec<_>>().join(", ")
}

fn vote(subject: Subject, fault: Fault, reason: String) -> Vote {
    Vote { detector: Detector::Reachability, subject, fault, confidence: CONFIDENCE, reason }
}
