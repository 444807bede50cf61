//! What one worker traces with.

use std::cell::RefCell;
use std::time::Instant;

use http::header::HeaderMap;

use super::context::{Parent, TRACEPARENT, TRACESTATE};
use super::exchange::{ExchangeTrace, RequestFacts};
use super::ids::{Ids, is_drawn};
use super::queue::{Queue, Spans};
use super::spans::SampledBy;
use crate::policy::Tracing;

/// Traces that are kept for their memory. More exchanges at a time than this are rare, and cost an allocation each.
const SPARE: usize = 256;

/// The most bytes of `tracestate` that are exported, and the longest member of one that is longer than that: what W3C Trace Context (section 3.3.1.5)
/// wants passed on at least. A client may send as much as the head of a request holds.
const MOST_STATE: usize = 512;
const LONG_MEMBER: usize = 128;

/// What one worker traces with.
#[derive(Debug)]
pub struct Tracer {
    ids: RefCell<Ids>,
    #[allow(
        clippy::vec_box,
        reason = "they are handed out as boxes, so that an exchange that is not traced has a pointer only"
    )]
    spare: RefCell<Vec<Box<ExchangeTrace>>>,
    queue: Option<Queue>,
}

impl Tracer {
    /// With 128 random bits to begin with. `queue` is where spans go.
    pub fn new(seed: u128, queue: Option<Queue>) -> Self {
        Self { ids: RefCell::new(Ids::new(seed)), spare: RefCell::default(), queue }
    }

    /// An exchange begins with a request with these fields. They are left with nothing that says otherwise than what is sent to backends:
    /// without `traceparent`, and without `tracestate` where the trace is a new one (W3C Trace Context, section 3.3).
    pub fn begin(&self, tracing: &Tracing, facts: RequestFacts, headers: &mut HeaderMap) -> Box<ExchangeTrace> {
        let mut trace = self.spare.borrow_mut().pop().unwrap_or_else(|| Box::new(ExchangeTrace::new(*tracing)));
        trace.tracing = *tracing;
        let ids = &mut *self.ids.borrow_mut();
        trace.span = ids.span();
        // one walk through the names costs less than look-ups by hash, and most requests have neither
        let parent = match headers.keys().any(|name| *name == TRACEPARENT || *name == TRACESTATE) {
            true => take_parent(tracing, headers, &mut trace),
            false => None,
        };
        match parent {
            Some(parent) => {
                (trace.trace, trace.parent, trace.sampled) = (parent.trace, Some(parent.span), parent.sampled);
            }
            None => {
                (trace.trace, trace.parent) = (ids.trace(), None);
                trace.sampled = is_drawn(trace.trace, tracing.sample);
            }
        }
        trace.request = Some(facts);
        trace
    }

    /// It is found out from now on whether the client may come in.
    pub fn enters(&self, trace: &mut ExchangeTrace, now: Instant) {
        trace.enters(self.ids.borrow_mut().span(), now);
    }

    /// An attempt with the backend at this place begins.
    pub fn attempt_begins(&self, trace: &mut ExchangeTrace, backend: usize, began: Instant) {
        trace.attempt_begins(self.ids.borrow_mut().span(), backend, began);
    }

    /// The exchange has ended, and is exported if there is a reason to. `spans` makes what is, where there is room for it. Says whether it is exported.
    pub fn end(
        &self,
        mut trace: Box<ExchangeTrace>,
        sampled_by: Option<SampledBy>,
        spans: impl FnOnce(&mut ExchangeTrace, SampledBy, &mut dyn FnMut() -> u64) -> Spans,
    ) -> bool {
        let queue = self.queue.as_ref().zip(sampled_by).filter(|(queue, _)| queue.admits(trace.span_count()));
        let is_exported = queue.is_some_and(|(queue, sampled_by)| {
            queue.put(spans(&mut trace, sampled_by, &mut || self.ids.borrow_mut().span()))
        });
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE {
            trace.clear();
            spare.push(trace);
        }
        is_exported
    }
}

/// Takes what the client says of its trace out of the fields, and gives back what is believed of it.
fn take_parent(tracing: &Tracing, headers: &mut HeaderMap, trace: &mut ExchangeTrace) -> Option<Parent> {
    let parent = Parent::of(headers).filter(|_| tracing.trust_parent);
    headers.remove(TRACEPARENT);
    if parent.is_none() {
        headers.remove(TRACESTATE);
        return None;
    }
    trace.state = state(headers);
    parent
}

