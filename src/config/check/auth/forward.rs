//! `auth = { forward = { ... } }`: another service says who may come in.

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Uri};

use super::super::headers::FRAMING;
use super::super::{Checker, listener};
use crate::auth::{Auth, Forward};
use crate::config::model::{Address, Backend, Listener, Route, Service};
use crate::config::tree::KeyPath;
use crate::config::{raw, syntax};
use crate::policy::ListenerProtocol;
use crate::route::{Conditions, Lookup, Table, meaning};

impl Checker<'_> {
    pub(super) fn forward(&mut self, at: &KeyPath, raw: &raw::ForwardAuth) -> Option<Auth> {
        // what is not looked at must not let anybody in
        if ["path", "request_headers", "response_headers", "client_headers"]
            .iter()
            .any(|key| self.findings.removed(&at.key(key)).is_some())
        {
            return None;
        }
        let service = raw.service.as_ref().map(|name| self.service_named(&at.key("service"), name));
        let request_headers = self.headers_asked_about(&at.key("request_headers"), &raw.request_headers);
        let response_headers = self.headers_told(&at.key("response_headers"), &raw.response_headers, |name| {
            *name != header::AUTHORIZATION && listener::is_taken(name)
        });
        let client_headers = self.headers_told(&at.key("client_headers"), &raw.client_headers, |name| {
            *name != header::SET_COOKIE && listener::is_taken(name)
        });
        let (request_headers, response_headers, client_headers) =
            (request_headers?, response_headers?, client_headers?);
        for (index, name) in request_headers.iter().enumerate() {
            if *name != header::AUTHORIZATION && response_headers.contains(name) {
                let path = at.key("request_headers").index(index);
                let mistake = self.mistake(&path, format!("`{name}` is one of `response_headers`: no request has it"));
                self.report(mistake.help("what clients send under the names of `response_headers` is dropped"));
                return None;
            }
        }
        Some(Auth::Forward(Forward {
            service: service??.0,
            target: Uri::try_from(&raw.path).ok()?,
            timeout: raw.timeout.0,
            request_headers: request_headers.into(),
            response_headers: response_headers.into(),
            client_headers: client_headers.into(),
        }))
    }

    /// The headers of a request that the service gets. What is said of the request by the proxy, or of a connection, it gets from the proxy.
    fn headers_asked_about(&mut self, at: &KeyPath, raw: &[String]) -> Option<Vec<HeaderName>> {
        let is_said = |name: &HeaderName| {
            let is_ours = [header::HOST, header::EXPECT, header::FORWARDED, header::VIA].contains(name);
            // programs that get fields as environment variables read `_` and `-` alike
            is_ours || FRAMING.contains(&name.as_str()) || name.as_str().replace('_', "-").starts_with("x-forwarded")
        };
        let mut names = Vec::with_capacity(raw.len());
        for (index, text) in raw.iter().enumerate() {
            let name = syntax::header_name(text).ok()?;
            if is_said(&name) {
                let mistake = self.mistake(&at.index(index), format!("`{name}` is not the client's to say"));
                self.report(mistake.expected("headers of the client, such as \"cookie\"").help(
                    "the service is told the method, the target, the host and the client in X-Forwarded-* anyway",
                ));
                return None;
            }
            names.push(name);
        }
        Some(names)
    }

    /// The headers in which the service says something.
    fn headers_told(
        &mut self,
        at: &KeyPath,
        raw: &[String],
        is_taken: impl Fn(&HeaderName) -> bool,
    ) -> Option<Vec<HeaderName>> {
        let mut names = Vec::with_capacity(raw.len());
        for (index, text) in raw.iter().enumerate() {
            let name = syntax::header_name(text).ok()?;
            if is_taken(&name) || names.contains(&name) {
                let what = if is_taken(&name) { "says something else" } else { "is there twice" };
                let mistake = self.mistake(&at.index(index), format!("`{name}` {what}"));
                self.report(mistake.expected("a header of its own, such as \"x-user\""));
                return None;
            }
            names.push(name);
        }
        Some(names)
    }

    /// Finds questions that would be asked about themselves: where the service is reached through a listener of this configuration, and the route
    /// there asks the same service again.
    pub(in crate::config::check) fn questions_have_an_end(&mut self, listeners: &[Listener], services: &[Service]) {
        let routes = listeners.iter().enumerate().flat_map(|(index, listener)| {
            listener.routes.iter().enumerate().map(move |(place, route)| ((index, place), route))
        });
        for ((index, place), route) in routes {
            let Some(forward) = asks(route) else { continue };
            if comes_back(forward, (listeners, services), &mut Vec::new()) {
                let at = KeyPath::default().key("listener").index(index).key("route").index(place);
                let name = &services[forward.service].name;
                let path = at.key("auth").key("forward").key("service");
                let mistake = self.mistake(
                    &path,
                    format!(
                        "`{name}` is reached through a listener of this file, where it is asked again, without end"
                    ),
                );
                self.report(mistake.help(format!(
                    "have the backends of `{name}` be the servers themselves, or take `auth` from the route for {}",
                    forward.target
                )));
            }
        }
    }
}

fn asks(route: &Route) -> Option<&Forward> {
    match route.auth.as_deref() {
        Some(Auth::Forward(forward)) => Some(forward),
        _ => None,
    }
}

/// Whether a question leads to one of a service that was asked before.
fn comes_back(forward: &Forward, all: (&[Listener], &[Service]), asked: &mut Vec<usize>) -> bool {
    if asked.contains(&forward.service) {
        return true;
    }
    asked.push(forward.service);
    let Some(service) = all.1.get(forward.service) else { return false };
    let mut next = service.backends.iter().filter_map(|backend| asked_at(backend, all.0, forward));
    let comes_back = next.any(|next| comes_back(next, all, asked));
    asked.pop();
    comes_back
}

/// Who is asked about the question itself, where its backend is a listener of this configuration.
fn asked_at<'c>(backend: &Backend, listeners: &'c [Listener], forward: &Forward) -> Option<&'c Forward> {
    let is_here =
        |listener: &&Listener| listener.protocol == ListenerProtocol::Http && leads_to(backend, &listener.bind);
    let listener = listeners.iter().find(is_here)?;
    let routes = listener.routes.iter().map(|route| (Conditions::clone(&route.when), route)).collect();
    let (path, headers) = (forward.target.path(), HeaderMap::new());
    let meaning = meaning::read(path);
    let lookup = Lookup {
        host: &backend.host,
        path: meaning.as_ref().map_or(path, |meaning| &meaning.compared),
        query: forward.target.query(),
        method: &Method::GET,
        headers: &headers,
    };
    Table::new(routes).find(&lookup).copied().and_then(asks)
}

/// Whether what connects to the backend comes to a listener that is bound to this.
fn leads_to(backend: &Backend, bind: &Address) -> bool {
    match (&backend.address, bind) {
        (Address::Tcp(to), Address::Tcp(bind)) => {
            to.port() == bind.port() && (to.ip() == bind.ip() || (bind.ip().is_unspecified() && to.ip().is_loopback()))
        }
        (to, bind) => to == bind,
    }
}
