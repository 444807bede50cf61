//! `GET /`: the page for a browser.

use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};

use super::answer::{self, Answer};

const PAGE: &str = include_str!("page.html");

/// The page loads nothing from anywhere and stands in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page.
pub(super) async fn page() -> Answer {
    let mut answer = answer::text("text/html; charset=utf-8", PAGE);
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    answer
}
