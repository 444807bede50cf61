//! `GET /`: the page for a browser.

use axum::Extension;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};

use super::answer::{self, Answer};
use super::credentials::Credentials;

const PAGE: &str = include_str!("page.html");

/// What the page has in the place of the secret that it must show beside its cookie to change something. Without a login that is empty.
const CSRF: &str = "{csrf}";

/// The page loads nothing from anywhere and stands in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page, with the secret of the login that asks.
pub(super) async fn page(Extension(credentials): Extension<Credentials>) -> Answer {
    let csrf = credentials.login.as_ref().map_or("", |login| login.csrf());
    let mut answer = answer::text("text/html; charset=utf-8", PAGE.replacen(CSRF, csrf, 1));
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    answer
}
