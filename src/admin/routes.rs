//! Which answer a request gets.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::answer::{self, Answer};
use super::backends::{self, Command};
use super::pick::Question;
use super::{Phase, State, status};
use crate::endpoint::Endpoint;

const PAGE: &str = include_str!("page.html");

/// The page loads nothing from anywhere and stands in nobody's frame.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Where a browser's request comes from (W3C Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A request, read whole.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Bytes,
}

/// What there is.
#[derive(Debug, PartialEq, Eq)]
enum Resource<'a> {
    Health,
    Ready,
    Page,
    Metrics,
    Status,
    Config,
    Pick,
    Heartbeat,
    /// Of a service, by name.
    Backend(Cow<'a, str>, Cow<'a, str>),
    Command(Cow<'a, str>, Cow<'a, str>, Command),
}

impl<'a> Resource<'a> {
    fn at(path: &'a str) -> Option<Self> {
        Some(match path {
            "/healthz" => Self::Health,
            "/readyz" => Self::Ready,
            "/" => Self::Page,
            "/metrics" => Self::Metrics,
            "/api/v1/status" => Self::Status,
            "/api/v1/config" => Self::Config,
            "/api/v1/pick" => Self::Pick,
            "/api/v1/heartbeat" => Self::Heartbeat,
            path => {
                let parts: Vec<&str> = path.strip_prefix("/api/v1/services/")?.split('/').collect();
                let name = |part: &'a str| percent_decode_str(part).decode_utf8_lossy();
                match parts[..] {
                    [service, "backends", backend] => Self::Backend(name(service), name(backend)),
                    [service, "backends", backend, command] => {
                        Self::Command(name(service), name(backend), Command::named(command)?)
                    }
                    _ => return None,
                }
            }
        })
    }

    /// The methods that it takes.
    fn methods(&self) -> &'static str {
        match self {
            Self::Backend(..) => "PUT",
            Self::Command(..) | Self::Heartbeat => "POST",
            _ => "GET, HEAD",
        }
    }
}

/// The answer. That of a HEAD is cut off behind its head by hyper.
pub(super) fn answer(state: &State, ask: &Ask<'_>) -> Answer {
    let path = ask.uri.path();
    let found = Resource::at(path);
    // nobody learns without the token what there is
    let open = matches!(found, Some(Resource::Health | Resource::Ready));
    if let Some(refused) = guard(state, ask.headers).filter(|_| !open) {
        return refused;
    }
    let Some(found) = found else {
        return answer::problem(StatusCode::NOT_FOUND, &format!("there is nothing at {path}"), &[]);
    };
    let methods = found.methods();
    if !methods.split(", ").any(|method| method == ask.method.as_str()) {
        return not_allowed(path, ask.method, methods);
    }
    if methods != "GET, HEAD"
        && let Some(refused) = foreign(ask.headers)
    {
        return refused;
    }
    match found {
        Resource::Health => answer::text("text/plain; charset=utf-8", "ok\n"),
        Resource::Ready => ready(state),
        Resource::Page => {
            answer::with(answer::text("text/html; charset=utf-8", PAGE), CONTENT_SECURITY_POLICY, PAGE_POLICY)
        }
        Resource::Metrics => answer::text("text/plain; version=0.0.4; charset=utf-8", status::metrics(state)),
        Resource::Status => answer::json(&status::status(state)),
        Resource::Config => answer::json(&(state.effective.borrow())()),
        Resource::Pick => pick(state, ask.uri.query().unwrap_or_default()),
        Resource::Heartbeat => match backends::heartbeat(state, &ask.body) {
            Ok(done) => answer::json(&done),
            Err((status, detail)) => answer::problem(status, &detail, &[]),
        },
        Resource::Command(service, backend, command) => match endpoint(state, &service, &backend) {
            Ok(endpoint) => answer::json(&command.run(state, &endpoint)),
            Err(missing) => *missing,
        },
        Resource::Backend(service, backend) => match endpoint(state, &service, &backend) {
            Ok(endpoint) => match backends::set_weight(state, &endpoint, &ask.body) {
                Ok(done) => answer::json(&done),
                Err(detail) => answer::problem(StatusCode::BAD_REQUEST, &detail, &[]),
            },
            Err(missing) => *missing,
        },
    }
}

