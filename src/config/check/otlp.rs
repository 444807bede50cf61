//! `[otlp]`: where traces and metrics are sent.

use std::collections::HashSet;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};

use super::{Checker, all_or_nothing};
use crate::config::model::{self, OtlpProtocol};
use crate::config::tree::KeyPath;
use crate::config::{raw, syntax};
use crate::policy::Tracing;

/// The port of OTLP over HTTP, as IANA has it; that of gRPC is 4317.
const HTTP_PORT: u16 = 4318;

/// Headers that frame a message or are gRPC's own.
const OURS: [&str; 8] =
    ["connection", "content-encoding", "content-length", "content-type", "host", "te", "transfer-encoding", "upgrade"];

/// The shortest time between two messages with metrics.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

impl Checker<'_> {
    /// `Some(None)` = the section is not there.
    pub(super) fn otlp(&mut self, raw: Option<&raw::Otlp>) -> Option<Option<model::Otlp>> {
        all_or_nothing(raw.map(|raw| self.section(&KeyPath::default().key("otlp"), raw)))
    }

    fn section(&mut self, at: &KeyPath, raw: &raw::Otlp) -> Option<model::Otlp> {
        let endpoint = raw.endpoint.as_deref().and_then(|url| syntax::collector(url).ok());
        let headers = self.collector_headers(at, raw);
        let ca = self.receiver(at, None, raw.ca.as_deref());
        self.check_interval(&at.key("metrics_interval"), raw.metrics_interval.0);
        self.check_resource(&at.key("resource"), raw);
        let endpoint = endpoint?;
        let protocol = match raw.protocol {
            Some(raw::OtlpProtocol::Grpc) => OtlpProtocol::Grpc,
            Some(raw::OtlpProtocol::Http) => OtlpProtocol::Http,
            None if endpoint.port_u16() == Some(HTTP_PORT) => OtlpProtocol::Http,
            None => OtlpProtocol::Grpc,
        };
        self.check_path(&at.key("endpoint"), protocol, endpoint.path());
        Some(model::Otlp {
            endpoint,
            protocol,
            headers: headers?,
            ca: ca?.1,
            timeout: raw.timeout.0,
            tracing: Tracing {
                sample: raw.sample,
                slow: raw.slow.0,
                errors: raw.errors,
                trust_parent: raw.trust_parent,
            },
            queue: usize::try_from(raw.queue.0).unwrap_or(usize::MAX),
            service_name: raw.service_name.clone(),
            resource: raw.resource.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            metrics_interval: Some(raw.metrics_interval.0).filter(|interval| !interval.is_zero()),
        })
    }

    fn check_interval(&mut self, at: &KeyPath, interval: Duration) {
        if !interval.is_zero() && interval < SHORTEST_INTERVAL {
            let mistake = self.mistake(at, "metrics can't be sent so often");
            self.report(mistake.expected("at least 1s, or 0s = never").near(Some("1s".to_owned())));
        }
    }

    /// gRPC has paths of its own.
    fn check_path(&mut self, at: &KeyPath, protocol: OtlpProtocol, path: &str) {
        if protocol == OtlpProtocol::Grpc && !matches!(path, "" | "/") {
            let mistake = self.mistake(at, format!("the path `{path}` is not sent: gRPC has paths of its own"));
            self.report(mistake.warning().help("protocol = \"http\" sends to a path"));
        }
    }

    fn check_resource(&mut self, at: &KeyPath, raw: &raw::Otlp) {
        if raw.resource.contains_key("service.name") {
            let mistake = self.key_mistake(&at.key("service.name"), "`service.name` has a key of its own");
            self.report(mistake.expected("service_name = \"...\" in [otlp]"));
        }
    }

    /// The headers of the section and of its file.
    fn collector_headers(&mut self, at: &KeyPath, raw: &raw::Otlp) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let mut seen = HashSet::new();
        let mut headers = Vec::new();
        let path = at.key("headers");
        let mut are_good = true;
        for (key, value) in &raw.headers {
            let (Ok(name), Ok(mut value)) = (syntax::header_name(key), syntax::header_value(value)) else { continue };
            are_good &= self.may_be_sent(&path.key(key), &name, &mut seen);
            value.set_sensitive(true);
            headers.push((name, value));
        }
        if let Some(file) = &raw.headers_file {
            let path = at.key("headers_file");
            for (name, mut value) in self.headers_in(&path, file)? {
                are_good &= self.may_be_sent(&path, &name, &mut seen);
                value.set_sensitive(true);
                headers.push((name, value));
            }
        }
        are_good.then_some(headers)
    }

    fn may_be_sent(&mut self, at: &KeyPath, name: &HeaderName, seen: &mut HashSet<HeaderName>) -> bool {
        let is_ours = OURS.contains(&name.as_str()) || name.as_str().starts_with("grpc-");
        if is_ours {
            let mistake = self.mistake(at, format!("`{name}` can't be chosen"));
            self.report(mistake.help("Evenkeel writes it itself, as OTLP wants it"));
        } else if !seen.insert(name.clone()) {
            let mistake = self.mistake(at, format!("`{name}` is here twice"));
            self.report(mistake.help("the case of a header's name does not matter"));
            return false;
        }
        !is_ours
    }

    /// The headers of a file, one a line. What they hold is never shown.
    fn headers_in(&mut self, at: &KeyPath, file: &str) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let (file, text) = self.text(at, file)?;
        let mut headers = Vec::new();
        for (number, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let pair = line.split_once(':').and_then(|(name, value)| {
                Some((syntax::header_name(name.trim()).ok()?, syntax::header_value(value.trim()).ok()?))
            });
            let Some(pair) = pair else {
                let message = format!("line {} of `{}` is no header", number + 1, file.display());
                let mistake = self.mistake(at, message);
                self.report(mistake.expected("lines such as `authorization: Bearer ...`"));
                return None;
            };
            headers.push(pair);
        }
        Some(headers)
    }
}
