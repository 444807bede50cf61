//! What keeps a service up: ejection, breakers, retries and the fallback.

use http::StatusCode;

use super::Checker;
use super::detection::latency_rule;
use crate::config::raw;
use crate::config::syntax::service::{self as syntax, RetryOn};
use crate::config::syntax::{authority, header_name, header_value, method};
use crate::config::tree::KeyPath;
use crate::policy::template::AnswerBody;
use crate::policy::variables::Place;
use crate::policy::{Breaker, Check as CheckKind, Concurrency, Fallback, Health, HttpCheck, Initial, Outlier, Retry};

impl Checker<'_> {
    pub(super) fn health(&mut self, at: &KeyPath, raw: &raw::Health) -> Option<Health> {
        self.of_no_effect(at, raw);
        if raw.fast_interval.0 > raw.interval.0 && self.present(&at.key("fast_interval")) {
            let mistake = self.mistake(&at.key("fast_interval"), "`fast_interval` is longer than `interval`");
            self.report(mistake.expected("a time of at most `interval`"));
        }
        let kind = match raw.kind {
            raw::HealthKind::Http => CheckKind::Http(self.http_check(raw)?),
            raw::HealthKind::Tcp => CheckKind::Tcp {
                send: raw.send.clone().unwrap_or_default().into_bytes(),
                expect: raw.expect.clone().unwrap_or_default().into_bytes(),
            },
            raw::HealthKind::Grpc => CheckKind::Grpc { service: raw.service.clone() },
            raw::HealthKind::Agent => {
                if raw.port.is_none() && !self.present(&at.key("port")) {
                    let mistake = self.mistake(at, "an agent is not asked at the backend's own port");
                    self.report(mistake.expected("`port`, where the agents listen"));
                }
                CheckKind::Agent
            }
        };
        Some(Health {
            kind,
            port: raw.port,
            interval: raw.interval.0,
            fast_interval: raw.fast_interval.0.min(raw.interval.0),
            timeout: raw.timeout.0,
            fall: raw.fall,
            rise: raw.rise,
            jitter: raw.jitter,
            initial: match raw.initial {
                raw::Initial::Up => Initial::Up,
                raw::Initial::Down => Initial::Down,
                raw::Initial::CheckFirst => Initial::CheckFirst,
            },
        })
    }

    fn http_check(&self, raw: &raw::Health) -> Option<HttpCheck> {
        let mut headers = Vec::with_capacity(raw.headers.len());
        for (name, value) in &raw.headers {
            headers.push((header_name(name).ok()?, header_value(value).ok()?));
        }
        Some(HttpCheck {
            path: raw.path.parse().ok()?,
            method: method(&raw.method).ok()?,
            host: if raw.host.is_empty() { None } else { Some(authority(&raw.host).ok()?) },
            headers,
            expect_status: syntax::status_ranges(&raw.expect_status).ok()?,
            expect_body: raw.expect_body.clone(),
            // set later, from the service
            allow_bare_lf: false,
        })
    }

    /// Warns of settings that belong to another kind of check.
    fn of_no_effect(&mut self, at: &KeyPath, raw: &raw::Health) {
        const HTTP: &[&str] = &["path", "method", "host", "headers", "expect_status", "expect_body"];
        const TCP: &[&str] = &["send", "expect"];
        const GRPC: &[&str] = &["service"];
        let kinds = [(raw::HealthKind::Http, HTTP), (raw::HealthKind::Tcp, TCP), (raw::HealthKind::Grpc, GRPC)];
        for (kind, keys) in kinds.into_iter().filter(|(kind, _)| *kind != raw.kind) {
            for key in keys.iter().filter(|key| self.root.has(&at.key(key))).copied().collect::<Vec<_>>() {
                let mistake = self.key_mistake(&at.key(key), format!("`{key}` has no effect"));
                self.report(mistake.warning().help(format!("it is for kind = \"{}\"", kind.as_str())));
            }
        }
    }

    pub(super) fn outlier(&mut self, at: &KeyPath, raw: &raw::Outlier) -> Outlier {
        if raw.max_eject_for.0 < raw.eject_for.0 && self.present(&at.key("max_eject_for")) {
            let mistake = self.mistake(&at.key("max_eject_for"), "`max_eject_for` is shorter than `eject_for`");
            self.report(mistake.expected("a time of at least `eject_for`"));
        }
        Outlier {
            consecutive_failures: raw.consecutive_failures,
            error_rate: raw.error_rate,
            latency: latency_rule(raw.latency_factor),
            window: raw.window.0,
            min_requests: raw.min_requests,
            eject_for: raw.eject_for.0,
            // a file that sets only `eject_for` means that time, even where it is above the default of `max_eject_for`
            max_eject_for: raw.max_eject_for.0.max(raw.eject_for.0),
            max_ejected: raw.max_ejected,
        }
    }

    pub(super) fn breaker(&self, raw: &raw::CircuitBreaker) -> Breaker {
        Breaker {
            failures: raw.failures,
            error_rate: raw.error_rate,
            open_for: raw.open_for.0,
            half_open: raw.half_open,
        }
    }

    pub(super) fn concurrency(&mut self, at: &KeyPath, raw: &raw::Concurrency) -> Concurrency {
        if raw.min > raw.max {
            let key = if self.present(&at.key("max")) { "max" } else { "min" };
            let mistake = self.mistake(&at.key(key), format!("`max` ({}) is below `min` ({})", raw.max, raw.min));
            self.report(mistake.expected("a `max` of at least `min`"));
        }
        let bounds = raw.min..=raw.max.max(raw.min);
        if !bounds.contains(&raw.initial) && self.present(&at.key("initial")) {
            let mistake =
                self.mistake(&at.key("initial"), format!("`initial` ({}) is no limit that there can be", raw.initial));
            self.report(mistake.expected(format!("a number from {} to {}", bounds.start(), bounds.end())));
        }
        if raw.low > raw.normal && (self.present(&at.key("low")) || self.present(&at.key("normal"))) {
            let key = if self.present(&at.key("low")) { "low" } else { "normal" };
            let message = "requests of low priority may use more of the limit than those of normal priority";
            let mistake = self.mistake(&at.key(key), message);
            self.report(mistake.expected(format!("a `low` of at most `normal`, which is {}", raw.normal)));
        }
        Concurrency {
            min: raw.min,
            max: *bounds.end(),
            // a file that sets only one of the bounds means it, even where the default of `initial` is outside
            initial: raw.initial.clamp(*bounds.start(), *bounds.end()),
            tolerance: raw.tolerance,
            probe: raw.probe.0,
            normal: thousandths(raw.normal),
            low: thousandths(raw.low),
        }
    }

    /// `has_affinity`: the service's requests stay with one backend.
    pub(super) fn retry(&mut self, at: &KeyPath, raw: &raw::Retry, has_affinity: bool) -> Retry {
        let hedge = raw.hedge.as_deref().and_then(|text| syntax::hedge(text).ok());
        let hindrance = match () {
            () if has_affinity => Some("a request with session affinity has one backend"),
            () if raw.attempts == 0 => Some("with `attempts = 0` there is no second attempt"),
            () if raw.budget <= 0.0 => Some("with `budget = 0` there is no second attempt"),
            () => None,
        };
        if let Some(why) = hindrance.filter(|_| hedge.is_some()) {
            let mistake = self.key_mistake(&at.key("hedge"), "`hedge` has no effect");
            self.report(mistake.warning().help(why));
        }
        let on: Vec<RetryOn> = raw.on.iter().filter_map(|text| syntax::retry_condition(text).ok()).collect();
        let status = |on: &RetryOn| match on {
            RetryOn::Status(status) => Some(*status),
            RetryOn::Connect | RetryOn::Reset => None,
        };
        Retry {
            attempts: raw.attempts,
            budget: raw.budget,
            on_connect: on.contains(&RetryOn::Connect),
            on_reset: on.contains(&RetryOn::Reset),
            on_status: on.iter().filter_map(status).collect(),
            back_off: raw.back_off.0,
            hold: usize::try_from(raw.hold.0).unwrap_or(usize::MAX),
            hedge: hedge.filter(|_| hindrance.is_none()),
        }
    }

    pub(super) fn fallback(&mut self, at: &KeyPath, raw: &raw::Fallback) -> Option<Fallback> {
        let status = StatusCode::from_u16(raw.status).ok()?;
        if matches!(raw.status, 204 | 205 | 304) && !raw.body.is_empty() {
            let mistake = self.mistake(&at.key("body"), format!("an answer with status {} has no body", raw.status));
            self.report(mistake.expected("no body, or another status"));
        }
        if raw.body.is_empty() && self.present(&at.key("content_type")) {
            let mistake = self.key_mistake(&at.key("content_type"), "`content_type` has no effect");
            self.report(mistake.warning().help("there is no body"));
        }
        self.foreign_variables(&at.key("body"), &raw.body, Place::Fallback);
        let content_type = header_value(&raw.content_type).ok()?;
        Some(Fallback {
            status,
            body: AnswerBody::new(&raw.body, &content_type),
            content_type,
            // delay-seconds are whole (RFC 9110, section 10.2.3): rather a little later than too early
            retry_after: raw.retry_after.map(|after| after.0.as_millis().div_ceil(1000) as u64),
        })
    }
}

/// A share as a number of thousandths, at least one.
fn thousandths(share: f64) -> u32 {
    ((share * 1000.0).round() as u32).clamp(1, 1000)
}