/// What is exported of `tracestate`. Of one that is longer than [`MOST_STATE`], long members are left out, and then those at the end that don't
/// fit; no member is cut.
fn state(headers: &HeaderMap) -> Option<Box<[u8]>> {
    let lines = || headers.get_all(TRACESTATE).iter().map(|line| line.as_bytes());
    let whole: usize = lines().map(|line| line.len() + 1).sum();
    let longest = if whole > MOST_STATE + 1 { LONG_MEMBER } else { MOST_STATE };
    let mut state = Vec::with_capacity(whole.min(MOST_STATE));
    for member in lines().flat_map(|line| line.split(|byte| *byte == b',')).filter(|member| member.len() <= longest) {
        let comma = usize::from(!state.is_empty());
        if state.len() + comma + member.len() > MOST_STATE {
            break;
        }
        state.extend_from_slice(&b","[..comma]);
        state.extend_from_slice(member);
    }
    (!state.is_empty()).then(|| state.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Method, Version};

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn facts() -> RequestFacts {
        RequestFacts {
            method: Method::GET,
            uri: "/".parse().unwrap(),
            host: None,
            version: Version::HTTP_11,
            client: None,
            is_tls: false,
            began: Instant::now(),
            length: None,
        }
    }

    /// The trace of a request with these fields, and the fields that are left.
    fn begun(fields: &[(&'static str, &str)], sample: f64, trust_parent: bool) -> (Box<ExchangeTrace>, Vec<String>) {
        let mut headers = HeaderMap::new();
        fields.iter().for_each(|(name, value)| _ = headers.append(*name, value.parse().unwrap()));
        let tracing = Tracing { sample, slow: Duration::from_secs(1), errors: true, trust_parent };
        let trace = Tracer::new(7, None).begin(&tracing, facts(), &mut headers);
        let left = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let mut left: Vec<_> = left.collect();
        left.sort();
        (trace, left)
    }

    #[test]
    fn a_parent_is_kept_and_decides_whether_the_trace_is_recorded() {
        for sample in [0.0, 1.0] {
            let (trace, left) =
                begun(&[("traceparent", GOOD), ("tracestate", "a=1"), ("tracestate", "b=2"), ("x", "1")], sample, true);
            assert_eq!(trace.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
            assert_eq!((trace.parent, trace.sampled), (Some(0x00f0_67aa_0ba9_02b7), true));
            assert_eq!(trace.state.as_deref(), Some(&b"a=1,b=2"[..]));
            assert_eq!(left, ["tracestate: a=1", "tracestate: b=2", "x: 1"]);
            let (trace, _) = begun(&[("traceparent", &GOOD.replace("-01", "-00"))], sample, true);
            assert!(!trace.sampled);
        }
    }

    #[test]
    fn a_long_tracestate_is_passed_on_whole_and_exported_without_the_members_that_do_not_fit() {
        let member = |number: usize, length: usize| format!("k{number:03}={}", "v".repeat(length - 5));
        let whole: Vec<String> = (0..150).map(|number| member(number, 100)).collect();
        let long = whole.join(",");
        let big = member(999, 600);
        let exact = format!("{},{}", member(0, 255), member(1, 256));
        for (lines, exported) in [
            (vec![&*long], Some(whole[..5].join(","))),
            (vec![&*big, &*long], Some(whole[..5].join(","))),
            (vec![&*whole[0], &*whole[1], &*long], Some([&whole[..2], &whole[..3]].concat().join(","))),
            (vec![&*big], None),
            (vec![&*exact], Some(exact.clone())),
            (vec![""], None),
        ] {
            let fields: Vec<_> =
                lines.iter().map(|line| ("tracestate", *line)).chain([("traceparent", GOOD)]).collect();
            let (trace, left) = begun(&fields, 1.0, true);
            assert_eq!(trace.state.as_deref().map(String::from_utf8_lossy).as_deref(), exported.as_deref());
            let mut passed_on: Vec<_> = lines.iter().map(|line| format!("tracestate: {line}")).collect();
            passed_on.sort();
            assert_eq!(left, passed_on);
        }
    }

    #[test]
    fn without_a_parent_that_is_believed_the_trace_is_a_new_one_and_nothing_is_left_of_the_old_one() {
        let bad = GOOD.replace("4bf", "4BF");
        let cases: [(&[(&'static str, &str)], bool); 4] = [
            (&[], true),
            (&[("tracestate", "a=1")], true),
            (&[("traceparent", &bad), ("tracestate", "a=1")], true),
            (&[("traceparent", GOOD), ("tracestate", "a=1")], false),
        ];
        for (fields, trust) in cases {
            let (trace, left) = begun(fields, 1.0, trust);
            assert_ne!(trace.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
            assert_eq!((trace.parent, trace.sampled, trace.state.as_ref(), left.len()), (None, true, None, 0));
            assert!(!begun(fields, 0.0, trust).0.sampled);
        }
    }

    #[test]
    fn spans_are_made_only_where_there_is_a_reason_to_and_room_for_them() {
        let (queue, _receiver) = Queue::new();
        let tracer = Tracer::new(7, Some(queue.clone()));
        let tracing = Tracing { sample: 1.0, slow: Duration::from_secs(1), errors: true, trust_parent: true };
        let end = |reason| {
            let mut was_made = false;
            let trace = tracer.begin(&tracing, facts(), &mut HeaderMap::new());
            let is_exported = tracer.end(trace, reason, |_, _, _| {
                was_made = true;
                Spans { bytes: vec![0; 1024], count: 1 }
            });
            (was_made, is_exported)
        };
        assert_eq!(end(Some(SampledBy::Error)), (false, false), "nobody sends any");
        queue.set_limit(2000);
        assert_eq!(end(None), (false, false));
        assert_eq!(end(Some(SampledBy::Error)), (true, true));
        assert_eq!((end(Some(SampledBy::Error)), queue.take_dropped()), ((false, false), 1));
    }

    #[test]
    fn what_one_exchange_leaves_behind_is_not_found_in_the_next() {
        let tracer = Tracer::new(7, None);
        let tracing = Tracing { sample: 1.0, slow: Duration::from_secs(1), errors: true, trust_parent: true };
        let mut headers =
            HeaderMap::from_iter([(TRACEPARENT, GOOD.parse().unwrap()), (TRACESTATE, "a=1".parse().unwrap())]);
        let mut first = tracer.begin(&tracing, facts(), &mut headers);
        first.waits(Instant::now());
        tracer.attempt_begins(&mut first, 3, Instant::now());
        first.of_attempt().connects();
        first.took_route(Some(2));
        let address = std::ptr::from_ref(&*first);
        assert!(!tracer.end(first, None, |_, _, _| panic!("there is no reason to")));
        let next = tracer.begin(&tracing, facts(), &mut HeaderMap::new());
        assert!(std::ptr::eq(&raw const *next, address), "its memory is used again");
        assert_eq!((next.parent, next.state.as_ref(), next.route), (None, None, None));
        assert!(next.waits.is_empty() && next.attempts.is_empty());
    }
}
