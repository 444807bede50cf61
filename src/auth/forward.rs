//! Another service says who may come in ("forward auth"): how it is asked, and what its answer means.

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName};
use http::{StatusCode, Uri};

use crate::error::Kind;

/// A service that says who may come in.
#[derive(Debug)]
pub struct Forward {
    /// The service, by its place in the configuration.
    pub service: usize,
    /// What it is asked for: a path, maybe with a query.
    pub target: Uri,
    /// How long it has for its answer, with all attempts.
    pub timeout: Duration,
    /// The fields of a request that it gets.
    pub request_headers: Box<[HeaderName]>,
    /// The fields of its consent that the request has from then on.
    pub response_headers: Box<[HeaderName]>,
    /// The fields of its consent that the client's answer gets.
    pub client_headers: Box<[HeaderName]>,
}

/// What the service has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The client may come in.
    Yes,
    /// It may not, and gets the answer of the service. The exchange has failed by this kind.
    No(Kind),
    /// Nothing that could be understood: the client must not come in.
    Unclear,
}

impl Forward {
    /// The fields that only the service writes: what clients send under these names is dropped. Not so what clients say of themselves: the service may look
    /// at that, and backends of other routes may want it.
    pub fn own_fields(&self) -> impl Iterator<Item = &HeaderName> {
        self.response_headers.iter().filter(|name| **name != header::AUTHORIZATION)
    }

    /// Takes what the service says of the client into the fields of its request, in place of what they say.
    pub fn tell_backend(&self, consent: &HeaderMap, request: &mut HeaderMap) {
        for name in &self.response_headers {
            request.remove(name);
            consent.get_all(name).iter().for_each(|value| _ = request.append(name, value.clone()));
        }
    }

    /// What the service tells the client; `None` = nothing.
    pub fn told_to_client(&self, consent: &HeaderMap) -> Option<HeaderMap> {
        let values = |name| consent.get_all(name).iter().map(move |value| (HeaderName::clone(name), value.clone()));
        let mut told = HeaderMap::new();
        for (name, value) in self.client_headers.iter().flat_map(values) {
            told.append(name, value);
        }
        (!told.is_empty()).then_some(told)
    }
}

/// What an answer with this status and these fields means. A redirect is a no: it leads to a page where the client can log in.
pub fn verdict(status: StatusCode, headers: &HeaderMap) -> Verdict {
    match status {
        status if status.is_success() => Verdict::Yes,
        StatusCode::FORBIDDEN => Verdict::No(Kind::Denied),
        StatusCode::UNAUTHORIZED => Verdict::No(Kind::Unauthenticated),
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT
            if headers.contains_key(header::LOCATION) =>
        {
            Verdict::No(Kind::Unauthenticated)
        }
        _ => Verdict::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut all = HeaderMap::new();
        for (name, value) in fields {
            all.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        all
    }

    fn forward() -> Forward {
        let names = |names: &[&'static str]| names.iter().map(|name| HeaderName::from_static(name)).collect();
        Forward {
            service: 0,
            target: Uri::from_static("/check"),
            timeout: Duration::from_secs(1),
            request_headers: names(&["cookie"]),
            response_headers: names(&["x-user", "authorization"]),
            client_headers: names(&["set-cookie"]),
        }
    }

    #[test]
    fn only_a_status_of_success_lets_anybody_in() {
        let (none, location) = (HeaderMap::new(), fields(&[("location", "/login")]));
        for status in (100..1000).map(|status| StatusCode::from_u16(status).unwrap()) {
            let expected = match status.as_u16() {
                200..=299 => Verdict::Yes,
                401 => Verdict::No(Kind::Unauthenticated),
                403 => Verdict::No(Kind::Denied),
                _ => Verdict::Unclear,
            };
            assert_eq!(verdict(status, &none), expected, "{status}");
            let is_redirect = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
            let expected = if is_redirect { Verdict::No(Kind::Unauthenticated) } else { expected };
            assert_eq!(verdict(status, &location), expected, "{status}");
        }
    }

    #[test]
    fn what_the_service_says_replaces_what_the_client_says_even_where_it_says_nothing() {
        let mut request =
            fields(&[("x-user", "root"), ("x-user", "root"), ("authorization", "mine"), ("x-other", "1")]);
        forward().tell_backend(&fields(&[("x-user", "ann"), ("x-user", "ben"), ("x-more", "1")]), &mut request);
        assert_eq!(request, fields(&[("x-user", "ann"), ("x-user", "ben"), ("x-other", "1")]));
        let own: Vec<_> = forward().own_fields().cloned().collect();
        assert_eq!(own, [HeaderName::from_static("x-user")]);
    }

    #[test]
    fn the_client_is_told_what_the_configuration_names() {
        let consent = fields(&[("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-user", "ann")]);
        assert_eq!(forward().told_to_client(&consent), Some(fields(&[("set-cookie", "a=1"), ("set-cookie", "b=2")])));
        assert_eq!(forward().told_to_client(&fields(&[("x-user", "ann")])), None);
    }
}
