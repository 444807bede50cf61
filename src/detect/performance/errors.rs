//! Who fails more often than allowed.

use super::super::fault::{Fault, Subject, Vote};
use super::super::phrase;
use super::super::settings::Performance;
use super::super::statistics::median_of_others;
use super::history::{LONGEST, Sum};
use super::{State, vote};

/// Over how many intervals errors are counted, the same time for all backends: short for much traffic, long for little.
const SPANS: [usize; 4] = [1, 3, 10, LONGEST];
/// So many attempts are enough (10 % are proven to be more than 5 % by them): what was further back is past.
const ENOUGH: f64 = 500.0;

/// Votes for the backends that fail more often than allowed and more than twice as often as their peers, and for the service when one fails more
/// often than allowed, but its peers do so too.
pub(super) fn find(states: &[State], settings: &Performance, accused: &mut [bool], votes: &mut Vec<Vote>) {
    let sums: Vec<[Sum; SPANS.len()]> = states.iter().map(|state| SPANS.map(|span| state.window.last(span))).collect();
    let mut rates = [const { Vec::new() }; SPANS.len()];
    for (span, rates) in rates.iter_mut().enumerate() {
        rates.extend(sums.iter().filter_map(|sums| sums[span].rate()));
        rates.sort_by(f64::total_cmp);
    }
    let mut shared = None;
    for (at, sums) in sums.iter().enumerate() {
        // The longest first: over a shorter time, peers with few attempts may have had luck, and what they did over a longer one counts too.
        let mut peers = 0.0f64;
        let longest = sums.iter().position(|sum| sum.attempts >= ENOUGH).unwrap_or(LONGEST);
        for (span, (sum, rates)) in sums.iter().zip(&rates).enumerate().rev() {
            let Some(rate) = sum.rate().filter(|_| sum.failures > 0.0) else { continue };
            let others = median_of_others(rates, rate);
            peers = peers.max(others.unwrap_or(0.0));
            if span > longest || !sum.proves(settings.error_rate) {
                continue;
            }
            accused[at] = true;
            let fault = if sum.absent * 2.0 > sum.failures { Fault::Unresponsive } else { Fault::HighErrorRate };
            if !sum.proves(2.0 * peers) {
                shared = shared.or(Some((fault, *sum, peers)));
                continue;
            }
            let mut reason = format!("{}, allowed are {}", sum.in_words(), phrase::share(settings.error_rate));
            if others.is_some() {
                reason += &format!("; of its peers' attempts {} failed", phrase::share(peers));
            }
            vote(Subject::Backend(at), fault, reason).cast(votes);
            break;
        }
    }
    if let Some((fault, sum, peers)) = shared {
        let typical = phrase::share(peers);
        let reason = format!("backends fail together: {} at one of them, {typical} at a typical one", sum.in_words());
        vote(Subject::Service, fault, reason).cast(votes);
    }
}
