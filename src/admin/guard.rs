//! What every request passes before its handler, or the answer that there is nothing, sees it. Nothing that is added to the routes
//! can be reached around it.
//!
//! 1. Probes pass.
//! 2. The name by which it is asked must be one of ours ([`hosts`](super::hosts)).
//! 3. Who asks must be known: by a token, where one is asked for. Nobody learns without it what there is.
//! 4. What may change something (every method but GET and HEAD) must not come from another site's page in an operator's browser, and
//!    not with a token that may only read.

use std::sync::Arc;

use axum::extract::{self, Request};
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};

use super::answer::{Answer, Problem};
use super::caller::{Caller, Peer};
use super::token::Shown;
use super::{State, probes};
use crate::policy::{Access, AdminToken};

/// Where a browser's request comes from (W3C Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Passes a request on, with its [`Caller`], or refuses it.
pub(super) async fn guard(
    extract::State(state): extract::State<Arc<State>>,
    mut request: Request,
    next: Next,
) -> Answer {
    if probes::PATHS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    match admit(&state, &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) => refused.into_response(),
    }
}

fn admit(state: &State, request: &Request) -> Result<Caller, Problem> {
    state.hosts.load().check(request)?;
    let headers = request.headers();
    let tokens = state.tokens.load();
    let token = match tokens.shown_in(headers.get(AUTHORIZATION)) {
        _ if tokens.is_empty() => None,
        Shown::Token(token) => Some(token),
        Shown::Nothing | Shown::Unknown => return Err(unauthorized(headers.contains_key(AUTHORIZATION))),
    };
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        may_change(headers, token)?;
    }
    let peer = Peer::of(request.extensions());
    Ok(Caller::new(&peer, token.map(|token| Arc::clone(&token.name))))
}

/// Refuses what may change something to those who may only read, and to other sites' pages.
fn may_change(headers: &HeaderMap, token: Option<&AdminToken>) -> Result<(), Problem> {
    let forbidden = |detail: String| Err(Problem::new(StatusCode::FORBIDDEN, detail));
    if is_foreign(headers) {
        return forbidden("another site's page can't ask for this".to_owned());
    }
    match token {
        Some(AdminToken { name, access: Access::Read, .. }) => forbidden(format!(
            "the token {name:?} may only read (GET and HEAD): this needs one with access = \"write\" in admin.tokens, or that of \
             admin.token_file"
        )),
        _ => Ok(()),
    }
}

/// Whether this comes from a page of somebody else's.
fn is_foreign(headers: &HeaderMap) -> bool {
    match headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes()) {
        Some(site) => !matches!(site, b"same-origin" | b"none"),
        // browsers leave it out where the address is no secure context, and old ones do not know it
        None => headers.get(ORIGIN).is_some_and(|origin| !is_own(origin.as_bytes(), headers)),
    }
}

/// Whether an `Origin` is the place that was asked.
fn is_own(origin: &[u8], headers: &HeaderMap) -> bool {
    let authority = memchr::memmem::find(origin, b"://").map(|at| &origin[at + 3..]);
    let host = headers.get(HOST).map(|host| host.as_bytes());
    matches!((authority, host), (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host))
}

fn unauthorized(shown: bool) -> Problem {
    let (detail, challenge) = match shown {
        true => ("the bearer token is not the right one", "Bearer realm=\"evenkeel\", error=\"invalid_token\""),
        false => {
            ("this needs a bearer token: that of admin.token_file, or one of admin.tokens", "Bearer realm=\"evenkeel\"")
        }
    };
    Problem::new(StatusCode::UNAUTHORIZED, detail).field(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}
