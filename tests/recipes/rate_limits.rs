//! rate-limits.md

use super::Recipe;
use super::support::{Origin, wait_until};

#[test]
fn what_is_above_a_limit_is_refused_and_no_backend_hears_of_it() {
    let app = Origin::saying("Hello from the backend.\n");
    let mut recipe = Recipe::open("rate-limits");
    recipe.replace("10.0.0.11:8000", app.address());
    recipe.follow_all(&["Files", "Start it", "Try it"]);
    assert_eq!(app.targets(), [["/login"; 5].as_slice(), &["/"]].concat());

    // each key by itself: 20 at once, and one more in 0.6 s
    let mut client = recipe.client(80);
    let mut ask = |key: &str| {
        client.send(format!("GET /api/orders HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\n\r\n"));
        client.response().status
    };
    assert!((0..20).all(|_| ask("one") == 200));
    wait_until("the key has had its share", || ask("one") == 429);
    assert_eq!(ask("two"), 200);

    // a client that makes up a key for each request has its own limit all the same
    let mut keys = 0..;
    wait_until("the client has had its share", || {
        (0..200).any(|_| ask(&format!("made-up-{}", keys.next().unwrap())) == 429)
    });
}
