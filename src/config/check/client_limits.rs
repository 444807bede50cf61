//! `[listener.client_limits]`: what each client may have.

use super::Checker;
use super::limit::rate;
use crate::config::raw::{self, ListenerProtocol as Protocol};
use crate::config::tree::KeyPath;
use crate::limit::PerClient;

/// The keys that limit something.
const LIMITS: [&str; 4] = ["connections", "new_connections", "handshakes", "requests"];
/// Keys that belong to another one.
const BURSTS: [(&str, &str); 2] = [("new_connections_burst", "new_connections"), ("handshakes_burst", "handshakes")];

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
            keys: raw.keys as usize,
            dry_run: raw.dry_run,
        };
        let written = LIMITS.into_iter().any(|key| self.present(&at.key(key)));
        let zeros =
            raw.connections == 0 && raw.requests == 0 && raw.new_connections.is_none() && raw.handshakes.is_none();
        if zeros {
            let mistake = self.mistake(&at, "`client_limits` limits nothing").warning();
            let help = match written {
                true => "0 = no limit; take the section out, or write how many each client may have",
                false => "set connections, new_connections, handshakes or requests",
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
