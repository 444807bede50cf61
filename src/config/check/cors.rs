//! `cors` of a route, and the presets of headers that keep pages safe.

use http::header::{self, HeaderName, HeaderValue};

use super::Checker;
use crate::config::raw;
use crate::config::syntax;
use crate::config::tree::KeyPath;
use crate::policy::template::FieldValue;
use crate::policy::{Cors, Field, Origins};

const ANY: &str = "*";

impl Checker<'_> {
    pub(super) fn cors(&mut self, at: &KeyPath, route: &raw::Route, raw: &raw::Cors) -> Option<Cors> {
        let own = at.key("cors");
        let lists =
            [("origins", &raw.origins), ("methods", &raw.methods), ("headers", &raw.headers), ("expose", &raw.expose)];
        let mut is_good = true;
        for (key, list) in lists {
            is_good &= self.is_any_alone(&own.key(key), list);
            if raw.credentials && list.iter().any(|entry| entry == ANY) {
                // section 3.3.5 of the Fetch standard: with credentials a star is the name of one origin, method or header
                let mistake =
                    self.mistake(&own.key(key), format!("`{key}` can't be \"*\" together with `credentials`"));
                self.report(
                    mistake.expected("a list of all that are allowed").help("browsers refuse answers that say both"),
                );
                is_good = false;
            }
        }
        if raw.origins.is_empty() {
            // where they are missing or can't be read, that has been reported
            if !self.root.has(&own.key("origins")) {
                return None;
            }
            let mistake = self.mistake(&own.key("origins"), "no page of another origin may use this route");
            self.report(mistake.expected("origins such as \"https://app.example\", or [\"*\"]"));
            return None;
        }
        let takes_preflights = route.methods.is_empty() || route.methods.iter().any(|method| method == "OPTIONS");
        if !takes_preflights {
            let mistake = self.key_mistake(&own, "the route takes no preflights: they are OPTIONS requests").warning();
            self.report(mistake.help("add \"OPTIONS\" to its methods"));
        }
        let origins = match &raw.origins[..] {
            [any] if any == ANY => Origins::Any,
            listed => Origins::Listed(listed.iter().map(|origin| syntax::origin(origin).ok()).collect::<Option<_>>()?),
        };
        let joined = |list: &[String]| HeaderValue::try_from(list.join(", ")).ok();
        is_good.then_some(Cors {
            origins,
            methods: joined(&raw.methods)?,
            headers: Some(joined(&raw.headers)?).filter(|names| !names.is_empty()),
            expose: Some(joined(&raw.expose)?).filter(|names| !names.is_empty()),
            credentials: raw.credentials,
            max_age: HeaderValue::from(raw.max_age.0.as_secs()),
        })
    }

    /// Whether a star, where there is one, stands alone.
    fn is_any_alone(&mut self, at: &KeyPath, list: &[String]) -> bool {
        let is_good = list.len() <= 1 || !list.iter().any(|entry| entry == ANY);
        if !is_good {
            let mistake = self.mistake(at, "\"*\" is everything: nothing else can stand beside it");
            self.report(mistake.expected("[\"*\"], or a list without it"));
        }
        is_good
    }
}

/// The fields of a preset, for answers that say nothing about the same. `is_tls`: the listener ends TLS; a browser that has come in clear must not be told
/// anything by `Strict-Transport-Security` (RFC 6797, section 7.2).
pub(super) fn preset(preset: raw::SecurityHeaders, is_tls: bool) -> Vec<Field> {
    // what the OWASP Secure Headers Project recommends, and in "standard" only what breaks hardly any site
    let fields: &[(HeaderName, &str)] = match preset {
        raw::SecurityHeaders::Off => &[],
        raw::SecurityHeaders::Standard => &[
            (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
            (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
        ],
        raw::SecurityHeaders::Strict => &[
            (header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'; base-uri 'self'; object-src 'none'"),
            (header::REFERRER_POLICY, "no-referrer"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
            (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
        ],
    };
    let told = fields.iter().filter(|(name, _)| is_tls || *name != header::STRICT_TRANSPORT_SECURITY);
    told.map(|(name, value)| (name.clone(), FieldValue::Fixed(HeaderValue::from_static(value)))).collect()
}
