//! What every request passes before its handler, or the answer that there is nothing, sees it. Nothing that is added to the routes
//! can be reached around it.
//!
//! 1. Probes pass.
//! 2. The name by which it is asked must be one of ours ([`hosts`](super::hosts)).
//! 3. Who asks must be known, where tokens are asked for: by one of them, or by the cookie of a session that began with one. Nobody
//!    learns without it what there is.
//! 4. What may change something (every method but GET and HEAD) must not come from another site's page in an operator's browser, and
//!    not from those who may only read. With a cookie it must come from our page: browsers send cookies of their own accord, but only
//!    what has read the page can repeat the secret that is in it.

use std::sync::Arc;

use axum::extract::{self, Request};
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};

use super::answer::{Answer, Problem};
use super::caller::{Caller, Peer};
use super::logins::Login;
use super::token::Shown;
use super::{Shared, login, probes};
use crate::clock::Moment;
use crate::policy::{Access, AdminToken};

/// Where a browser's request comes from (W3C Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a browser's page shows beside its cookie.
const X_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// Who asks, and how that is known.
struct Admitted {
    /// `None` = no token is asked for.
    token: Option<AdminToken>,
    /// It is the cookie of this session that tells.
    login: Option<Login>,
}

/// Passes a request on, with its [`Caller`], and its [`Login`] if that has told who asks; or refuses it.
pub(super) async fn guard(
    extract::State(shared): extract::State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Answer {
    if probes::PATHS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    match admit(&shared, &request, Moment::now()) {
        Ok(Admitted { token, login }) => {
            let caller = Caller::new(&Peer::of(request.extensions()), token.map(|token| token.name));
            request.extensions_mut().insert(caller);
            login.and_then(|login| request.extensions_mut().insert(login));
            next.run(request).await
        }
        Err(refused) => {
            let is_browser = request.uri().path() == "/" && login::wants_html(request.headers());
            let answer = refused.into_response();
            if is_browser && answer.status() == StatusCode::UNAUTHORIZED { login::page_for(answer, "") } else { answer }
        }
    }
}

fn admit(shared: &Shared, request: &Request, now: Moment) -> Result<Admitted, Problem> {
    shared.hosts.load().check(request)?;
    let (headers, path) = (request.headers(), request.uri().path());
    let admitted = match path {
        // whoever logs in has shown nothing yet
        login::LOGIN => Admitted { token: None, login: None },
        _ => known(shared, headers, now)?,
    };
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        may_change(headers, path, &admitted)?;
    }
    Ok(admitted)
}

/// Who asks: by the bearer token, or else by the cookie of a session whose token still is one.
fn known(shared: &Shared, headers: &HeaderMap, now: Moment) -> Result<Admitted, Problem> {
    let tokens = shared.tokens.load();
    let token = match tokens.shown_in(headers.get(AUTHORIZATION)) {
        _ if tokens.is_empty() => None,
        Shown::Token(token) => Some(token.clone()),
        Shown::Unknown => return Err(unauthorized(true)),
        Shown::Nothing => {
            let login = shared.logins().find(headers, now).cloned();
            let token = login.as_ref().and_then(|login| tokens.still(&login.token)).cloned();
            return match token {
                Some(_) => Ok(Admitted { token, login }),
                None => Err(unauthorized(headers.contains_key(AUTHORIZATION))),
            };
        }
    };
    Ok(Admitted { token, login: None })
}

/// Refuses what may change something to other sites' pages, and to those who may only read; who logs out changes nothing.
fn may_change(headers: &HeaderMap, path: &str, admitted: &Admitted) -> Result<(), Problem> {
    let forbidden = |detail: String| Err(Problem::new(StatusCode::FORBIDDEN, detail));
    if is_foreign(headers) {
        return forbidden("another site's page can't ask for this".to_owned());
    }
    if let Some(login) = &admitted.login {
        let shown = headers.get(X_CSRF_TOKEN).map(HeaderValue::as_bytes).unwrap_or_default();
        if !login.is_confirmed_by(shown) {
            let detail = "a session's cookie alone can't ask for this: X-CSRF-Token must hold what the page at / has in its csrf-token";
            return forbidden(detail.to_owned());
        }
    }
    match &admitted.token {
        Some(AdminToken { name, access: Access::Read, .. }) if path != login::LOGOUT => forbidden(format!(
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
    let detail = match shown {
        true => "the bearer token is not the right one",
        false => "this needs a bearer token, that of admin.token_file or one of admin.tokens; a browser logs in at /",
    };
    challenge(Problem::new(StatusCode::UNAUTHORIZED, detail), shown)
}

/// With what RFC 6750 (section 3) has in the head of such an answer.
pub(super) fn challenge(problem: Problem, shown: bool) -> Problem {
    let challenge = match shown {
        true => "Bearer realm=\"evenkeel\", error=\"invalid_token\"",
        false => "Bearer realm=\"evenkeel\"",
    };
    problem.field(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}
