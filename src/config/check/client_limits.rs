//! `[listener.client_limits]`: what each client may have.

use super::Checker;
use super::rate_limit::rate;
use crate::bandwidth::ByteRate;
use crate::config::raw::{self, ListenerProtocol as Protocol};
use crate::config::syntax;
use crate::config::tree::KeyPath;
use crate::config::units::Size;
use crate::limit::PerClient;

/// The keys that limit something.
const LIMITS: [&str; 6] = ["connections", "new_connections", "handshakes", "requests", "upload", "download"];
/// Those of them that are numbers, of which 0 limits nothing.
const COUNTS: [&str; 2] = ["connections", "requests"];
/// Keys that belong to another one.
const BURSTS: [(&str, &str); 4] = [
    ("new_connections_burst", "new_connections"),
    ("handshakes_burst", "handshakes"),
    ("upload_burst", "upload"),
    ("download_burst", "download"),
];

impl Checker<'_> {
    /// The limits of a listener for each client; `None` = it has none. What is wrong with a rate has been reported by the schema.
    pub(super) fn client_limits(&mut self, at: &KeyPath, listener: &raw::Listener) -> Option<PerClient> {
        let raw = listener.client_limits.as_ref()?;
        let at = at.key("client_limits");
        for (burst, of) in BURSTS {
            if !self.present(&at.key(of)) {
                self.no_effect(&at, &[burst], &format!("there is no `{of}`"));
            }
        }
        self.what_has_no_effect(&at, listener);
        let limits = PerClient {
            connections: Some(raw.connections).filter(|most| *most > 0),
            new_connections: rate(raw.new_connections.as_deref(), raw.new_connections_burst),
            handshakes: rate(raw.handshakes.as_deref(), raw.handshakes_burst),
            requests: Some(raw.requests).filter(|most| *most > 0),
            upload: bandwidth(raw.upload.as_deref(), raw.upload_burst),
            download: bandwidth(raw.download.as_deref(), raw.download_burst),
            keys: raw.keys as usize,
            dry_run: raw.dry_run,
        };
        let written = LIMITS.into_iter().any(|key| self.present(&at.key(key)));
        let has_rate = LIMITS.into_iter().any(|key| !COUNTS.contains(&key) && self.present(&at.key(key)));
        if raw.connections == 0 && raw.requests == 0 && !has_rate {
            let mistake = self.mistake(&at, "`client_limits` limits nothing").warning();
            let help = match written {
                true => "0 = no limit; take the section out, or write how many each client may have",
                false => "set connections, new_connections, handshakes, requests, upload or download",
            };
            self.report(mistake.help(help));
            return None;
        }
        Some(limits)
    }

    /// Reports limits on something that this listener does not see.
    fn what_has_no_effect(&mut self, at: &KeyPath, listener: &raw::Listener) {
        if listener.protocol != Protocol::Http {
            let protocol = super::listener::protocol(listener.protocol).as_str();
            let why = format!("a `{protocol}` listener sees no requests; `connections` holds for its connections");
            self.no_effect(at, &["requests"], &why);
        }
        if listener.protocol == Protocol::Udp {
            self.no_effect(at, &["upload", "download"], "datagrams are not slowed down: what is late is lost");
        }
        if listener.tls.is_none() {
            self.no_effect(at, &["handshakes"], "this listener ends no TLS: it has no `tls` section");
        }
        let is_unix = listener.bind.as_deref().is_some_and(|bind| bind.starts_with("unix:"));
        if is_unix && listener.proxy_protocol == raw::ProxyProtocol::Off {
            let mistake = self.mistake(at, "`client_limits` has no effect: over a Unix socket nobody has an address");
            self.report(
                mistake.warning().help("where a proxy in front knows clients, set proxy_protocol = \"accept\""),
            );
        }
    }
}

/// A bandwidth, where one is written. Without a burst, as many bytes may come at once as come in a second.
fn bandwidth(text: Option<&str>, burst: Size) -> Option<ByteRate> {
    let rate = syntax::bandwidth(text?).ok()?;
    Some(ByteRate::new(rate, if burst.0 > 0 { burst.0 } else { rate }))
}
