//! single-page-application.md

use super::Recipe;
use super::support::{Origin, Response, wait_until};

/// Answers these paths with these bodies, and all others with 404.
fn site(pages: &'static [(&'static str, &'static str)]) -> Origin {
    Origin::script(move |conn| {
        while let Ok(request) = conn.request() {
            let page = pages.iter().find(|(path, _)| *path == request.target());
            let (status, body) = page.map_or(("404 Not Found", "nothing here\n"), |(_, body)| ("200 OK", body));
            conn.send(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        }
    })
}

fn is_the_page(answer: &Response) -> bool {
    answer.status == 200
        && answer.text().contains("<div id=\"app\">")
        && answer.field("cache-control") == Some("no-cache")
}

#[test]
fn every_path_that_is_neither_file_nor_api_is_the_page() {
    let files = site(&[("/assets/app.4f2a9c.js", "console.log(\"shop\");\n"), ("/favicon.ico", "icon")]);
    let (api, other) =
        (site(&[("/api/orders/17", "{\"order\":17}\n")]), site(&[("/api/orders/17", "{\"order\":17}\n")]));
    let mut recipe = Recipe::open("single-page-application");
    recipe.replace("10.0.0.21:8080", files.address());
    recipe.replace("10.0.0.11:8000", api.address());
    recipe.replace("10.0.0.12:8000", other.address());
    recipe.follow_all(&["Files", "Start it", "Try it"]);

    let mut browser = recipe.client(80);
    for path in ["/", "/orders/17", "/orders/17?tab=2", "/index.html/x", "/v1.2/notes", "/api"] {
        assert!(is_the_page(&browser.get(path)), "{path}");
    }
    let icon = browser.get("/favicon.ico");
    assert_eq!((icon.status, icon.text().as_str()), (200, "icon"));
    assert_eq!(browser.get("/assets/app.4f2a9c.js").text(), "console.log(\"shop\");\n");
    for path in ["/assets/app.gone.js", "/robots.txt", "/api/", "/api/nothing"] {
        let answer = browser.get(path);
        assert_eq!((answer.status, is_the_page(&answer)), (404, false), "{path}");
    }

    // a browser that has the page is told so, until there is another one
    let page = browser.get("/orders/17");
    let etag = page.field("etag").unwrap();
    let ask = format!("GET /orders/18 HTTP/1.1\r\nHost: shop.example.com\r\nIf-None-Match: {etag}\r\n\r\n");
    browser.send(&ask);
    assert_eq!(browser.response().status, 304);
    recipe.follow("Release a new version");
    wait_until("the new page is served", || {
        browser.send(&ask);
        browser.response().text().contains("81be07")
    });
}
