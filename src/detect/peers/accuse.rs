//! What the evidence against a backend means, in words.

use super::backend::Backend;
use super::evidence::{Cusum, Seen};
use crate::detect::fault::{Detector, Fault, Subject, Vote};
use crate::detect::phrase;

/// How sure an accusation is at the threshold, and with half as much evidence again.
const CONFIDENCE: (f64, f64) = (0.8, 0.95);
/// A resource is used up at this share of it,
const USED_UP: f64 = 0.9;
/// if its peers have at least so much more left.
const CLEARLY_LESS: f64 = 0.15;
/// What the backend at this place is accused of; `None` = nothing.
pub(super) fn accuse(backends: &[Backend], at: usize) -> Option<Vote> {
    let backend = backends.get(at)?;
    let has_peers = backends.iter().enumerate().any(|(place, other)| place != at && other.is_reference);
    let (fault, evidence, reason) = strongest(backend, has_peers)?;
    let (fault, reason) = match exhausted(backends, at).filter(|_| fault != Fault::Unresponsive) {
        Some(resource) => (Fault::ResourceExhaustion, format!("{reason}; {resource}")),
        None => (fault, reason),
    };
    let (least, most) = CONFIDENCE;
    let confidence = (least + (evidence - 1.0) * 2.0 * (most - least)).clamp(least, most);
    Some(Vote { detector: Detector::Peers, subject: Subject::Backend(at), fault, confidence, reason })
}

/// `has_peers`: there are others that it was compared with.
fn strongest(backend: &Backend, has_peers: bool) -> Option<(Fault, f64, String)> {
    let shares = |evidence, what| shares(evidence, what, has_peers);
    if backend.hung >= 1.0 {
        let silent = phrase::time(backend.unanswered);
        let reason =
            format!("it has answered nothing for {silent}, {:.0} requests wait; its peers answer", backend.stuck);
        return Some((Fault::Unresponsive, backend.hung, reason));
    }
    if backend.dead.share() >= 1.0 {
        let fault = if backend.answers_nothing() { Fault::Unresponsive } else { Fault::HighErrorRate };
        return Some((fault, backend.dead.share(), shares(&backend.dead, "failed")));
    }
    if Backend::is_enough(&backend.failing) {
        return Some((Fault::HighErrorRate, backend.failing.share(), shares(&backend.failing, "failed")));
    }
    if backend.is_slow() {
        let Seen { attempts, own, peers } = backend.slow.seen;
        let (own, peers) = (phrase::log_time(own / attempts), phrase::log_time(peers / attempts));
        let reason = format!("its answers take {own}, those of its peers {peers} ({attempts:.0} answers)");
        return Some((Fault::HighLatency, backend.slow.share(), reason));
    }
    if let Some(takes) = backend.after_all {
        let reason = format!("it seemed to hang, and its answers come after {}", phrase::log_time(takes));
        return Some((Fault::HighLatency, 1.0, reason));
    }
    if Backend::is_enough(&backend.late) {
        return Some((Fault::HighLatency, backend.late.share(), shares(&backend.late, "waited for too long")));
    }
    None
}

fn shares(evidence: &Cusum, what: &str, has_peers: bool) -> String {
    let Seen { attempts, own, peers } = evidence.seen;
    let (own, peers) = (phrase::share(own / attempts), phrase::share(peers / attempts));
    match has_peers {
        true => format!("{own} of its {attempts:.0} requests {what}, of its peers' {peers}"),
        false => format!("{own} of its {attempts:.0} requests {what} (no other backend is there to compare it with)"),
    }
}

/// What the backend reports to have used up while its peers have not.
fn exhausted(backends: &[Backend], at: usize) -> Option<String> {
    let of = |name: &str, get: fn(&Backend) -> Option<f64>| {
        let own = get(&backends[at]).filter(|own| *own >= USED_UP)?;
        let others = backends.iter().enumerate().filter(|(place, backend)| *place != at && backend.takes_part);
        let mut others: Vec<f64> = others.filter_map(|(_, backend)| get(backend)).collect();
        others.sort_unstable_by(f64::total_cmp);
        let median = others.get(others.len() / 2).copied().filter(|median| median + CLEARLY_LESS <= own)?;
        Some(format!("it reports {name} at {}, its peers {}", phrase::share(own), phrase::share(median)))
    };
    of("cpu", |backend| backend.cpu).or_else(|| of("memory", |backend| backend.memory))
}
