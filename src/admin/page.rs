//! `GET /`: the page for a browser, and `/assets/...`: its script and its style. They are built from `page/`, and are in the binary.

use std::sync::LazyLock;

use axum::Extension;
use axum::extract::Path;
use axum::response::IntoResponse as _;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use xxhash_rust::xxh3::xxh3_64;

use super::answer::{self, Answer, Problem};
use super::credentials::Credentials;
use crate::policy::Access;

const PAGE: &str = include_str!("assets/index.html");

/// What the page has in the place of the secret that it must show beside its cookie to change something. Without a login that is empty.
const CSRF: &str = "{csrf}";

/// What the page has in the place of what its reader may do: `act`, or `read` with a token that may only read.
const MAY: &str = "{may}";

/// The page loads nothing from anywhere else and stands in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file that the page loads. Like the page it is only for those who are let in: the page to log in on needs none.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
}

static ASSETS: [Asset; 2] = [
    Asset { name: "page.js", content_type: "text/javascript; charset=utf-8", text: include_str!("assets/page.js") },
    Asset { name: "page.css", content_type: "text/css; charset=utf-8", text: include_str!("assets/page.css") },
];

/// The entity tags of [`ASSETS`]: hashes, so that a browser asks for a file again only when another version of Evenkeel runs.
static TAGS: LazyLock<Vec<String>> =
    LazyLock::new(|| ASSETS.iter().map(|asset| format!("\"{:016x}\"", xxh3_64(asset.text.as_bytes()))).collect());

/// The page, with the secret of the login that asks, and what it may do.
pub(super) async fn page(Extension(credentials): Extension<Credentials>) -> Answer {
    let csrf = credentials.login.as_ref().map_or("", |login| login.csrf());
    let may = credentials.token.as_ref().map_or(Access::Write, |token| token.access);
    let may = if may == Access::Read { "read" } else { "act" };
    let mut answer = answer::text("text/html; charset=utf-8", PAGE.replacen(CSRF, csrf, 1).replacen(MAY, may, 1));
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    answer
}

/// `GET /assets/NAME`
pub(super) async fn asset(
    name: Result<Path<String>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
) -> Answer {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let Some((asset, tag)) = ASSETS.iter().zip(TAGS.iter()).find(|(asset, _)| asset.name == name) else {
        return Problem::not_found(format!("there is nothing at /assets/{}", name.escape_debug())).into_response();
    };
    let mut answer = match is_known(&headers, tag) {
        true => {
            let mut answer = answer::text(asset.content_type, "");
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            answer
        }
        false => answer::text(asset.content_type, asset.text),
    };
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer.headers_mut().extend(HeaderValue::from_str(tag).ok().map(|tag| (ETAG, tag)));
    answer
}

/// Whether the client has the version with this tag (RFC 9110, section 13.1.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','));
    known.map(|known| known.trim().trim_start_matches("W/")).any(|known| known == tag || known == "*")
}

#[cfg(test)]
mod tests {
    use http::Method;
    use http::header::CONTENT_TYPE;
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::admin::routes::tests::{ask, shared};

    #[tokio::test]
    async fn the_files_of_the_page_come_once_and_then_only_when_they_have_changed() {
        let shared = shared(None);
        for (name, content_type) in
            [("page.js", "text/javascript; charset=utf-8"), ("page.css", "text/css; charset=utf-8")]
        {
            let path = format!("/assets/{name}");
            let first = ask(&shared, Method::GET, &path, HeaderMap::new()).await;
            assert_eq!(
                (first.status(), &first.headers()[CONTENT_TYPE]),
                (StatusCode::OK, &HeaderValue::from_static(content_type))
            );
            assert_eq!(first.headers()[CACHE_CONTROL], "no-cache");
            let tag = first.headers()[ETAG].clone();
            assert!(!first.into_body().collect().await.unwrap().to_bytes().is_empty());
            for (known, status) in [(tag.clone(), 304), (HeaderValue::from_static("\"another\""), 200)] {
                let again = ask(&shared, Method::GET, &path, HeaderMap::from_iter([(IF_NONE_MATCH, known)])).await;
                assert_eq!((again.status().as_u16(), &again.headers()[ETAG]), (status, &tag));
                assert_eq!(again.into_body().collect().await.unwrap().to_bytes().is_empty(), status == 304);
            }
        }
        for unknown in ["/assets/index.html", "/assets/x", "/assets/", "/assets/%ff"] {
            assert_eq!(ask(&shared, Method::GET, unknown, HeaderMap::new()).await.status(), 404, "{unknown}");
        }
    }

    #[tokio::test]
    async fn the_page_needs_no_file_of_others_and_says_so_to_the_browser() {
        let page = ask(&shared(None), Method::GET, "/", HeaderMap::new()).await;
        assert!(
            page.headers()[CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap()
                .starts_with("default-src 'none'; script-src 'self';")
        );
        assert_eq!(page.headers()[CACHE_CONTROL], "no-store", "the secret is in it");
        assert!(PAGE.contains("<meta name=\"csrf\" content=\"{csrf}\">"));
        assert!(PAGE.contains("<meta name=\"may\" content=\"{may}\">"));
        assert!(ASSETS.iter().all(|asset| PAGE.contains(&format!("/assets/{}", asset.name))));
    }

    #[tokio::test]
    async fn the_files_of_the_page_are_only_for_those_who_are_let_in() {
        assert_eq!(ask(&shared(Some("s3cret")), Method::GET, "/assets/page.js", HeaderMap::new()).await.status(), 401);
    }
}
