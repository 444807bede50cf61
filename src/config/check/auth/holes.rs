//! What `auth`, `allow` and `deny` leave open, where it is probably not meant to be: warnings.

use super::super::Checker;
use crate::config::model::Address;
use crate::config::raw;
use crate::config::tree::KeyPath;

impl Checker<'_> {
    /// A password in clear is everybody's on its way. A listener behind others, which may end TLS, says who they are.
    pub(in super::super) fn passwords_are_hidden(&mut self, at: &KeyPath, raw: &raw::Listener, bind: Option<&Address>) {
        let is_reached = matches!(bind, Some(Address::Tcp(address)) if !address.ip().to_canonical().is_loopback());
        if !is_reached || raw.tls.is_some() || self.present(&at.key("tls")) || !raw.trusted_proxies.is_empty() {
            return;
        }
        for (index, route) in raw.route.iter().enumerate() {
            if route.auth.as_ref().is_some_and(|auth| auth.basic.is_some()) {
                let path = at.key("route").index(index).key("auth").key("basic");
                let mistake = self.mistake(&path, "passwords come in clear: this listener has no TLS").warning();
                self.report(
                    mistake
                        .help("add [listener.tls]; or name what ends TLS in front of it in `trusted_proxies`, or bind to 127.0.0.1"),
                );
            }
        }
    }

    /// Most backends serve `/admin` as they serve `/admin/`, and a prefix that ends in `/` takes the second only.
    pub(in super::super) fn prefixes_are_protected_with_their_names(&mut self, at: &KeyPath, raw: &raw::Listener) {
        for (index, route) in raw.route.iter().enumerate() {
            let bare = route.path_prefix.as_deref().and_then(|prefix| prefix.strip_suffix('/'));
            let Some(bare) = bare.filter(|bare| !bare.is_empty() && protects(route)) else { continue };
            let takes = |other: &&raw::Route| {
                let is_of_host = other.host.is_none() || other.host == route.host;
                let prefix = other.path_prefix.as_deref();
                is_of_host && (other.path.as_deref() == Some(bare) || prefix.is_some_and(|it| bare.starts_with(it)))
            };
            // a route for just this path was meant, whatever it does
            let is_seen_to = raw.route.iter().filter(takes).any(|other| other.path.is_some() || protects(other));
            let goes_somewhere = raw.service.is_some() || raw.route.iter().any(|other| takes(&other));
            if is_seen_to || !goes_somewhere {
                continue;
            }
            let path = at.key("route").index(index).key("path_prefix");
            let mistake = self.mistake(&path, format!("`{bare}` itself is not protected: `{bare}/` does not take it"));
            self.report(mistake.warning().help(format!(
                "write path_prefix = \"{bare}\", which takes all that begins so, or add a route with path = \"{bare}\""
            )));
        }
    }
}

/// Whether not everybody comes in.
fn protects(route: &raw::Route) -> bool {
    route.auth.is_some() || !route.allow.is_empty() || !route.deny.is_empty()
}
