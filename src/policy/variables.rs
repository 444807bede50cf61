//! The variables that may stand in header values, redirects and answers, and where each of them is known.

/// A variable, written `${name}` in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// The address of who sent the request, behind trusted proxies too.
    ClientIp,
    /// The client's port. Empty where a trusted proxy speaks for somebody else.
    ClientPort,
    /// The host that the request is for, without its port.
    Host,
    /// The method.
    Method,
    /// The path as it was sent.
    Path,
    /// The query with its `?`; empty when there is none.
    Query,
    /// The id of the request; empty where the listener gives none.
    RequestId,
    /// `http` or `https`.
    Scheme,
    /// The wall clock's time, as RFC 3339 has it, in UTC.
    Time,
    /// The cipher suite of the client's TLS by OpenSSL's name; empty without TLS.
    TlsCipher,
    /// The name that the client asked for in TLS; empty when there is none.
    TlsSni,
    /// The version of the client's TLS; empty without TLS.
    TlsVersion,
    /// The listener's name.
    Listener,
    /// The conditions of the route that took the request, in words.
    Route,
    /// The service whose backends do the work; empty where none is asked.
    Service,
    /// The id of the backend that answered; empty where none did.
    Backend,
    /// The status of the answer, such as `502`.
    Status,
    /// What the status means in words, such as `Bad Gateway`; empty for one that has no name.
    Reason,
}

/// A place in the file where variables may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A value in `request_headers`.
    RequestHeader,
    /// A value in `response_headers`.
    ResponseHeader,
    /// `redirect.to`
    Redirect,
    /// `respond.body`
    Respond,
    /// `fallback.body` of a service.
    Fallback,
    /// A file of `error_pages` or of `maintenance`.
    ErrorPage,
}

impl Variable {
    /// All of them, in the order in which they are listed to people.
    pub const ALL: [Self; 18] = [
        Self::ClientIp,
        Self::ClientPort,
        Self::Host,
        Self::Method,
        Self::Path,
        Self::Query,
        Self::RequestId,
        Self::Scheme,
        Self::Time,
        Self::TlsCipher,
        Self::TlsSni,
        Self::TlsVersion,
        Self::Listener,
        Self::Route,
        Self::Service,
        Self::Backend,
        Self::Status,
        Self::Reason,
    ];

    /// What stands between the braces.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientIp => "client_ip",
            Self::ClientPort => "client_port",
            Self::Host => "host",
            Self::Method => "method",
            Self::Path => "path",
            Self::Query => "query",
            Self::RequestId => "request_id",
            Self::Scheme => "scheme",
            Self::Time => "time",
            Self::TlsCipher => "tls.cipher",
            Self::TlsSni => "tls.sni",
            Self::TlsVersion => "tls.version",
            Self::Listener => "listener",
            Self::Route => "route",
            Self::Service => "service",
            Self::Backend => "backend",
            Self::Status => "status",
            Self::Reason => "reason",
        }
    }

    /// The variable of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variable| variable.name() == name)
    }

    /// Why it is not known at this place; `None` = it is.
    pub fn unknown_at(self, place: Place) -> Option<&'static str> {
        match (self, place) {
            (Self::Status | Self::Reason, Place::ErrorPage) => None,
            (Self::Status | Self::Reason, _) => Some("it is for the files of `error_pages` and `maintenance`"),
            (Self::Backend, Place::RequestHeader) => Some(
                "the headers of a request are written before a backend is chosen, and another one may be asked again with them",
            ),
            (Self::Backend, Place::Fallback) => Some("the fallback is for requests that no backend has answered"),
            (Self::Backend | Self::Service, Place::Redirect | Place::Respond) => {
                Some("a request that is answered here goes to no service")
            }
            _ => None,
        }
    }

    /// Those that are known at this place.
    pub fn known_at(place: Place) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |variable| variable.unknown_at(place).is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name() {
        for variable in Variable::ALL {
            assert_eq!(Variable::named(variable.name()), Some(variable));
        }
        assert_eq!(Variable::named("client"), None);
    }

    #[test]
    fn a_backend_is_known_in_answers_only() {
        let knows = |place, wanted| Variable::known_at(place).any(|variable| variable == wanted);
        for place in [Place::RequestHeader, Place::Redirect, Place::Respond, Place::Fallback] {
            assert!(!knows(place, Variable::Backend) && knows(place, Variable::ClientIp), "{place:?}");
        }
        assert!(knows(Place::ResponseHeader, Variable::Backend));
        assert!(knows(Place::ErrorPage, Variable::Status) && !knows(Place::Fallback, Variable::Reason));
        assert!(knows(Place::RequestHeader, Variable::Service) && !knows(Place::Respond, Variable::Service));
    }
}
