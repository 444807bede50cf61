//! What instances share through stores: sessions, and rate limits (those of one instance alone too). Adaptive limits stand beside the latter.

use super::super::client_limits::ClientLimit;
use super::super::fold::Sink;
use super::super::{Readings, Registry, concurrency, names, rate_limited, session_lookups};

impl Registry {
    pub(super) fn sessions_to(&self, out: &mut Sink<'_>) {
        let lookups = self.session_lookups.held();
        out.announce(&names::SESSION_LOOKUPS);
        for ([service], lookups) in &lookups {
            for (outcome, count) in session_lookups::OUTCOMES.into_iter().zip(lookups.read()) {
                out.series(&names::SESSION_LOOKUPS, &[service, outcome], count);
            }
        }
        out.announce(&names::SESSION_LOOKUP_DURATION);
        for ([service], lookups) in &lookups {
            let shown = lookups.durations().show();
            if shown.count > 0 {
                out.histogram(&names::SESSION_LOOKUP_DURATION, &[service], &shown.histogram());
            }
        }
        self.recorded_to(&names::SESSION_STORE_UP, out);
        self.recorded_to(&names::SESSION_STORE_QUEUE, out);
        self.recorded_to(&names::SESSION_STORE_WRITES, out);
    }

    pub(super) fn concurrency_to(&self, readings: &Readings<'_>, out: &mut Sink<'_>) {
        let limits = readings.concurrency;
        out.announce(&names::CONCURRENCY_LIMIT);
        limits.iter().for_each(|limit| out.series(&names::CONCURRENCY_LIMIT, &[limit.service], limit.limit));
        out.announce(&names::CONCURRENCY_IN_FLIGHT);
        limits.iter().for_each(|limit| out.series(&names::CONCURRENCY_IN_FLIGHT, &[limit.service], limit.in_flight));
        out.announce(&names::CONCURRENCY_UNLOADED);
        limits.iter().for_each(|limit| out.series(&names::CONCURRENCY_UNLOADED, &[limit.service], limit.unloaded));
        out.announce(&names::SHED);
        for ([service], counts) in &self.concurrency.held() {
            for (priority, count) in concurrency::PRIORITIES.into_iter().zip(counts.read_shed()) {
                out.series(&names::SHED, &[service, priority], count);
            }
        }
    }

    pub(super) fn limits_to(&self, out: &mut Sink<'_>) {
        let limits = self.rate_limited.held();
        out.announce(&names::RATE_LIMITED);
        for ([listener, route, limit], limited) in &limits {
            for (outcome, count) in rate_limited::OUTCOMES.into_iter().zip(limited.read()) {
                out.series(&names::RATE_LIMITED, &[listener, route, limit, outcome], count);
            }
        }
        out.announce(&names::RATE_LIMIT_DISPLACED);
        for ([listener, route, limit], limited) in &limits {
            out.series(&names::RATE_LIMIT_DISPLACED, &[listener, route, limit], limited.read_displaced());
        }
    }

    pub(super) fn client_limits_to(&self, out: &mut Sink<'_>) {
        out.announce(&names::CLIENT_LIMITED);
        for ([listener], limited) in &self.client_limited.held() {
            for (limit, outcomes) in ClientLimit::ALL.into_iter().zip(limited.read()) {
                for (outcome, count) in limit.outcomes().into_iter().zip(outcomes) {
                    out.series(&names::CLIENT_LIMITED, &[listener, limit.as_str(), outcome], count);
                }
            }
        }
    }

    pub(super) fn limit_stores_to(&self, out: &mut Sink<'_>) {
        self.recorded_to(&names::LIMIT_STORE_UP, out);
        self.recorded_to(&names::LIMIT_STORE_INSTANCES, out);
        self.recorded_to(&names::LIMIT_STORE_LAG, out);
    }
}
