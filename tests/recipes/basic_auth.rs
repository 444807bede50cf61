//! basic-auth.md

use super::Recipe;
use super::support::certs::Authority;
use super::support::{Client, Origin, Response, wait_until};

/// `user:password` of the two users, in base64.
const ALICE: &str = "YWxpY2U6Y29ycmVjdCBob3JzZQ==";
const BOB: &str = "Ym9iOmFub3RoZXIgb25l";

#[test]
fn only_users_come_in_and_only_from_the_networks() {
    let app = Origin::saying("Hello from the backend.\n");
    let mut recipe = Recipe::open("basic-auth");
    recipe.certificate("/etc/letsencrypt/live", "example.com", &["example.com"]);
    recipe.replace("10.0.0.11:8000", app.address());
    recipe.follow("Files");
    recipe.follow("Start it");
    let trusting = Authority::shared().client(&["http/1.1"], None);
    let ask = |recipe: &Recipe, path: &str, password: &str| -> Response {
        let mut client = Client::connect_tls(recipe.address(443), &trusting, "example.com").unwrap();
        let authorization =
            if password.is_empty() { String::new() } else { format!("Authorization: Basic {password}\r\n") };
        client.send(format!("GET {path} HTTP/1.1\r\nHost: example.com\r\nX-Remote-User: root\r\n{authorization}\r\n"));
        client.response()
    };
    for path in ["/admin", "/admin/", "/%61dmin/users", "//admin", "/x/../admin/users", "/administrator"] {
        assert_eq!(ask(&recipe, path, "").status, 401, "{path}");
        assert_eq!(ask(&recipe, path, "YWxpY2U6d3Jvbmc=").status, 401, "{path}");
    }
    assert!(app.requests().is_empty(), "no backend hears of them");

    assert_eq!(ask(&recipe, "/admin/users", ALICE).status, 200);
    let request = app.request();
    assert_eq!((request.field("x-remote-user"), request.field("authorization")), (Some("alice"), None));
    assert_eq!(ask(&recipe, "/", "").status, 200);
    assert_eq!(
        app.requests()[1].field("x-remote-user"),
        None,
        "what a client says of itself is dropped on every route"
    );

    recipe.follow("Try it");
    wait_until("alice does not come in any more", || ask(&recipe, "/admin", ALICE).status == 401);
    assert_eq!(ask(&recipe, "/admin", BOB).status, 200);

    std::fs::write(recipe.path("office.txt"), "192.0.2.0/24\n").unwrap();
    wait_until("this network is no longer one of them", || ask(&recipe, "/admin", BOB).status == 403);
    assert_eq!(ask(&recipe, "/", "").status, 200);
}