fn pick(state: &State, query: &str) -> Answer {
    let bad = |detail: String| answer::problem(StatusCode::BAD_REQUEST, &detail, &[]);
    let question = match Question::parse(query) {
        Ok(question) => question,
        Err(detail) => return bad(detail),
    };
    let name = match question.service() {
        Ok(name) => name,
        Err(detail) => return bad(detail),
    };
    match state.store.load().services.iter().find(|service| &*service.name == name) {
        Some(service) => answer::json(&question.answer(service)),
        None => no_service(name),
    }
}

fn no_service(name: &str) -> Answer {
    answer::problem(StatusCode::NOT_FOUND, &format!("there is no service {name:?}"), &[])
}

/// The backend with this id, or the answer that there is none.
fn endpoint(state: &State, service: &str, backend: &str) -> Result<Arc<Endpoint>, Box<Answer>> {
    let snapshot = state.store.load();
    let Some(found) = snapshot.services.iter().find(|s| &*s.name == service) else {
        return Err(Box::new(no_service(service)));
    };
    let endpoint = found.endpoints.iter().find(|endpoint| &*endpoint.id == backend);
    endpoint.cloned().ok_or_else(|| {
        let detail = format!("the service {service:?} has no backend {backend:?}");
        Box::new(answer::problem(StatusCode::NOT_FOUND, &detail, &[]))
    })
}

/// The answer to whoever does not show the token, where one is asked for.
pub(super) fn guard(state: &State, headers: &HeaderMap) -> Option<Answer> {
    let token = state.token.borrow();
    let refused = token.as_ref().is_some_and(|token| !token.is_in(headers.get(AUTHORIZATION)));
    refused.then(|| unauthorized(headers.contains_key(AUTHORIZATION)))
}

/// The answer to a page of somebody else's, in an operator's browser, which must not be able to change anything.
pub(super) fn foreign(headers: &HeaderMap) -> Option<Answer> {
    let refused = match headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes()) {
        Some(site) => !matches!(site, b"same-origin" | b"none"),
        // browsers leave it out where the address is no secure context, and old ones do not know it
        None => headers.get(ORIGIN).is_some_and(|origin| !is_own(origin.as_bytes(), headers)),
    };
    refused.then(|| answer::problem(StatusCode::FORBIDDEN, "another site's page can't ask for this", &[]))
}

/// Whether an `Origin` is the place that was asked.
fn is_own(origin: &[u8], headers: &HeaderMap) -> bool {
    let authority = memchr::memmem::find(origin, b"://").map(|at| &origin[at + 3..]);
    let host = headers.get(HOST).map(|host| host.as_bytes());
    matches!((authority, host), (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host))
}

/// The answer to a method that `path` does not have.
pub(super) fn not_allowed(path: &str, method: &Method, allowed: &'static str) -> Answer {
    let detail = format!("{path} can't be asked to {method}");
    answer::with(answer::problem(StatusCode::METHOD_NOT_ALLOWED, &detail, &[]), ALLOW, allowed)
}

fn ready(state: &State) -> Answer {
    let reason = match state.phase.get() {
        Phase::Ready if !state.monitor.is_checked() => "checking: not every backend was checked for the first time",
        Phase::Ready => return answer::json(&json!({ "ready": true })),
        Phase::Starting => "starting: not every listener is bound",
        Phase::Draining => "draining: no new connections are accepted",
    };
    answer::problem(StatusCode::SERVICE_UNAVAILABLE, "not ready", &[("reasons", json!([reason]))])
}

fn unauthorized(shown: bool) -> Answer {
    let (detail, challenge) = match shown {
        true => ("the bearer token is not the right one", "Bearer realm=\"evenkeel\", error=\"invalid_token\""),
        false => ("this needs the bearer token of admin.token_file", "Bearer realm=\"evenkeel\""),
    };
    answer::with(answer::problem(StatusCode::UNAUTHORIZED, detail, &[]), WWW_AUTHENTICATE, challenge)
}

