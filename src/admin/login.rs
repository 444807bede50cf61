//! `POST /login` and `POST /logout`: a browser, which can't send a bearer token of its own accord, shows one once and gets a cookie.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract;
use axum::response::IntoResponse as _;
use http::header::{ACCEPT, CONTENT_SECURITY_POLICY, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, StatusCode};

use super::answer::{self, Answer, Problem};
use super::body::WholeBody;
use super::caller::Peer;
use super::logins::{COOKIE_NAME, LIFE, Random};
use super::{Shared, guard};
use crate::clock::Moment;
use crate::policy::AdminToken;

/// Where a browser logs in: open to those who have shown no token yet.
pub(super) const LOGIN: &str = "/login";
/// Where it logs out.
pub(super) const LOGOUT: &str = "/logout";

const PAGE: &str = include_str!("login.html");

/// Where the page says what went wrong.
const MESSAGE: &str = "{message}";

/// The page has no script, loads nothing, and its form goes to where it came from.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// `POST /login` with `token=...`: a session begins, and the browser is sent to the page.
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
    match open(&shared, peer.address.ip(), secret.as_bytes(), Moment::now()) {
        Ok(id) => {
            let mut answer = answer::text("text/plain; charset=utf-8", "logged in\n");
            *answer.status_mut() = StatusCode::SEE_OTHER;
            answer.headers_mut().insert(LOCATION, HeaderValue::from_static("/"));
            set_cookie(&mut answer, &peer, &id, LIFE.as_secs());
            answer
        }
        Err(refused) => {
            let problem = refused.problem().into_response();
            if wants_html(&headers) { page_for(problem, &refused.detail()) } else { problem }
        }
    }
}

/// `POST /logout`: the session ends. Whoever has none has nothing to end.
pub(super) async fn logout(
    extract::State(shared): extract::State<Arc<Shared>>,
    peer: Peer,
    headers: HeaderMap,
) -> Answer {
    shared.logins().close(&headers);
    let mut answer = answer::text("text/plain; charset=utf-8", "");
    *answer.status_mut() = StatusCode::NO_CONTENT;
    set_cookie(&mut answer, &peer, "", 0);
    answer
}

/// Why no session begins.
#[derive(Debug)]
enum LoginError {
    /// The token is none of ours.
    Unknown,
    /// There were too many attempts: again in so many seconds.
    TooMany(u64),
    /// The kernel has no random bytes.
    NoRandom,
}

fn open(shared: &Shared, from: IpAddr, secret: &[u8], now: Moment) -> Result<String, LoginError> {
    let mut throttle = shared.throttle();
    throttle.may_try(from, now).map_err(|wait| LoginError::TooMany(wait.as_secs() + 1))?;
    let tokens = shared.tokens.load();
    let Some(token) = tokens.with_secret(secret) else {
        throttle.failed(from, now);
        tracing::warn!(from = %from.to_canonical(), "admin: a login failed: no token is the one that was given");
        return Err(LoginError::Unknown);
    };
    let random = random().ok_or(LoginError::NoRandom)?;
    tracing::info!(token = &*token.name, from = %from.to_canonical(), "admin: logged in");
    Ok(shared.logins().open(AdminToken::clone(token), random, now))
}

fn random() -> Option<[Random; 2]> {
    let mut random = [Random::default(); 2];
    random.iter_mut().try_for_each(|random| aws_lc_rs::rand::fill(random)).ok().map(|()| random)
}

/// Gives the browser the cookie; with no time it forgets it. Scripts can't read it, and no other site's page has it sent.
fn set_cookie(answer: &mut Answer, peer: &Peer, value: &str, seconds: u64) {
    let secure = if peer.tls { "; Secure" } else { "" };
    let cookie = format!("{COOKIE_NAME}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
}

impl LoginError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unknown => StatusCode::UNAUTHORIZED,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoRandom => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Unknown => "This is not a token of this admin address.".to_owned(),
            Self::TooMany(seconds) => format!("Too many attempts. The next one can be made in {seconds} s."),
            Self::NoRandom => "No session can begin now.".to_owned(),
        }
    }

    fn problem(&self) -> Problem {
        let problem = match self {
            Self::Unknown => guard::challenge(Problem::new(self.status(), self.detail()), true),
            _ => Problem::new(self.status(), self.detail()),
        };
        match self {
            Self::TooMany(seconds) => problem.field(RETRY_AFTER, *seconds),
            _ => problem,
        }
    }
}

/// Whether a browser asks, to show the answer to somebody.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|field| field.to_str().ok());
    accepted.flat_map(|field| field.split(',')).any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim();
        range.eq_ignore_ascii_case("text/html")
    })
}

/// The page on which to log in, in the place of a problem: its status and its head stay.
pub(super) fn page_for(problem: Answer, message: &str) -> Answer {
    let (mut head, _) = problem.into_parts();
    let (page, body) = answer::text("text/html; charset=utf-8", PAGE.replace(MESSAGE, message)).into_parts();
    page.headers.iter().for_each(|(name, value)| _ = head.headers.insert(name, value.clone()));
    head.headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Answer::from_parts(head, body)
}
