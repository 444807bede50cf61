//! `POST /login` and `POST /logout`. A browser does not send a bearer token by itself, so it shows one once and gets a cookie for it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract;
use axum::response::IntoResponse as _;
use http::header::{ACCEPT, CONTENT_SECURITY_POLICY, HeaderValue, LOCATION, SET_COOKIE};
use http::{HeaderMap, StatusCode};

use super::Shared;
use super::answer::{self, Answer, Problem};
use super::body::WholeBody;
use super::caller::Peer;
use super::logins::{COOKIE_NAME, LIFE, Random};
use crate::clock::Moment;
use crate::policy::AdminToken;

/// The path of the login. It is open to those who have shown no token yet.
pub(super) const LOGIN: &str = "/login";
/// The path of the logout.
pub(super) const LOGOUT: &str = "/logout";

const PAGE: &str = include_str!("login.html");

/// What the page has in the place of the message about a login that failed.
const MESSAGE: &str = "{message}";

/// The page has no script, loads nothing, and its form goes to where it came from.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// `POST /login` with `token=...`: the browser gets a cookie, and is sent to the page at `/`.
pub(super) async fn login(
    extract::State(shared): extract::State<Arc<Shared>>,
    peer: Peer,
    headers: HeaderMap,
    WholeBody(body): WholeBody,
) -> Answer {
    if shared.tokens.load().is_empty() {
        return Problem::not_found("there is nothing to log in for: no token is asked for here").into_response();
    }
    let given = form_urlencoded::parse(&body).find(|(name, _)| name == "token");
    let secret = given.map(|(_, value)| value.trim().to_owned()).unwrap_or_default();
    match log_in(&shared, peer.address.ip(), secret.as_bytes(), Moment::now()) {
        Ok(id) => {
            let mut answer = answer::text("text/plain; charset=utf-8", "logged in\n");
            *answer.status_mut() = StatusCode::SEE_OTHER;
            answer.headers_mut().insert(LOCATION, HeaderValue::from_static("/"));
            set_cookie(&mut answer, &peer, &id, LIFE.as_secs());
            answer
        }
        Err(problem) if wants_html(&headers) => {
            let message = problem.detail().to_owned();
            page_for(problem.into_response(), &message)
        }
        Err(problem) => problem.into_response(),
    }
}

/// `POST /logout`: the login ends, and with it the streams of events that it has opened.
pub(super) async fn logout(
    extract::State(shared): extract::State<Arc<Shared>>,
    peer: Peer,
    headers: HeaderMap,
) -> Answer {
    shared.logins().close(&headers);
    shared.access_changed.send_replace(());
    let mut answer = answer::text("text/plain; charset=utf-8", "");
    *answer.status_mut() = StatusCode::NO_CONTENT;
    set_cookie(&mut answer, &peer, "", 0);
    answer
}

/// Begins a login, and gives back what its cookie holds.
fn log_in(shared: &Shared, from: IpAddr, secret: &[u8], now: Moment) -> Result<String, Problem> {
    let tokens = shared.tokens.load();
    let token = shared.login_guesses().check(from, tokens.with_secret(secret), now);
    let token = token.map_err(|denied| denied.refuse(from, "a login failed: no token is the one that was given"))?;
    let no_random = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The system has no random numbers for a login.");
    let random = random().ok_or_else(no_random)?;
    tracing::info!(token = &*token.name, from = %from.to_canonical(), "admin: logged in");
    let id = shared.logins().open(AdminToken::clone(token), random, now);
    // where there are too many logins, the oldest one has ended
    shared.access_changed.send_replace(());
    Ok(id)
}

fn random() -> Option<[Random; 2]> {
    let mut random = [Random::default(); 2];
    random.iter_mut().try_for_each(|random| aws_lc_rs::rand::fill(random)).ok().map(|()| random)
}

/// Gives the browser the cookie; with 0 seconds the browser forgets it. No script can read it, and a page of another site does not have
/// it sent.
fn set_cookie(answer: &mut Answer, peer: &Peer, value: &str, seconds: u64) {
    let secure = if peer.tls { "; Secure" } else { "" };
    let cookie = format!("{COOKIE_NAME}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
}

/// Whether a browser asks, which shows the answer to somebody.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|field| field.to_str().ok());
    accepted.flat_map(|field| field.split(',')).any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim();
        range.eq_ignore_ascii_case("text/html")
    })
}

/// The answer of a problem with the page to log in on as its body. The status and the head stay those of the problem.
pub(super) fn page_for(problem: Answer, message: &str) -> Answer {
    let (mut head, _) = problem.into_parts();
    let (page, body) = answer::text("text/html; charset=utf-8", PAGE.replace(MESSAGE, message)).into_parts();
    page.headers.iter().for_each(|(name, value)| _ = head.headers.insert(name, value.clone()));
    head.headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Answer::from_parts(head, body)
}
