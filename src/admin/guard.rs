//! The checks that every request passes before its handler, or the 404 of an unknown path. No route can be reached without them.
//!
//! 1. Probes pass.
//! 2. The name by which it is asked must be one of ours ([`hosts`](super::hosts)).
//! 3. Who asks must be known, where tokens are asked for: by one of them, or by the cookie of a login that began with one. Nobody
//!    learns without it what there is.
//! 4. What may change something (every method but GET and HEAD) must not come from another site's page in an operator's browser, and
//!    not from those who may only read. With a cookie it must come from our page: browsers send cookies of their own accord, but only
//!    what has read the page can repeat the secret that is in it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{self, Request};
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN};
use http::{HeaderMap, Method, StatusCode};

use super::answer::{Answer, Problem};
use super::caller::{Caller, Peer};
use super::credentials::Credentials;
use super::token::Shown;
use super::{Shared, login, probes};
use crate::clock::Moment;
use crate::policy::{Access, AdminToken};

/// The field that says which site a browser's request comes from (W3C Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The field with the secret that a browser's page shows beside its cookie.
const X_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// Passes a request on, with its [`Caller`] and its [`Credentials`]; or refuses it.
pub(super) async fn guard(
    extract::State(shared): extract::State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Answer {
    if probes::PATHS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let peer = Peer::of(request.extensions());
    match admit(&shared, &request, peer.address.ip(), Moment::now()) {
        Ok(credentials) => {
            let token = credentials.token.as_ref().map(|token| Arc::clone(&token.name));
            request.extensions_mut().insert(Caller::new(&peer, token));
            request.extensions_mut().insert(credentials);
            next.run(request).await
        }
        Err(refused) => {
            let is_browser = request.uri().path() == "/" && login::wants_html(request.headers());
            let answer = refused.into_response();
            if is_browser && answer.status() == StatusCode::UNAUTHORIZED { login::page_for(answer, "") } else { answer }
        }
    }
}

fn admit(shared: &Shared, request: &Request, from: IpAddr, now: Moment) -> Result<Credentials, Problem> {
    shared.hosts.load().check(request)?;
    let (headers, path) = (request.headers(), request.uri().path());
    let credentials = match path {
        // whoever logs in has shown nothing yet
        login::LOGIN => Credentials::default(),
        _ => credentials(shared, headers, from, now)?,
    };
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        may_change(headers, path, &credentials)?;
    }
    Ok(credentials)
}

/// By what a request is let in: the bearer token, or else the cookie of a login whose token still is one.
fn credentials(shared: &Shared, headers: &HeaderMap, from: IpAddr, now: Moment) -> Result<Credentials, Problem> {
    let tokens = shared.tokens.load();
    let shown = match tokens.shown_in(headers.get(AUTHORIZATION)) {
        _ if tokens.is_empty() => return Ok(Credentials::default()),
        Shown::Token(token) => Some(token),
        Shown::Unknown => None,
        Shown::Nothing => {
            let login = shared.logins().find(headers, now).cloned();
            let token = login.as_ref().and_then(|login| tokens.still(&login.token)).cloned();
            return match token {
                Some(_) => Ok(Credentials { token, login }),
                None => Err(unauthorized(headers.contains_key(AUTHORIZATION))),
            };
        }
    };
    match shared.bearer_guesses().check(from, shown, now) {
        Ok(token) => Ok(Credentials { token: Some(token.clone()), login: None }),
        Err(denied) => Err(denied.refuse(from, "a request was refused: its bearer token is not one of ours")),
    }
}

/// Refuses what may change something to other sites' pages, and to those who may only read; who logs out changes nothing.
fn may_change(headers: &HeaderMap, path: &str, credentials: &Credentials) -> Result<(), Problem> {
    let forbidden = |detail: String| Err(Problem::new(StatusCode::FORBIDDEN, detail));
    if is_foreign(headers) {
        return forbidden("another site's page can't ask for this".to_owned());
    }
    if let Some(login) = &credentials.login {
        let shown = headers.get(X_CSRF_TOKEN).map(HeaderValue::as_bytes).unwrap_or_default();
        if !login.is_confirmed_by(shown) {
            let detail = "a session's cookie alone can't ask for this: X-CSRF-Token must hold what the page at / has as its `csrf`";
            return forbidden(detail.to_owned());
        }
    }
    match &credentials.token {
        Some(AdminToken { name, access: Access::Read, .. }) if path != login::LOGOUT => forbidden(format!(
            "the token {name:?} may only read (GET and HEAD): this needs one with access = \"write\" in admin.tokens, or that of \
             admin.token_file"
        )),
        _ => Ok(()),
    }
}

/// Whether a request comes from the page of another site.
fn is_foreign(headers: &HeaderMap) -> bool {
    match headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes()) {
        Some(site) => !matches!(site, b"same-origin" | b"none"),
        // browsers leave it out where the address is no secure context, and old ones do not know it
        None => headers.get(ORIGIN).is_some_and(|origin| !is_own(origin.as_bytes(), headers)),
    }
}

/// Whether an `Origin` is the address that was asked.
fn is_own(origin: &[u8], headers: &HeaderMap) -> bool {
    let authority = memchr::memmem::find(origin, b"://").map(|at| &origin[at + 3..]);
    let host = headers.get(HOST).map(|host| host.as_bytes());
    matches!((authority, host), (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host))
}

fn unauthorized(has_shown: bool) -> Problem {
    match has_shown {
        true => Problem::unauthorized("this needs a bearer token, and not another scheme of authorization", true),
        false => Problem::unauthorized(
            "this needs a bearer token, that of admin.token_file or one of admin.tokens; a browser logs in at /",
            false,
        ),
    }
}
