//! Which answer a request gets.

use http::header::{ALLOW, AUTHORIZATION, CONTENT_SECURITY_POLICY, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::answer::{self, Answer};
use super::{Phase, State, status};

const PAGE: &str = include_str!("page.html");

/// The page loads nothing from anywhere and stands in nobody's frame.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The answer. That of a HEAD is cut off behind its head by hyper.
pub(super) fn answer(state: &State, method: &Method, path: &str, headers: &HeaderMap) -> Answer {
    // nobody learns without the token what there is
    let open = matches!(path, "/healthz" | "/readyz");
    if let Some(refused) = guard(state, headers).filter(|_| !open) {
        return refused;
    }
    let found: Option<fn(&State) -> Answer> = match path {
        "/healthz" => Some(|_| answer::text("text/plain; charset=utf-8", "ok\n")),
        "/readyz" => Some(ready),
        "/" => {
            Some(|_| answer::with(answer::text("text/html; charset=utf-8", PAGE), CONTENT_SECURITY_POLICY, PAGE_POLICY))
        }
        "/metrics" => Some(|state| answer::text("text/plain; version=0.0.4; charset=utf-8", status::metrics(state))),
        "/api/v1/status" => Some(|state| answer::json(&status::status(state))),
        "/api/v1/config" => Some(|state| answer::json(&state.effective.borrow())),
        _ => None,
    };
    match found {
        None => answer::problem(StatusCode::NOT_FOUND, &format!("there is nothing at {path}"), &[]),
        Some(_) if !matches!(*method, Method::GET | Method::HEAD) => not_allowed(path, method, "GET, HEAD"),
        Some(found) => found(state),
    }
}

/// The answer to whoever does not show the token, where one is asked for.
pub(super) fn guard(state: &State, headers: &HeaderMap) -> Option<Answer> {
    let token = state.token.borrow();
    let refused = token.as_ref().is_some_and(|token| !token.is_in(headers.get(AUTHORIZATION)));
    refused.then(|| unauthorized(headers.contains_key(AUTHORIZATION)))
}

/// The answer to a method that `path` does not have.
pub(super) fn not_allowed(path: &str, method: &Method, allowed: &'static str) -> Answer {
    let detail = format!("{path} can't be asked to {method}");
    answer::with(answer::problem(StatusCode::METHOD_NOT_ALLOWED, &detail, &[]), ALLOW, allowed)
}

fn ready(state: &State) -> Answer {
    let reason = match state.phase.get() {
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
mod tests {
    use std::sync::Arc;

    use http::HeaderValue;
    use http::header::CONTENT_TYPE;

    use super::*;
    use crate::admin::Sources;
    use crate::metrics::Registry;
    use crate::snapshot::{Snapshot, Store};

    fn state(token: Option<&str>) -> State {
        State::new(Sources {
            store: Arc::new(Store::new(Snapshot { generation: 7, listeners: Vec::new(), services: Vec::new() })),
            registry: Registry::new(1),
            listeners: Vec::new(),
            effective: std::rc::Rc::new(json!({ "log": { "level": "info" } })),
            token: token.map(str::to_owned),
            reload: tokio::sync::mpsc::channel(1).0,
        })
    }

    fn get(state: &State, path: &str) -> Answer {
        answer(state, &Method::GET, path, &HeaderMap::new())
    }

    #[test]
    fn what_there_is_answers_and_nothing_else_does() {
        let state = state(None);
        for path in ["/", "/healthz", "/metrics", "/api/v1/status", "/api/v1/config"] {
            assert_eq!(get(&state, path).status(), 200, "{path}");
            let head = answer(&state, &Method::HEAD, path, &HeaderMap::new());
            assert_eq!(head.status(), 200, "{path}");
            let post = answer(&state, &Method::POST, path, &HeaderMap::new());
            assert_eq!((post.status().as_u16(), &post.headers()[ALLOW]), (405, &HeaderValue::from_static("GET, HEAD")));
        }
        for path in ["/api", "/api/v1/status/", "/metrics2", ""] {
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
        assert_eq!(answer(&state, &Method::GET, "/api/v1/status", &headers).status(), 200);
        assert_eq!(answer(&state, &Method::GET, "/nothing", &headers).status(), 404);
    }
}
