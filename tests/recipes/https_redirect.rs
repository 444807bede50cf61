//! https-redirect.md

use super::Recipe;
use super::support::certs::Authority;
use super::support::{Client, Origin};

#[test]
fn everybody_is_led_to_https_and_stays_there() {
    let (first, second) = (Origin::saying("Hello from the backend.\n"), Origin::saying("Hello from the backend.\n"));
    let mut recipe = Recipe::open("https-redirect");
    recipe.certificate("/etc/letsencrypt/live", "example.com", &["example.com", "www.example.com"]);
    recipe.replace("10.0.0.11:8000", first.address());
    recipe.replace("10.0.0.12:8000", second.address());
    recipe.follow("Files");
    recipe.follow("Start it");
    recipe.follow("Try it");

    // whatever is asked for in clear is led to the same address over TLS, and no backend sees it
    let seen = first.requests().len() + second.requests().len();
    let mut clear = recipe.client(80);
    for (request, location) in [
        ("GET /a/b?c=d&e HTTP/1.1\r\nHost: example.com\r\n\r\n", "https://example.com/a/b?c=d&e"),
        ("GET / HTTP/1.1\r\nHost: www.example.com:80\r\n\r\n", "https://www.example.com/"),
        ("POST /form HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n\r\n", "https://example.com/form"),
    ] {
        clear.send(request);
        let answer = clear.response();
        assert_eq!((answer.status, answer.field("location")), (308, Some(location)));
        assert_eq!(answer.field("strict-transport-security"), None, "it counts over TLS only (RFC 6797, section 7.2)");
    }
    assert_eq!(first.requests().len() + second.requests().len(), seen);

    // what browsers keep is in every answer over TLS, also in one that no backend gives
    let trusting = Authority::shared().client(&["http/1.1"], None);
    let mut safe = Client::connect_tls(recipe.address(443), &trusting, "www.example.com").unwrap();
    safe.send("GET / HTTP/1.1\r\n\r\n");
    let answer = safe.response();
    assert_eq!((answer.status, answer.field("strict-transport-security")), (400, Some("max-age=31536000")));
}