#[cfg(test)]
pub(super) mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use http::HeaderValue;
    use http::header::CONTENT_TYPE;

    use super::*;
    use crate::admin::Sources;
    use crate::health::monitor::Monitor;
    use crate::metrics::Registry;
    use crate::snapshot::{Snapshot, Store};

    pub(in crate::admin) fn state(token: Option<&str>) -> State {
        State::new(Sources {
            monitor: Monitor::new(1, Arc::default(), Arc::new(|_, _| Ok(()))),
            store: Arc::new(Store::new(Snapshot {
                generation: 7,
                listeners: Vec::new(),
                services: Vec::new(),
                tells_of_clients: false,
            })),
            registry: Registry::new(1),
            listeners: Vec::new(),
            effective: Rc::new(|| json!({ "log": { "level": "info" } })),
            token: token.map(str::to_owned),
            reload: tokio::sync::mpsc::channel(1).0,
        })
    }

    fn ask(state: &State, method: &Method, path: &str, headers: &HeaderMap) -> Answer {
        let uri = path.parse().unwrap_or_default();
        answer(state, &Ask { method, uri: &uri, headers, body: Bytes::new() })
    }

    fn get(state: &State, path: &str) -> Answer {
        ask(state, &Method::GET, path, &HeaderMap::new())
    }

    #[test]
    fn what_there_is_answers_and_nothing_else_does() {
        let state = state(None);
        for path in ["/", "/healthz", "/metrics", "/api/v1/status", "/api/v1/config"] {
            assert_eq!(get(&state, path).status(), 200, "{path}");
            let head = ask(&state, &Method::HEAD, path, &HeaderMap::new());
            assert_eq!(head.status(), 200, "{path}");
            let post = ask(&state, &Method::POST, path, &HeaderMap::new());
            assert_eq!((post.status().as_u16(), &post.headers()[ALLOW]), (405, &HeaderValue::from_static("GET, HEAD")));
        }
        for path in ["/api", "/api/v1/status/", "/metrics2", "/api/v1/services/a", "/api/v1/services/a/backends/b/x"] {
            let answer = get(&state, path);
            assert_eq!(answer.status(), 404, "{path}");
            assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
        }
    }

    #[test]
    fn ready_only_between_the_start_and_the_drain() {
        let state = state(None);
        let mut seen = Vec::new();
        for phase in [Phase::Starting, Phase::Ready, Phase::Draining] {
            state.enter(phase);
            seen.push(get(&state, "/readyz").status().as_u16());
        }
        assert_eq!(seen, [503, 200, 503]);
    }

    #[test]
    fn a_token_guards_all_but_the_probes() {
        let state = state(Some("s3cret"));
        state.enter(Phase::Ready);
        for path in ["/", "/metrics", "/api/v1/status", "/api/v1/config", "/nothing"] {
            let refused = get(&state, path);
            assert_eq!(refused.status(), 401, "{path}");
            assert!(refused.headers().contains_key(WWW_AUTHENTICATE));
        }
        assert_eq!(get(&state, "/healthz").status(), 200);
        assert_eq!(get(&state, "/readyz").status(), 200);
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"))]);
        assert_eq!(ask(&state, &Method::GET, "/api/v1/status", &headers).status(), 200);
        assert_eq!(ask(&state, &Method::GET, "/nothing", &headers).status(), 404);
    }
    #[test]
    fn what_changes_something_is_not_for_other_sites_pages() {
        let state = state(None);
        let path = "/api/v1/services/a/backends/b/drain";
        assert_eq!(ask(&state, &Method::POST, path, &HeaderMap::new()).status(), 404, "there is no such service");
        let from = |site| HeaderMap::from_iter([(SEC_FETCH_SITE, HeaderValue::from_static(site))]);
        assert_eq!(ask(&state, &Method::POST, path, &from("cross-site")).status(), 403);
        assert_eq!(ask(&state, &Method::POST, path, &from("same-origin")).status(), 404);
        assert_eq!(ask(&state, &Method::GET, path, &from("same-origin")).status(), 405);
    }

    #[test]
    fn without_fetch_metadata_it_is_the_origin_that_tells_another_sites_page() {
        let state = state(None);
        let path = "/api/v1/services/a/backends/b/drain";
        let from = |origin| {
            let origin = (ORIGIN, HeaderValue::from_static(origin));
            HeaderMap::from_iter([(HOST, HeaderValue::from_static("127.0.0.1:9900")), origin])
        };
        for foreign in ["http://evil.example", "http://127.0.0.1:8080", "http://127.0.0.1", "null", ""] {
            assert_eq!(ask(&state, &Method::POST, path, &from(foreign)).status(), 403, "{foreign}");
        }
        assert_eq!(ask(&state, &Method::POST, path, &from("http://127.0.0.1:9900")).status(), 404);
    }

    #[test]
    fn names_in_paths_are_decoded() {
        let found = Resource::at("/api/v1/services/a%20b/backends/unix:%2Frun%2Fx/enable");
        assert_eq!(found, Some(Resource::Command("a b".into(), "unix:/run/x".into(), Command::Enable)));
    }
}
