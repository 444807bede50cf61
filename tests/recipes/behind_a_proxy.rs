//! behind-a-proxy.md

use std::fs;

use super::Recipe;
use super::support::{Client, Origin, wait_until};

/// Who the proxy takes for the client that connects from `source` and sends this.
fn who(recipe: &Recipe, port: u16, source: &str, sends: &str) -> String {
    let mut client = Client::connect_from(source, recipe.address(port));
    client.send(sends);
    String::from_utf8(client.response().body).unwrap()
}

#[test]
fn the_client_is_whom_a_trusted_proxy_names_and_nobody_else() {
    let published = Origin::script(|conn| {
        while let Ok(request) = conn.request() {
            // as it is published: without an end of its last line
            let list =
                if request.target().ends_with('4') { "173.245.48.0/20\n103.21.244.0/22" } else { "2400:cb00::/32" };
            conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{list}", list.len()));
        }
    });
    let app = Origin::ok();
    let mut recipe = Recipe::open("behind-a-proxy");
    recipe.certificate("/etc/letsencrypt/live/example.com", "", &["example.com"]);
    recipe.replace("10.0.0.21:8000", app.address());
    recipe.replace("https://www.cloudflare.com", &format!("http://{}", published.address()));
    // the balancers' network, which this machine has to be in for a part of the test
    recipe.replace("10.0.0.0/16", "127.0.16.0/24");
    recipe.follow("Cloudflare's addresses");
    recipe.follow("Files");
    recipe.follow("Start it");
    let list = fs::read_to_string(recipe.path("cloudflare.txt")).unwrap();
    assert_eq!(list, "173.245.48.0/20\n103.21.244.0/22\n2400:cb00::/32\n");
    recipe.follow("Try it");
    assert!(recipe.stderr().contains("PROXY"), "a connection without a header is told: {}", recipe.stderr());

    // an HTTP balancer: its subnet is believed, and nobody else
    let told = "GET /whoami HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
    assert_eq!(who(&recipe, 8080, "127.0.16.5", told), "203.0.113.9\n");
    assert_eq!(who(&recipe, 8080, "127.0.17.5", told), "127.0.17.5\n");

    // a balancer of connections
    let header = "PROXY TCP4 203.0.113.7 10.0.0.5 4711 8443\r\nGET /whoami HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(who(&recipe, 8443, "127.0.16.5", header), "203.0.113.7\n");
    let mut stranger = Client::connect_from("127.0.17.5", recipe.address(8443));
    let _ = stranger.try_send(header);
    assert!(stranger.ends(), "who is not trusted is not even read");

    // what the application gets
    let told = "GET /page HTTP/1.1\r\nHost: a\r\nX-Real-IP: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\r\n";
    let seen = app.requests().len();
    let ask = |source: &str, port: u16, sends: &str| {
        let mut client = Client::connect_from(source, recipe.address(port));
        client.send(sends);
        assert_eq!(client.response().status, 200);
    };
    ask("127.0.16.5", 8080, told);
    ask("127.0.17.5", 8080, told);
    ask("127.0.16.5", 8443, "PROXY TCP4 203.0.113.7 10.0.0.5 4711 8443\r\nGET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    let fields: Vec<_> = app.requests()[seen..]
        .iter()
        .map(|request| {
            ["x-real-ip", "x-forwarded-for", "x-forwarded-proto"]
                .map(|name| request.field(name).unwrap_or("").to_owned())
        })
        .collect();
    assert_eq!(fields[0], ["203.0.113.9", "203.0.113.9, 127.0.16.5", "https"]);
    assert_eq!(fields[1], ["127.0.17.5", "127.0.17.5", "http"]);
    assert_eq!(fields[2], ["203.0.113.7", "203.0.113.7", "http"]);

    // a list that has changed is in force without a reload, and one with a mistake changes nothing
    let claim = |recipe: &Recipe| {
        let curl = "curl -s --interface 127.0.18.5 -H 'X-Forwarded-For: 203.0.113.9' https://example.com/whoami";
        recipe.run(curl)
    };
    assert_eq!(claim(&recipe), "127.0.18.5\n");
    let write = |text: &str| {
        fs::write(recipe.path("new"), text).unwrap();
        fs::rename(recipe.path("new"), recipe.path("cloudflare.txt")).unwrap();
    };
    write("127.0.18.0/24\n");
    wait_until("the new list is in force", || claim(&recipe) == "203.0.113.9\n");
    write("nonsense\n");
    wait_until("the mistake is told", || recipe.stderr().contains("`nonsense` is not a network"));
    assert_eq!(claim(&recipe), "203.0.113.9\n");
}
